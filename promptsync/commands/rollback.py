"""``promptsync rollback``: move a label back to an earlier version, or to the texts of a commit."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

from promptsync.commands.shared.action import plan_options
from promptsync.commands.shared.groups import option
from promptsync.commands.shared.labels import Chosen, change_labels, chosen_labels
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.labels.plan import find_target, plan_rollback_to_commit, plan_rollbacks
from promptsync.project.project import Project
from promptsync.project.target import At, version_number
from promptsync.project.versions import check_changeable
from promptsync.prompt.labels import is_own
from promptsync.show.outcome import Outcome, bodies


@verb("rollback")
@click.argument("names", nargs=-1, metavar="[NAME[@N]]...")
@option("--label", "LABEL", "The label to move back (default: the only one in labels:, or else of NAME).")
@option(
    "--to --version to",
    "VERSION|REF",
    "Where to move it: a version such as 3, or the versions of a git commit such as HEAD~1.",
)
@plan_options
def command(session: Session, names: tuple[str, ...], label: str | None, to: str | None) -> Outcome:
    """Undo a release: move LABEL to LABEL.previous, the version that was live before.

    NAME is a name, a pattern, a file or a directory; a pattern means the prompts that have LABEL. All labels
    move, or none.

    With --to COMMIT, LABEL moves back to that commit's versions; without NAME, on every prompt that has
    LABEL. Prompts that the commit does not have are skipped and listed.

    \b
    promptsync rollback support/refund
    promptsync rollback support/refund --label prod --to 3
    promptsync rollback --label prod --to HEAD~1 --dry-run
    """
    with session.project() as project:
        number = version_number(to) if to is not None else None
        if number == 0:
            raise UsageError(f"--to {to} is not the number of a version, such as 7")
        given, label = label, label or _only_label(session, project, names)
        target = find_target(project, to) if to is not None and number is None else None
        if not names and target is None:
            raise _no_names(label, to)
        chosen = chosen_labels(project, names, At(number), having=label)
        movable = _movable(chosen)
        if given is None and target is None and movable and label not in movable:
            raise _no_label(session, movable, movable)
        elsewhere = next((at for _, at in chosen if at.at.label is not None or (target and at.at)), None)
        if elsewhere is not None:
            words = ["promptsync", "rollback", elsewhere.name, "--label", label, "--to", to or "N"]
            what = f"{elsewhere.name} is specified at {elsewhere.at}"
            raise UsageError(f"{what}; --label takes the label, --to the target", hint=shlex.join(words))
        if target is None:
            plan = plan_rollbacks(project, [(prompt, at.at.number) for prompt, at in chosen], label)
        else:
            prompts = [prompt for prompt, _ in chosen]
            # Before versions are read.
            check_changeable(project, ((prompt.listed.template_id, prompt.listed.name) for prompt in prompts))
            plan = plan_rollback_to_commit(project, prompts, label, target)
        outcome = change_labels(session, project, plan)
    commit = target.id if target is not None else None
    skipped = bodies(plan.skipped, "name label version reason")
    return outcome.replaced(body={**outcome.body, "skipped": skipped, "commit": commit})


def _only_label(session: Session, project: Project, names: Sequence[str]) -> str:
    """Return the only label of ``labels:``, or without that the only one of the named prompts."""
    known = {*project.config.labels.values()}
    chosen = chosen_labels(project, names) if names and len(known) != 1 else []
    known = known or {label for prompt, _ in chosen for label in prompt.labels if is_own(label)}
    if len(known) == 1:
        return known.pop()
    raise _no_label(session, sorted(known), [label for label in _movable(chosen) if label in known])


def _movable(chosen: Sequence[Chosen]) -> list[str]:
    """Return the labels of prompts that a rollback can move: to a version before, or to a specified one."""
    there = ((prompt, at, label) for prompt, at in chosen for label in prompt.labels if is_own(label))
    return sorted({label for prompt, at, label in there if at.at.number or prompt.position(label).way_back})


def _no_label(session: Session, known: Sequence[str], movable: Sequence[str]) -> UsageError:
    what = f"specify the label: {' or '.join(known)}" if known else "specify the label with --label"
    hints = [session.command(f"--label={label}") for label in (movable or known or ["LABEL"])[:2]]
    return UsageError(what, hint="\n".join(hints), code="no-label")


def _no_names(label: str, to: str | None) -> UsageError:
    """Return the error for a rollback that specifies neither prompts nor a commit."""
    name, option = "promptsync rollback NAME", f"--label {shlex.quote(label)}"
    if to is None:
        hint = f"{name} {option}\npromptsync rollback {option} --to HEAD~1"
        return UsageError("name the prompts, or pass --to COMMIT", hint=hint)
    hint = f"{name} {option} --to {to}\nfor a tag or a branch: --to tags/{to} or --to heads/{to}"
    return UsageError(f"--to {to} is a version, so name the prompts to roll back", hint=hint)

"""``promptsync rollback``: move a label back to an earlier version, or to the texts of a commit."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import click

from promptsync.commands.shared.labels import change_labels, changing_options, chosen_labels
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.labels.plan import LabelPlan
from promptsync.labels.rollback import find_target, plan_rollback_to_commit, plan_rollbacks
from promptsync.project.pointers import Labelled, check_changeable, labelled
from promptsync.project.project import Project
from promptsync.project.target import LATEST, At, version_number
from promptsync.prompt.labels import is_own
from promptsync.show.labels import skipped_body
from promptsync.show.outcome import Outcome

_BLANK: dict[str, Any] = {"labels": [], "skipped": [], "commit": None}


@verb("rollback", short_help="Move a label back to an earlier version.", blank=_BLANK)
@click.argument("names", nargs=-1, metavar="[NAME[@N]]...")
@click.option("--label", metavar="LABEL", help="The label to move back; default: the only one of labels:.")
@click.option(
    "--to",
    "--version",
    "to",
    metavar="VERSION|REF",
    help="Move it to a version, such as 3, or to the texts of a git commit, such as HEAD~1.",
)
@changing_options
def command(
    session: Session, names: tuple[str, ...], label: str | None, to: str | None, **how: Any
) -> Outcome:
    """Undo a release: move LABEL to LABEL.previous, the version that was live before.

    NAME is a name, a pattern, a file or a directory; a pattern means the prompts that have LABEL. All labels
    move, or none.

    With --to and a git commit, LABEL moves to the versions with the texts of that commit; without NAME, on
    every prompt that has LABEL. A prompt without such a version is skipped and listed.

    \b
    promptsync rollback support/refund
    promptsync rollback support/refund --label prod --to 3
    promptsync rollback --label prod --to HEAD~1 --dry-run
    """
    with session.project() as project:
        number = version_number(to) if to is not None else None
        if number == 0:
            raise UsageError(f"--to {to} is not the number of a version, such as 7")
        label, commit = label or _only_label(session, project, names), None
        if to is not None and number is None:
            plan, commit = _plan_to_commit(session, project, names, label, to)
        elif names:
            plan = _plan_to_version(session, project, names, label, to)
        else:
            raise _no_names(label, to)
        outcome = change_labels(session, project, plan, **how)
    return outcome.replaced(body={**outcome.body, "skipped": skipped_body(plan), "commit": commit})


def _only_label(session: Session, project: Project, names: Sequence[str]) -> str:
    """Return the only label of ``labels:``, or without that the only one in the registry.

    Where the registry cannot list all labels, it is the only one of the named prompts.
    """
    known = {*project.config.labels.values()}
    if not known:
        labels = project.registry.labels.all()
        names_there = {label.name for label in labels or ()}
        if labels is None and names:
            prompts = chosen_labels(project, names)
            names_there = {label for prompt, _ in prompts for label in prompt.labels}
        known = set(filter(is_own, names_there))
    if len(known) == 1:
        return known.pop()
    named = f"specify the label: {' or '.join(sorted(known))}" if known else "specify the label with --label"
    label = shlex.quote(min(known)) if known else "LABEL"
    raise UsageError(named, hint=f"promptsync rollback NAME --label {label}", code="no-label")


def _plan_to_version(
    session: Session, project: Project, names: Sequence[str], label: str, to: str | None
) -> LabelPlan:
    chosen = chosen_labels(project, names, At(version_number(to) if to is not None else None))
    if any(choice.at.label is not None for _, choice in chosen):
        raise UsageError("specify the label with --label", hint="promptsync rollback NAME --label prod")
    having = [
        (prompt, choice.at.number) for prompt, choice in chosen if choice.is_exact or label in prompt.labels
    ]
    changes = plan_rollbacks(project, having, label)
    if not changes:
        raise UsageError(f"none of these prompts has the label {label!r}", hint="promptsync label list")
    return LabelPlan(changes)


def _plan_to_commit(
    session: Session, project: Project, names: Sequence[str], label: str, ref: str
) -> tuple[LabelPlan, str]:
    """Return the plan and the full id of the commit."""
    target = find_target(project, ref)
    prompts: list[Labelled] = []
    if not names:
        prompts = [prompt for prompt in labelled(project) if label in prompt.labels]
    for prompt, choice in chosen_labels(project, names) if names else ():
        if choice.at != LATEST:
            raise UsageError(
                f"{prompt.listed.name} is specified at {choice.at} and by --to at {ref}",
                hint=f"promptsync rollback {shlex.quote(prompt.listed.name)} --label {shlex.quote(label)} "
                f"--to {shlex.quote(ref)}",
            )
        if choice.is_exact or label in prompt.labels:
            prompts.append(prompt)
    if not prompts:
        of = "none of these prompts" if names else "no prompt in scope"
        raise UsageError(f"{of} has the label {label!r}", hint="promptsync label list")
    check_changeable(project, prompts[0].listed)  # before versions are read
    return plan_rollback_to_commit(project, prompts, label, target), target.id


def _no_names(label: str, to: str | None) -> UsageError:
    """Return the error for a rollback that specifies neither prompts nor a commit."""
    name, option = "promptsync rollback NAME", f"--label {shlex.quote(label)}"
    if to is None:
        return UsageError(
            "specify the prompts, or with --to the commit to go back to",
            hint=f"{name} {option}\npromptsync rollback {option} --to HEAD~1",
        )
    return UsageError(
        f"--to {to} is a version; specify the prompts that go back to it",
        hint=f"{name} {option} --to {to}\nfor a tag or a branch: --to tags/{to} or --to heads/{to}",
    )

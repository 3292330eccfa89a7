"""``promptsync label``, ``promote`` and ``rollback``: what moves release labels."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from msgspec import structs

from promptsync.commands.shared.action import carry_out, plan_options
from promptsync.commands.shared.options import version_options
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.errors import Refused, UsageError
from promptsync.labels.move import apply_labels
from promptsync.labels.plan import (
    LabelChange,
    LabelPlan,
    check_unused,
    existing,
    find_target,
    plan_moves,
    plan_rollback_to_commit,
    plan_rollbacks,
)
from promptsync.project import versions
from promptsync.project.plan import workspace_of
from promptsync.project.project import Project
from promptsync.project.target import LATEST, At, PromptAt, check_exact, resolve, version_number
from promptsync.prompt.labels import check_label, is_own
from promptsync.show import labels as show_labels
from promptsync.show.outcome import Outcome, bodies

if TYPE_CHECKING:
    from promptsync.checks.verdicts import Verdict


skip_checks_option = click.option(
    "--skip-checks", is_flag=True, help="Also move it to a version that has not passed its checks."
)


@verb_group("label")
def command() -> None:
    """Release labels such as prod point at versions; your application requests a version by its label.

    promptsync reads each change back to confirm it. LABEL.previous points at the version that was live
    before, for promptsync rollback.

    \b
    promptsync label list --label prod
    promptsync label set support/refund staging
    promptsync label move support/refund@7 prod
    """


@verb("list", parent=command, short_help="List where labels point.")
@click.argument("names", nargs=-1, metavar="[NAME[:LABEL]]...")
@click.option("--label", metavar="LABEL", help="List only LABEL.")
def list_command(session: Session, names: tuple[str, ...], label: str | None) -> Outcome:
    """List the labels of the named prompts, or of all in scope.

    Labels that promptsync keeps for a rollback, such as prod.previous, are listed with -v or by name.

    \b
    promptsync label list
    promptsync label list 'support/*' -v
    """
    with session.project() as project:
        if names:
            chosen = chosen_labels(project, names)
            shown = [(prompt, choice.at.label or label) for prompt, choice in chosen]
        else:
            # With -v everything is read, prompt by prompt where the registry has no list of all labels.
            governed = () if session.verbose else project.config.labels.values()
            only = governed if label is None else (label,)
            shown = [(prompt, label) for prompt in versions.labelled(project, only=tuple(only))]
            if label is None and governed and not project.registry.labels.may_list_all:
                session.say(
                    f"{project.registry.url} cannot list all labels, so only those in labels: are listed; "
                    "-v lists all"
                )
    rows = [
        (prompt, name) for prompt, only in shown for name in sorted(prompt.labels) if only in (None, name)
    ]
    outcome = show_labels.show_labels(rows, with_previous=session.verbose > 0 or label is not None)
    if not outcome.lines:
        session.say("no labels" if label is None else f"no prompt has the label {label}")
    return outcome


@verb("set", parent=command, short_help="Create a label.")
@click.argument("name", metavar="NAME[@N|:LABEL]")
@click.argument("target", metavar="LABEL")
@version_options
@skip_checks_option
@plan_options
def set_command(session: Session, name: str, target: str, at: At, skip_checks: bool) -> Outcome:
    """Create LABEL on a prompt, or on all that match a pattern or are in a directory.

    It points at the specified version, by default the latest. To move an existing label, use promptsync
    label move.

    \b
    promptsync label set support/refund staging --version 7
    promptsync label set 'support/*' staging
    """
    check_label(target)
    with session.project() as project:
        moves = numbered(project, chosen_labels(project, [name], at))
        plan = plan_moves(project, moves, target, creates=True)
        return change_labels(session, project, plan, skip_checks=skip_checks)


@verb("move", parent=command, short_help="Move a label to another version.")
@click.argument("name", metavar="NAME[@N|:LABEL]")
@click.argument("target", metavar="LABEL")
@version_options
@click.option("--force", is_flag=True, help="Also move it to a lower version.")
@skip_checks_option
@plan_options
def move_command(session: Session, name: str, target: str, at: At, force: bool, skip_checks: bool) -> Outcome:
    """Move LABEL to another version, on a prompt or on all that match a pattern or are in a directory.

    It moves to the specified version, by default the latest. To move it to a lower version, use promptsync
    rollback. --force needs an exact name.

    \b
    promptsync label move support/refund prod --version 7
    promptsync label move support/refund:staging prod
    """
    with session.project() as project:
        if force:
            check_exact(project, [name], "--force")
        chosen = chosen_labels(project, [name], at, having=target)
        for prompt, _ in chosen:
            existing(prompt, target)
        plan = plan_moves(project, numbered(project, chosen), target, force=force)
        return change_labels(session, project, plan, skip_checks=skip_checks)


@verb("delete", parent=command, short_help="Delete a label.")
@click.argument("name")
@click.argument("label")
@click.option("--force", is_flag=True, help="Delete it even if prompts refer to a snippet by it.")
@plan_options
def delete_command(session: Session, name: str, label: str, force: bool) -> Outcome:
    """Delete LABEL from a prompt, with those that promptsync keeps for it, such as LABEL.previous.

    Applications that request it get nothing afterwards. NAME must be exact.

    \b
    promptsync label delete support/refund staging
    """
    with session.project() as project:
        check_exact(project, [name], "label delete")
        ((prompt, _),) = chosen_labels(project, [name])
        change = LabelChange(
            prompt.listed.name, prompt.listed.template_id, label, existing(prompt, label), None
        )
        if not force:
            check_unused(project, prompt.listed, label)
        return change_labels(session, project, LabelPlan((change,)))


# -- promote and rollback -----------------------------------------------------------------------------------


@verb("promote")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--force", is_flag=True, help="Also move TO of the named prompts to a lower version.")
@skip_checks_option
@plan_options
def promote(
    session: Session, source: str, target: str, names: tuple[str, ...], force: bool, skip_checks: bool
) -> Outcome:
    """Point the label TO at the version that FROM points at, for every prompt in scope that has FROM.

    All labels move, or none: TO never moves to a lower version, and if one cannot move, for example
    because it needs an approval, the others move back. --force needs exact names.

    \b
    promptsync promote staging prod
    promptsync promote staging prod 'support/*' --dry-run
    """
    check_label(target)
    if source == target:
        raise UsageError(f"{source!r} is both FROM and TO", hint="promptsync promote staging prod")
    with session.project() as project:
        if force:
            check_exact(project, names, "--force")
        chosen = chosen_labels(project, names, having=source)
        for _, choice in chosen:
            if choice.at != LATEST:
                move = f"promptsync label move {shlex.join([f'{choice.name}@N', target])}"
                raise UsageError(f"{source!r} is the version that {target!r} moves to", hint=move)
        moves = [(prompt, existing(prompt, source)) for prompt, _ in chosen]
        plan = plan_moves(project, moves, target, force=force)
        return change_labels(session, project, plan, skip_checks=skip_checks)


@verb("rollback")
@click.argument("names", nargs=-1, metavar="[NAME[@N]]...")
@click.option("--label", metavar="LABEL", help="The label to move back (default: the only one in labels:).")
@click.option(
    "--to",
    "--version",
    "to",
    metavar="VERSION|REF",
    help="Where to move it: a version such as 3, or the versions of a git commit such as HEAD~1.",
)
@plan_options
def rollback(session: Session, names: tuple[str, ...], label: str | None, to: str | None) -> Outcome:
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
        label = label or _only_label(session, project, names)
        target = find_target(project, to) if to is not None and number is None else None
        if not names and target is None:
            raise _no_names(label, to)
        chosen = chosen_labels(project, names, At(number), having=label)
        elsewhere = next((at for _, at in chosen if at.at.label is not None or (target and at.at)), None)
        if elsewhere is not None:
            raise UsageError(
                f"{elsewhere.name} is specified at {elsewhere.at}; --label takes the label, --to the target",
                hint=shlex.join(
                    ["promptsync", "rollback", elsewhere.name, "--label", label, "--to", to or "N"]
                ),
            )
        if target is None:
            plan = plan_rollbacks(project, [(prompt, at.at.number) for prompt, at in chosen], label)
        else:
            # Before versions are read.
            versions.check_changeable(
                project, ((prompt.listed.template_id, prompt.listed.name) for prompt, _ in chosen)
            )
            plan = plan_rollback_to_commit(project, [prompt for prompt, _ in chosen], label, target)
        outcome = change_labels(session, project, plan)
    commit = target.id if target is not None else None
    skipped = bodies(plan.skipped, "name label version reason")
    return outcome.replaced(body={**outcome.body, "skipped": skipped, "commit": commit})


def _only_label(session: Session, project: Project, names: Sequence[str]) -> str:
    """Return the only label of ``labels:``, or without that the only one of the named prompts."""
    known = sorted({*project.config.labels.values()})
    if names and not known:
        labels = {label for prompt, _ in chosen_labels(project, names) for label in prompt.labels}
        known = sorted(filter(is_own, labels))
    if len(known) == 1:
        return known[0]
    raise UsageError(
        f"specify the label: {' or '.join(known)}" if known else "specify the label with --label",
        hint=session.command(f"--label={known[0] if known else 'LABEL'}"),
        code="no-label",
    )


def _no_names(label: str, to: str | None) -> UsageError:
    """Return the error for a rollback that specifies neither prompts nor a commit."""
    name, option = "promptsync rollback NAME", f"--label {shlex.quote(label)}"
    if to is None:
        return UsageError(
            "name the prompts, or pass --to COMMIT",
            hint=f"{name} {option}\npromptsync rollback {option} --to HEAD~1",
        )
    return UsageError(
        f"--to {to} is a version, so name the prompts to roll back",
        hint=f"{name} {option} --to {to}\nfor a tag or a branch: --to tags/{to} or --to heads/{to}",
    )


# -- what they share ----------------------------------------------------------------------------------------

Chosen = tuple[versions.Labelled, PromptAt]
"""A prompt with its labels, and the version that is meant of it."""


def chosen_labels(
    project: Project, names: Sequence[str], at: At = LATEST, *, having: str | None = None
) -> list[Chosen]:
    """Return the prompts that arguments mean, with their labels and the version that is meant of each.

    Without arguments these are all in scope. Of those that nobody named, only the ones with the label
    ``having`` count. What is named counts more than what matches a pattern. Raises ``UsageError`` for a
    prompt at two versions, and if no prompt is left.
    """
    catalog, chosen = versions.Catalog(project), dict[str, PromptAt]()
    for target in resolve(project, names, catalog, at=at):
        other = chosen.setdefault(target.name, target)
        if other.is_exact == target.is_exact and other.at != target.at:
            where = " and ".join(
                f"at {version}" if version else "without a version" for version in (other.at, target.at)
            )
            raise UsageError(f"{target.name} is specified {where}", hint="remove one of the two")
        if target.is_exact:
            chosen[target.name] = target
    listed = [catalog[name] for name in sorted(chosen)]
    prompts = versions.labelled(project, listed if names else None)
    pairs = [
        (prompt, chosen.get(prompt.listed.name) or PromptAt(prompt.listed.name, is_exact=False))
        for prompt in prompts
    ]
    if having is not None:
        pairs = [pair for pair in pairs if pair[1].is_exact or having in pair[0].labels]
        if not pairs:
            of = "none of these prompts" if names else "no prompt in scope"
            raise UsageError(f"{of} has the label {having!r}", hint="promptsync label list")
    return pairs


def numbered(project: Project, chosen: Sequence[Chosen]) -> list[tuple[versions.Labelled, int]]:
    """Return prompts with the number of the version that is meant of each. Raises ``NoSuchVersion``."""
    find = versions.find_number
    return [(prompt, find(project, prompt.listed, target.at, prompt.labels)) for prompt, target in chosen]


def change_labels(
    session: Session, project: Project, plan: LabelPlan, *, skip_checks: bool = False
) -> Outcome:
    """Carry out a plan of labels.

    Plan and receipt warn where a label moves to a version that is not known to have passed its checks, or
    that live prompts render at once: then a move up needs a person who confirms it, ``--yes`` or
    ``skip_checks``, and if the version is on hold or breaks applications, a person or ``--yes``. Checks that
    are not committed do not count. Raises ``Unsupported`` if the registry cannot change labels.
    """
    # Nothing else shows or compares the fingerprint.
    if plan.pending and (session.dry_run or session.expect):
        plan = structs.replace(plan, workspace=workspace_of(project))
    for change in plan.pending[:1]:
        versions.check_changeable(project, [(change.template_id, change.name)])
    plan, warnings, failed = _checked(session, project, plan, skip_checks=skip_checks)

    return carry_out(
        session,
        project,
        plan=lambda: plan,
        apply=lambda plan: apply_labels(project, plan.changes, command=session.command()),
        show=lambda plan, receipt: show_labels.show_changes(plan, receipt, warnings),
        headline=lambda plan: show_labels.headline(plan, failed),
        unchanged="no label was changed",
        lock=False,
    )


def _checked(
    session: Session, project: Project, plan: LabelPlan, *, skip_checks: bool
) -> tuple[LabelPlan, list[Verdict], list[Verdict]]:
    """Return a plan, refused if what it needs cannot be confirmed, its warnings, and those to confirm."""
    from promptsync.checks.verdicts import warnings_of

    # A rollback is an emergency, and the version was live before; so is one to a commit that moves up.
    up = [
        change
        for change in plan.pending
        if change.new is not None and not change.is_lower and not plan.commit
    ]
    if plan.refusal is None and not skip_checks:
        plan = structs.replace(plan, refusal=_uncommitted_checks(project, up))
    if plan.refusal is not None:
        return plan, [], []
    warnings = warnings_of(project, plan.pending, up)
    names = {change.name for change in up}
    failed = [
        warning
        for warning in warnings
        if warning.name in names and (warning.about in ("on-hold", "contract") or not skip_checks)
    ]
    # A deploy checks what failed, but keeps what is on hold, and refuses what breaks applications.
    failed.sort(key=lambda warning: warning.about not in ("on-hold", "contract"))
    if failed and not (session.yes or session.can_ask):
        plan = structs.replace(plan, refusal=_failed_checks(project, failed, plan.pending[0].label))
    return plan, warnings, failed


def _uncommitted_checks(project: Project, up: Sequence[LabelChange]) -> Refused | None:
    """Return why governed labels may not move up: the checks in the configuration are not committed."""
    from promptsync.checks.verdicts import is_governed
    from promptsync.compare.git_state import uncommitted_config

    label = next((change.label for change in up if is_governed(project, change.label)), None)
    places = uncommitted_config(project) if label is not None else []
    if not places:
        return None
    return Refused(
        f"{places[0]} has uncommitted changes, and its checks guard {label}; no label was changed",
        hint=f"git add {shlex.join(places)} && git commit",
        code="uncommitted",
    )


def _failed_checks(project: Project, failed: Sequence[Verdict], label: str) -> Refused:
    first, code = failed[0], "failed-checks"
    others = len({verdict.name for verdict in failed}) - 1
    more = f" (and {others} more)" if others else ""
    hint = versions.deploy_command(project, label)
    if first.about == "live":
        code = "live-snippets"
    elif first.about in ("on-hold", "contract"):
        code = first.about
        how = ["--again"] if code == "on-hold" else ["--breaking", first.name]
        hint = shlex.join(["promptsync", "deploy", first.name, "--label", label, *how])
    return Refused(
        f"v{first.version} of {first.name!r} {first}{more}; no label was changed", hint=hint, code=code
    )

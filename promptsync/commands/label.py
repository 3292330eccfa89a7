"""``promptsync label``: list, set, move and delete release labels."""

from __future__ import annotations

import click

from promptsync.commands.shared.action import plan_options
from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.labels import change_labels, chosen_labels, numbered
from promptsync.commands.shared.options import version_options
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.labels.plan import LabelChange, LabelPlan, check_unused, existing, guarded, plan_moves
from promptsync.project.target import At, check_exact
from promptsync.project.versions import labelled
from promptsync.prompt.labels import check_label
from promptsync.show import labels as show_labels
from promptsync.show.outcome import Outcome

_skip_checks_option = flag("--skip-checks", "Change a label in labels: without running checks.")


@verb_group("label")
def command() -> None:
    """Release labels such as prod point at versions; your application requests a version by its label.

    promptsync reads each change back to confirm it. LABEL.previous points at the version that was live
    before, for promptsync rollback.

    \b
    promptsync label list --label prod
    promptsync label set support/refund staging
    promptsync label move support/refund@7 staging
    """


@verb("list", parent=command, short_help="List where labels point.")
@click.argument("names", nargs=-1, metavar="[NAME[:LABEL]]...")
@option("--label", "LABEL", "List only LABEL.")
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
            shown = [(prompt, label) for prompt in labelled(project, only=tuple(only))]
            if label is None and governed and not project.registry.labels.may_list_all:
                why = f"{project.registry.url} cannot list all labels"
                session.say(f"{why}, so only those in labels: are listed; -v lists all")
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
@_skip_checks_option
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
        chosen = chosen_labels(project, [name], at)
        plan = plan_moves(project, numbered(project, chosen), target, creates=True)
        plan = plan if skip_checks else guarded(project, plan, chosen[0][1].at.label)
        return change_labels(session, project, plan, skip_checks=skip_checks)


@verb("move", parent=command, short_help="Move a label to another version.")
@click.argument("name", metavar="NAME[@N|:LABEL]")
@click.argument("target", metavar="LABEL")
@version_options
@flag("--force", "Also move it to a lower version.")
@_skip_checks_option
@plan_options
def move_command(session: Session, name: str, target: str, at: At, force: bool, skip_checks: bool) -> Outcome:
    """Move LABEL to another version, on a prompt or on all that match a pattern or are in a directory.

    It moves to the specified version, by default the latest. To move it to a lower version, use promptsync
    rollback. --force needs an exact name.

    \b
    promptsync label move support/refund staging --version 7
    promptsync label move support/refund:prod staging
    """
    with session.project() as project:
        if force:
            check_exact(project, [name], "--force")
        chosen = chosen_labels(project, [name], at, having=target)
        for prompt, _ in chosen:
            existing(prompt, target)
        plan = plan_moves(project, numbered(project, chosen), target, force=force)
        plan = plan if skip_checks else guarded(project, plan, chosen[0][1].at.label)
        return change_labels(session, project, plan, skip_checks=skip_checks)


@verb("delete", parent=command, short_help="Delete a label.")
@click.argument("name")
@click.argument("label")
@flag("--force", "Delete it even if prompts refer to a snippet by it.")
@_skip_checks_option
@plan_options
def delete_command(session: Session, name: str, label: str, force: bool, skip_checks: bool) -> Outcome:
    """Delete LABEL from a prompt, with those that promptsync keeps for it, such as LABEL.previous.

    Applications that request it get nothing afterwards. NAME must be exact.

    \b
    promptsync label delete support/refund staging
    """
    with session.project() as project:
        check_exact(project, [name], "label delete")
        ((prompt, _),) = chosen_labels(project, [name])
        listed = prompt.listed
        change = LabelChange(listed.name, listed.template_id, label, existing(prompt, label), None)
        if not force:
            check_unused(project, listed, label)
        plan = LabelPlan((change,)) if skip_checks else guarded(project, LabelPlan((change,)))
        return change_labels(session, project, plan, skip_checks=skip_checks)

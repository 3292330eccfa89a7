"""``promptsync label``: list, set, move and delete release labels."""

from __future__ import annotations

from collections.abc import Sequence

import click

from promptsync.commands.shared.action import yes_option
from promptsync.commands.shared.labels import change_labels
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.compare.labels import Labelled, labelled
from promptsync.labels.plan import LabelPlan, check_unused, plan_delete, plan_move, plan_set
from promptsync.prompt.labels import SUFFIX, check_label
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_version = click.IntRange(1)


@verb_group("label", short_help="List, set, move and delete release labels.")
def command() -> None:
    """Point names such as prod at versions; the running application asks the registry for a name.

    Each change is read back: it counts once the registry shows it. Beside a label that moves, LABEL.previous
    is kept on the version that it left, for promptsync rollback.

    \b
    promptsync label list --label prod
    promptsync label set support/refund staging
    promptsync label move support/refund prod --version 7
    """


@verb("list", parent=command, short_help="List where labels point.", blank={"labels": []})
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--label", metavar="LABEL", help="This label only.")
def list_command(session: Session, names: tuple[str, ...], label: str | None) -> Outcome:
    """List the labels of the prompts in scope, or of those that are named.

    The labels that remember the way back are listed with -v, or when they are asked for.

    \b
    promptsync label list
    promptsync label list support/refund -v
    """
    with session.project() as project:
        prompts = labelled(project, names)
    shown = [(one, name) for one in prompts for name in sorted(one.labels) if label in (None, name)]
    body = {
        "labels": [
            {
                "name": one.listed.name,
                "label": name,
                "version": one.version(name),
                "latest": one.listed.version,
            }
            for one, name in shown
        ]
    }
    return Outcome(_lines(session, shown, label), body)


def _lines(session: Session, shown: Sequence[tuple[Labelled, str]], label: str | None) -> list[str]:
    kept = [pair for pair in shown if session.verbose or label or not pair[1].endswith(SUFFIX)]
    if not kept and not session.quiet:
        session.say("no labels" if label is None else f"no prompt has the label {output.name(label)}")
    return output.table(_row(one, name) for one, name in kept)


def _row(one: Labelled, label: str) -> tuple[str, ...]:
    version, latest = one.version(label), one.listed.version
    behind = output.style(f"latest v{latest}", "faint") if version != latest else ""
    return output.name(one.listed.name), output.style(output.name(label), "strong"), f"v{version}", behind


@verb("set", parent=command, short_help="Create a label.", blank={"labels": []})
@click.argument("name")
@click.argument("label")
@click.option("--version", type=_version, metavar="N", help="The version to point at (default: the latest).")
def set_command(session: Session, name: str, label: str, version: int | None) -> Outcome:
    """Create LABEL on a prompt. One that points elsewhere already is moved with promptsync label move.

    \b
    promptsync label set support/refund staging --version 7
    """
    check_label(label)
    with session.project() as project:
        (one,) = labelled(project, [name])
        return change_labels(session, project, lambda: LabelPlan((plan_set(one, label, version),)))


@verb("move", parent=command, short_help="Move a label to another version.", blank={"labels": []})
@click.argument("name")
@click.argument("label")
@click.option(
    "--version", "--to", type=_version, metavar="N", help="The version to point at (default: the latest)."
)
@click.option("--force", is_flag=True, help="Move it to a lower version as well.")
@yes_option
def move_command(
    session: Session, name: str, label: str, version: int | None, force: bool, yes: bool
) -> Outcome:
    """Move LABEL of a prompt to another version, which promptsync rollback can take back.

    A lower version is refused: promptsync rollback is for that.

    \b
    promptsync label move support/refund prod --version 7
    """
    with session.project() as project:
        (one,) = labelled(project, [name])
        change = plan_move(one, label, version, force=force)
        plan = LabelPlan((change,), destructive=("--force",) if change.is_lower else ())
        return change_labels(session, project, lambda: plan, yes=yes)


@verb("delete", parent=command, short_help="Delete a label.", blank={"labels": []})
@click.argument("name")
@click.argument("label")
@click.option("--force", is_flag=True, help="Delete it although other prompts refer to a snippet by it.")
@yes_option
def delete_command(session: Session, name: str, label: str, force: bool, yes: bool) -> Outcome:
    """Delete LABEL of a prompt, and LABEL.previous with it. Who asks the registry for it will get nothing.

    Without a terminal to ask on it takes -y, for nothing brings a label back.

    \b
    promptsync label delete support/refund staging
    promptsync label delete support/refund staging -y
    """
    with session.project() as project:
        (one,) = labelled(project, [name])
        plan = LabelPlan((plan_delete(one, label),), destructive=("deleting a label",))
        if not force:
            check_unused(project, one.listed, label)
        return change_labels(session, project, lambda: plan, yes=yes)

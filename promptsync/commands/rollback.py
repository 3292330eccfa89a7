"""``promptsync rollback``: move a label back to the version that it left."""

from __future__ import annotations

import click

from promptsync.commands.shared.action import dry_run_option, expect_option, yes_option
from promptsync.commands.shared.labels import change_labels, chosen_labels
from promptsync.commands.shared.options import VersionNumber
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.labels.plan import LabelPlan, plan_rollback
from promptsync.show.outcome import Outcome


@verb("rollback", short_help="Move a label back to an earlier version.", blank={"labels": []})
@click.argument("names", nargs=-1, required=True, metavar="NAME[@N]...")
@click.option("--label", required=True, metavar="LABEL", help="The label to move back, such as prod.")
@click.option("--to", "--version", "to", type=VersionNumber(), metavar="N", help="Move it to version N.")
@dry_run_option
@yes_option
@expect_option
def command(
    session: Session,
    names: tuple[str, ...],
    label: str,
    to: int | None,
    dry_run: bool,
    yes: bool,
    expect: str | None,
) -> Outcome:
    """Undo a release: move LABEL to LABEL.previous, the version that was live before.

    NAME is a name, a pattern, a file or a directory; of a pattern, the prompts that have LABEL are meant. All
    labels move, or none.

    \b
    promptsync rollback support/refund --label prod
    promptsync rollback support/refund --label prod --to 3
    promptsync rollback 'support/*' --label prod --dry-run
    """
    with session.project() as project:
        chosen = chosen_labels(session, project, names)
        if any(found.at.label is not None for _, found in chosen):
            raise UsageError("specify the label with --label", hint="promptsync rollback NAME --label prod")
        changes = tuple(
            plan_rollback(project, one, label, to or found.at.number)
            for one, found in chosen
            if found.is_exact or label in one.labels
        )
        if not changes:
            raise UsageError(f"none of these prompts has the label {label!r}", hint="promptsync label list")
        plan = LabelPlan(changes, together=True)
        return change_labels(
            session, project, lambda: plan, needs_confirmation=True, dry_run=dry_run, yes=yes, expect=expect
        )

"""``promptsync rollback``: move a label back to the version that it left."""

from __future__ import annotations

import click

from promptsync.commands.shared.action import dry_run_option, yes_option
from promptsync.commands.shared.labels import change_labels
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.labels import labelled
from promptsync.labels.plan import LabelPlan, plan_rollback
from promptsync.show.outcome import Outcome


@verb("rollback", short_help="Move a label back to an earlier version.", blank={"labels": []})
@click.argument("name")
@click.option("--label", required=True, metavar="LABEL", help="The label to move back, such as prod.")
@click.option(
    "--to", "--version", "to", type=click.IntRange(1), metavar="N", help="Move it to version N instead."
)
@dry_run_option
@yes_option
def command(session: Session, name: str, label: str, to: int | None, dry_run: bool, yes: bool) -> Outcome:
    """Take a release back: move LABEL to LABEL.previous, the version that was live before.

    \b
    promptsync rollback support/refund --label prod
    promptsync rollback support/refund --label prod --to 3
    """
    with session.project() as project:
        (one,) = labelled(project, [name])
        plan = LabelPlan((plan_rollback(project, one, label, to),))
        return change_labels(session, project, lambda: plan, asks=True, dry_run=dry_run, yes=yes)

"""``promptsync rollback``: move a label back to the version that it left."""

from __future__ import annotations

import click

from promptsync.commands.shared.labels import change, yes_option
from promptsync.commands.shared.session import Outcome, Session, verb
from promptsync.compare.labels import labelled
from promptsync.labels.plan import plan_rollback
from promptsync.terminal import output


@verb("rollback", short_help="Move a label back to an earlier version.", blank={"labels": []})
@click.argument("name")
@click.option("--label", required=True, metavar="LABEL", help="The label to move back, such as prod.")
@click.option("--to", type=click.IntRange(1), metavar="N", help="Move it to version N instead.")
@yes_option
def command(session: Session, name: str, label: str, to: int | None, yes: bool) -> Outcome:
    """Take a release back: move LABEL to LABEL.previous, the version that was live before.


    \b
    promptsync rollback support/refund --label prod
    promptsync rollback support/refund --label prod --to 3
    """
    with session.project() as project:
        (one,) = labelled(project, [name])
        planned = plan_rollback(project, one, label, to)
        question = f"Move {output.name(label)} of {output.name(name)} back to v{planned.new}?"
        return change(session, project, [planned], question=question, yes=yes)

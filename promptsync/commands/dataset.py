"""``promptsync dataset``: list the datasets that evaluations run on."""

from __future__ import annotations

from promptsync.checks.catalog import list_datasets
from promptsync.commands.shared.checks import list_items
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.show.outcome import Outcome


@verb_group("dataset", short_help="List datasets.")
def command() -> None:
    """Datasets are created in the PromptLayer dashboard, or in the fixtures of the embedded registry.

    \b
    promptsync dataset list
    """


@verb("list", parent=command, short_help="List datasets.", blank={"datasets": []})
def list_command(session: Session) -> Outcome:
    """List every version of every dataset, newest first.

    \b
    promptsync dataset list
    promptsync dataset list --json | jq '.datasets[].name'
    """
    return list_items(session, "datasets", list_datasets)

"""``promptsync dataset``: list the datasets that evaluations run on."""

from __future__ import annotations

from promptsync.checks.catalog import Dataset, list_datasets
from promptsync.commands.shared.checks import list_items
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb_group("dataset")
def command() -> None:
    """Datasets come from the PromptLayer dashboard. In the embedded registry, evaluation files are datasets.

    \b
    promptsync dataset list
    """


@verb("list", parent=command, short_help="List datasets.")
def list_command(session: Session) -> Outcome:
    """List every version of every dataset, newest first.

    \b
    promptsync dataset list
    promptsync dataset list --json | jq '.datasets[].name'
    """
    return list_items(session, "datasets", list_datasets, ("VERSION", "COLUMNS", ""), _row)


def _row(dataset: Dataset) -> tuple[str, ...]:
    # The registry numbers a draft so.
    version = {None: "-", -1: "draft"}.get(dataset.version, f"v{dataset.version}")
    return version, output.name(", ".join(dataset.columns)), "(deleted)" if dataset.deleted else ""

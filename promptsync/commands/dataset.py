"""``promptsync dataset``: what evaluations run on."""

from __future__ import annotations

from typing import Any

import click

from promptsync.commands.shared.options import checked_filters, list_filters
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb_group("dataset", short_help="List datasets.")
def command() -> None:
    """Datasets are made in the registry, from its own pages or its fixtures file.

    \b
    promptsync dataset list --name "refund cases"
    """


@verb("list", parent=command, short_help="List datasets.", blank={"datasets": []})
@list_filters(named=True)
@click.option("--dataset-group-id", metavar="ID", type=click.IntRange(1), help="Versions of this group.")
@click.option("--prompt-id", metavar="ID", type=click.IntRange(1), help="Made from requests of this prompt.")
@click.option("--prompt-version-id", metavar="ID", type=click.IntRange(1), help="Of this version of one.")
@click.option("--prompt-label-id", metavar="ID", type=click.IntRange(1), help="Of this release label.")
@click.option("--report-id", metavar="ID", type=click.IntRange(1), help="That this evaluation ran on.")
def list_command(session: Session, **filters: Any) -> Outcome:
    """List every version of every dataset, newest first.

    \b
    promptsync dataset list
    promptsync dataset list --name refund --status all --sort-by name --sort-order asc
    """
    from promptsync.checks.catalogue import list_datasets

    with session.project(needs_config=False) as project:
        found = list_datasets(project.registry, **checked_filters(filters))
    rows = [("ID", "NAME", "VERSION", "COLUMNS")] + [
        (
            str(one.id),
            output.name(one.name) + (" (deleted)" if one.deleted else ""),
            # a draft is numbered -1
            "draft" if one.version == -1 else "-" if one.version is None else f"v{one.version}",
            output.name(", ".join(one.columns)),
        )
        for one in found
    ]
    body = {
        "datasets": [
            {
                "id": one.id,
                "name": one.name,
                "dataset_group_id": one.group_id,
                "version": one.version,
                "columns": list(one.columns),
                "deleted": one.deleted,
            }
            for one in found
        ]
    }
    if not found:
        session.say("no datasets")
    return Outcome(output.table(rows, headed=True) if found else [], body)

"""``promptsync dataset``: list the datasets that evaluations run on."""

from __future__ import annotations

from typing import Any

import click

from promptsync.checks.catalogue import list_datasets
from promptsync.commands.shared.options import checked_filters, list_filters
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.show import catalogue
from promptsync.show.outcome import Outcome


@verb_group("dataset", short_help="List datasets.")
def command() -> None:
    """Datasets are created in the PromptLayer dashboard, or in the fixtures of the embedded registry.

    \b
    promptsync dataset list --name "refund cases"
    """


@verb("list", parent=command, short_help="List datasets.", blank={"datasets": []})
@list_filters(named=True)
@click.option("--dataset-group-id", metavar="ID", type=click.IntRange(1), help="Versions in this group.")
@click.option("--prompt-id", metavar="ID", type=click.IntRange(1), help="Created from requests of a prompt.")
@click.option("--prompt-version-id", metavar="ID", type=click.IntRange(1), help="From this version of it.")
@click.option("--prompt-label-id", metavar="ID", type=click.IntRange(1), help="From this label of it.")
@click.option("--report-id", metavar="ID", type=click.IntRange(1), help="Used by this report.")
def list_command(session: Session, **filters: Any) -> Outcome:
    """List every version of every dataset, newest first.

    \b
    promptsync dataset list
    promptsync dataset list --name refund --status all --sort-by name --sort-order asc
    """
    with session.project(needs_config=False) as project:
        found = list_datasets(project.registry, **checked_filters(filters))
    if not found:
        session.say("no datasets")
    return Outcome(catalogue.dataset_lines(found), catalogue.datasets_body(found))

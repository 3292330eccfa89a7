"""``promptsync agent``: list, run and show agents."""

from __future__ import annotations

from typing import Any

import click

from promptsync.checks.catalog import Agent, list_agents
from promptsync.checks.results import Standard
from promptsync.checks.run_checks import show_run
from promptsync.commands.shared import checks
from promptsync.commands.shared.options import variable_options, variables, version_options
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.project.target import At
from promptsync.show.checks import run_notes
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb_group("agent")
def command() -> None:
    """An agent, which PromptLayer also calls a workflow, runs several prompts in sequence.

    \b
    promptsync agent list
    promptsync agent run refund-agent --var order=A-17
    promptsync agent show 45
    """


@verb("list", parent=command, short_help="List agents.")
def list_command(session: Session) -> Outcome:
    """List the agents with their latest versions and labels.

    \b
    promptsync agent list
    """
    return checks.list_items(session, "agents", list_agents, ("VERSION", "LABELS"), _row)


def _row(agent: Agent) -> tuple[str, ...]:
    return "-" if agent.version is None else f"v{agent.version}", output.name(" ".join(agent.labels))


@verb("run", parent=command, short_help="Run agents and show the output of each node.")
@click.argument("names", nargs=-1, metavar="[NAME|ID...]")
@variable_options
@version_options
@checks.run_options
def run_command(session: Session, names: tuple[str, ...], at: At, **options: Any) -> Outcome:
    """Run agents together, and wait for the outputs of their nodes.

    Name agents, or pass --changed to run those that the files of changed prompts or checks: name. An agent
    runs once for the same input variables; --var and --vars replace some of these.

    Exits with 1 if a node failed or a run timed out.

    \b
    promptsync agent run refund-agent --var order=A-17 --label prod
    promptsync agent run --changed --json
    promptsync agent run refund-agent --vars order.yaml --timeout 60 --json
    """
    standard = Standard(allow_unbound=options["allow_unbound"])
    values = variables(session, options["assignments"], options["source"])
    return checks.run_together(session, "agent", names, options, standard, variables=values, at=at)


@verb("show", parent=command, short_help="Show a run of an agent.")
@click.argument("wanted", metavar="EXECUTION")
@checks.wait_option
def show_command(session: Session, wanted: str, wait: bool, timeout: float | None) -> Outcome:
    """Show the status of a run and the output of each node. agent run prints the id, EXECUTION.

    Exits with 1 if a node failed, or if --timeout ended the wait.

    \b
    promptsync agent show 45
    promptsync agent show 45 --wait --timeout 60
    promptsync agent show 45 --json | jq '.runs[].outputs'
    """
    seconds = checks.time_to_wait(wait, timeout)
    with session.project(needs_config=False) as project:
        results = show_run(project, "agent", wanted, timeout=seconds)
    for note in run_notes(results, session.command_on_remote):
        session.say(note)
    return checks.results_outcome("agent", results)

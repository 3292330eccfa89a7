"""``promptsync agent``: list, run and show agents."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from promptsync.checks.catalog import list_agents
from promptsync.checks.judge import show_execution
from promptsync.checks.receipt import CheckResults, Standard
from promptsync.commands.shared.checks import (
    BLANK,
    first_result,
    list_items,
    result_file,
    run_options,
    run_outcome,
    run_together,
    time_to_wait,
    wait_option,
)
from promptsync.commands.shared.options import variable_option, variables, variables_option
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.errors import UsageError
from promptsync.show.checks import agents_body, output_lines, results_lines, run_notes
from promptsync.show.outcome import Outcome

_WRITTEN = ("agent", "prompts", "input_variables", "execution_id", "status", "passed", "outputs")
"""The keys of each run in the file of ``--output``."""

_output_option = click.option(
    "--output", "output_file", metavar="FILE", help="Write the outputs of all nodes as JSON."
)


@verb_group("agent", short_help="List and run agents, and show their runs.")
def command() -> None:
    """Agents, which PromptLayer also calls workflows, run several prompts one after the other.

    \b
    promptsync agent list
    promptsync agent run refund-agent --var order=A-17
    promptsync agent show 45
    """


@verb("list", parent=command, short_help="List agents.", blank={"agents": []})
def list_command(session: Session) -> Outcome:
    """List the agents with their latest versions and labels.

    \b
    promptsync agent list
    """
    return list_items(session, "agents", list_agents)


@verb("run", parent=command, short_help="Run agents and show the output of each node.", blank=BLANK)
@click.argument("names", nargs=-1, metavar="[NAME|ID...]")
@variable_option
@variables_option
@click.option("--label", metavar="LABEL", help="Run the version of the agent with this label.")
@click.option("--version", metavar="N", type=click.IntRange(1), help="Run this version of the agent.")
@_output_option
@run_options
def run_command(
    session: Session,
    names: tuple[str, ...],
    given: tuple[str, ...],
    source: str | None,
    label: str | None,
    version: int | None,
    output_file: str | None,
    **options: Any,
) -> Outcome:
    """Run agents together, and wait for the outputs of their nodes.

    Name them, or use --changed for the agents of changed prompts, as named in their files and in checks:,
    each once for the same input variables; --var and --vars replace some of these.

    The exit code is 1 if a node failed or a run timed out.

    \b
    promptsync agent run refund-agent --var order=A-17 --label prod
    promptsync agent run --changed --output outputs.json
    promptsync agent run refund-agent --vars cases.yaml --timeout 60 --json
    """
    if label is not None and version is not None:
        raise UsageError("--label and --version cannot be combined", hint="drop one of them")
    values = variables(session, given, source)
    outputs = result_file(session, "--output", output_file)
    standard = Standard(allow_unbound=options["allow_unbound"])
    ran = run_together(
        session, "agent", names, options, standard, variables=values, label=label, version=version
    )
    runs = agents_body(ran.results)
    error = outputs.write(lambda: _written(runs))
    return run_outcome(ran, runs, lines=output_lines(ran.results), error=error)


@verb("show", parent=command, short_help="Show a run of an agent.", blank=BLANK)
@click.argument("wanted", metavar="EXECUTION")
@wait_option
@_output_option
def show_command(
    session: Session, wanted: str, wait: bool, timeout: float | None, output_file: str | None
) -> Outcome:
    """Show the run with the id EXECUTION, which agent run prints: its status, and the output of each node.

    The exit code is 1 if a node failed, or if --timeout ended the wait.

    \b
    promptsync agent show 45
    promptsync agent show 45 --wait --timeout 60
    promptsync agent show 45 --output outputs.json
    """
    seconds = time_to_wait(wait, timeout)
    outputs = result_file(session, "--output", output_file)
    with session.project(needs_config=False) as project:
        results = show_execution(project.registry, wanted, timeout=seconds, progress=session.bar)
    for note in run_notes(results, session.command_on_remote):
        session.say(note)
    runs = agents_body(results)
    code, error = first_result(results.error, outputs.write(lambda: _written(runs)))
    return Outcome(_lines(results), {**BLANK, "runs": runs}, code, error)


def _lines(results: CheckResults) -> list[str]:
    return [*results_lines(results), *output_lines(results)]


def _written(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of the file of ``--output``."""
    written = {"runs": [{key: run[key] for key in _WRITTEN} for run in runs]}
    return json.dumps(written, indent=2, default=str) + "\n"

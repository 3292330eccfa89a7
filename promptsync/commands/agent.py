"""``promptsync agent``: list, run and show agents."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from promptsync.checks.agents import AgentOrder
from promptsync.checks.assignment import find_checks
from promptsync.checks.catalogue import list_agents
from promptsync.checks.choose import Choice, choose_agents
from promptsync.checks.receipt import CheckResults, Standard
from promptsync.checks.run import run_checks, show_execution
from promptsync.commands.shared.checks import (
    BLANK,
    ResultFile,
    changed_checks,
    check_choice,
    checks_outcome,
    choosing_options,
    errors_written_to,
    first_result,
    junit_option,
    patience_of,
    patience_to_wait,
    result_file,
    wait_option,
    waiting_options,
)
from promptsync.commands.shared.options import (
    choose_format,
    format_option,
    variable_option,
    variables,
    variables_option,
)
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.errors import UsageError
from promptsync.show import catalogue
from promptsync.show.checks import agent_notes, agents_body, follow_notes, output_lines, results_lines
from promptsync.show.junit import junit
from promptsync.show.outcome import Outcome

_WRITTEN = ("agent", "prompts", "input_variables", "execution_id", "status", "passed", "outputs")
"""The keys of each run in the file of ``--output``."""


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
    with session.project(needs_config=False) as project:
        found = list_agents(project.registry)
    if not found:
        session.say("no agents")
    return Outcome(catalogue.agent_lines(found), catalogue.agents_body(found))


@verb("run", parent=command, short_help="Run agents and show the output of each node.", blank=BLANK)
@click.argument("names", nargs=-1, metavar="[NAME|ID...]")
@choosing_options
@variable_option
@variables_option
@click.option("--label", metavar="LABEL", help="Run the version of the agent with this label.")
@click.option("--version", metavar="N", type=click.IntRange(1), help="Run this version of the agent.")
@click.option("--output", "output_file", metavar="FILE", help="Write the outputs of all nodes as JSON.")
@junit_option
@format_option("markdown")
@waiting_options
def run_command(
    session: Session,
    names: tuple[str, ...],
    changed: bool,
    since: str | None,
    allow_unbound: bool,
    given: tuple[str, ...],
    source: str | None,
    label: str | None,
    version: int | None,
    output_file: str | None,
    junit_file: str | None,
    form: str | None,
    no_wait: bool,
    timeout: float | None,
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
    choose_format(session, form)
    check_choice("agent", names, changed=changed, since=since, allow_unbound=allow_unbound)
    if label is not None and version is not None:
        raise UsageError("--label and --version cannot be combined", hint="drop one of them")
    patience = patience_of(no_wait, timeout)
    values = variables(session, given, source)
    outputs = result_file(session, "--output", output_file)
    report = result_file(session, "--junit", junit_file)
    with errors_written_to(report, "agent run"), session.project() as project:
        if changed:
            choice = changed_checks(session, project, "agent", since, values)
        else:
            choice = choose_agents(names, values)
        found = find_checks(project.registry, choice.selection)
        orders = [AgentOrder(agent, check.input_variables, label, version) for check, agent in found.agents]
        results = run_checks(
            project.registry,
            found,
            standard=Standard(allow_unbound=allow_unbound),
            patience=patience,
            progress=session.bar,
            versions=choice.versions,
            unpublished=choice.unpublished,
            orders=orders,
        )
    return _outcome(session, choice, results, outputs, report)


def _outcome(
    session: Session,
    choice: Choice,
    results: CheckResults,
    outputs: ResultFile,
    report: ResultFile,
) -> Outcome:
    for note in agent_notes(results):
        session.say(note)
    _say_how_to_follow(session, results)
    runs = agents_body(results)
    return checks_outcome(
        "agent",
        choice,
        results,
        lines=_lines(results),
        runs=runs,
        errors=[
            results.error,
            outputs.write(lambda: _written(runs)),
            report.write(lambda: junit(results)),
        ],
    )


@verb("show", parent=command, short_help="Show a run of an agent.", blank=BLANK)
@click.argument("wanted", metavar="EXECUTION")
@wait_option
@click.option("--output", "output_file", metavar="FILE", help="Write the outputs of all nodes as JSON.")
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
    patience = patience_to_wait(wait, timeout)
    outputs = result_file(session, "--output", output_file)
    with session.project(needs_config=False) as project:
        results = show_execution(project.registry, wanted, patience=patience, progress=session.bar)
    _say_how_to_follow(session, results)
    runs = agents_body(results)
    code, error = first_result(results.error, outputs.write(lambda: _written(runs)))
    return Outcome(_lines(results), {**BLANK, "runs": runs}, code, error)


def _lines(results: CheckResults) -> list[str]:
    return [*results_lines(results), *output_lines(one.run for one in results.agents)]


def _written(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of the file of ``--output``."""
    written = {"runs": [{key: run[key] for key in _WRITTEN} for run in runs]}
    return json.dumps(written, indent=2, default=str) + "\n"


def _say_how_to_follow(session: Session, results: CheckResults) -> None:
    if not results.interrupted:  # the hint of the error says it
        for note in follow_notes(results, session.command_on_remote):
            session.say(note)

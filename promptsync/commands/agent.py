"""``promptsync agent``: list and run agents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from promptsync import output
from promptsync.checks.outcome import Interrupted
from promptsync.commands.filters import checked, list_filters
from promptsync.commands.running import interrupted, patience_of, state, waiting_options
from promptsync.commands.session import Outcome, Session, verb, verb_group
from promptsync.commands.variables import variable_option, variables, variables_option
from promptsync.errors import UsageError

if TYPE_CHECKING:
    from promptsync.checks.agents import AgentRun, NodeOutput


@verb_group("agent", short_help="List and run agents.")
def command() -> None:
    """Agents, which the registry also calls workflows, send several prompts one after the other.

    \b
    promptsync agent list
    promptsync agent run refund-agent --var order=A-17
    """


@verb("list", parent=command, short_help="List agents.", blank={"agents": []})
@list_filters(named=False)
def list_command(session: Session, **filters: Any) -> Outcome:
    """List the agents with their latest versions and labels.

    \b
    promptsync agent list
    promptsync agent list --sort-by name --sort-order asc
    """
    from promptsync.checks.catalogue import list_agents

    with session.project() as project:
        found = list_agents(project.registry, **checked(filters))
    if not found:
        session.say("no agents")
    rows = [("ID", "NAME", "VERSION", "LABELS")] + [
        (
            str(one.id),
            output.name(one.name),
            "-" if one.version is None else f"v{one.version}",
            output.name(" ".join(one.labels)),
        )
        for one in found
    ]
    agents = [
        {"id": one.id, "name": one.name, "version": one.version, "labels": list(one.labels)} for one in found
    ]
    return Outcome(output.table(rows) if found else [], {"agents": agents})


@verb(
    "run",
    parent=command,
    short_help="Run agents, and show what each node put out.",
    blank={"changed": [], "runs": []},
)
@click.argument("names", nargs=-1, required=True, metavar="NAME|ID...")
@variable_option
@variables_option
@click.option("--label", metavar="LABEL", help="The version of the agent under this label of it.")
@click.option("--version", metavar="N", type=click.IntRange(1), help="This version of the agent.")
@waiting_options
def run_command(
    session: Session,
    names: tuple[str, ...],
    given: tuple[str, ...],
    source: str | None,
    label: str | None,
    version: int | None,
    no_wait: bool,
    timeout: float | None,
) -> Outcome:
    """Run the agents of those names or ids at the same time, and wait for their outputs.

    Exit code 1 when a node failed or the time is up.

    \b
    promptsync agent run refund-agent --var order=A-17 --label prod
    promptsync agent run refund-agent --vars cases.yaml --timeout 60 --json
    """
    from promptsync.checks.agents import AgentOrder, failure_of, run_agents
    from promptsync.checks.catalogue import list_agents, pick

    if label is not None and version is not None:
        raise UsageError("--label and --version exclude each other", hint="leave one of them out")
    patience = patience_of(no_wait, timeout)
    values = variables(session, given, source)
    with session.project() as project:
        registry = project.registry
        wanted = pick(list_agents(registry), names, "agent", registry.url)
        try:
            orders = [AgentOrder(one, values, label, version) for one in wanted]
            runs = run_agents(registry, orders, patience=patience, progress=session.bar)
        except Interrupted as stop:
            return _interrupted(stop.runs)
    for run in runs:
        if run.warning:
            session.say(f"{output.style('warning:', 'warn')} {output.name(f'{run.agent}: {run.warning}')}")
    error = failure_of([run for run in runs if not run.is_under_way])
    return Outcome(_lines(runs), _body(runs), error.exit_code if error is not None else 0, error)


def _interrupted(runs: Iterable[Any]) -> Outcome:
    known: list[AgentRun] = list(runs)
    left = [f"{run.agent}: execution {run.execution_id}" for run in known if run.is_under_way]
    return interrupted(_lines(known), _body(known), left)


# -- output --------------------------------------------------------------------------------------------


def _lines(runs: Sequence[AgentRun]) -> list[str]:
    rows = [("AGENT", "EXECUTION", "STATUS")] + [
        (
            output.name(run.agent),
            "-" if run.execution_id is None else str(run.execution_id),
            state(run.status, not run.verdict),
        )
        for run in runs
    ]
    lines = output.table(rows)
    for run in runs:
        for name, node in run.outputs.items():
            lines += ["", output.style(f"--- {output.name(run.agent)}: {output.name(name)} ---", "strong")]
            lines += _node_lines(node)
    return lines


def _node_lines(node: NodeOutput) -> list[str]:
    if node.failed:
        return [output.style(f"{node.status.lower()}: {output.safe(node.error or 'no reason given')}", "bad")]
    text = node.value if isinstance(node.value, str) else json.dumps(node.value, ensure_ascii=False, indent=2)
    return output.safe(text).split("\n")


def _body(runs: Sequence[AgentRun]) -> dict[str, Any]:
    return {"changed": [], "runs": [_run_body(run) for run in runs]}


def _run_body(run: AgentRun) -> dict[str, Any]:
    under_way = run.is_under_way
    return {
        "agent": run.agent,
        "agent_id": run.agent_id,
        "execution_id": run.execution_id,
        "status": str(run.status),
        "outputs": {
            name: {"value": node.value, "status": node.status, "error": node.error or None}
            for name, node in run.outputs.items()
        },
        "passed": None if under_way else not run.verdict,
        "reason": None if under_way else run.verdict or None,
        "warning": run.warning or None,
    }

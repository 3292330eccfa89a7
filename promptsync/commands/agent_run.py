"""``promptsync agent run``: run agents by name, or those of the prompts that changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from promptsync import output
from promptsync.checks.agents import AgentOrder
from promptsync.checks.evaluations import Standard
from promptsync.checks.finding import Found, find_checks
from promptsync.checks.outcome import Interrupted
from promptsync.checks.proof import Proof
from promptsync.checks.proving import proof_of
from promptsync.checks.selection import AgentCheck, Selection, with_variables
from promptsync.commands.common.choosing import (
    Asked,
    Choice,
    choose_changed,
    choosing_options,
    prove_choice,
    tell,
)
from promptsync.commands.common.formats import choose_format, format_option
from promptsync.commands.common.resultfile import ResultFile, first, junit_option, result_file, told_in
from promptsync.commands.common.running import interrupted, patience_of, waiting_options
from promptsync.commands.common.session import Outcome, Session
from promptsync.commands.common.tracing import Tracer, track_option
from promptsync.commands.common.variables import variable_option, variables, variables_option
from promptsync.errors import PromptsyncError, UsageError
from promptsync.showing.junit import junit, junit_of_error
from promptsync.showing.markdown.proofs import proof_markdown
from promptsync.showing.proofs import agents_body, proof_lines
from promptsync.showing.runs import output_lines, still_running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptsync.sync.project import Project

KIND: Final = "agent"
BLANK: Final[dict[str, Any]] = {"changed": [], "runs": []}


@click.argument("names", nargs=-1, metavar="[NAME|ID...]")
@choosing_options
@variable_option
@variables_option
@click.option("--label", metavar="LABEL", help="The version of the agent under this label of it.")
@click.option("--version", metavar="N", type=click.IntRange(1), help="This version of the agent.")
@click.option("--output", "output_file", metavar="FILE", help="Write the outputs of all nodes as JSON.")
@track_option
@junit_option
@format_option("markdown")
@waiting_options
def agent_run(
    session: Session,
    names: tuple[str, ...],
    given: tuple[str, ...],
    source: str | None,
    label: str | None,
    version: int | None,
    output_file: str | None,
    track: bool,
    junit_file: str | None,
    form: str | None,
    no_wait: bool,
    timeout: float | None,
    **asked: Any,
) -> Outcome:
    """Run agents at the same time, and wait for what their nodes put out.

    They are those of the given names or ids, or with --changed those that the changed prompts name, in their
    files or by checks:, each once for the same input variables; --var and --vars then replace single ones.

    Exit code 1 when a node failed or the time is up.

    \b
    promptsync agent run refund-agent --var order=A-17 --label prod
    promptsync agent run --changed --output outputs.json --track
    promptsync agent run refund-agent --vars cases.yaml --timeout 60 --json
    """
    choose_format(session, form)
    wanted = Asked(KIND, names, **asked)
    wanted.check()
    if label is not None and version is not None:
        raise UsageError("--label and --version exclude each other", hint="leave one of them out")
    patience = patience_of(no_wait, timeout)
    values = variables(session, given, source)
    outputs = result_file(session, "--output", output_file)
    results = result_file(session, "--junit", junit_file)
    with told_in(results, "agent run"), session.project() as project:
        choice = _choose(session, project, wanted, values)
        tracer = Tracer(session, project, wanted=track)
        found = find_checks(project.registry, choice.selection)
        try:
            proof = prove_choice(
                session,
                project,
                choice,
                standard=Standard(),
                allow_unbound=wanted.allow_unbound,
                patience=patience,
                found=found,
                orders=_orders(found, tracer, label, version),
            )
        except Interrupted as stop:
            return _interrupted(stop, choice, results)
        not_noted = tracer.note([one.run for one in proof.agents])
    runs = _runs(session, proof, tracer)
    errors = [proof.error, not_noted, outputs.write(lambda: _json(runs)), results.write(lambda: junit(proof))]
    return _outcome(choice, proof, runs, *first(*errors))


def _orders(found: Found, tracer: Tracer, label: str | None, version: int | None) -> list[AgentOrder]:
    return [
        tracer.traced(AgentOrder(agent, check.input_variables, label, version), check)
        for check, agent in found.agents
    ]


def _runs(session: Session, proof: Proof, tracer: Tracer) -> list[dict[str, Any]]:
    """The runs for programs; their warnings are said."""
    for one in proof.agents:
        if one.run.warning:
            warning = output.style("warning:", "warn")
            session.say(f"{warning} {output.name(f'{one.run.agent}: {one.run.warning}')}")
    return [
        {**body, **tracer.body(number, proof.agents[number].run)}
        for number, body in enumerate(agents_body(proof))
    ]


def _choose(session: Session, project: Project, wanted: Asked, values: Mapping[str, Any]) -> Choice:
    if not wanted.changed:
        checks = tuple(AgentCheck(name, (), values) for name in dict.fromkeys(wanted.names))
        return Choice(Selection((), checks))
    choice = choose_changed(session, project, wanted)
    session.blank = {**session.blank, **choice.body}
    tell(session, choice, KIND)
    return replace(choice, selection=Selection((), with_variables(choice.selection.agents, values)))


def _interrupted(stop: Interrupted, choice: Choice, results: ResultFile) -> Outcome:
    proof = proof_of(stop.runs, Standard())
    body = {**choice.body, "runs": agents_body(proof)}
    outcome = interrupted(proof_lines(proof), body, still_running(stop.runs))
    if outcome.error is not None:
        error = outcome.error
        results.write(lambda: junit_of_error(error, "agent run"))
    return outcome


def _json(runs: Sequence[Mapping[str, Any]]) -> str:
    kept = ("agent", "prompts", "input_variables", "execution_id", "status", "passed", "outputs")
    return (
        json.dumps({"runs": [{key: run[key] for key in kept} for run in runs]}, indent=2, default=str) + "\n"
    )


def _outcome(
    choice: Choice, proof: Proof, runs: Sequence[Mapping[str, Any]], code: int, error: PromptsyncError | None
) -> Outcome:
    lines = [*proof_lines(proof), *output_lines(one.run for one in proof.agents)]
    outputs = {
        "passed": str(code == 0 and not proof.under_way).lower(),
        "changed": json.dumps(choice.changed),
    }
    summary = proof_markdown(proof) if proof.agents else [f"No agent was run: {choice.reason}.", ""]
    return Outcome(lines, {**choice.body, "runs": list(runs)}, code, error, summary, outputs)

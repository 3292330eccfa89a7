"""``--track``: noting where an agent's run came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from promptsync.checks.agents import AgentOrder, AgentRun
from promptsync.checks.evaluations import Standard
from promptsync.checks.find import Found, find_checks
from promptsync.checks.outcome import Interrupted
from promptsync.checks.receipt import Proof
from promptsync.checks.run import proof_of
from promptsync.checks.select import AgentCheck, Selection, with_variables
from promptsync.checks.trace import Noted, note_traces, trace_of
from promptsync.commands.shared.checks import (
    Asked,
    Choice,
    ResultFile,
    choose_changed,
    choosing_options,
    first_result,
    junit_option,
    prove_choice,
    result_file,
    tell,
    told_in,
)
from promptsync.commands.shared.options import (
    choose_format,
    format_option,
    interrupted,
    patience_of,
    variable_option,
    variables,
    variables_option,
    waiting_options,
)
from promptsync.commands.shared.session import Session
from promptsync.errors import PromptsyncError, UsageError
from promptsync.show.checks import agents_body, proof_lines, proof_markdown
from promptsync.show.junit import junit, junit_of_error
from promptsync.show.outcome import Outcome
from promptsync.show.runs import output_lines, still_running
from promptsync.terminal import output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptsync.compare.project import Project

track_option = click.option(
    "--track",
    is_flag=True,
    help="Note git commit, branch and the versions of prompts as metadata of the requests that are made.",
)
"""Adds ``--track``."""

_BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME")
"""What GitHub says where no branch is checked out; the first one is of pull requests only."""


class Tracer:
    """Gives the runs of agents their trace. Without ``wanted`` it does nothing at all."""

    def __init__(self, session: Session, project: Project, *, wanted: bool) -> None:
        self._session = session
        self._project = project
        self._wanted = wanted
        self._metadata: list[dict[str, str]] = []
        self._noted: list[Noted] = []

    def traced(self, order: AgentOrder, check: AgentCheck) -> AgentOrder:
        """The order with the metadata that its run is to have."""
        if not self._wanted:
            return order
        commit, branch = self._git()
        found = trace_of(self._project.registry, order, check.prompts, commit=commit, branch=branch)
        self._metadata.append(found)
        return replace(order, metadata=found)

    def note(self, runs: Sequence[AgentRun]) -> PromptsyncError | None:
        """Attach the metadata to the requests that the registry names; say where it names none."""
        if not self._wanted:
            return None
        self._noted = note_traces(self._project.registry, runs, self._metadata)
        for run, noted in zip(runs, self._noted, strict=True):
            self._tell(run, noted)
        return next((one.error for one in self._noted if one.error is not None), None)

    def body(self, number: int, run: AgentRun) -> dict[str, Any]:
        """What the JSON document says about the trace of a run."""
        if not self._noted:
            return {}
        return {
            "tracked": {
                "metadata": self._metadata[number],
                "requests": list(self._noted[number].requests),
                "with_run": run.has_metadata,
            }
        }

    def _tell(self, run: AgentRun, noted: Noted) -> None:
        name = output.name(run.agent)
        if noted.requests:
            ids = ", ".join(output.name(str(one)) for one in noted.requests)
            self._session.say(f"{name}: commit, branch and versions noted on request {ids}")
        elif noted.error is None and run.has_metadata:
            self._session.say(
                f"{name}: the registry returned no request id; commit, branch and versions went along as "
                "metadata of the run"
            )
        elif noted.error is None and run.error is None:
            warning = output.style("warning:", "warn")
            why = "the registry returned no request id and took no metadata; nothing is noted"
            self._session.say(f"{warning} {name}: {why}")

    def _git(self) -> tuple[str | None, str | None]:
        history = self._project.history
        commit = history.head_commit if history is not None else None
        if history is None or commit is None:
            return None, None
        variables = self._session.environment.variables
        told = next((variables[key] for key in _BRANCHES if variables.get(key)), None)
        return commit + ("+" if history.differing(commit) else ""), history.branch or told


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
    return _outcome(choice, proof, runs, *first_result(*errors))


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

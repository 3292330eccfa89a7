"""A run of a check: its state, how evaluations and agents are started and read, and the wait for its end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, MutableSequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.assignment import Kind
from promptsync.checks.catalog import Use, score_of, uses_in
from promptsync.checks.comparison import RowResult
from promptsync.errors import RemoteError
from promptsync.parallel import for_each, mapped
from promptsync.project.project import Progress
from promptsync.project.target import LATEST, At
from promptsync.prompt.prompt import as_mapping
from promptsync.registry.errors import FateUnknown, NotFound, Unsupported
from promptsync.registry.protocol import number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


TIMEOUT: Final = 1800.0
"""How many seconds to wait for runs by default."""

_FIRST_PAUSE: Final = 0.1
_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 5.0

# A node that is still queued or running when its agent has ended has no result either.
_NODE_FAILED: Final = frozenset(
    {"FAILED", "FAILURE", "ERROR", "CANCELLED", "CANCELED", "TIMEOUT", "QUEUED", "RUNNING", "PENDING"}
)


class Status(StrEnum):
    """The state of a run.

    ``FAILED`` ended without completing. ``TIMED_OUT`` was still running when we stopped waiting.
    ``UNREADABLE`` was started, but the registry did not say how it went. ``MAYBE_STARTED`` may or may not
    have been started.
    """

    NOT_STARTED = "not-started"
    MAYBE_STARTED = "maybe-started"
    RUNNING = "running"
    TIMED_OUT = "timed-out"
    UNREADABLE = "unreadable"
    COMPLETED = "completed"
    FAILED = "failed"


class Cell(Struct, frozen=True):
    """A cell that failed, or a check that returned false; ``row`` counts from 1."""

    row: int
    column: str | None = None
    reason: str | None = None


class NodeOutput(Struct, frozen=True):
    """The output of one node. ``status`` is the registry's own; ``error`` is ``None`` unless it failed."""

    value: Any
    status: str
    error: str | None = None

    @property
    def failed(self) -> bool:
        return bool(self.error) or self.status.upper() in _NODE_FAILED


class Run(Struct, frozen=True, kw_only=True):
    """One run of an evaluation or an agent.

    ``item_id`` is the id of the evaluation or agent, ``id`` that of the report or the execution. ``error`` is
    the registry's failure, if any. ``seconds`` is the time from its start until we saw that it had ended,
    ``None`` if we did not see both; ``begun`` is when it was started, by the clock of this process. ``uses``
    are the prompts in its columns or nodes.

    Evaluations: ``ended``, ``cells`` and ``failed`` count cells. ``score`` is 0 to 100; ``no_score`` is why
    there is none if the registry lacks the operation. ``missed_cells`` are checks that returned false.
    ``version`` and ``prompt_id`` are those of the prompt that the report names, ``model`` is what an embedded
    registry ran it on. ``stopped`` is why a report that ended did not complete: it has no score that counts.

    Tables: ``table_id`` and ``sheet_id`` take the place of ``item_id`` and ``id``; ``sheet`` is the title.
    ``origin`` is what it was run for, such as ``pull request 12``; ``reused`` says that it is an earlier run.
    ``verdict`` is that of the scorecard, such as ``fail``, ``cost`` is in dollars, and ``completed_at`` is a
    time of the registry.

    Agents: ``variables`` and ``at`` are what it is started with, ``outputs`` are those of its nodes.
    """

    kind: Kind
    name: str
    item_id: int | None = None
    id: int | None = None
    status: Status = Status.NOT_STARTED
    error: RemoteError | None = None
    begun: float | None = None
    seconds: float | None = None
    uses: tuple[Use, ...] = ()

    ended: int = 0
    cells: int = 0
    failed: int = 0
    score: float | None = None
    no_score: RemoteError | None = None
    failed_cells: tuple[Cell, ...] = ()
    missed_cells: tuple[Cell, ...] = ()
    version: int | None = None
    prompt_id: int | None = None
    model: str | None = None
    stopped: str = ""

    table_id: str | None = None
    sheet_id: str | None = None
    sheet: str = ""
    rows: tuple[RowResult, ...] = ()
    verdict: str = ""
    url: str = ""
    origin: str = ""
    reused: bool = False
    cost: float | None = None
    completed_at: str | None = None

    variables: Mapping[str, Any] = {}
    at: At = LATEST
    outputs: Mapping[str, NodeOutput] = {}
    warning: str | None = None

    @property
    def is_echo(self) -> bool:
        """Whether it ran on the echo model of an embedded registry, which repeats the last message."""
        return self.model == "echo"

    @property
    def is_under_way(self) -> bool:
        return self.status is Status.RUNNING

    @property
    def location(self) -> str:
        """Where to find it in the registry, such as ``report 5``."""
        if self.kind == "table":
            return f"sheet {self.sheet!r} of table {self.name!r}" + (f" ({self.url})" if self.url else "")
        return f"{'report' if self.kind == 'evaluation' else 'execution'} {self.id}"

    @property
    def verb(self) -> str:
        """The command whose ``show`` reads it."""
        return "agent" if self.kind == "agent" else "eval"

    @property
    def follow_command(self) -> str:
        """The command that waits for its result; empty if the registry gave it no id.

        A run of a table takes up the sheet of an earlier one.
        """
        if self.kind == "table":
            return f"promptsync eval run {shlex.quote(self.name)}"
        return f"promptsync {self.verb} show {self.id} --wait" if self.id is not None else ""

    @property
    def progress(self) -> tuple[int, int]:
        """How much of it is done, and how much there is."""
        return (int(not self.is_under_way), 1) if self.kind == "agent" else (self.ended, self.cells)

    def start_failed(self, error: RemoteError) -> Run:
        status = Status.MAYBE_STARTED if isinstance(error, FateUnknown) else Status.NOT_STARTED
        return replace(self, status=status, error=error)

    def timed(self) -> Run:
        """Return it with the time that it took, if it has ended."""
        if self.is_under_way or self.begun is None:
            return self
        return replace(self, seconds=time.monotonic() - self.begun)


Poll = Callable[[Run], Run]
"""Returns the new state of a run. Raises ``RemoteError``."""


def follow(
    runs: MutableSequence[Run], polls: Mapping[int, Poll], *, timeout: float, progress: Progress
) -> bool:
    """Wait until runs that were started have ended, each with its poll; with a ``timeout`` of 0, poll once.

    States are replaced as soon as they are known, so that Ctrl-C loses none of them: then it returns false.
    """
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE

    def poll(index: int) -> None:
        try:
            run = polls[index](runs[index])
        except RemoteError as error:
            run = replace(runs[index], error=error, status=Status.UNREADABLE)
        runs[index] = run.timed()

    try:
        while True:
            mapped(poll, [index for index, run in enumerate(runs) if run.is_under_way])
            shares = [run.progress for run in runs]
            failed = sum(run.failed for run in runs)
            doing = f"Running checks, {failed} failed" if failed else "Running checks"
            progress(doing, sum(ended for ended, _ in shares), sum(total for _, total in shares))
            rest = deadline - time.monotonic()
            if rest <= 0 or not any(run.is_under_way for run in runs):
                break
            time.sleep(min(pause, rest))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
    except KeyboardInterrupt:
        return False
    for index, run in enumerate(runs):
        if timeout and run.is_under_way:
            runs[index] = replace(run, status=Status.TIMED_OUT).timed()
    return True


# A state of a report or of a cell in neither of these sets counts as ended and failed.
_UNFINISHED: Final = frozenset(
    {"RUNNING", "QUEUED", "PENDING", "CREATED", "STARTED", "PROCESSING", "IN_PROGRESS"}
)
_COMPLETED: Final = frozenset({"COMPLETED", "SUCCESS", "SUCCEEDED", "FINISHED"})
_DATASET: Final = "dataset"
_MODEL: Final = "model: "


# A registry may return the outputs immediately, in the response to the start, under one of these keys.
_OUTPUTS: Final = ("outputs", "output", "results", "result", "final_output")


def run_together(
    registry: Registry, runs: MutableSequence[Run], *, timeout: float, progress: Progress
) -> bool:
    """Start runs, and wait until they have ended; with a ``timeout`` of 0 only start them.

    Returns false after Ctrl-C: runs that were started continue in the registry.
    """

    def start(index: int) -> None:
        run = replace(runs[index], begun=time.monotonic(), status=Status.RUNNING)
        try:
            if run.kind == "agent":
                runs[index] = _started_agent(registry, run).timed()
            else:
                name = f"promptsync {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
                runs[index] = replace(run, id=registry.checks.run_evaluation(run.item_id or 0, name))
        except RemoteError as error:
            runs[index] = run.start_failed(error)

    try:
        for_each(start, range(len(runs)))
    except KeyboardInterrupt:
        return False
    polls = {index: poll_of(registry, run) for index, run in enumerate(runs)}
    return not timeout or follow(runs, polls, timeout=timeout, progress=progress)


def poll_of(registry: Registry, run: Run) -> Poll:
    """Return what polls a run of an evaluation or of an agent."""
    return partial(poll_agent if run.kind == "agent" else poll_evaluation, registry)


def poll_evaluation(registry: Registry, run: Run) -> Run:
    """Return the state of a run. A score that is not in the report is fetched. Raises ``RemoteError``."""
    run = as_reported(run, registry.checks.evaluation(run.id or 0))
    if run.status is not Status.COMPLETED or run.score is not None:
        return run
    try:
        return replace(run, score=score_of(registry.checks.evaluation_score(run.id or 0)))
    except (Unsupported, NotFound) as error:
        return replace(run, no_score=error)
    except RemoteError as error:
        return replace(run, error=error)


def explained(registry: Registry, run: Run) -> Run:
    """Return a run with the cells that explain its failure, if the registry returns them."""
    try:
        table = registry.checks.evaluation_rows(run.id or 0)
    except RemoteError:
        return run  # the reason is known without them
    columns = [str(column) for column in table["columns"]]
    failed, missed = [], []
    for row, line in enumerate(table["rows"], start=1):
        for place, cell in enumerate(line):
            if not isinstance(cell, dict):
                continue
            column = columns[place] if place < len(columns) else None
            if _is_failed(text(cell, "status") or "COMPLETED"):
                failed.append(Cell(row, column, text(cell, "error_message", "status")))
            if cell.get("value") is False and cell.get("type") != _DATASET:
                missed.append(Cell(row, column, "check returned false"))
    return replace(run, failed_cells=tuple(failed), missed_cells=tuple(missed))


def as_reported(run: Run, raw: Mapping[str, Any]) -> Run:
    """Return a run with its report from the registry."""
    report = as_mapping(raw.get("report"))
    stated = as_mapping(as_mapping(raw.get("stats")).get("status_counts"))
    counts = {key.upper(): amount for key in stated if (amount := number(stated, key)) is not None}
    score = score_of(report.get("score"))
    # The embedded registry names its model in the comment of a report.
    comment = text(report, "comment") or ""
    word = str(raw["status"]).upper()
    failed = sum(amount for key, amount in counts.items() if _is_failed(key))
    stopped = "" if word in _UNFINISHED else _stopped(word, counts)
    ended = Status.FAILED if stopped else Status.COMPLETED
    return replace(
        run,
        status=Status.RUNNING if word in _UNFINISHED else ended,
        ended=counts.get("COMPLETED", 0) + failed,
        cells=sum(counts.values()),
        failed=failed,
        score=None if stopped else score_of(raw.get("score")) if score is None else score,
        stopped=stopped,
        version=number(report, "prompt_version_number"),
        prompt_id=number(report, "prompt_registry_id"),
        uses=uses_in(raw.get("report_columns"), "column_type"),
        model=comment.removeprefix(_MODEL) if comment.startswith(_MODEL) else None,
    )


def _is_failed(status: str) -> bool:
    """Whether a report or a cell with this status ended without a result."""
    return status.upper() not in _UNFINISHED | _COMPLETED


def _stopped(word: str, counts: Mapping[str, int]) -> str:
    """Return why a report that ended did not complete; empty if it did, as far as it says."""
    if _is_failed(word):
        return f"its report ended with the status {word[:40]!r}"
    waiting = sum(amount for key, amount in counts.items() if key in _UNFINISHED)
    if waiting:
        return f"its report ended with {waiting} unfinished {'cell' if waiting == 1 else 'cells'}"
    return "its report has no rows" if counts and not any(counts.values()) else ""


def _started_agent(registry: Registry, run: Run) -> Run:
    execution_id, started = registry.checks.run_agent(
        run.item_id or 0, run.variables, label=run.at.label, version=run.at.number
    )
    run = replace(run, id=execution_id, warning=text(started, "warning"))
    key = next((key for key in _OUTPUTS if started.get(key) is not None), None)
    return _ended(run, started[key]) if key is not None else run


def poll_agent(registry: Registry, run: Run) -> Run:
    """Return the state of a run. Raises ``RemoteError``."""
    try:
        # A registry that returned no execution id lacks this operation, and the error says so.
        is_over, result = registry.checks.agent_result(run.id or 0)
    except Unsupported as error:
        command = f"promptsync agent run {shlex.quote(run.name)} --no-wait"
        hint = command if run.item_id is not None else ""
        raise RemoteError(error.message, hint=hint, code=error.code) from None
    except RemoteError:
        if run.id is not None:
            raise
        message = f"the registry returned no id for the run of {run.name!r}"
        return run.start_failed(FateUnknown(message))
    return _ended(run, result) if is_over else run


def _ended(run: Run, result: object) -> Run:
    """Return the run with its result from the registry."""
    outputs = result if isinstance(result, dict) else {"output": result}
    # A registry may return other keys beside the nodes, or only the outputs.
    stated = {name: raw for name, raw in outputs.items() if isinstance(raw, dict) and text(raw, "status")}
    nodes = {
        str(name): NodeOutput(
            node.get("value"), node["status"], text(node, "error_message", "raw_error_message")
        )
        for name, node in stated.items()
    } or {str(name): NodeOutput(value, "SUCCESS") for name, value in outputs.items()}
    status = Status.FAILED if any(node.failed for node in nodes.values()) else Status.COMPLETED
    return replace(run, status=status, outputs=nodes)

"""The state of a run of a check, and the wait until runs have ended."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.assignment import Kind
from promptsync.checks.catalog import Use
from promptsync.checks.comparison import RowResult
from promptsync.errors import RemoteError
from promptsync.parallel import mapped
from promptsync.project.target import LATEST, At
from promptsync.registry.errors import FateUnknown

TIMEOUT: Final = 1800.0
"""How many seconds to wait for runs by default."""

_FIRST_PAUSE: Final = 0.1
_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 5.0

OTHER_PROMPT: Final = "the run used another prompt"
NO_VERSION: Final = "the run names no version"

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
    ``verdict`` is that of the scorecard, such as ``fail``, and ``cost`` is in dollars.

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
    previous_score: float | None = None
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

    variables: Mapping[str, Any] = {}
    at: At = LATEST
    outputs: Mapping[str, NodeOutput] = {}
    warning: str | None = None

    @property
    def change(self) -> float | None:
        """The score less the previous one."""
        if self.score is None or self.previous_score is None:
            return None
        return round(self.score - self.previous_score, 2)

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


def named_version(run: Run, name: str, template_id: int | None) -> tuple[int | None, str]:
    """Return the version of a prompt that the report or the steps of a run name, or why they name none."""
    if run.version is not None and run.prompt_id is not None and run.prompt_id == template_id:
        return run.version, ""
    own = [use for use in run.uses if use.prompt == name]
    label = next((use for use in own if use.label is not None), None)
    if label is not None:
        return None, f"step {label.step} uses the label {label.label}"
    pins = {use.version for use in own}
    if len(pins) > 1:
        return None, f"its steps use several versions of {name}"
    if pins and None not in pins:
        return pins.pop(), ""
    if run.version is not None and run.prompt_id is None:
        return None, f"its report names v{run.version}, but no prompt"
    is_other = run.uses if run.prompt_id is None else run.prompt_id != template_id
    return None, OTHER_PROMPT if is_other and not own else NO_VERSION


Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are (0: not known yet)."""

Poll = Callable[[Run], Run]
"""Returns the new state of a run. Raises ``RemoteError``."""


def follow(runs: MutableSequence[Run], polls: Sequence[Poll], *, timeout: float, progress: Progress) -> bool:
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

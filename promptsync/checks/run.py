"""Runs in the registry: started together, polled until they have ended, then completed with their results."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, MutableSequence, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from msgspec import Struct
from msgspec.structs import replace

from promptsync.errors import RemoteError
from promptsync.parallel import for_each, mapped
from promptsync.registry.errors import FateUnknown

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

TIMEOUT: Final = 1800.0
"""How many seconds to wait for runs unless somebody says otherwise."""

_FIRST_PAUSE: Final = 0.1
_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 5.0

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are (0: not known yet)."""


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


class Run(Struct, frozen=True, kw_only=True):
    """One run of an evaluation or an agent.

    ``item_id`` is the id of the evaluation or agent, ``id`` that of the run in the registry. ``error`` is the
    registry's failure, if any. ``seconds`` is the time from its start until we saw that it had ended,
    ``None`` if we did not see both; ``begun`` is when it was started, by the clock of this process.
    """

    place: ClassVar[str]
    """What the registry calls such a run."""
    verb: ClassVar[str]
    """The command whose ``show`` reads it."""

    name: str
    item_id: int | None = None
    id: int | None = None
    status: Status = Status.NOT_STARTED
    error: RemoteError | None = None
    begun: float | None = None
    seconds: float | None = None

    @property
    def is_under_way(self) -> bool:
        return self.status is Status.RUNNING

    @property
    def location(self) -> str:
        """Where to find it in the registry, such as ``report 5``."""
        return f"{self.place} {self.id}"

    @property
    def follow_command(self) -> str:
        """The command that waits for its result; empty if the registry gave it no id."""
        return f"promptsync {self.verb} show {self.id} --wait" if self.id is not None else ""

    @property
    @abstractmethod
    def progress(self) -> tuple[int, int]:
        """How much of it is done, and how much there is."""

    @abstractmethod
    def start(self, registry: Registry) -> Self:
        """Start it, and return its new state. Raises ``RemoteError``."""

    @abstractmethod
    def poll(self, registry: Registry) -> Self:
        """Return the state of a run that was under way. Raises ``RemoteError``."""

    def complete(self, registry: Registry) -> Self:
        """Return an ended run with what the registry has only for ended runs."""
        return self

    def start_failed(self, error: RemoteError) -> Self:
        status = Status.MAYBE_STARTED if isinstance(error, FateUnknown) else Status.NOT_STARTED
        return replace(self, status=status, error=error)


Runs = MutableSequence[Any]
"""Runs whose states are replaced as soon as they are known, so that Ctrl-C loses none of them."""


def run_together(registry: Registry, runs: Runs, *, timeout: float, progress: Progress, what: str) -> bool:
    """Start runs, and wait until they have ended; with a ``timeout`` of 0 only start them.

    Returns false if Ctrl-C cut it short: what was started goes on in the registry.
    """

    def start(index: int) -> None:
        run = replace(runs[index], begun=time.monotonic())
        try:
            runs[index] = _timed(run.start(registry))
        except RemoteError as error:
            runs[index] = run.start_failed(error)

    try:
        for_each(start, range(len(runs)))
    except KeyboardInterrupt:
        return False
    return not timeout or follow(registry, runs, timeout=timeout, progress=progress, what=what)


def follow(registry: Registry, runs: Runs, *, timeout: float, progress: Progress, what: str) -> bool:
    """Wait until runs that were started have ended. Returns false if Ctrl-C cut it short."""
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    try:
        while True:
            poll(registry, runs)
            shares = [run.progress for run in runs]
            progress(what, sum(ended for ended, _ in shares), sum(total for _, total in shares))
            rest = deadline - time.monotonic()
            if not _under_way(runs) or rest <= 0:
                break
            time.sleep(min(pause, rest))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        for index in _under_way(runs):
            runs[index] = _timed(replace(runs[index], status=Status.TIMED_OUT))
        complete(registry, runs)
    except KeyboardInterrupt:
        return False
    return True


def poll(registry: Registry, runs: Runs) -> None:
    """Update the runs that are under way, once."""

    def update(index: int) -> None:
        try:
            runs[index] = _timed(runs[index].poll(registry))
        except RemoteError as error:
            runs[index] = _timed(replace(runs[index], error=error, status=Status.UNREADABLE))

    mapped(update, _under_way(runs))


def complete(registry: Registry, runs: Runs) -> None:
    """Fetch what is available only for ended runs."""

    def update(index: int) -> None:
        runs[index] = runs[index].complete(registry)

    mapped(update, [index for index, run in enumerate(runs) if not run.is_under_way])


def _under_way(runs: Sequence[Run]) -> list[int]:
    return [index for index, run in enumerate(runs) if run.is_under_way]


def _timed(run: Run) -> Run:
    """Return a run that has ended with the time that it took."""
    if run.is_under_way or run.begun is None:
        return run
    return replace(run, seconds=time.monotonic() - run.begun)

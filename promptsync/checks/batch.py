"""Runs in the registry: started together, polled until they have ended, then completed with their results."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from promptsync.errors import RemoteError
from promptsync.parallel import for_each, mapped
from promptsync.registry.errors import FateUnknown

_GROWTH: Final = 1.5

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are (0: not known yet)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait in total, and between two polls: a little longer each time. All in seconds."""

    timeout: float = 1800.0
    first: float = 0.1
    longest: float = 5.0


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


@dataclass(frozen=True, slots=True)
class Run(ABC):
    """One run of an evaluation or an agent. ``error`` is the registry's failure, if any.

    ``seconds`` is the time from its start until we saw that it had ended, ``None`` if we did not see both.
    """

    name: str
    status: Status = field(default=Status.NOT_STARTED, kw_only=True)
    error: RemoteError | None = field(default=None, kw_only=True)
    seconds: float | None = field(default=None, kw_only=True, compare=False)

    @property
    def is_under_way(self) -> bool:
        return self.status is Status.RUNNING

    @property
    @abstractmethod
    def location(self) -> str:
        """Where to find it in the registry, such as ``report 5``."""

    @property
    @abstractmethod
    def follow_command(self) -> str:
        """The command that waits for its result; empty if the registry gave it no id."""


RunT = TypeVar("RunT", bound=Run)


def start_failed(run: RunT, error: RemoteError) -> RunT:
    """Return a run whose start raised ``error``."""
    status = Status.MAYBE_STARTED if isinstance(error, FateUnknown) else Status.NOT_STARTED
    return replace(run, status=status, error=error)


class Batch(ABC, Generic[RunT]):
    """Runs of one kind. ``runs`` is their current state, even after Ctrl-C."""

    def __init__(self, runs: Sequence[RunT]) -> None:
        self.runs = list(runs)
        self._begun: dict[int, float] = {}

    @abstractmethod
    def start(self, index: int) -> RunT:
        """Start a run, and return its new state."""

    @abstractmethod
    def poll(self, run: RunT) -> RunT:
        """Return the state of a run that was under way."""

    def complete(self, run: RunT) -> RunT:
        """Return an ended run with what the registry has only for ended runs."""
        return run

    @abstractmethod
    def progress(self) -> tuple[int, int]:
        """How much is done, and how much there is."""

    def begin(self, index: int) -> RunT:
        """Start a run and its clock, and return its new state."""
        self._begun[index] = time.monotonic()
        return self._timed(index, self.start(index))

    def follow(self, index: int) -> RunT:
        """Poll a run, and return its new state."""
        return self._timed(index, self.poll(self.runs[index]))

    def give_up(self, index: int) -> RunT:
        """Return a run that is still under way when we stop waiting."""
        return self._timed(index, replace(self.runs[index], status=Status.TIMED_OUT))

    def _timed(self, index: int, run: RunT) -> RunT:
        if run.is_under_way or index not in self._begun:
            return run
        return replace(run, seconds=time.monotonic() - self._begun[index])

    def under_way(self) -> list[int]:
        return [index for index, run in enumerate(self.runs) if run.is_under_way]

    def ended(self) -> list[int]:
        return [index for index, run in enumerate(self.runs) if not run.is_under_way]


Batches = Sequence[Batch[Any]]


def run_together(batches: Batches, *, patience: Patience | None, progress: Progress, what: str) -> bool:
    """Start the runs of all batches, and wait until they have ended; without ``patience`` only start them.

    Returns false if Ctrl-C cut it short.
    """
    everything = [(batch, index) for batch in batches for index in range(len(batch.runs))]
    try:
        for_each(_updating(lambda batch, index: batch.begin(index)), everything)
    except KeyboardInterrupt:
        # What was started goes on in the registry, so the caller still gets the runs to report them.
        return False
    return patience is None or finish(batches, patience=patience, progress=progress, what=what)


def finish(batches: Batches, *, patience: Patience, progress: Progress, what: str) -> bool:
    """Wait until runs that were started have ended. Returns false if Ctrl-C cut it short."""

    def all_ended() -> bool:
        poll(batches)
        counts = [batch.progress() for batch in batches]
        progress(what, sum(done for done, _ in counts), sum(total for _, total in counts))
        return not any(batch.under_way() for batch in batches)

    try:
        if not wait(all_ended, patience):
            for batch in batches:
                for index in batch.under_way():
                    batch.runs[index] = batch.give_up(index)
        complete(batches)
    except KeyboardInterrupt:
        return False
    return True


def poll(batches: Batches) -> None:
    """Update the runs that are under way, once."""
    running = [(batch, index) for batch in batches for index in batch.under_way()]
    mapped(_updating(lambda batch, index: batch.follow(index)), running)


def complete(batches: Batches) -> None:
    """Fetch what is available only for ended runs."""
    ended = [(batch, index) for batch in batches for index in batch.ended()]
    mapped(_updating(lambda batch, index: batch.complete(batch.runs[index])), ended)


def _updating(step: Callable[[Batch[Any], int], Any]) -> Callable[[tuple[Batch[Any], int]], None]:
    """Store each new state at once, so that Ctrl-C between two runs loses none of them."""

    def update(place: tuple[Batch[Any], int]) -> None:
        batch, index = place
        batch.runs[index] = step(batch, index)

    return update


def wait(is_over: Callable[[], bool], patience: Patience) -> bool:
    """Call ``is_over`` until it returns true; false when patience runs out first."""
    deadline = time.monotonic() + patience.timeout
    pause = patience.first
    while not is_over():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * _GROWTH, patience.longest)
    return True

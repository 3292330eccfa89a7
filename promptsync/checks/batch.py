"""Runs that go on at the same time: started, looked at until they have ended, and judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from promptsync.checks.outcome import Interrupted
from promptsync.checks.wait import Patience, Progress, wait
from promptsync.parallel import for_each, mapped


class Run(Protocol):
    """One run of an evaluation or an agent."""

    @property
    def is_under_way(self) -> bool: ...


RunT = TypeVar("RunT", bound=Run)


class Batch(ABC, Generic[RunT]):
    """Runs of one kind; ``runs`` is how far they are, at every moment."""

    def __init__(self, runs: Sequence[RunT]) -> None:
        self.runs = list(runs)

    @abstractmethod
    def started(self, index: int) -> RunT:
        """Start a run."""

    @abstractmethod
    def looked_at(self, run: RunT) -> RunT:
        """Ask the registry how far a run is."""

    @abstractmethod
    def given_up(self, run: RunT) -> RunT:
        """A run that nobody waits for any longer."""

    def judged(self, run: RunT) -> RunT:
        """A run with what is only asked for once it has ended."""
        return run

    @abstractmethod
    def progress(self) -> tuple[int, int]:
        """How much is done, and how much there is."""

    def indexes(self) -> list[int]:
        return list(range(len(self.runs)))

    def under_way(self) -> list[int]:
        return [index for index, run in enumerate(self.runs) if run.is_under_way]

    def ended(self) -> list[int]:
        return [index for index, run in enumerate(self.runs) if not run.is_under_way]


Batches = Sequence[Batch[Any]]
_Place = tuple[Batch[Any], int]


def run_together(batches: Batches, *, patience: Patience | None, progress: Progress, what: str) -> None:
    """Start all runs of all batches at the same time, wait until they have ended, and judge them.

    Without ``patience`` they are only started. Raises ``Interrupted`` with the runs as they are.
    """
    with interruptible(batches):
        for_each(_keeping(lambda batch, index: batch.started(index)), _places(batches, Batch.indexes))
        if patience is not None:
            finish(batches, patience=patience, progress=progress, what=what)


def finish(batches: Batches, *, patience: Patience, progress: Progress, what: str) -> None:
    """Wait until runs that were started have ended, and judge those that have when the time is up."""

    def over() -> bool:
        look(batches)
        counts = [batch.progress() for batch in batches]
        progress(what, sum(done for done, _ in counts), sum(total for _, total in counts))
        return not any(batch.under_way() for batch in batches)

    if not wait(over, patience):
        for batch in batches:
            for index in batch.under_way():
                batch.runs[index] = batch.given_up(batch.runs[index])
    judge(batches)


def look(batches: Batches) -> None:
    """Ask once how far the runs under way are."""
    step = _keeping(lambda batch, index: batch.looked_at(batch.runs[index]))
    mapped(step, _places(batches, Batch.under_way))


def judge(batches: Batches) -> None:
    """Ask for what is only known about runs that have ended."""
    step = _keeping(lambda batch, index: batch.judged(batch.runs[index]))
    mapped(step, _places(batches, Batch.ended))


@contextmanager
def interruptible(batches: Batches) -> Iterator[None]:
    """Turn Ctrl-C into ``Interrupted`` with the runs of the batches as they are."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted([run for batch in batches for run in batch.runs]) from None


def _keeping(step: Callable[[Batch[Any], int], Any]) -> Callable[[_Place], None]:
    """What replaces a run by what a step makes of it: kept at once, for an interruption in between."""

    def keep(place: _Place) -> None:
        batch, index = place
        batch.runs[index] = step(batch, index)

    return keep


def _places(batches: Batches, indexes: Callable[[Batch[Any]], list[int]]) -> list[_Place]:
    return [(batch, index) for batch in batches for index in indexes(batch)]

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from promptsync.checks import batch
from promptsync.checks.batch import Batch, Patience, Run, Status, finish, run_together, wait


class Clock:
    """A clock that advances only in ``sleep``."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(batch, "time", clock)
    return clock


def looking(clock: Clock, looks: list[float], done_after: int) -> Callable[[], bool]:
    def look() -> bool:
        looks.append(clock.now)
        return len(looks) == done_after

    return look


def test_looks_become_rarer_up_to_the_longest_pause_and_end_when_done(clock: Clock) -> None:
    looks: list[float] = []
    assert wait(looking(clock, looks, done_after=6), Patience(50, 1, 4))
    pauses = [after - before for before, after in itertools.pairwise(looks)]
    assert pauses == [1, 1.5, 2.25, 3.375, 4]


def test_patience_ends_with_a_last_look_at_the_deadline(clock: Clock) -> None:
    looks: list[float] = []
    assert not wait(looking(clock, looks, done_after=-1), Patience(1, 0.3))
    assert looks[-1] == pytest.approx(1)


@dataclass(frozen=True)
class Scripted(Run):
    """A run that ends with the look of this number, 0 for one that ends when it is started."""

    looks: int = 0

    @property
    def location(self) -> str:
        return self.name

    @property
    def follow_command(self) -> str:
        return f"follow {self.name}"


class ScriptedBatch(Batch[Scripted]):
    """Starting a run takes half a second."""

    def __init__(self, clock: Clock, runs: list[Scripted]) -> None:
        super().__init__(runs)
        self._clock = clock

    def start(self, index: int) -> Scripted:
        self._clock.sleep(0.5)
        run = self.runs[index]
        return replace(run, status=Status.RUNNING if run.looks else Status.COMPLETED)

    def poll(self, run: Scripted) -> Scripted:
        return replace(run, looks=run.looks - 1, status=Status.RUNNING if run.looks > 1 else Status.COMPLETED)

    def progress(self) -> tuple[int, int]:
        return 0, 0


def timed(clock: Clock, looks: int, patience: Patience | None) -> tuple[Status, float | None]:
    found = ScriptedBatch(clock, [Scripted("run", looks)])
    assert run_together([found], patience=patience, progress=lambda *_: None, what="running")
    return found.runs[0].status, found.runs[0].seconds


@pytest.mark.parametrize(
    ("looks", "seconds"),
    [(0, 0.5), (1, 0.5), (2, 1.5), (3, 3.0)],  # looks after 0, 1 and 1.5 seconds more
)
def test_the_time_of_a_run_is_from_its_start_to_the_look_that_sees_its_end(
    clock: Clock, looks: int, seconds: float
) -> None:
    assert timed(clock, looks, Patience(50, 1, 4)) == (Status.COMPLETED, seconds)


def test_a_run_that_is_given_up_took_as_long_as_we_waited(clock: Clock) -> None:
    assert timed(clock, 99, Patience(10, 1, 4)) == (Status.TIMED_OUT, 10.5)


def test_a_run_that_is_only_started_has_no_time(clock: Clock) -> None:
    assert timed(clock, 1, None) == (Status.RUNNING, None)


def test_a_run_that_was_started_before_has_no_time(clock: Clock) -> None:
    found = ScriptedBatch(clock, [Scripted("run", 2, status=Status.RUNNING)])
    assert finish([found], patience=Patience(50, 1, 4), progress=lambda *_: None, what="running")
    assert (found.runs[0].status, found.runs[0].seconds) == (Status.COMPLETED, None)

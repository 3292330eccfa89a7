"""How long runs are waited for, how often they are polled, and how long they took."""

from __future__ import annotations

from typing import Any, cast

import pytest
from msgspec.structs import replace

from promptsync.checks import run as module
from promptsync.checks.run import Run, Status, follow, run_together

NOBODY = cast(Any, None)


class Clock:
    """A clock that advances only in ``sleep``."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class Scripted(Run, frozen=True, kw_only=True):
    """A run that ends with the poll of this number, 0 for one that ends when it is started."""

    place = "run"
    verb = "eval"

    polls: int = 0

    @property
    def progress(self) -> tuple[int, int]:
        return 0, 0

    def start(self, registry: object) -> Scripted:
        return replace(self, status=Status.RUNNING if self.polls else Status.COMPLETED)

    def poll(self, registry: object) -> Scripted:
        status = Status.RUNNING if self.polls > 1 else Status.COMPLETED
        return replace(self, polls=self.polls - 1, status=status)


def ran(run: Scripted, timeout: float) -> tuple[Status, float | None]:
    runs = [run]
    wait = follow if run.status is Status.RUNNING else run_together
    assert wait(NOBODY, runs, timeout=timeout, progress=lambda *_: None, what="running")
    return runs[0].status, runs[0].seconds


def test_polls_become_rarer_up_to_the_longest_pause(clock: Clock) -> None:
    ran(Scripted(name="run", polls=20), 1000)
    assert clock.pauses == pytest.approx([min(0.1 * 1.5**number, 5) for number in range(19)])


@pytest.mark.parametrize(("polls", "seconds"), [(0, 0), (1, 0), (2, 0.1), (3, 0.25)])
def test_the_time_of_a_run_is_from_its_start_to_the_poll_that_sees_its_end(
    clock: Clock, polls: int, seconds: float
) -> None:
    status, took = ran(Scripted(name="run", polls=polls), 50)
    assert (status, took) == (Status.COMPLETED, pytest.approx(seconds))


def test_a_run_that_is_given_up_took_as_long_as_we_waited(clock: Clock) -> None:
    assert ran(Scripted(name="run", polls=999), 10) == (Status.TIMED_OUT, pytest.approx(10))


def test_only_a_run_whose_start_and_end_were_seen_has_a_time(clock: Clock) -> None:
    assert ran(Scripted(name="run", polls=1), 0) == (Status.RUNNING, None)
    assert ran(Scripted(name="run", polls=2, status=Status.RUNNING), 50) == (Status.COMPLETED, None)

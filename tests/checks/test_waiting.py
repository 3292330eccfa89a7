"""How long runs are waited for, how often they are polled, and how long they took."""

from __future__ import annotations

from typing import Any, cast

import pytest
from clock import Clock

from promptsync.checks import runs as module
from promptsync.checks.runs import Run, Status, follow, poll_agent, run_together


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.1)
    return clock


class Agents:
    """A registry whose runs end with the poll of this number, 0 for those that end when they are started."""

    def __init__(self, polls: int) -> None:
        self.checks, self.polls = self, polls

    def run_agent(self, *_: object, **__: object) -> tuple[int, dict[str, str]]:
        return 1, {} if self.polls else {"output": "x"}

    def agent_result(self, _: int) -> tuple[bool, object]:
        self.polls -= 1
        return self.polls < 1, "x"


def ran(polls: int, timeout: float, status: Status = Status.NOT_STARTED) -> tuple[Status, float | None]:
    runs, agents = [Run(kind="agent", name="run", id=1, status=status)], cast(Any, Agents(polls))
    options: Any = {"timeout": timeout, "progress": lambda *_: None}
    if status is Status.RUNNING:
        assert follow(runs, [lambda run: poll_agent(agents, run)], **options)
    else:
        assert run_together(agents, runs, **options)
    return runs[0].status, runs[0].seconds


def test_polls_become_rarer_up_to_the_longest_pause(clock: Clock) -> None:
    ran(20, 1000)
    assert clock.pauses == pytest.approx([min(0.1 * 1.5**number, 5) for number in range(19)])


@pytest.mark.parametrize(
    ("polls", "timeout", "before", "after", "seconds"),
    [
        (0, 50, Status.NOT_STARTED, Status.COMPLETED, 0),
        (2, 50, Status.NOT_STARTED, Status.COMPLETED, 0.1),
        (3, 50, Status.NOT_STARTED, Status.COMPLETED, 0.25),
        # One that is given up took as long as we waited.
        (999, 10, Status.NOT_STARTED, Status.TIMED_OUT, 10),
        # Its start and its end must have been seen.
        (1, 0, Status.NOT_STARTED, Status.RUNNING, None),
        (2, 50, Status.RUNNING, Status.COMPLETED, None),
    ],
)
def test_the_time_of_a_run_is_from_its_start_to_the_poll_that_sees_its_end(
    clock: Clock, polls: int, timeout: float, before: Status, after: Status, seconds: float | None
) -> None:
    assert ran(polls, timeout, before) == (after, seconds if seconds is None else pytest.approx(seconds))

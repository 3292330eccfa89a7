"""``--jobs`` and ``jobs:`` limit the requests at once, and a rate limit fails no verb."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from worlds import Reply, Seen, World, asking, failing

from promptsync.files.schema import schema
from promptsync.parallel import MOST_REQUESTS
from promptsync.server.serve import THREADS

PROMPTS = 40


class Crowd:
    """Delays reads of prompts until ``expected`` are under way, and knows the most at once.

    The first read is alone: it finds out which workspace this is.
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._seen = 0
        self._inside = 0
        self._changed = threading.Condition()
        self.most = 0

    def __call__(self, seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if not asking("GET", "/prompt-templates/")(seen) or "labels" in seen.path:
            return None
        with self._changed:
            self._seen += 1
            self._inside += 1
            self.most = max(self.most, self._inside)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._seen == 1 or self.most >= self._expected, timeout=20)
        reply = forward(seen)
        with self._changed:
            self._inside -= 1
        return reply


@pytest.fixture
def full(world: World) -> World:
    for number in range(PROMPTS):
        world.publish(f"p{number}")
    return world


def set_jobs(world: World, value: object) -> None:
    config = world.root / "promptsync.yaml"
    config.write_text(config.read_text().replace(f"url: '{world.url}'", f"url: '{world.url}', jobs: {value}"))


@pytest.mark.parametrize(
    ("options", "config", "most"),
    [
        (["--jobs", "1"], None, 1),
        (["-j3"], 5, 3),
        ([], 4.0, 4),
    ],
)
def test_no_more_requests_are_under_way_than_jobs(
    full: World, options: list[str], config: float | None, most: int
) -> None:
    if config is not None:
        set_jobs(full, config)
    crowd = Crowd(most)
    full.faults.append(crowd)
    full.ok("pull", *options)
    assert crowd.most == most


def test_jobs_is_a_number_from_1_to_32(world: World) -> None:
    for value in ("0", "33", "2.5", "many", ""):
        done = world.run("push", "-j", value)
        assert done.code == 2
        assert "Invalid value for '-j' / '--jobs'" in done.err and "hint: promptsync push --help" in done.err
    before = (world.root / "promptsync.yaml").read_text()
    for value in ("0", "33", "2.5", "many", "true"):
        world.put("promptsync.yaml", before)
        set_jobs(world, value)
        done = world.run("status")
        assert done.code == 2 and "remotes.team.jobs" in done.err


class Limit:
    """Accepts ``count`` requests, then rejects at least one and all others for ``seconds``, and so on.

    A window of time would never be full on a machine that is slow enough.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self._count, self._seconds = count, seconds
        self._accepted = 0
        self._closed_until = 0.0
        self._lock = threading.Lock()
        self.rejected = 0

    def __call__(self, seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        with self._lock:
            now = time.monotonic()
            if self._accepted == self._count:
                self._accepted, self._closed_until = 0, now + self._seconds
            elif now >= self._closed_until:
                self._accepted += 1
                return None
            self.rejected += 1
        return failing(429, "too many requests")


def test_a_rate_limit_fails_no_verb_and_publishes_nothing_twice(world: World) -> None:
    limit = Limit(20, 0.2)
    world.timeouts = type(world.timeouts)(first_retry=0.1, read_back=0.02)
    names = [f"p{number}" for number in range(PROMPTS)]
    for name in names:
        world.write(name)
    world.commit("Write")
    world.faults.append(limit)

    pushed = world.ok("push", "--json")
    assert limit.rejected
    assert [one["name"] for one in pushed.document["published"]] == sorted(names)
    assert {world.version(name) for name in names} == {1}

    for name in names:
        world.path(name).unlink()
    limit.rejected = 0
    world.ok("pull", "--theirs", *names)
    assert limit.rejected
    assert all(world.path(name).exists() for name in names)


def test_option_configuration_and_server_agree_on_the_most_requests_at_once() -> None:
    remote = schema("config")["$defs"]["remote"]
    assert remote["properties"]["jobs"]["maximum"] == MOST_REQUESTS
    assert THREADS >= MOST_REQUESTS

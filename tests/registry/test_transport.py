from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from scripted_registry import Reply, Scripted, Seen, client, item, version

from promptsync.registry.errors import Rejected
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.http import LocalTransport
from promptsync.registry.timeouts import Timeouts

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Crowd:
    """Answers raw reads slowly, the first when ``expected`` are under way, and knows the most at once."""

    def __init__(self, expected: int, limit: int = 1000) -> None:
        self.expected, self.limit = expected, limit
        self.inside, self.most, self.refused = 0, 0, 0
        self.changed = threading.Condition()

    def __call__(self, seen: Seen) -> Reply:
        with self.changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            is_refused = self.inside > self.limit
            self.refused += is_refused
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most >= self.expected, timeout=120)
        time.sleep(0.01)
        with self.changed:
            self.inside -= 1
        number = int(seen.path.rpartition("/")[2])
        return Reply({}, 429) if is_refused else Reply(version(f"p{number}", 1, number))


def read_all(registry: PromptLayer, count: int, threads: int) -> list[int]:
    with ThreadPoolExecutor(threads) as pool:
        return [
            one.template_id
            for one in pool.map(lambda n: registry.prompts.get(n, f"p{n}"), range(1, count + 1))
        ]


@pytest.mark.parametrize("connections", [1, 3, 8])
def test_no_more_requests_are_under_way_than_connections(connections: int) -> None:
    crowd = Crowd(connections)
    with client(crowd, connections=connections) as registry:
        assert read_all(registry, 64, threads=40) == [*range(1, 65)]
        assert registry.requests == 64
    assert crowd.most == connections


def test_a_rate_limit_reduces_the_requests_at_once_and_nothing_fails() -> None:
    crowd = Crowd(3, limit=2)
    with client(crowd, timeouts=Timeouts(first_retry=0.02)) as registry:
        assert read_all(registry, 60, threads=16) == [*range(1, 61)]
    assert 0 < crowd.refused < 40


def test_all_threads_respect_a_retry_after() -> None:
    answered: list[float] = []
    lock = threading.Lock()

    def react(seen: Seen) -> Reply:
        number = int(seen.path.rpartition("/")[2])
        with lock:
            now = time.monotonic()
            recent = [one for one in answered if now - one < 0.2]
            if len(recent) >= 10:
                return Reply({}, 429, headers={"Retry-After": "0.2"})
            answered.append(now)
        return Reply(version(f"p{number}", 1, number))

    with client(react) as registry:
        assert read_all(registry, 40, threads=8) == [*range(1, 41)]
        assert registry.requests < 80


def test_a_rate_limit_that_never_ends_is_an_error_that_says_so() -> None:
    with (
        client(Scripted(Reply({"message": "slow down"}, 429))) as registry,
        pytest.raises(Rejected) as caught,
    ):
        registry.prompts.list()
    assert (caught.value.status, caught.value.code) == (429, "rate-limited")


class Mirror:
    """A WSGI application that gives back what it was called with."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] = {}
        self.is_closed = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.environ = dict(environ)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"items": [', b'], "pages": 1}']

    def close(self) -> None:
        self.is_closed = True


def test_an_application_is_closed_even_if_nothing_was_sent_to_it() -> None:
    mirror = Mirror()
    with PromptLayer("local:", None, transport=LocalTransport(mirror)):
        pass
    assert mirror.is_closed


def test_an_application_in_this_process_sees_the_path_as_it_was_sent() -> None:
    mirror = Mirror()
    with PromptLayer("local:", None, transport=LocalTransport(mirror)) as registry:
        assert registry.prompts.list(name="a/ü") == []
        assert mirror.environ["REQUEST_URI"].startswith("/prompt-templates?name=a%2F%C3%BC&")
        registry.labels.delete(_label())
        registry.close()
    assert mirror.is_closed
    assert mirror.environ["REQUEST_URI"] == "/prompt-labels/4"
    assert mirror.environ["HTTP_X_API_KEY"] == "local"


def test_an_encoded_slash_is_part_of_a_name_in_this_process_too() -> None:
    mirror = Mirror()
    with PromptLayer("local:", None, transport=LocalTransport(mirror)) as registry:
        registry.checks.run_agent("a/ü %")
    assert mirror.environ["REQUEST_URI"] == "/workflows/a%2F%C3%BC%20%25/run"


def test_many_threads_can_read_a_list_of_many_pages() -> None:
    def react(seen: Seen) -> Reply:
        page = int(seen.target.split("page=")[1].split("&")[0])
        return Reply({"items": [item(page)], "pages": 12, "total": 12})

    with client(react) as registry, ThreadPoolExecutor(6) as pool:
        found = [*pool.map(lambda _: len(registry.prompts.list()), range(6))]
    assert found == [12] * 6


def _label() -> Any:
    from promptsync.prompt.prompt import Label

    return Label("prod", 1, 4)

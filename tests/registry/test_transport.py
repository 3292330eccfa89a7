from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from scripted_registry import Reply, Seen, client, version

from promptsync.registry.open import LocalTransport
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.values import Timeouts

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
    with client(crowd, jobs=connections) as registry:
        assert read_all(registry, 64, threads=40) == [*range(1, 65)]
        assert registry.requests == 64
    assert crowd.most == connections


def test_a_rate_limit_reduces_the_requests_at_once_and_nothing_fails() -> None:
    crowd = Crowd(3, limit=2)
    with client(crowd, timeouts=Timeouts(first_retry=0.02)) as registry:
        assert read_all(registry, 60, threads=16) == [*range(1, 61)]
    assert 0 < crowd.refused < 40


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


def test_an_application_in_this_process_sees_the_path_as_it_was_sent() -> None:
    mirror = Mirror()
    with PromptLayer("local:", None, transport=LocalTransport(mirror)) as registry:
        assert registry.prompts.list(name="a/ü") == []
        assert mirror.environ["REQUEST_URI"].startswith("/prompt-templates?name=a%2F%C3%BC&")
        registry.checks.run_agent("a/ü %")
    assert mirror.is_closed
    assert mirror.environ["REQUEST_URI"] == "/workflows/a%2F%C3%BC%20%25/run"
    assert mirror.environ["HTTP_X_API_KEY"] == "local"

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from scripted_registry import Reply, Seen, client, version

from promptsync.registry.open import LocalTransport
from promptsync.registry.promptlayer.client import PromptLayer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Crowd:
    """Answers raw reads, the first when ``expected`` are under way, and knows the most at once."""

    def __init__(self, expected: int) -> None:
        self.expected, self.inside, self.most = expected, 0, 0
        self.changed = threading.Condition()

    def __call__(self, seen: Seen) -> Reply:
        with self.changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most >= self.expected, timeout=120)
            self.inside -= 1
        number = int(seen.path.rpartition("/")[2])
        return Reply(version(f"p{number}", 1, number))


@pytest.mark.parametrize("jobs", [1, 3, 8])
def test_no_more_requests_are_under_way_than_jobs(jobs: int) -> None:
    crowd = Crowd(jobs)
    with client(crowd, jobs=jobs) as registry, ThreadPoolExecutor(40) as pool:
        versions = pool.map(lambda number: registry.prompts.get(number, f"p{number}"), range(1, 65))
        assert [version.template_id for version in versions] == [*range(1, 65)]
        assert registry.requests == 64
    assert crowd.most == jobs


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

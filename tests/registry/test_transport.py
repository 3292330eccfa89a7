"""The client against the embedded registry in this process and over a socket, and many requests at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from registry_server import chat, running
from scripted_registry import KEY, Reply, Seen, client, version

from promptsync.prompt.prompt import Prompt
from promptsync.registry.open import LocalTransport
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.server.app import create_app


def test_a_prompt_named_like_a_part_of_a_path_is_a_prompt(tmp_path: Path) -> None:
    with create_app(str(tmp_path / "registry.db")) as app, running(app) as url:
        # A client in this process closes the registry with itself.
        for registry in (PromptLayer(url, KEY), PromptLayer("local:", None, transport=LocalTransport(app))):
            with registry:
                for name in ("labels", "a/labels", "..", "a?b", "%2F", " "):
                    made = registry.prompts.publish(Prompt(name, chat(name)), message="m")
                    assert registry.prompts.get(made.template_id, name).template_id == made.template_id
                    template = registry.prompts.get(None, name).prompt.template
                    assert template["messages"][0]["content"][0]["text"] == name


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


def test_an_application_in_this_process_sees_the_path_as_it_was_sent_and_is_closed() -> None:
    seen: list[dict[str, Any]] = []
    closed: list[bool] = []

    class Mirror:
        """A WSGI application that keeps what it was called with."""

        def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            seen.append(dict(environ))
            start_response("200 OK", [("Content-Type", "application/json")])
            return [b'{"items": [', b'], "pages": 1}']

        def close(self) -> None:
            closed.append(True)

    with PromptLayer("local:", None, transport=LocalTransport(Mirror())) as registry:
        assert registry.prompts.list(name="a/ü") == []
        registry.checks.run_agent("a/ü %")
    assert closed == [True]
    assert seen[0]["REQUEST_URI"].startswith("/prompt-templates?name=a%2F%C3%BC&")
    assert seen[-1]["REQUEST_URI"] == "/workflows/a%2F%C3%BC%20%25/run"
    assert seen[-1]["HTTP_X_API_KEY"] == "local"

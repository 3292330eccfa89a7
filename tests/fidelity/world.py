"""A registry with one of everything, for the programs that call all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluation_files import contains, declared, evaluation, put
from registry_server import Caller, chat, completion, flat, running

from promptsync.server.app import Application, create_app

FIXTURES = declared(
    """\
agents:
  - name: echo-agent
    labels: [prod]
    nodes: [{name: answer, prompt: {name: greeting}, output: true}]
""",
    evaluation("quality", "greeting", [{"name": "Ana", "expect": "Ana"}], contains(column="expect")),
)
OPENAI = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}


@contextmanager
def world(folder: Path) -> Iterator[Application]:
    """Open a registry in ``folder`` with two prompts, a snippet, a dataset, an evaluation and an agent."""
    fixtures = put(folder, FIXTURES)
    with create_app(folder / "registry.db", fixtures=fixtures) as app:
        call = Caller(app)
        for body in (
            flat("greeting", chat("Hello {name}"), metadata=OPENAI, release_labels=["prod"], tags=["t"]),
            flat("greeting", chat("Hi {name}"), metadata=OPENAI),
            flat("tone", completion("Be kind.")),
            flat("uses a snippet", chat("@@@tone@@@ {name}"), metadata=OPENAI),
        ):
            answer = call("POST", "/rest/prompt-templates", body)
            assert answer.status == 201, answer.body
        yield app


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve such a registry on loopback; the value is its URL."""
    with world(folder) as app, running(app) as url:
        yield url

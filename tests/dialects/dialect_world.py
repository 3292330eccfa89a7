"""A working copy beside a registry of one dialect, both holding the same prompts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialect_servers import Dialect
from evaluation_files import contains, declared, evaluation, put
from registry_server import Caller, chat, completion, running
from worlds import Run, World

from promptsync.registry.protocol import Timeouts
from promptsync.server.app import create_app

CASES = [{"question": "Where?", "expect": "Where"}, {"question": "When?", "expect": "When"}]
FIXTURES = declared(
    """
agents:
  - {name: refund-agent, labels: [prod], nodes: [{name: answer, prompt: support/refund, output: true}]}
""",
    evaluation("refund quality", "support/refund", CASES, contains(column="expect")),
)
REQUEST = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": chat("Hi"),
    "output": completion("Hello"),
    "request_start_time": "2026-01-01T00:00:00Z",
    "request_end_time": "2026-01-01T00:00:01Z",
}


@dataclass
class Here(World):
    """A world whose registry speaks a dialect; ``call`` reaches past it into the registry behind."""

    server: Dialect = field(kw_only=True)
    name: str = ""

    def run(self, *arguments: str, **environ: str) -> Run:
        self.server.seen.clear()
        return super().run(*arguments, **environ)


@contextmanager
def opened(kind: Callable[[Any], Dialect], root: Path) -> Iterator[Here]:
    """An empty working copy of an empty registry that has evaluations and agents."""
    (root / "prompts").mkdir(parents=True)
    put(root, FIXTURES)
    with create_app(root / "registry.db", fixtures=root / "registry.yaml") as app:
        server = kind(app)
        with running(server) as url:
            (root / "promptsync.yaml").write_text(f"remote: there\nremotes: {{there: {{url: '{url}'}}}}\n")
            yield Here(root, Caller(app), url, server=server, timeouts=Timeouts())


@contextmanager
def beside(kind: Callable[[Any], Dialect], root: Path) -> Iterator[Here]:
    """Two prompts that are in sync; ``support/refund`` has two versions, with ``prod`` on the second."""
    with opened(kind, root) as here:
        here.put("request.json", json.dumps(REQUEST))
        here.publish("support/refund", "Old {question}", commit_message="old (v1)")
        here.publish("support/refund", "Say {question}", release_labels=["prod"])
        here.publish("tone", "Be kind.")
        here.point("support/refund", prod_previous=1)
        here.call("POST", "/rest/log-request", REQUEST)
        here.ok("pull")
        yield here

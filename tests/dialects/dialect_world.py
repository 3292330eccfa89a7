"""A working copy beside a registry of one dialect, both holding the same prompts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dialect_servers import Dialect, customer, embedded, vendor
from evaluation_files import contains, declared, evaluation
from registry_server import log_of
from worlds import World, made

CASES = [{"question": "Where?", "expect": "Where"}, {"question": "When?", "expect": "When"}]
FIXTURES = declared(
    """
agents:
  - {name: refund-agent, labels: [prod], nodes: [{name: answer, prompt: support/refund, output: true}]}
""",
    evaluation("refund quality", "support/refund", CASES, contains(column="expect")),
)

Kind = Callable[[Any], Dialect]


def for_each(*kinds: Kind) -> pytest.MarkDecorator:
    """With a registry of each of these dialects."""
    return pytest.mark.parametrize("kind", kinds, ids=[getattr(kind, "__name__", "") for kind in kinds])


in_each_dialect = for_each(embedded, customer, vendor)


@contextmanager
def beside(kind: Kind, root: Path, *, is_empty: bool = False, governs: bool = False) -> Iterator[World]:
    """Two prompts that are in sync; ``support/refund`` has two versions, with ``prod`` on the second.

    There is no git, and the registry has an evaluation and an agent. ``world.call`` reaches past the dialect.
    If the world ``governs``, ``main`` releases to ``prod``.
    """
    with made(root, git=False, fixtures=FIXTURES, front=kind) as world:
        if not is_empty:
            world.put("request.json", json.dumps(log_of()))
            world.publish("support/refund", "Old {question}", commit_message="old (v1)")
            world.publish("support/refund", "Say {question}", release_labels=["prod"])
            world.publish("tone", "Be kind.")
            world.point("support/refund", prod_previous=1)
            world.call("POST", "/rest/log-request", log_of())
            world.ok("pull")
        if governs:
            world.configure("labels: {main: prod}")
        world.forget()
        yield world


def listed(world: World) -> list[dict[str, Any]]:
    """The prompts as ``status`` shows them."""
    prompts: list[dict[str, Any]] = world.run("status", "--json").document["prompts"]
    return prompts

"""The client against the embedded registry: in this process, and over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_server import chat, running
from scripted_registry import KEY

from promptsync.prompt.prompt import Prompt
from promptsync.registry.open import LocalTransport
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.server.app import create_app


@pytest.fixture(params=["in-process", "socket"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PromptLayer]:
    app = create_app(str(tmp_path / "registry.db"))
    if request.param == "in-process":
        with PromptLayer("local:", None, transport=LocalTransport(app)) as registry:
            yield registry
    else:
        with app, running(app) as url, PromptLayer(f"{url}/", KEY) as registry:
            yield registry


def test_a_prompt_named_like_a_part_of_a_path_is_a_prompt(registry: PromptLayer) -> None:
    for name in ("labels", "a/labels", "..", "a?b", "%2F", " "):
        made = registry.prompts.publish(Prompt(name, chat(name)), message="m")
        assert registry.prompts.get(made.template_id, name).template_id == made.template_id
        assert registry.prompts.get(None, name).prompt.template["messages"][0]["content"][0]["text"] == name

"""The client and other registries: one of the customer's document alone, and the embedded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dialect_servers import CUSTOMER, Dialect, customer, only
from registry_server import Caller, chat, completion, running
from scripted_registry import KEY, Reply, Scripted, client

from promptsync.prompt.prompt import Label, Prompt
from promptsync.registry.errors import NotFound, NotReadableRaw, Unsupported
from promptsync.registry.open import LocalTransport
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.protocol import Registry
from promptsync.server.app import create_app

RENDER = "/prompt-templates/{identifier}"


def tells_snippets(inner: Any) -> Dialect:
    """It names the snippets that it has expanded."""
    shape = only("prompt_name version prompt_template metadata snippets")
    rules = [replace(rule, shape=shape) if rule.path == RENDER else rule for rule in CUSTOMER]
    return Dialect(inner, tuple(rules))


class ExpandsEverywhere(Dialect):
    """Its list shows expanded bodies too, and nothing says which snippets were used."""

    def ask(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        status, answer = super().ask(method, target, body)
        for item in answer.get("items", ()) if method == "GET" else ():
            _, rendered = super().ask("POST", f"/prompt-templates/{item['id']}", {})
            item["prompt_template"] = rendered["prompt_template"]
        return status, answer


def expands_everywhere(inner: Any) -> Dialect:
    return ExpandsEverywhere(inner, CUSTOMER)


@contextmanager
def opened(
    kind: Callable[[Any], Dialect], directory: Path, *prompts: tuple[str, dict[str, Any]]
) -> Iterator[tuple[PromptLayer, Dialect]]:
    """A registry of a kind with these prompts, and a client of it."""
    with create_app(directory / "registry.db") as app:
        server = kind(app)
        with running(server) as url, PromptLayer(url, KEY) as registry:
            for name, template in prompts:
                registry.prompts.publish(Prompt(name, template), message="m")
            yield registry, server


def test_without_a_raw_read_a_plain_prompt_is_read_rendered(tmp_path: Path) -> None:
    with opened(customer, tmp_path, ("greet", chat())) as (registry, server):
        registry.prompts.get(1, "greet")
        server.seen.clear()
        registry.prompts.get(1, "greet")
        assert [seen[:2] for seen in server.seen] == [("POST", "/prompt-templates/1")]
        with pytest.raises(NotFound, match="no prompt 'gone'"):
            registry.prompts.get(None, "gone")


PARENTS = {
    "first": ("@@@tone@@@ Answer.", "tone"),
    "last": ("Answer. @@@tone@version_number:1@@@", "tone"),
    "nested": ("@@@outer@@@", "outer"),
}


@pytest.mark.parametrize("kind", [tells_snippets, customer, expands_everywhere])
def test_a_parent_is_never_read_with_an_expanded_snippet(
    tmp_path: Path, kind: Callable[[Any], Dialect]
) -> None:
    tones = [("tone", completion(text)) for text in ("Be kind.", "Be short.")]
    parents = [(name, chat(text)) for name, (text, _) in PARENTS.items()]
    others = [("outer", completion("Listen: @@@tone@@@")), ("other", chat("Unrelated"))]
    with opened(kind, tmp_path, *tones, *others, *parents) as (registry, _):
        for name, (_, snippet) in PARENTS.items():
            with pytest.raises(NotReadableRaw, match=f"'{name}'") as caught:
                registry.prompts.get(None, name)
            assert caught.value.exit_code == 4
            # There it suffices that the list has another text.
            assert snippet in caught.value.message or kind is customer
        assert registry.prompts.get(None, "other").prompt.name == "other"
        assert registry.prompts.get(None, "tone").version == 2


LACKING: list[Callable[[Registry], object]] = [
    lambda registry: registry.labels.of(1, "p"),
    lambda registry: registry.labels.set(1, "p", "prod", 1, None),
    lambda registry: registry.labels.set(1, "p", "prod", 1, Label("prod", 1, 4)),
    lambda registry: registry.prompts.archive(1, False),
    lambda registry: registry.prompts.snippet_usage(1, "p"),
    lambda registry: registry.checks.agent_result(1),
    lambda registry: registry.checks.evaluation_score(1),
    lambda registry: registry.checks.evaluation_rows(1),
    lambda registry: registry.checks.list_datasets(),
    lambda registry: registry.tracking.create_group(),
]


def test_an_unsupported_operation_is_named_along_with_the_registry() -> None:
    for no_route in (Reply({"detail": "Not Found"}, 404), Reply("", 405), Reply("", 501)):
        with client(Scripted(no_route)) as registry:
            for use in LACKING:
                with pytest.raises(Unsupported, match="it has no such operation") as caught:
                    use(registry)
                assert caught.value.exit_code == 4
                assert f"{registry.url} cannot " in caught.value.message


# -- the embedded registry ----------------------------------------------------------------------------------


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
        assert Caller(app)("GET", "/prompt-templates").status == 503

"""A registry of the customer's document alone: what it lacks, and what must not be taken from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scripted_registry import Reply, client, template
from strict_registries import Customer

from promptsync.prompt.prompt import Label, Prompt
from promptsync.registry.errors import NotFound, NotReadableRaw, Unsupported
from promptsync.registry.protocol import Registry

MODEL = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}}
PROMPT = Prompt("support/refund", template("Hi {b} and {a}"), MODEL, ("billing", "x"))


def completion(name: str, text: str) -> Prompt:
    return Prompt(name, {"type": "completion", "content": [{"type": "text", "text": text}]})


@pytest.mark.parametrize("takes_extras", [True, False])
def test_without_a_raw_read_a_plain_prompt_is_read_rendered(takes_extras: bool) -> None:
    customer = Customer(takes_extras=takes_extras)
    with client(customer) as registry:
        registry.prompts.publish(PROMPT, message="first")
        registry.prompts.get(1, PROMPT.name)
        asked = len(customer.seen)
        registry.prompts.get(1, PROMPT.name)
    assert "GET /prompt-templates/1" not in customer.asked()[asked:]
    assert len(customer.seen) - asked == 1


def test_without_a_raw_read_a_missing_prompt_is_missing() -> None:
    with client(Customer()) as registry, pytest.raises(NotFound, match="no prompt 'greet'"):
        registry.prompts.get(None, "greet")


PARENTS = [
    ("Be kind.", "@@@tone@@@ Answer.", ""),
    ("Be kind.", "Answer. @@@tone@version_number:1@@@", ""),
    ("Be kind.", "@@@outer@@@", "Listen: @@@tone@@@"),
]


@pytest.mark.parametrize("tells_snippets", [True, False])
@pytest.mark.parametrize(("tone", "parent", "outer"), PARENTS)
def test_a_parent_is_never_read_with_an_expanded_snippet(
    tells_snippets: bool, tone: str, parent: str, outer: str
) -> None:
    with client(Customer(tells_snippets=tells_snippets)) as registry:
        registry.prompts.publish(completion("tone", tone), message="m")
        registry.prompts.publish(completion("tone", "Be short."), message="m")
        if outer:
            registry.prompts.publish(completion("outer", outer), message="m")
        registry.prompts.publish(Prompt("parent", template(parent)), message="m")
        registry.prompts.publish(Prompt("other", template("Unrelated")), message="m")
        with pytest.raises(NotReadableRaw) as caught:
            registry.prompts.get(None, "parent")
        assert caught.value.exit_code == 4 and "'parent'" in caught.value.message
        assert registry.prompts.get(None, "other").prompt.name == "other"
        assert registry.prompts.get(None, "tone").version == 2


class ExpandsEverywhere(Customer):
    """Its list shows expanded bodies too, and nothing says which snippets were used."""

    def __init__(self) -> None:
        super().__init__(tells_snippets=False)

    def listed(self, name: str) -> dict[str, Any]:
        listed = super().listed(name)
        return {**listed, "prompt_template": self.expanded(listed["prompt_template"], [])}


@pytest.mark.parametrize("reference", ["@@@tone@@@", "@@@tone@version_number:1@@@"])
def test_an_expanded_snippet_is_recognized_by_the_text_of_any_of_its_versions(reference: str) -> None:
    with client(ExpandsEverywhere()) as registry:
        registry.prompts.publish(completion("tone", "Be kind."), message="m")
        registry.prompts.publish(completion("tone", "Be short."), message="m")
        registry.prompts.publish(Prompt("parent", template(f"{reference} Answer.")), message="m")
        with pytest.raises(NotReadableRaw, match="'tone'"):
            registry.prompts.get(None, "parent")


def test_a_prompt_with_filled_in_variables_is_not_mistaken_for_its_source() -> None:
    with client(Customer(renders=True)) as registry:
        registry.prompts.publish(PROMPT, message="m")
        with pytest.raises(NotReadableRaw, match="variables a, b"):
            registry.prompts.get(None, PROMPT.name)


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


@pytest.mark.parametrize("use", LACKING)
@pytest.mark.parametrize(
    "no_route",
    [
        Reply({"detail": "Not Found"}, 404),
        Reply({"success": False, "message": "Not found.", "error": "x"}, 404),
        Reply("<!doctype html><title>404 Not Found</title>", 404),
        Reply({"message": "The requested URL was not found on the server."}, 404),
        Reply("", 404),
        Reply({"message": "Method Not Allowed"}, 405),
        Reply("", 501),
    ],
)
def test_an_unsupported_operation_is_named_along_with_the_registry(
    use: Callable[[Registry], object], no_route: Reply
) -> None:
    customer = Customer()
    customer.no_route = no_route
    with client(customer) as registry, pytest.raises(Unsupported) as caught:
        use(registry)
    assert caught.value.exit_code == 4
    assert f"{registry.url} cannot " in caught.value.message
    assert "it has no such operation" in caught.value.message

"""The two body shapes, and what a publish that fails says about what happened."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from registry_server import chat
from scripted_registry import DROPPED, Reply, Scripted, Seen, client, version

from promptsync.prompt.prompt import Prompt
from promptsync.registry.errors import FateUnknown, Rejected

MODEL = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}}
GREET = Prompt("greet", chat())


def nested_only(seen: Seen) -> Reply:
    """As the vendor's registry publishes."""
    if "prompt_version" not in seen.body:
        return Reply({"detail": [{"loc": ["body", "prompt_version"], "msg": "Field required"}]}, 422)
    return Reply({"id": 7, **seen.body["prompt_template"], "version_number": 1})


def text(said: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": said}]


def test_the_flat_body_comes_first_and_the_nested_one_after_it() -> None:
    vendor = Scripted(react=nested_only)
    prompt = Prompt("refund", chat("Hi {b} and {a}"), MODEL, ("t",), {"provider_base_url_name": "eu"})
    with client(vendor) as registry:
        registry.prompts.publish(prompt, message="m", labels=["dev"])
    flat, nested = (seen.body for seen in vendor.seen)
    message = {"role": "user", "content": text("Hi {b} and {a}"), "input_variables": ["a", "b"]}
    sent = {"type": "chat", "messages": [message], "input_variables": ["a", "b"]}
    content = {"prompt_template": sent, "commit_message": "m", "metadata": MODEL}
    content["provider_base_url_name"] = "eu"
    labels = {"release_labels": ["dev"]}
    assert flat == {**content, "prompt_name": "refund", "tags": ["t"], **labels}
    wrapped = {"prompt_name": "refund", "tags": ["t"]}
    assert nested == {"prompt_template": wrapped, "prompt_version": content, **labels}


def test_the_shape_that_works_is_found_once_even_by_many_publishers_at_once() -> None:
    vendor = Scripted(react=nested_only)
    with client(vendor) as registry, ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda n: registry.prompts.publish(Prompt(f"p{n}", chat()), message="m"), range(24))
        assert [version.version for version in made] == [1] * 24
    assert len(vendor.seen) == 25


def test_tags_and_type_are_always_sent_and_variables_sorted() -> None:
    customer = Scripted(Reply({"id": 7, "version": 1}, 201))
    message = {"role": "user", "template_format": "jinja2", "content": text("{{ z }}{{ y }}")}
    with client(customer) as registry:
        for template in (
            {"messages": [message, {"role": "placeholder", "name": "history"}]},
            {"content": text("{q}")},
        ):
            registry.prompts.publish(Prompt("p", template), message="m")
    first, second = (seen.body["prompt_template"] for seen in customer.seen)
    body = customer.seen[0].body
    assert body["tags"] == [] and "metadata" not in body and "release_labels" not in body
    assert (first["type"], first["input_variables"]) == ("chat", ["history", "y", "z"])
    assert [message["input_variables"] for message in first["messages"]] == [["y", "z"], ["history"]]
    assert (second["type"], second["input_variables"]) == ("completion", ["q"])


def test_the_cause_comes_before_what_the_other_form_of_the_body_lacked() -> None:
    for flat, nested, cause in (
        ("Field required", "The snippet gone does not exist", "The snippet gone"),
        ("commit_message is longer than 72 characters", "prompt_name is required", "72 characters"),
    ):
        script = Scripted(Reply({"message": flat}, 422), Reply({"message": nested}, 422))
        with client(script) as registry, pytest.raises(Rejected) as caught:
            registry.prompts.publish(GREET, message="m")
        (noise,) = {flat, nested} - {caught.value.reason}
        assert (caught.value.code, cause in caught.value.reason) == ("rejected", True), cause
        assert caught.value.message.index(cause) < caught.value.message.index(noise), cause


def test_a_second_rejection_ends_the_attempts() -> None:
    for first in (400, 404, 405, 422):
        for second in (Reply("", 500), DROPPED):
            script = Scripted(Reply({"message": "no"}, status=first), second)
            with client(script) as registry, pytest.raises(FateUnknown):
                registry.prompts.publish(GREET, message="m")
            assert len(script.seen) == 2, (first, second)


CREATED: dict[str, Any] = {"id": 7, "prompt_template": {}}
UNKNOWN = "was published, but its version is unknown"


@pytest.mark.parametrize(
    ("created", "read", "outcome"),
    [
        (CREATED, Reply(version("greet", 12)), 12),
        (CREATED, Reply("", status=404), UNKNOWN),
        (CREATED, Reply("", status=500), UNKNOWN),
        (CREATED, Reply(version("other", 1)), UNKNOWN),
        ({**CREATED, "prompt_name": "other", "version": 1}, Reply(""), "expected the prompt 'greet'"),
    ],
)
def test_a_version_that_the_response_leaves_out_is_read_back_or_unknown(
    created: dict[str, Any], read: Reply, outcome: int | str
) -> None:
    def react(seen: Seen) -> Reply:
        return Reply(created, status=201) if seen.path == "/rest/prompt-templates" else read

    with client(react) as registry:
        if isinstance(outcome, str):
            with pytest.raises(FateUnknown, match=outcome):
                registry.prompts.publish(GREET, message="m")
        else:
            made = registry.prompts.publish(GREET, message="m")
            assert (made.template_id, made.version, registry.requests) == (7, outcome, 2)

"""The two body shapes, and what a publish that fails says about what happened."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from registry_server import chat
from scripted_registry import DROPPED, Reply, Scripted, Seen, client, version

from promptsync.prompt.prompt import Prompt
from promptsync.registry.errors import FateUnknown, Rejected

MODEL = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}}
PROMPT = Prompt("support/refund", chat("Hi {b} and {a}"), MODEL, ("billing", "x"))


def nested_only(seen: Seen) -> Reply:
    """As the vendor's registry publishes."""
    if "prompt_version" not in seen.body:
        return Reply({"detail": [{"loc": ["body", "prompt_version"], "msg": "Field required"}]}, 422)
    return Reply({"id": 7, **seen.body["prompt_template"], "version_number": 1})


def test_the_flat_body_comes_first_and_the_nested_one_after_it() -> None:
    vendor = Scripted(react=nested_only)
    with client(vendor) as registry:
        registry.prompts.publish(
            Prompt(PROMPT.name, PROMPT.template, MODEL, ("t",), {"provider_base_url_name": "eu"}),
            message="m",
            labels=["dev"],
        )
    flat, nested = (seen.body for seen in vendor.seen)
    sent = {
        "type": "chat",
        "messages": [{**chat("Hi {b} and {a}")["messages"][0], "input_variables": ["a", "b"]}],
        "input_variables": ["a", "b"],
    }
    content = {
        "prompt_template": sent,
        "commit_message": "m",
        "metadata": MODEL,
        "provider_base_url_name": "eu",
    }
    assert flat == {**content, "prompt_name": PROMPT.name, "tags": ["t"], "release_labels": ["dev"]}
    assert nested == {
        "prompt_template": {"prompt_name": PROMPT.name, "tags": ["t"]},
        "prompt_version": content,
        "release_labels": ["dev"],
    }


def test_the_shape_that_works_is_found_once_even_by_many_publishers_at_once() -> None:
    vendor = Scripted(react=nested_only)
    with client(vendor) as registry, ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda n: registry.prompts.publish(Prompt(f"p{n}", chat()), message="m"), range(24))
        assert [version.version for version in made] == [1] * 24
    assert len(vendor.seen) == 25


def test_tags_and_type_are_always_sent_and_variables_sorted() -> None:
    customer = Scripted(Reply({"id": 7, "version": 1}, 201))
    jinja = {
        "messages": [
            {
                "role": "user",
                "template_format": "jinja2",
                "content": [{"type": "text", "text": "{{ z }}{{ y }}"}],
            },
            {"role": "placeholder", "name": "history"},
        ]
    }
    with client(customer) as registry:
        registry.prompts.publish(Prompt("p", jinja), message="m")
        registry.prompts.publish(Prompt("c", {"content": [{"type": "text", "text": "{q}"}]}), message="m")
    chat, text = (seen.body for seen in customer.seen)
    assert chat["tags"] == [] and "metadata" not in chat and "release_labels" not in chat
    assert chat["prompt_template"]["type"] == "chat"
    assert chat["prompt_template"]["input_variables"] == ["history", "y", "z"]
    assert [message["input_variables"] for message in chat["prompt_template"]["messages"]] == [
        ["y", "z"],
        ["history"],
    ]
    assert text["prompt_template"]["type"] == "completion"
    assert text["prompt_template"]["input_variables"] == ["q"]


def test_the_cause_comes_before_what_the_other_form_of_the_body_lacked() -> None:
    for flat, nested, cause in (
        ("Field required", "The snippet gone does not exist", "The snippet gone"),
        ("commit_message is longer than 72 characters", "prompt_name is required", "72 characters"),
    ):
        script = Scripted(Reply({"message": flat}, 422), Reply({"message": nested}, 422))
        with client(script) as registry, pytest.raises(Rejected) as caught:
            registry.prompts.publish(PROMPT, message="m")
        (noise,) = {flat, nested} - {caught.value.reason}
        assert (caught.value.code, cause in caught.value.reason) == ("rejected", True), cause
        assert caught.value.message.index(cause) < caught.value.message.index(noise), cause


@pytest.mark.parametrize("first", [400, 404, 405, 422])
@pytest.mark.parametrize("second", [500, None])
def test_a_second_rejection_ends_the_attempts(first: int, second: int | None) -> None:
    script = Scripted(
        Reply({"message": "no"}, status=first), DROPPED if second is None else Reply("", second)
    )
    with client(script) as registry, pytest.raises(FateUnknown):
        registry.prompts.publish(PROMPT, message="m")
    assert len(script.seen) == 2


def test_a_version_that_the_response_leaves_out_is_read_back() -> None:
    def react(seen: Seen) -> Reply:
        if seen.method == "POST":
            return Reply({"id": 7, "prompt_name": "greet", "prompt_template": {}}, status=201)
        return Reply(version("greet", 12))

    with client(react) as registry:
        made = registry.prompts.publish(Prompt("greet", chat()), message="m")
        assert (made.template_id, made.version) == (7, 12)
        assert registry.requests == 2


@pytest.mark.parametrize("read", [Reply("", status=404), Reply("", status=500), Reply(version("other", 1))])
def test_a_publish_whose_version_cannot_be_read_back_has_an_unknown_outcome(read: Reply) -> None:
    def react(seen: Seen) -> Reply:
        return Reply({"id": 7}, status=201) if seen.path == "/rest/prompt-templates" else read

    with (
        client(react) as registry,
        pytest.raises(FateUnknown, match="was published, but its version is unknown"),
    ):
        registry.prompts.publish(Prompt("greet", chat()), message="m")


def test_a_response_for_another_prompt_has_an_unknown_outcome() -> None:
    script = Scripted(Reply({"id": 7, "prompt_name": "other", "version": 1}, status=201))
    with client(script) as registry, pytest.raises(FateUnknown, match="expected the prompt 'greet'"):
        registry.prompts.publish(Prompt("greet", chat()), message="m")

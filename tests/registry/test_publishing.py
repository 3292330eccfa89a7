"""Publishing and reading: bodies and addresses, and what an odd response says about what happened."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from registry_server import chat
from scripted_registry import DROPPED, Reply, Scripted, Seen, client, item, version

from promptsync.prompt.prompt import Prompt
from promptsync.registry.address import segment
from promptsync.registry.errors import BadAnswer, FateUnknown, NotFound, Rejected, RenamedRemotely

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
        registry.prompts.publish(prompt, message="m")
    flat, nested = (seen.body for seen in vendor.seen)
    message = {"role": "user", "content": text("Hi {b} and {a}"), "input_variables": ["a", "b"]}
    sent = {"type": "chat", "messages": [message], "input_variables": ["a", "b"]}
    content = {"prompt_template": sent, "commit_message": "m", "metadata": MODEL}
    content["provider_base_url_name"] = "eu"
    wrapped = {"prompt_name": "refund", "tags": ["t"]}
    assert flat == {**content, **wrapped}
    assert nested == {"prompt_template": wrapped, "prompt_version": content}


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


# -- reading ------------------------------------------------------------------------------------------------


NOT_FOUND = Reply({"success": False, "message": "no prompt of that name"}, status=404)


class Shelf:
    """A cache in a dictionary, by URL, workspace, prompt and version."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str | int, ...], dict[str, Any]] = {}

    def get(self, *key: str | int) -> dict[str, Any] | None:
        return self.kept.get(key)

    def put(self, url: str, workspace: int, template: int, version: int, raw: Mapping[str, Any]) -> None:
        self.kept[url, workspace, template, version] = dict(raw)


def test_a_raw_read_is_fresh_unresolved_and_addressed_by_id() -> None:
    script = Scripted(Reply(version("a/b", 3, created_at="2026-02-01T08:00:00Z", tags=["t"])))
    with client(script) as registry:
        read = registry.prompts.get(7, "a/b", version=3)
        assert registry.workspace_id == 9
    assert script.seen[0].target == "/prompt-templates/7?version=3&resolve_snippets=false"
    assert script.seen[0].headers["Cache-Control"] == "no-cache"
    assert (read.template_id, read.version, read.workspace_id) == (7, 3, 9)
    assert (read.message, read.created_at) == ("first (v1)", "2026-02-01T08:00:00Z")
    assert (read.prompt.tags, read.prompt.extra) == (("t",), {})


def test_a_prompt_without_an_id_is_addressed_by_its_encoded_name() -> None:
    for name in ("a/b", "a:b", "ä 50%", ".."):
        script = Scripted(Reply(version(name)))
        with client(script) as registry:
            assert registry.prompts.get(None, name, label="prod").prompt.name == name
        assert script.seen[0].target == (
            f"/prompt-templates/{segment(name)}?label=prod&resolve_snippets=false"
        )


def test_another_version_or_another_name_than_was_asked_for_is_refused() -> None:
    with client(Scripted(Reply(version(number=2)))) as registry:
        with pytest.raises(BadAnswer, match="GET /prompt-templates/7"):
            registry.prompts.get(7, "greet", version=1)
        with pytest.raises(RenamedRemotely, match=r"'old'.*'greet'") as caught:
            registry.prompts.get(7, "old")
        assert (caught.value.exit_code, caught.value.code) == (3, "renamed-remotely")


def test_a_prompt_is_missing_only_if_both_ways_of_reading_agree() -> None:
    script = Scripted(NOT_FOUND)
    with client(script) as registry, pytest.raises(NotFound, match=r"no prompt 'greet' with the version 3"):
        registry.prompts.get(7, "greet", version=3)
    assert [seen.method for seen in script.seen] == ["GET", "POST"]
    with client(Scripted(Reply(version()), NOT_FOUND)) as registry:
        registry.prompts.get(7, "greet")
        with pytest.raises(NotFound):
            registry.prompts.get(8, "gone")
        assert registry.requests == 2


@pytest.mark.parametrize("is_name_first", [False, True])
@pytest.mark.parametrize("is_listed_before", [False, True])
def test_an_all_digit_name_and_an_equal_id_are_different_prompts(
    is_name_first: bool, is_listed_before: bool
) -> None:
    prompts = {"71": 5, "greet": 71}
    by_id = {str(number): name for name, number in prompts.items()}

    def react(seen: Seen) -> Reply:
        if seen.path == "/prompt-templates":
            return Reply({"items": [item(number, name) for name, number in prompts.items()], "pages": 1})
        asked = seen.path.rpartition("/")[2]
        name = asked if is_name_first and asked in prompts else by_id.get(asked, asked)
        return NOT_FOUND if name not in prompts else Reply(version(name, 1, prompts[name]))

    with client(react) as registry:
        if is_listed_before:
            registry.prompts.list()
        for name, number in prompts.items():
            assert registry.prompts.get(number, name).template_id == number
            assert registry.prompts.get(None, name).template_id == number
            assert registry.prompts.render(name)["prompt_name"] == name
        with pytest.raises(NotFound):
            registry.prompts.get(None, "5")


# -- the cache -------------------------------------------------------------------------------------------


def test_the_cache_has_known_versions_of_a_known_workspace() -> None:
    shelf = Shelf()
    with client(Scripted(Reply(version())), memory=shelf) as registry:
        first = registry.prompts.get(7, "greet", version=1)
        assert registry.prompts.get(7, "greet", version=1) == first
        assert (registry.requests, [*shelf.kept]) == (1, [(registry.url, 9, 7, 1)])
    with client(Scripted(Reply(version())), memory=shelf) as registry:
        shelf.put(registry.url, 9, 7, 1, version(commit_message="stale"))
        assert registry.prompts.get(7, "greet", version=1).message == "first (v1)"
    script = Scripted(*(Reply(version("greet", number)) for number in (1, 2, 1)))
    with client(script, memory=Shelf()) as registry:
        reads = [registry.prompts.get(7, "greet", label=label).version for label in (None, None, "prod")]
        assert (reads, registry.requests) == ([1, 2, 1], 3)


def test_an_invalid_cache_entry_is_ignored() -> None:
    other = (version("other", 2), version("greet", 3), version("greet", 2, 8), version(prompt_template=1))
    for kept in ({}, {"id": 7}, *other):
        shelf = Shelf()
        script = Scripted(Reply(version("greet", 1)), Reply(version("greet", 2)))
        with client(script, memory=shelf) as registry:
            registry.prompts.get(7, "greet")
            shelf.kept[registry.url, 9, 7, 2] = kept
            assert registry.prompts.get(7, "greet", version=2).version == 2, kept
            assert registry.requests == 2, kept

"""Both clients of the official SDK, unmodified: each method gets the answer that it expects."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from registry_server import chat, completion, running

from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.server.app import Application, create_app

promptlayer = pytest.importorskip("promptlayer")

OPENAI = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}
ANTHROPIC = {"model": {"provider": "anthropic", "name": "claude-sonnet-4", "parameters": {"max_tokens": 9}}}
OUTPUT = {
    "type": "chat",
    "messages": [{"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}],
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with create_app(tmp_path / "registry.db") as app:
        yield app


@pytest.fixture
def url(app: Application) -> Iterator[str]:
    with running(app) as url:
        yield url


class Sdk:
    """One of the SDK's clients; ``do`` calls a method by its dotted name and awaits it if necessary."""

    def __init__(self, kind: str, url: str, **options: Any) -> None:
        self.kind = kind
        made = promptlayer.PromptLayer if kind == "sync" else promptlayer.AsyncPromptLayer
        self.client = made(api_key="pl_test", base_url=url, **options)

    def do(self, name: str, /, *arguments: Any, **options: Any) -> Any:
        method: Any = self.client
        for part in name.split("."):
            method = getattr(method, part)
        if self.kind == "sync":
            return method(*arguments, **options)

        async def called() -> Any:
            found = method(*arguments, **options)
            return await found if inspect.isawaitable(found) else found

        return asyncio.run(called())


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, url: str) -> Sdk:
    return Sdk(request.param, url)


@pytest.fixture
def publish(url: str) -> Any:
    """Publish as the SDK does; only its synchronous client has this method."""
    return Sdk("sync", url).client.templates.publish


def test_a_template_is_read_by_version_and_label_with_variables_in_both_formats(
    sdk: Sdk, publish: Any
) -> None:
    for template_format, hole in (("f-string", "{name}"), ("jinja2", "{{ name }}")):
        for number in (1, 2):
            template = chat(f"{number} {hole}", template_format=template_format)
            template["messages"][0]["template_format"] = template_format
            labels = ["prod"] if number == 1 else None
            publish({"prompt_name": template_format, "prompt_template": template, "release_labels": labels})
        for how, expected in (({}, "2 Ana"), ({"version": 1}, "1 Ana"), ({"label": "prod"}, "1 Ana")):
            found = sdk.do("templates.get", template_format, {**how, "input_variables": {"name": "Ana"}})
            assert found["prompt_template"]["messages"][0]["content"][0]["text"] == expected


def test_all_templates_are_listed_by_page_and_label(sdk: Sdk, publish: Any) -> None:
    for number in range(3):
        labels = ["prod"] if number == 1 else None
        publish({"prompt_name": f"p{number}", "prompt_template": chat(), "release_labels": labels})
    assert [one["prompt_name"] for one in sdk.do("templates.all")] == ["p2", "p1", "p0"]
    assert [one["prompt_name"] for one in sdk.do("templates.all", page=2, per_page=2)] == ["p0"]
    assert [one["prompt_name"] for one in sdk.do("templates.all", label="prod")] == ["p1"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_cache_requests_once_and_renders_locally(
    kind: str, url: str, app: Application, publish: Any
) -> None:
    publish({"prompt_name": "a", "prompt_template": chat("Hi {name}"), "metadata": OPENAI})
    cached = Sdk(kind, url, cache_ttl_seconds=60)
    first = cached.do("templates.get", "a", {"input_variables": {"name": "Ana"}})
    publish({"prompt_name": "a", "prompt_template": chat("Changed {name}"), "metadata": OPENAI})
    second = cached.do("templates.get", "a", {"input_variables": {"name": "Bo"}})
    texts = [one["prompt_template"]["messages"][0]["content"][0]["text"] for one in (first, second)]
    assert texts == ["Hi Ana", "Hi Bo"]
    assert second["llm_kwargs"]["messages"][0]["content"][0]["text"] == "Hi Bo"
    cached.do("invalidate", "a")
    third = cached.do("templates.get", "a", {"input_variables": {"name": "Bo"}})
    assert third["prompt_template"]["messages"][0]["content"][0]["text"] == "Changed Bo"


def test_llm_kwargs_are_what_each_providers_client_takes(sdk: Sdk, publish: Any) -> None:
    template = {
        "type": "chat",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": [{"type": "text", "text": "Hi {name}"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    }
    for provider, metadata in (("openai", OPENAI), ("anthropic", ANTHROPIC)):
        publish({"prompt_name": provider, "prompt_template": template, "metadata": metadata})
    given = {"input_variables": {"name": "Ana"}}
    openai = sdk.do("templates.get", "openai", given)["llm_kwargs"]
    assert (openai["model"], openai["temperature"]) == ("gpt-4o", 0)
    assert openai["messages"][0] == {"role": "system", "content": "Be kind."}
    assert openai["messages"][1]["content"] == [{"type": "text", "text": "Hi Ana"}]
    assert openai["tools"][0]["function"]["name"] == "f"
    anthropic = sdk.do("templates.get", "anthropic", given)["llm_kwargs"]
    assert (anthropic["model"], anthropic["max_tokens"]) == ("claude-sonnet-4", 9)
    assert anthropic["system"] == [{"type": "text", "text": "Be kind."}]
    assert anthropic["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi Ana"}]}]
    assert anthropic["tools"] == [{"name": "f", "description": "", "input_schema": {"type": "object"}}]


def test_a_request_is_logged_and_annotated(sdk: Sdk, publish: Any, app: Application) -> None:
    publish({"prompt_name": "a", "prompt_template": chat(), "release_labels": ["prod"]})
    logged = sdk.do(
        "log_request",
        provider="openai",
        model="gpt-4o",
        input=chat("Hi"),
        output=OUTPUT,
        request_start_time=1.5,
        request_end_time=2.5,
        prompt_name="a",
        prompt_version_number=1,
        metadata={"k": "v"},
        tags=["t"],
        score=50,
    )
    request_id = logged["id"]
    assert sdk.do("track.score", request_id=request_id, score=80)
    assert sdk.do("track.score", request_id=request_id, score=90, score_name="tone")
    assert sdk.do("track.metadata", request_id=request_id, metadata={"user": "1"})
    # the asynchronous client loses the label, and puts the other values under the wrong keys
    which = {"label": "prod"} if sdk.kind == "sync" else {"version": 1}
    assert sdk.do(
        "track.prompt",
        request_id=request_id,
        prompt_name="a",
        prompt_input_variables={"name": "Ana"},
        **which,
    )
    group_id = sdk.do("group.create")
    assert sdk.do("track.group", request_id=request_id, group_id=group_id)
    with app.store.read() as db:
        kept = db.execute("SELECT version_id, group_id, variables, scores, metadata FROM requests").fetchone()
    assert tuple(kept[:3]) == (1, group_id, '{"name":"Ana"}')
    assert tuple(kept[3:]) == ('{"default":80,"tone":90}', '{"k":"v","user":"1"}')


def test_an_unknown_name_version_and_label_raise(sdk: Sdk, publish: Any) -> None:
    publish({"prompt_name": "a", "prompt_template": chat()})
    for name, how in (("nobody", {}), ("a", {"version": 9}), ("a", {"label": "prod"})):
        with pytest.raises(promptlayer.PromptLayerNotFoundError):
            sdk.do("templates.get", name, how)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_missing_operation_is_requested_once(kind: str, app: Application) -> None:
    paths = []

    def counting(environ: Any, start_response: Any) -> Any:
        paths.append(environ["PATH_INFO"])
        return app(environ, start_response)

    with running(counting) as url, pytest.raises(promptlayer.PromptLayerNotFoundError, match="not support"):
        Sdk(kind, url).do("tables.list")
    assert paths == ["/api/public/v2/tables"]


# -- the SDK on one side, promptsync on the other ------------------------------------------------------

RICH = {
    "type": "chat",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "@@@tone@@@ ü 🙂\n  end "}]},
        {"role": "placeholder", "name": "history"},
        {
            "role": "user",
            "template_format": "jinja2",
            "content": [
                {"type": "text", "text": "{{ question }}"},
                {"type": "image_url", "image_url": {"url": "http://x/{{ y }}"}},
            ],
        },
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": "auto",
}


def test_what_the_sdk_publishes_promptsync_reads(url: str, publish: Any) -> None:
    publish({"prompt_name": "tone", "prompt_template": completion("Be kind.")})
    publish(
        {
            "prompt_name": "rich",
            "prompt_template": RICH,
            "metadata": OPENAI,
            "tags": ["t"],
            "commit_message": "m",
            "release_labels": ["prod"],
        }
    )
    with PromptLayer(url, "pl_test") as registry:
        found = registry.prompts.get(None, "rich")
        assert digest(found.prompt) == digest(Prompt("rich", RICH, OPENAI, ("t",)))
        assert (found.version, found.message, found.prompt.extra) == (1, "m", {})
        labels = registry.labels.of(found.template_id, "rich")
        assert [(one.name, one.version) for one in labels] == [("prod", 1)]


def test_what_promptsync_publishes_the_sdk_reads(url: str, sdk: Sdk) -> None:
    with PromptLayer(url, "pl_test") as registry:
        tone = {"type": "completion", "content": [{"type": "text", "text": "Be kind."}]}
        registry.prompts.publish(Prompt("tone", tone), message="m (v1)")
        registry.prompts.publish(Prompt("rich", RICH, OPENAI, ("t",)), message="m (v1)", labels=["prod"])
    found = sdk.do(
        "templates.get", "rich", {"label": "prod", "input_variables": {"question": "Why?", "y": "z"}}
    )
    assert (found["version"], found["tags"], found["commit_message"]) == (1, ["t"], "m (v1)")
    system, user = found["prompt_template"]["messages"]  # the placeholder got no value
    assert system["content"][0]["text"] == "Be kind. ü 🙂\n  end "
    assert user["content"][0]["text"] == "Why?"
    assert found["llm_kwargs"]["model"] == "gpt-4o"
    assert {one["prompt_name"] for one in sdk.do("templates.all")} == {"tone", "rich"}


def test_a_request_that_promptsync_logs_is_annotated_by_the_sdk(url: str, sdk: Sdk, app: Application) -> None:
    request = {
        "provider": "openai",
        "model": "gpt-4o",
        "input": chat("Hi"),
        "output": OUTPUT,
        "request_start_time": "2026-01-01T00:00:00Z",
        "request_end_time": "2026-01-01T00:00:01Z",
    }
    with closing(PromptLayer(url, "pl_test")) as registry:
        request_id = registry.tracking.log_request(request)
        group_id = registry.tracking.create_group()
    assert sdk.do("track.score", request_id=request_id, score=1)
    assert sdk.do("track.group", request_id=request_id, group_id=group_id)

"""The loader with the official SDK and real sockets: what an application gets on a bad day."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from bundles import response, write_bundle
from hypothesis import given
from registry_server import chat, running
from scripted_registry import HTML, Reply, Scripted, Seen, reusing, serving
from strategies import json_objects, names

from promptsync.errors import Refused
from promptsync.prompt.bundle import decode
from promptsync.runtime import AsyncPrompts, LoadedPrompt, Prompts, PromptUnavailable
from promptsync.server.app import create_app
from promptsync.server.bundle import Release

promptlayer = pytest.importorskip("promptlayer")

NAME = "support/refund"
BUNDLED, LIVE = response(version=7), response(version=8)
PATIENT = 60.0
"""A timeout for a registry that answers; no test waits for it."""
SHORT = 0.05
"""A timeout for a registry that does not answer."""

Load = Callable[..., LoadedPrompt]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "prompts.json", BUNDLED)


@pytest.fixture(params=["threads", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def loader(
    kind: str, url: str, bundle: Path, *, throw_on_error: bool = True, cache: int = 0, **options: Any
) -> Any:
    made = promptlayer.PromptLayer if kind == "threads" else promptlayer.AsyncPromptLayer
    client = made("pl_test", base_url=url, throw_on_error=throw_on_error, cache_ttl_seconds=cache)
    return (Prompts if kind == "threads" else AsyncPrompts)(client, bundle, **{"timeout": PATIENT, **options})


def get(prompts: Any, name: str = NAME, *arguments: Any, **options: Any) -> LoadedPrompt:
    prompt = prompts.get(name, *arguments, **options)
    loaded: LoadedPrompt = prompt if isinstance(prompts, Prompts) else asyncio.run(prompt)
    return loaded


@contextmanager
def hanging() -> Iterator[tuple[str, threading.Event, list[Seen]]]:
    """A registry that does not answer before the event is set.

    It has a server of its own, because late requests would arrive at the next test.
    """
    end, seen = threading.Event(), []

    def react(request: Seen) -> Reply:
        seen.append(request)
        end.wait()
        return Reply(LIVE)

    with serving(react) as url:
        try:
            yield url, end, seen
        finally:
            end.set()


@pytest.fixture
def closed() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def failing() -> Iterator[str]:
    """A registry with an immediate failure; the SDK tries to connect to a closed port for half a second."""
    with reusing(Scripted(HTML)) as url:
        yield url


# -- the bad day ----------------------------------------------------------------------------------------


def test_a_registry_that_answers_is_the_source(kind: str, bundle: Path) -> None:
    scripted = Scripted(Reply(LIVE))
    with reusing(scripted) as url:
        prompts = loader(kind, url, bundle)
        prompt = get(prompts, input_variables={"text": "Hi"})
        assert (prompt.source, prompt.reason) == ("registry", "")
        assert prompt == LIVE and prompts.counts == {"registry": 1}
        # The cache of the SDK is the registry.
        prompts = loader(kind, url, bundle, cache=60)
        for text in ("a", "b"):
            prompt = get(prompts, input_variables={"text": text})
            shown = prompt["llm_kwargs"]["messages"][0]["content"][0]["text"]
            assert (prompt.source, shown) == ("registry", f"Answer {text} politely.")
    assert len(scripted.seen) == 2


ANSWERS = {
    "wrong key": (Reply({"message": "Invalid API key"}, 401), "PromptLayerAuthenticationError.*401|Invalid"),
    "no such prompt": (Reply({"message": "Not found"}, 404), "PromptLayerNotFoundError"),
    "a page in HTML": (HTML, "PromptLayerError|JSONDecodeError"),
    "a list": (Reply([LIVE]), "the SDK returned list, not a prompt"),
    "no template": (Reply({**LIVE, "prompt_template": None}), "the SDK returned dict, not a prompt"),
    "null": (Reply(b"null"), "the SDK returned NoneType, not a prompt"),
    "another prompt": (
        Reply({**LIVE, "prompt_name": "other"}),
        r"""^ValueError\("the registry returned another prompt: 'other'"\)$""",
    ),
}


@pytest.mark.parametrize("cache", [0, 60])
def test_a_wrong_answer_leads_to_the_bundle(kind: str, bundle: Path, cache: int) -> None:
    for answer, (reply, reason) in ANSWERS.items():
        with reusing(Scripted(reply)) as url:
            prompts = loader(kind, url, bundle, cache=cache)
            prompt = get(prompts, input_variables={"text": "Hi"})
        assert (prompt.source, prompt["version"]) == ("bundle", 7), answer
        pattern = reason if cache == 0 else "."  # the SDK's cache looks into the answer first
        assert re.search(pattern, prompt.reason), answer
        assert prompts.counts == {"bundle": 1}


@pytest.mark.parametrize("is_late", [True, False])
def test_a_registry_that_does_not_answer(kind: str, bundle: Path, *, is_late: bool) -> None:
    """One that fails is late because the SDK tries again."""
    down = serving(Scripted(Reply({"message": "down"}, 500)))
    with hanging() as (url, _, _seen), down as failing:
        prompt = get(loader(kind, url if is_late else failing, bundle, timeout=SHORT))
    assert (prompt.source, prompt.reason, prompt["version"]) == ("bundle", "no answer in 0.05 s", 7)


def test_a_client_that_raises_nothing(kind: str, bundle: Path) -> None:
    for status in (401, 404, 500):
        with reusing(Scripted(Reply({"message": "no"}, status))) as url:
            prompts = loader(kind, url, bundle, throw_on_error=False)
            assert get(prompts).reason == "TypeError('the SDK returned NoneType, not a prompt')"
            assert get(prompts).source == "bundle"
            with pytest.raises(PromptUnavailable, match="NoneType"):
                get(prompts, "other")


def test_the_name_decides_which_prompt_is_taken(kind: str, tmp_path: Path, registry: str) -> None:
    """A registry reads a number that is no name as an id."""
    client = promptlayer.PromptLayer("pl_test", base_url=registry)
    names = ["2026", "a/b c", "7/7"]
    for name in names:
        client.templates.publish({"prompt_name": name, "prompt_template": chat(), "release_labels": ["prod"]})
    prompts = loader(kind, registry, write_bundle(tmp_path / "prompts.json", response("1")))
    assert {get(prompts, name).source for name in names} == {"registry"}
    assert get(prompts, "1").source == "bundle"
    prompts = loader(kind, registry, write_bundle(tmp_path / "prompts.json"))
    with pytest.raises(PromptUnavailable, match=r"^1: .* has no such prompt; .* returned another prompt"):
        get(prompts, "1")


# -- the pause ------------------------------------------------------------------------------------------


def test_after_a_late_answer_the_bundle_answers_until_the_pause_ends(kind: str, bundle: Path) -> None:
    with hanging() as (url, end, seen):
        prompts = loader(kind, url, bundle, timeout=SHORT, retry_after=1000)
        for reason in ("no answer in 0.05 s", *["paused after: no answer in 0.05 s"] * 3):
            assert get(prompts).reason == reason
        assert len(seen) <= 1
        end.set()
        prompts.timeout, prompts.retry_after = PATIENT, 0
        assert [get(prompts).source for _ in range(2)] == ["registry"] * 2
        prompts.retry_after = 1000
        assert get(prompts).source == "registry"
    assert prompts.counts == {"bundle": 4, "registry": 3}


def test_an_error_about_one_prompt_does_not_pause_the_others(kind: str, bundle: Path) -> None:
    def react(seen: Seen) -> Reply:
        return Reply({"message": "Not found"}, 404) if "other" in seen.path else Reply(LIVE)

    with reusing(react) as url:
        prompts = loader(kind, url, bundle, retry_after=1000)
        with pytest.raises(PromptUnavailable) as caught:
            get(prompts, "other")
        assert get(prompts).source == "registry"
    assert isinstance(caught.value.__cause__, promptlayer.PromptLayerNotFoundError)
    failure = f"the registry failed: {caught.value.__cause__!r}"
    assert str(caught.value) == f"other: {bundle} has no such prompt; {failure}"


def test_warnings_name_the_prompt_and_the_reason_once_an_outage(
    kind: str, bundle: Path, closed: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "promptsync.runtime")
    prompts = loader(kind, closed, bundle, retry_after=1000)
    get(prompts)
    get(prompts)
    first, second = (record for record in caplog.records if record.name == "promptsync.runtime")
    assert (first.levelname, second.levelname) == ("WARNING", "DEBUG")
    assert first.getMessage().startswith(f"{NAME} is from the bundle: PromptLayerAPIConnectionError")
    with pytest.raises(PromptUnavailable, match="paused after: PromptLayerAPIConnectionError") as caught:
        get(prompts, "other")
    assert caught.value.__cause__ is None


def test_what_the_registry_says_cannot_forge_a_line_of_the_log(kind: str, bundle: Path) -> None:
    with reusing(Scripted(Reply({"message": "no\n2026 ERROR \x1b[31mforged" + "x" * 9999}, 404))) as url:
        reason = get(loader(kind, url, bundle)).reason
    assert reason.isprintable() and len(reason) <= 300


# -- what the bundle serves -----------------------------------------------------------------------------

REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "its label": ({}, ""),
    "its version": ({"version": 7}, ""),
    "filters of a dynamic label": ({"metadata_filters": {"user": "1"}}, ""),
    "another label": ({"label": "beta"}, "has version 7 with the label prod"),
    "the newest version": ({"label": None}, "has version 7 with the label prod"),
    "another version": ({"version": 6}, "has version 7 with the label prod"),
    "another model": ({"provider": "anthropic", "model": "m"}, "cannot apply model, provider"),
    "other parameters": ({"model_parameter_overrides": {"a": 1}}, "cannot apply model_parameter_overrides"),
}


def test_what_the_bundle_serves(kind: str, bundle: Path, failing: str) -> None:
    for requested, (options, refusal) in REQUESTS.items():
        prompts = loader(kind, failing, bundle)
        if not refusal:
            assert get(prompts, **options)["version"] == 7, requested
            continue
        message = rf"prompts\.json {refusal}; the registry failed: "
        with pytest.raises(PromptUnavailable, match=message) as caught:
            get(prompts, **options)
        assert caught.value.__cause__ is not None


def test_a_bundle_of_a_commit_serves_every_label_and_none_what_only_a_registry_renders(
    kind: str, tmp_path: Path, failing: str
) -> None:
    template = chat("Hi")
    template["messages"].append({"role": "placeholder", "name": "history"})
    history = response("history", template=template)
    path = write_bundle(tmp_path / "prompts.json", response(version=None), history, label=None)
    prompts = loader(kind, failing, path)
    assert get(prompts, label="beta").source == "bundle"
    with pytest.raises(PromptUnavailable, match="has version None"):
        get(prompts, version=7)
    with pytest.raises(PromptUnavailable, match="cannot render it; promptsync serve --bundle can"):
        get(prompts, "history", input_variables={"history": []})


def test_what_the_registry_is_asked(kind: str, bundle: Path) -> None:
    for options, sent in (
        ({}, {"label": "prod", "input_variables": {}}),
        ({"version": 3}, {"version": 3, "input_variables": {}}),
        ({"label": None, "input_variables": {"a": 1}}, {"input_variables": {"a": 1}}),
        ({"label": "beta", "model": "m"}, {"label": "beta", "model": "m", "input_variables": {}}),
    ):
        scripted = Scripted(Reply(LIVE))
        with reusing(scripted) as url:
            get(loader(kind, url, bundle), **options)
        assert {key: value for key, value in scripted.seen[0].body.items() if key != "api_key"} == sent


def test_a_caller_that_changes_a_prompt_changes_no_other(kind: str, bundle: Path, failing: str) -> None:
    prompts = loader(kind, failing, bundle)
    for text in ("a", "b"):
        prompt = get(prompts, input_variables={"text": text})
        assert json.loads(json.dumps(prompt)) == prompt == {**prompt}
        assert prompt["llm_kwargs"]["messages"][0]["content"][0]["text"] == f"Answer {text} politely."
        prompt["llm_kwargs"]["messages"].clear()
        prompt["metadata"]["model"]["name"] = "other"
        assert prompt["prompt_template"]["messages"][0]["content"][0]["text"] == f"Answer {text} politely."


# -- construction ---------------------------------------------------------------------------------------


NO_BUNDLES = [
    *("", "{", "{}", "[]", "null", "[" * 100_000, "\xff"),
    '{"format": "promptsync-bundle/1", "label": "prod", "prompts": {}}',
    '{"format": "promptsync-bundle/2", "label": "prod", "prompts": []}',
    '{"format": "promptsync-bundle/2", "label": "prod", "prompts": {"a": null}}',
    '{"format": "promptsync-bundle/2", "label": null, "prompts": {"a": {"version": 1, "renders": ""}}}',
    '{"format": "promptsync-bundle/2", "label": null, "prompts": {"a": {"checksum": "", "version": 1}}}',
]


def test_a_file_that_is_no_bundle_fails_at_construction(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    for content in NO_BUNDLES:
        path.write_text(content, "latin-1")
        with pytest.raises(ValueError, match=r"is not a valid bundle: .+\. Run promptsync bundle -o"):
            loader(kind, "http://127.0.0.1:1", path)


def test_an_edited_prompt_fails_at_construction(kind: str, bundle: Path) -> None:
    bundle.write_bytes(bundle.read_bytes().replace(b"politely", b"rudely"))
    message = f"it was edited: '{NAME}' does not match its checksum. Run promptsync bundle -o {bundle}"
    with pytest.raises(ValueError, match=re.escape(message)):
        loader(kind, "http://127.0.0.1:1", bundle)


@given(names(), json_objects())
def test_all_readers_agree_on_what_was_written(name: str, values: dict[str, Any]) -> None:
    """The writer, the tool, the sidecar and the loader parse JSON with different libraries."""
    client = promptlayer.PromptLayer("pl_test")
    with TemporaryDirectory() as directory:
        path = write_bundle(Path(directory) / "prompts.json", response(name, values=[1.0, values], version=9))
        assert [*decode(path.read_bytes()).prompts] == [*Release.read(path).prompts] == [name]
        Prompts(client, path)
        content = path.read_bytes().replace(b"Answer {text}", b"Answer {text},")
        path.write_bytes(content)
        for read in (lambda: decode(content), lambda: Release.read(path)):
            with pytest.raises(Refused, match="does not match its checksum"):
                read()
        with pytest.raises(ValueError, match="does not match its checksum"):
            Prompts(client, path)


def test_what_does_not_fit_fails_at_construction(
    kind: str, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        loader(kind, "http://127.0.0.1:1", bundle.with_name("missing.json"))
    for loader_type, client in (
        (Prompts, promptlayer.AsyncPromptLayer),
        (AsyncPrompts, promptlayer.PromptLayer),
    ):
        with pytest.raises(TypeError, match="Prompts needs a PromptLayer client"):
            loader_type(client("pl_test"), bundle)
    monkeypatch.delattr("promptlayer.templates.render_response")  # as in an older generation of the SDK
    with pytest.raises(ImportError, match=r"needs promptlayer 1\.3 or later"):
        loader(kind, "http://127.0.0.1:1", bundle)


# -- threads and tasks ----------------------------------------------------------------------------------


def test_the_counts_are_exact_in_threads(bundle: Path, failing: str) -> None:
    with reusing(Scripted(Reply(LIVE))) as url, ThreadPoolExecutor(8) as pool:
        prompts, down = loader("threads", url, bundle), loader("threads", failing, bundle, retry_after=1000)
        list(pool.map(lambda _: (get(prompts), get(down)), range(100)))
    assert (prompts.counts, down.counts) == ({"registry": 100}, {"bundle": 100})


def test_tasks_share_a_loader_and_a_cancelled_one_is_no_failure(bundle: Path) -> None:
    async def play(url: str, end: threading.Event) -> tuple[list[str], bool, str]:
        client = promptlayer.AsyncPromptLayer("pl_test", base_url=url)
        prompts = AsyncPrompts(client, bundle, timeout=PATIENT, retry_after=1000)
        task = asyncio.create_task(prompts.get(NAME))
        await asyncio.sleep(0)
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        end.set()
        answers = await asyncio.gather(*(prompts.get(NAME) for _ in range(20)))
        return (
            [prompt.source for prompt in answers],
            isinstance(outcome, asyncio.CancelledError),
            str(dict(prompts.counts)),
        )

    with hanging() as (url, end, _):
        assert asyncio.run(play(url, end)) == (["registry"] * 20, True, "{'registry': 20}")


def test_what_the_sdk_notes_for_traces_reaches_the_caller(kind: str, bundle: Path, failing: str) -> None:
    from opentelemetry import baggage, context

    async def noted(prompts: Any) -> Any:
        prompt = prompts.get(NAME)
        await prompt if asyncio.iscoroutine(prompt) else prompt
        return baggage.get_all(context.get_current())

    with reusing(Scripted(Reply(LIVE))) as url:
        for address, version in ((url, "8"), (failing, "7")):
            entries = asyncio.run(noted(loader(kind, address, bundle)))
            assert entries["promptlayer.prompt.version"] == version
            assert entries["promptlayer.prompt.label"] == "prod"


# -- the same answer as the registry --------------------------------------------------------------------

PROPERTIES = {"amount": {"type": "number"}, "why": {"type": ["string", "null"]}}
SCHEMA = {"type": "object", "properties": PROPERTIES, "required": ["amount"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "refund", "description": "d", "parameters": SCHEMA}}
STRUCTURED = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
MODELS: dict[str, dict[str, Any]] = {
    "openai": {"provider": "openai", "name": "gpt-4o"},
    "openai responses": {"provider": "openai", "name": "gpt-4o", "api_type": "responses"},
    "anthropic": {"provider": "anthropic", "name": "claude-sonnet-4-5"},
    "google": {"provider": "google", "name": "gemini-2.5-pro"},
    "mistral": {"provider": "mistral", "name": "mistral-large-latest"},
}
VALUES: tuple[dict[str, Any] | None, ...] = (None, {"a": "x {y} {{ z }}"}, {"a": 'q"\n', "b": 5}, {"a": None})
"""Values for the variables; some are missing, as ``b`` often is."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with create_app(tmp_path_factory.mktemp("registry") / "registry.db") as app, running(app) as url:
        yield url


def released(url: str, template: dict[str, Any], model: dict[str, Any], directory: Path) -> Path:
    """Publish a version under the label prod, and return a bundle of what the registry has then."""
    client = promptlayer.PromptLayer("pl_test", base_url=url)
    published = {"prompt_name": NAME, "prompt_template": template, "metadata": {"model": model}}
    client.templates.publish({**published, "release_labels": ["prod"]})
    unrendered = client.templates.get(NAME, {"label": "prod", "skip_input_variable_rendering": True})
    return write_bundle(directory / "prompts.json", unrendered)


TEXTS = {
    "f-string": ("Be {a}.", "{b} and {a}"),
    "jinja2": ("Be {{ a }}.", "Say{% if b %} {{ b }}{% endif %}{{ c.d }}"),
}


@pytest.mark.parametrize("written", TEXTS)
@pytest.mark.parametrize("extra", ["plain", "tools", "structured"])
def test_the_bundle_gives_what_the_registry_gives(
    tmp_path: Path, registry: str, failing: str, written: str, extra: str
) -> None:
    texts = TEXTS[written]
    messages = [
        {"role": role, "content": [{"type": "text", "text": text}], "template_format": written}
        for role, text in zip(("system", "user"), texts, strict=True)
    ]
    parameters = {"temperature": 0.5} | ({"response_format": STRUCTURED} if extra == "structured" else {})
    template = {"type": "chat", "messages": messages} | ({"tools": [TOOL]} if extra == "tools" else {})
    for model in MODELS:
        bundle = released(registry, template, {**MODELS[model], "parameters": parameters}, tmp_path)
        up, down = loader("threads", registry, bundle), loader("threads", failing, bundle, retry_after=1000)
        for values in VALUES:
            live, bundled = (get(prompts, input_variables=values) for prompts in (up, down))
            assert (live.source, bundled.source) == ("registry", "bundle")
            assert set(live) - set(bundled) == {"request_id"}
            assert {**live, "request_id": None, "warning": None} == {**bundled, "request_id": None}, model

"""The sidecar answers as the registry that its bundle was made from, and changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from bundles import bundle, response, write_bundle
from registry_server import Caller, chat, completion, flat, running

from promptsync.prompt.bundle import Bundle, bundled, encode
from promptsync.server.app import create_app
from promptsync.server.bundle import MAX_BODY, Sidecar
from promptsync.server.routes import ROUTES

OPENAI = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}
CLAUDE = {"model": {"provider": "anthropic", "name": "claude-sonnet-4", "parameters": {"max_tokens": 9}}}
PROMPTS = (
    flat("tone", completion("Be {mood}."), metadata=OPENAI),
    flat("a/b c", chat("@@@tone@@@ Hello {name}"), metadata=OPENAI, tags=["t"], commit_message="first"),
    flat("jinja", chat("{% if vip %}Dear {% endif %}{{ name }}", template_format="jinja2"), metadata=CLAUDE),
    flat("with a tool", chat(tools=[{"type": "registry", "tool_registry_id": 7}]), metadata=OPENAI),
    flat("placeholder", {"type": "chat", "messages": [{"role": "placeholder", "name": "turns"}]}),
    flat("no model", chat("Hello {name}")),
)
NAMES = [str(body["prompt_name"]) for body in PROMPTS]
VALUES = {"name": "Ana", "mood": "kind", "vip": True, "turns": [{"role": "user", "content": "Hi"}]}
FIXTURES = "tools: [{id: 7, name: weather, function: {name: get_weather}}]"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    folder = tmp_path_factory.mktemp("registry")
    (folder / "registry.yaml").write_text(FIXTURES)
    with create_app(folder / "registry.db", fixtures=folder / "registry.yaml") as app:
        call = Caller(app)
        for body in PROMPTS:
            call("POST", "/rest/prompt-templates", {**body, "commit_message": "earlier"})
            assert call("POST", "/rest/prompt-templates", {**body, "release_labels": ["prod"]}).status == 201
            call("POST", "/rest/prompt-templates", flat(str(body["prompt_name"]), completion("not released")))
        yield call


@pytest.fixture(scope="module")
def sidecar(registry: Caller, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    def unrendered(name: str) -> dict[str, Any]:
        body = {"label": "prod", "skip_input_variable_rendering": True}
        answer: dict[str, Any] = registry("POST", path_of(name), body).body
        return answer

    file = tmp_path_factory.mktemp("bundle") / "prompts.json"
    file.write_bytes(encode(Bundle({name: bundled(unrendered(name)) for name in NAMES}, "prod")))
    return Caller(Sidecar(file), key=None)


def path_of(name: str) -> str:
    return f"/prompt-templates/{name.replace('/', '%2F').replace(' ', '%20')}"


BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"version": 2},
    {"label": "prod", "version": 1},
    {"input_variables": VALUES},
    {"input_variables": {"name": "Ana"}},
    {"skip_input_variable_rendering": True},
    {"skip_input_variable_rendering": True, "provider": "anthropic", "model": "claude-sonnet-4"},
    {"input_variables": VALUES, "provider": "google", "model": "gemini-2.0-flash"},
    {"input_variables": VALUES, "provider": "anthropic"},
    {"input_variables": VALUES, "model": "gpt-4.1"},
    {"input_variables": VALUES, "model_parameter_overrides": {"temperature": 1}},
    {"provider": "nobody"},
    {"input_variables": 3},
)


def test_a_get_is_answered_as_by_the_registry(registry: Caller, sidecar: Caller) -> None:
    for body, name in product(BODIES, NAMES):
        released = body if "version" in body else {"label": "prod", **body}
        ours, theirs = sidecar("POST", path_of(name), body), registry("POST", path_of(name), released)
        answers = ours.body, theirs.body
        for answer in answers:
            assert bool(answer.pop("request_id", "")) == (ours.status == 200)
        assert (ours.status, answers[0]) == (theirs.status, answers[1]), (body, name)


def test_a_template_and_a_list_are_those_of_the_label(registry: Caller, sidecar: Caller) -> None:
    ours, theirs = (call("GET", f"{path_of('a/b c')}?label=prod").body for call in (sidecar, registry))
    assert theirs.pop("created_at") and ours == theirs
    known = ("id", "prompt_name", "version", "metadata", "tags", "commit_message")
    for query in ("", "?per_page=2", "?per_page=2&page=2", "?label=prod", "?label=x", "?page=0"):
        labelled = query if "label" in query else f"{query or '?'}&label=prod"
        answers = sidecar("GET", f"/prompt-templates{query}"), registry("GET", f"/prompt-templates{labelled}")
        ours, theirs = (answer.body | {"status": answer.status} for answer in answers)
        for answer in (ours, theirs):
            answer["items"] = [{key: item[key] for key in known} for item in answer.get("items", ())]
        assert ours == theirs, query


def test_what_the_bundle_lacks_is_404(sidecar: Caller) -> None:
    sidecar.expect(
        ("POST", "/prompt-templates/tone", {"version": 1}, 404, "has version 2 of 'tone', not 1"),
        ("POST", "/prompt-templates/tone", {"label": "dev"}, 404, "has the release label 'prod', not 'dev'"),
        ("GET", "/prompt-templates/tone?version=3", None, 404, "has version 2 of 'tone', not 3"),
        ("POST", "/prompt-templates/nobody", {}, 404, "has no prompt 'nobody'"),
        ("GET", "/prompt-templates/tone/labels", None, 404, "only has prompts"),
        ("GET", "/nowhere", None, 404, "does not support GET /nowhere"),
        ("POST", "/nowhere", {}, 404, "does not support POST /nowhere"),
    )


def test_everything_that_writes_is_403(sidecar: Caller) -> None:
    for route in ROUTES:
        if route.method != "GET" and route.handler != "prompts.templates.get_rendered":
            path = re.sub("<[^>]+>", "7", route.path)
            sidecar.expect((route.method, path, {}, 403, "is read-only"))


def test_a_bundle_of_a_commit_answers_for_every_label(tmp_path: Path) -> None:
    file = tmp_path / "prompts.json"
    unpublished = response("a", version=None, id=None)  # type: ignore[arg-type]
    file.write_bytes(encode(bundle(unpublished, label=None, commit="0" * 40)))
    call = Caller(Sidecar(file), key=None)
    for label in (None, "prod", "dev"):
        assert call("POST", "/prompt-templates/a", {"label": label}).body["prompt_name"] == "a"
    assert call("POST", "/prompt-templates/a", {"version": 1}).status == 404
    assert call("GET", "/prompt-templates?label=prod").body["total"] == 1


def test_a_key_that_is_set_is_required(tmp_path: Path) -> None:
    app = Sidecar(write_bundle(tmp_path / "prompts.json"), "right")
    for key, status in ((None, 401), ("wrong", 401), ("schl\xfcssel", 401), ("right", 200)):
        assert Caller(app, key)("GET", "/prompt-templates").status == status
        assert Caller(app, key)("GET", "/health").status == 200


# -- the file ------------------------------------------------------------------------------------------------


def test_a_changed_file_is_read_again_and_a_broken_one_is_not_served(tmp_path: Path) -> None:
    file = write_bundle(tmp_path / "prompts.json")
    sidecar = Sidecar(file)
    call = Caller(sidecar, key=None)

    def state() -> tuple[int, str | None]:
        sidecar.look()
        health = call("GET", "/health").body
        assert health["status"] == "ok"
        version: int = call("POST", "/prompt-templates/support%2Frefund").body["version"]
        return version, health["problem"]

    assert state() == (7, None)
    new = write_bundle(tmp_path / "new.json", response(version=8))
    new.replace(file)
    assert state() == (8, None)
    good = file.read_bytes()
    file.write_bytes(good[:-20])
    assert state() == (8, f"{file} is not a bundle: it is not JSON, or it was cut off")
    file.write_bytes(good.replace(b"politely", b"rudely"))
    edited = f"{file} was edited: 'support/refund' does not match its checksum"
    assert state() == (8, edited)
    file.unlink()
    assert state() == (8, f"{file}: No such file or directory")
    write_bundle(file, response(version=9))
    assert state() == (9, None)


def test_a_file_that_keeps_its_size_and_its_time_is_read_again(tmp_path: Path) -> None:
    file = write_bundle(tmp_path / "prompts.json")
    os.utime(file, ns=(0, 0))
    sidecar = Sidecar(file)
    call = Caller(sidecar, key=None)
    health = call("GET", "/health").body
    assert (health["label"], health["commit"], health["prompts"]) == ("prod", None, 1)
    assert re.fullmatch("[0-9a-f]{64}", health["digest"])
    write_bundle(file, response(version=8))
    os.utime(file, ns=(0, 0))
    sidecar.look()
    assert call("POST", "/prompt-templates/support%2Frefund").body["version"] == 8


def test_a_link_that_moves_to_another_directory_is_followed(tmp_path: Path) -> None:
    """As the kubelet updates a ConfigMap."""
    for number in (7, 8):
        (tmp_path / f"v{number}").mkdir()
        os.utime(write_bundle(tmp_path / f"v{number}" / "prompts.json", response(version=number)), ns=(0, 0))
    (tmp_path / "..data").symlink_to("v7")
    (tmp_path / "prompts.json").symlink_to("..data/prompts.json")
    sidecar = Sidecar(tmp_path / "prompts.json")
    (tmp_path / "next").symlink_to("v8")
    (tmp_path / "next").replace(tmp_path / "..data")
    sidecar.look()
    assert Caller(sidecar, key=None)("POST", "/prompt-templates/support%2Frefund").body["version"] == 8


def test_a_body_that_needs_more_memory_than_a_sidecar_has_is_refused(tmp_path: Path) -> None:
    sidecar = Sidecar(write_bundle(tmp_path / "prompts.json"))
    with running(sidecar) as url, httpx.Client(trust_env=False, base_url=url) as client:
        for size, status in ((MAX_BODY - 100, 200), (MAX_BODY, 413)):
            values = {"input_variables": {"text": "x" * size}}
            assert client.post("/prompt-templates/support%2Frefund", json=values).status_code == status


def test_a_file_that_is_no_bundle_is_refused_in_words(tmp_path: Path) -> None:
    for content, message in (
        (b"", "is not JSON, or it was cut off"),
        (b"[]", "is not a bundle: make one with promptsync bundle"),
        (encode(bundle(response(commit_message="\udc00"))), "surrogate"),
    ):
        file = write_bundle(tmp_path / "prompts.json")
        sidecar = Sidecar(file)
        file.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(message)):
            Sidecar(file)
        sidecar.look()
        health = Caller(sidecar, key=None)("GET", "/health").body
        assert health["prompts"] == 1 and message in health["problem"], content

"""Both clients of the official SDK, unmodified, get from a sidecar what they get from the registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from provider_fakes import provider_fake
from python_sdk import Sdk
from registry_server import Caller, chat, completion, flat, running

from promptsync.prompt.bundle import Bundle, bundled, encode
from promptsync.server.app import create_app
from promptsync.server.bundle import Sidecar

promptlayer = pytest.importorskip("promptlayer")
pytest.importorskip("openai")

OPENAI = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}
PROMPTS = (
    flat("tone", completion("Be kind to {name}.")),
    flat("team/greeting", chat("@@@tone@@@ Hello {name}"), metadata=OPENAI, tags=["t"]),
    flat("jinja", chat("Hello {{ name }}", template_format="jinja2"), metadata=OPENAI),
)
VALUES = {"name": "Ana"}


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URLs of a registry, and of a sidecar over its label prod."""
    folder = tmp_path_factory.mktemp("sidecar")
    with create_app(folder / "registry.db") as app:
        call, prompts = Caller(app), {}
        for body in PROMPTS:
            name = str(body["prompt_name"])
            call("POST", "/rest/prompt-templates", {**body, "release_labels": ["prod"]})
            wanted = {"label": "prod", "skip_input_variable_rendering": True}
            prompts[name] = bundled(
                call("POST", f"/prompt-templates/{name.replace('/', '%2F')}", wanted).body
            )
        file = folder / "prompts.json"
        file.write_bytes(encode(Bundle(prompts, "prod")))
        with running(app) as registry, running(Sidecar(file), threads=4) as sidecar:
            yield registry, sidecar


@pytest.fixture(params=["sync", "async"])
def clients(request: pytest.FixtureRequest, urls: tuple[str, str]) -> tuple[Sdk, Sdk]:
    registry, sidecar = urls
    return Sdk(request.param, registry), Sdk(request.param, sidecar)


GETS: tuple[dict[str, Any], ...] = (
    {},
    {"label": "prod"},
    {"version": 1},
    {"input_variables": VALUES},
    {"input_variables": VALUES, "provider": "anthropic", "model": "claude-sonnet-4"},
    {"input_variables": VALUES, "model_parameter_overrides": {"temperature": 1}},
)


def check_alike(clients: tuple[Sdk, Sdk], *options: dict[str, Any]) -> None:
    for how in options:
        for body in PROMPTS:
            theirs, ours = (client.do("templates.get", body["prompt_name"], how) for client in clients)
            theirs.pop("request_id"), ours.pop("request_id")
            assert theirs == ours, how


def test_templates_get(clients: tuple[Sdk, Sdk]) -> None:
    check_alike(clients, *GETS)
    theirs, ours = (client.with_options(cache_ttl_seconds=60) for client in clients)
    check_alike(
        (theirs, ours), *({"label": "prod", "input_variables": {"name": name}} for name in ("Ana", "Bo"))
    )


def test_templates_all(clients: tuple[Sdk, Sdk]) -> None:
    for options in ({"label": "prod"}, {"label": "prod", "page": 2, "per_page": 2}):
        lists = [client.do("templates.all", **options) for client in clients]
        named = [[(item["prompt_name"], item["version"], item["tags"]) for item in items] for items in lists]
        assert named[0] == named[1] != []


def test_what_a_sidecar_does_not_do_is_an_error_that_says_so(clients: tuple[Sdk, Sdk]) -> None:
    _, sidecar = clients
    for options in ({"version": 2}, {"label": "dev"}):
        with pytest.raises(promptlayer.PromptLayerNotFoundError, match="The bundle has"):
            sidecar.do("templates.get", "tone", options)
    with pytest.raises(promptlayer.PromptLayerError, match="which is read-only"):
        sidecar.do("track.score", 1, 90)
    # The SDK raises here for status 400 alone.
    answer = Sdk("sync", sidecar.url).do("templates.publish", flat("new"))
    assert (answer["success"], "which is read-only" in answer["message"]) == (False, True)


def test_run_calls_the_model_and_only_its_log_is_refused(
    clients: tuple[Sdk, Sdk], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sidecar = clients
    with provider_fake() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        run = {"prompt_release_label": "prod", "input_variables": VALUES}
        with pytest.raises(promptlayer.PromptLayerPermissionDeniedError, match="POST /track-request"):
            sidecar.do("run", "team/greeting", **run)
        answer = sidecar.with_options(throw_on_error=False).do("run", "team/greeting", **run)
    assert answer["raw_response"].choices[0].message.content == "Hello"
    assert answer["request_id"] is None
    assert len(provider.requests) == 2

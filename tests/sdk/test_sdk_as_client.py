"""Both clients of the official SDK, unmodified, on one side and promptsync or a sidecar on the other.

``tests/fidelity`` calls each method; here is what goes beyond a single call.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from operation_tries import RICH
from provider_fakes import provider_fake
from python_sdk import Sdk
from registry_server import Caller, chat, completion, flat, log_of, running

from promptsync.prompt.bundle import Bundle, bundled, encode
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.server.app import Application, create_app
from promptsync.server.bundle import Sidecar

promptlayer = pytest.importorskip("promptlayer")
pytest.importorskip("openai")

OPENAI = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with create_app(tmp_path / "registry.db") as app:
        yield app


@pytest.fixture
def url(app: Application) -> Iterator[str]:
    with running(app) as url:
        yield url


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, url: str) -> Sdk:
    return Sdk(request.param, url)


@pytest.fixture
def publish(url: str) -> Any:
    """Publish as the SDK does; only its synchronous client has this method."""
    return Sdk("sync", url).client.templates.publish


# -- prompts --------------------------------------------------------------------------------------------


def test_the_cache_of_the_sdk_renders_what_the_registry_renders(sdk: Sdk, publish: Any) -> None:
    cached = sdk.with_options(cache_ttl_seconds=60)
    texts = ["{a} {missing}", "{{ a }} {{ missing.x }}", '{"a": 1}', "{a:>5}", "{a.b}"]
    texts += ["{% if a %}yes{% endif %}\n", "{"]
    for written in ("f-string", "jinja2"):
        messages = [chat(text)["messages"][0] | {"template_format": written} for text in texts]
        template = {"type": "chat", "messages": messages}
        publish({"prompt_name": written, "prompt_template": template, "metadata": OPENAI})
        for value in ("x", "y"):
            values = {"input_variables": {"a": value}}
            here, there = (client.do("templates.get", written, values) for client in (cached, sdk))
            assert here["prompt_template"] == there["prompt_template"]
            assert here["llm_kwargs"] == there["llm_kwargs"]


def test_what_is_refused_raises_with_the_reason(sdk: Sdk, publish: Any) -> None:
    publish({"prompt_name": "a", "prompt_template": chat()})
    for how in ({"version": 9}, {"label": "prod"}):
        with pytest.raises(promptlayer.PromptLayerNotFoundError, match="has no"):
            sdk.do("templates.get", "a", how)
    with pytest.raises(promptlayer.PromptLayerNotFoundError, match="called 'nobody'"):
        sdk.do("templates.get", "nobody")
    # For a publish, the SDK raises for status 400 alone, and PromptLayer declares 422.
    answer = publish({"prompt_name": "a", "prompt_template": {"type": "chat", "messages": [{"role": "x"}]}})
    assert (answer["success"], "role" in answer["message"]) == (False, True)


def test_a_missing_operation_is_requested_once(app: Application) -> None:
    paths = []

    def counting(environ: Any, start_response: Any) -> Any:
        paths.append(environ["PATH_INFO"])
        return app(environ, start_response)

    with running(counting) as url:
        for kind in ("sync", "async"):
            with pytest.raises(promptlayer.PromptLayerNotFoundError, match="not support"):
                Sdk(kind, url).do("tables.sheets.scorecards.migrate_legacy_score", "1", "1")
    assert paths == ["/api/public/v2/tables/1/sheets/1/scorecard/migrate-legacy-score"] * 2


# -- requests and traces --------------------------------------------------------------------------------


def test_a_request_is_logged_and_annotated(sdk: Sdk, publish: Any, app: Application) -> None:
    publish({"prompt_name": "a", "prompt_template": chat(), "release_labels": ["prod"]})
    about = {"prompt_name": "a", "prompt_version_number": 1, "metadata": {"k": "v"}, "score": 50}
    number = {"request_id": sdk.do("log_request", **log_of(**about))["id"]}
    assert sdk.do("track.score", **number, score=80)
    assert sdk.do("track.score", **number, score=90, score_name="tone")
    assert sdk.do("track.metadata", **number, metadata={"user": "1"})
    # The asynchronous client loses the label, and puts the other values under the wrong keys.
    which: dict[str, Any] = {"label": "prod"} if sdk.kind == "sync" else {"version": 1}
    assert sdk.do("track.prompt", **number, prompt_name="a", prompt_input_variables={"name": "Ana"}, **which)
    assert sdk.do("track.group", **number, group_id=sdk.do("group.create"))
    logged = Caller(app)("GET", f"/api/public/v2/requests/{number['request_id']}").body
    assert logged["scores"] == [{"name": "default", "score": 80}, {"name": "tone", "score": 90}]
    assert logged["metadata"] == [{"k": "v"}, {"user": "1"}]
    assert (logged["prompt_version_number"], logged["group_id"]) == (1, 1)
    assert logged["prompt_input_variables"] == {"name": "Ana"}


@pytest.mark.filterwarnings("error")
def test_traces_are_exported_and_can_be_read(sdk: Sdk, app: Application, caplog: Any) -> None:
    from opentelemetry import trace

    call = Caller(app)
    client = sdk.with_options(enable_tracing=True).client

    def track() -> Any:
        """Log a request of the span, as ``run`` does after the provider has responded."""
        span_id = format(trace.get_current_span().get_span_context().span_id, "016x")
        return call("POST", "/track-request", {"kwargs": {}, "span_id": span_id}).body["request_id"]

    async def track_later() -> Any:
        return track()

    job = client.traceable(attributes={"team": "support"})(track if sdk.kind == "sync" else track_later)
    request_id = sdk.wait(job)
    assert client.tracer_provider.force_flush()
    client.tracer_provider.shutdown()
    problems = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    # It warns that its own instrumentation of the providers' clients is not installed.
    assert [record for record in problems if record.name != "promptlayer.tracing"] == []
    trace_id = call("GET", f"/api/public/v2/requests/{request_id}").body["trace_id"]
    (span,) = call("GET", f"/api/public/v2/traces/{trace_id}").body["spans"]
    assert (span["attributes"]["team"], span["request_log_id"]) == ("support", request_id)


def test_skills_are_published_updated_and_pulled(sdk: Sdk, tmp_path: Path) -> None:
    files = [{"path": "CLAUDE.md", "content": "Be kind.\n"}, {"path": "triage/SKILL.md", "content": "ü"}]
    name, claude = "team/support skills", ".claude/CLAUDE.md"
    made = sdk.do("skills.publish", {"name": name, "provider": "claude_code", "files": files})
    pulled = sdk.do("skills.pull", name)["files"]
    assert pulled == {claude: "Be kind.\n", ".claude/skills/triage/SKILL.md": "ü"}
    moves = [{"old_path": "triage/SKILL.md", "new_path": "refund/SKILL.md"}]
    updated = sdk.do("skills.update", name, name="crew", moves=moves, release_label="prod")
    assert updated["skill_collection"]["id"] == made["skill_collection"]["id"]
    logo, file = b"\x89PNG\xff" * 200_000, tmp_path / "more.zip"
    with zipfile.ZipFile(file, "w") as more:
        more.writestr("logo.png", logo)
    last = sdk.do("skills.update", "crew", zip=file, deletes=["CLAUDE.md"], provider="openai")
    assert last["version"]["file_paths"] == ["logo.png", "refund/SKILL.md"]
    with zipfile.ZipFile(io.BytesIO(sdk.do("skills.pull", "crew", format="zip"))) as archive:
        assert archive.read(".agents/logo.png") == logo
    assert list(sdk.do("skills.pull", "crew", label="prod")["files"]) == [
        claude,
        ".claude/skills/refund/SKILL.md",
    ]
    with pytest.raises(Exception, match="no release label 'dev'"):
        sdk.do("skills.pull", "crew", label="dev")


# -- the SDK on one side, promptsync on the other ------------------------------------------------------


def test_what_the_sdk_publishes_promptsync_reads(url: str, publish: Any) -> None:
    publish({"prompt_name": "tone", "prompt_template": completion("Be kind.")})
    body = {"prompt_name": "rich", "prompt_template": RICH, "metadata": OPENAI, "tags": ["t"]}
    publish({**body, "commit_message": "m", "release_labels": ["prod"]})
    with PromptLayer(url, "pl_test") as registry:
        version = registry.prompts.get(None, "rich")
        assert digest(version.prompt) == digest(Prompt("rich", RICH, OPENAI, ("t",)))
        assert (version.version, version.message, version.prompt.extra) == (1, "m", {})
        labels = registry.labels.of(version.template_id, "rich")
        assert [(label.name, label.version) for label in labels] == [("prod", 1)]


def test_what_promptsync_publishes_the_sdk_reads(url: str, sdk: Sdk) -> None:
    with PromptLayer(url, "pl_test") as registry:
        registry.prompts.publish(Prompt("tone", completion("Be kind.")), message="m (v1)")
        rich = registry.prompts.publish(Prompt("rich", RICH, OPENAI, ("t",)), message="m (v1)")
        registry.labels.set(rich.template_id, "rich", "prod", 1, None)
    answer = sdk.do("templates.get", "rich", {"label": "prod", "input_variables": {"a": "Ana", "files": []}})
    assert (answer["version"], answer["tags"], answer["commit_message"]) == (1, ["t"], "m (v1)")
    system, *turns = answer["prompt_template"]["messages"]
    assert system["content"][0]["text"] == "Be kind. ü 🙂\n  Ana "
    assert [turn["role"] for turn in turns] == ["assistant", "tool", "user"]  # the placeholder got no value
    assert answer["llm_kwargs"]["model"] == "gpt-4o"


# -- a sidecar ----------------------------------------------------------------------------------------------


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

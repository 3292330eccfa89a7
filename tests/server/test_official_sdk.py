"""The official SDK, unmodified, against the registry over loopback."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry import trace
from registry_server import chat, completion, running

promptlayer = pytest.importorskip("promptlayer")

OPENAI = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}


@pytest.fixture
def url(app):
    with running(app) as base_url:
        yield base_url


@pytest.fixture
def sdk(url):
    return promptlayer.PromptLayer(api_key="pl_test", base_url=url)


def test_publish_and_get(sdk):
    published = sdk.templates.publish(
        {
            "prompt_name": "support/refund",
            "prompt_template": chat("Refund {name}"),
            "metadata": OPENAI,
            "commit_message": "first",
            "tags": ["billing"],
            "release_labels": ["prod"],
        }
    )
    assert (published["prompt_name"], published["version_number"]) == ("support/refund", 1)
    sdk.templates.publish({"prompt_name": "support/refund", "prompt_template": chat("Second {name}")})

    def text(params=None):
        return sdk.templates.get("support/refund", params)["prompt_template"]["messages"][0]["content"][0][
            "text"
        ]

    assert text({"input_variables": {"name": "Ana"}}) == "Second Ana"
    assert text({"version": 1, "input_variables": {"name": "Ana"}}) == "Refund Ana"
    assert text({"label": "prod", "input_variables": {"name": "Ana"}}) == "Refund Ana"
    got = sdk.templates.get("support/refund", {"label": "prod", "input_variables": {"name": "Ana"}})
    assert got["llm_kwargs"] == {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Refund Ana"}]}],
        "model": "gpt-4o",
        "temperature": 0,
    }


def test_get_by_id_and_list(sdk):
    published = sdk.templates.publish(
        {"prompt_name": "a b", "prompt_template": chat(), "release_labels": ["prod"]}
    )
    assert sdk.templates.get(str(published["id"]))["prompt_name"] == "a b"
    sdk.templates.publish({"prompt_name": "other", "prompt_template": completion("x")})
    assert [item["prompt_name"] for item in sdk.templates.all()] == ["other", "a b"]
    assert [item["prompt_name"] for item in sdk.templates.all(label="prod")] == ["a b"]
    assert sdk.templates.all(page=2, per_page=2) == []


def test_the_cache_of_the_sdk_renders_what_the_server_renders(url):
    plain = promptlayer.PromptLayer(api_key="pl_test", base_url=url)
    cached = promptlayer.PromptLayer(api_key="pl_test", base_url=url, cache_ttl_seconds=60)
    texts = [
        "{a} {missing}",
        "{{ a }} {{ missing.x }}",
        '{"a": 1}',
        "{a:>5}",
        "{a.b}",
        "{% if a %}yes{% endif %}\n",
        "{",
    ]
    for written in ("f-string", "jinja2"):
        messages = [
            {"role": "user", "template_format": written, "content": [{"type": "text", "text": text}]}
            for text in texts
        ]
        plain.templates.publish(
            {
                "prompt_name": written,
                "prompt_template": {"type": "chat", "messages": messages},
                "metadata": OPENAI,
            }
        )
        values = {"input_variables": {"a": "x"}}
        ours, theirs = plain.templates.get(written, values), cached.templates.get(written, values)
        assert ours["prompt_template"] == theirs["prompt_template"]
        assert ours["llm_kwargs"] == theirs["llm_kwargs"]


def test_a_malformed_publish_raises_in_the_sdk(sdk):
    with pytest.raises(
        promptlayer.PromptLayerAPIError if hasattr(promptlayer, "PromptLayerAPIError") else Exception,
        match="role",
    ):
        sdk.templates.publish(
            {"prompt_name": "a", "prompt_template": {"type": "chat", "messages": [{"role": "x"}]}}
        )


def test_an_unknown_name_raises_in_the_sdk(sdk):
    with pytest.raises(Exception, match="no prompt template called 'nobody'"):
        sdk.templates.get("nobody")


def test_the_environment_variables_of_the_sdk(url, monkeypatch):
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_env")
    monkeypatch.setenv("PROMPTLAYER_BASE_URL", url + "/")
    client = promptlayer.PromptLayer()
    client.templates.publish({"prompt_name": "env", "prompt_template": chat()})
    assert client.templates.get("env")["version"] == 1


def test_the_asynchronous_client(url):
    client = promptlayer.AsyncPromptLayer(api_key="pl_test", base_url=url)
    promptlayer.PromptLayer(api_key="pl_test", base_url=url).templates.publish(
        {"prompt_name": "async", "prompt_template": chat("Hi {name}"), "metadata": OPENAI}
    )

    async def read():
        got = await client.templates.get("async", {"input_variables": {"name": "Ana"}})
        return got, await client.templates.all()

    got, listed = asyncio.run(read())
    assert got["prompt_template"]["messages"][0]["content"][0]["text"] == "Hi Ana"
    assert [item["prompt_name"] for item in listed] == ["async"]


def test_tracking(sdk, app):
    sdk.templates.publish({"prompt_name": "a", "prompt_template": chat()})
    logged = sdk.log_request(
        provider="openai",
        model="gpt-4o",
        input=chat("Hi"),
        output={
            "type": "chat",
            "messages": [{"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}],
        },
        request_start_time=1.5,
        request_end_time=2.5,
    )
    request_id = logged["id"]
    assert sdk.track.score(request_id=request_id, score=80)
    assert sdk.track.score(request_id=request_id, score=90, score_name="tone")
    assert sdk.track.metadata(request_id=request_id, metadata={"user": "1"})
    assert sdk.track.prompt(request_id=request_id, prompt_name="a", prompt_input_variables={"name": "Ana"})
    assert sdk.track.group(request_id=request_id, group_id=sdk.group.create())
    with app.store.read() as db:
        assert db.execute("SELECT scores FROM requests").fetchone()[0] == '{"default":80,"tone":90}'


@pytest.mark.parametrize("asynchronous", [False, True])
def test_traces_are_exported_without_an_error_and_can_be_read(url, call, caplog, asynchronous):
    made = promptlayer.AsyncPromptLayer if asynchronous else promptlayer.PromptLayer
    promptlayer.PromptLayer(api_key="pl_test", base_url=url).templates.publish(
        {"prompt_name": "traced", "prompt_template": chat()}
    )
    client = made(api_key="pl_test", base_url=url, enable_tracing=True)

    def track():
        """Log a request of the span, as ``run`` does after the provider has responded."""
        span_id = format(trace.get_current_span().get_span_context().span_id, "016x")
        return call("POST", "/track-request", {"kwargs": {}, "span_id": span_id}).body["request_id"]

    if asynchronous:

        @client.traceable(attributes={"team": "support"})
        async def job():
            await client.templates.get("traced")
            return track()

        request_id = asyncio.run(job())
    else:

        @client.traceable(attributes={"team": "support"})
        def job():
            client.templates.get("traced")
            return track()

        request_id = job()
    assert client.tracer_provider.force_flush()
    client.tracer_provider.shutdown()
    problems = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    # It warns that its own instrumentation of the providers' clients is not installed.
    assert [record for record in problems if record.name != "promptlayer.tracing"] == []
    trace_id = call("GET", f"/api/public/v2/requests/{request_id}").body["trace_id"]
    spans = call("GET", f"/api/public/v2/traces/{trace_id}").body["spans"]
    assert spans[0]["attributes"]["team"] == "support"
    assert spans[0]["request_log_id"] == request_id
    assert all(span["trace_id"] == trace_id for span in spans)

"""``run`` of the official SDK with every provider that it can call: the request that arrives there."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from provider_fakes import ProviderFake, provider_fake
from registry_server import running

from promptsync.server.app import create_app

promptlayer = pytest.importorskip("promptlayer")
for _client in ("openai", "anthropic", "google.genai", "mistralai", "openrouter", "boto3", "aioboto3"):
    pytest.importorskip(_client)

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "weather", "description": "Look it up", "parameters": PARAMETERS}
ARGUMENTS = '{"city": "Oslo"}'
PNG = "iVBORw0KGgo="
CHAT = {
    "type": "chat",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "placeholder", "name": "before"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Weather in {city}?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "A moment."}],
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": '{"degrees": 3}'}]},
        {"role": "user", "content": [{"type": "text", "text": "And tomorrow?"}]},
    ],
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": "auto",
}
TEXT = {"type": "completion", "content": [{"type": "text", "text": "Once in {city}"}]}
VALUES = {
    "city": "Oslo",
    "before": [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
    ],
}

# -- what arrives ---------------------------------------------------------------------------------------


def turn(role: str, *content: Any) -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def text(value: str, kind: str = "text") -> dict[str, Any]:
    return {"type": kind, "text": value}


def openai_chat(model: str, function: dict[str, Any] = FUNCTION, **more: Any) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    messages = [
        {"role": "system", "content": "Be kind."},
        turn("user", text("Hi")),
        {"role": "assistant", "content": "Hello."},
        turn("user", text("Weather in Oslo?"), image),
        {"role": "assistant", "content": "A moment.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"degrees": 3}'},
        turn("user", text("And tomorrow?")),
    ]
    tools = [{"type": "function", "function": function}]
    return {
        "model": model,
        "messages": messages,
        "tools": tools,
        "tool_choice": "auto",
        "stream": False,
        **more,
    }


OPENAI_FUNCTION = {**FUNCTION, "strict": False}
MISTRAL = openai_chat("mistral-large-latest", max_tokens=9, random_seed=1)
# The client fills in two defaults.
MISTRAL["messages"][4]["tool_calls"][0]["index"] = 0
for _number in (2, 4):
    MISTRAL["messages"][_number]["prefix"] = False

RESPONSES = {
    "model": "gpt-5",
    "stream": False,
    "input": [
        turn("system", text("Be kind.", "input_text")),
        turn("user", text("Hi", "input_text")),
        {"role": "assistant", "content": "Hello."},
        turn(
            "user",
            text("Weather in Oslo?", "input_text"),
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
        ),
        {"role": "assistant", "content": "A moment."},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": ARGUMENTS},
        {"type": "function_call_output", "call_id": "c1", "output": '{"degrees": 3}'},
        turn("user", text("And tomorrow?", "input_text")),
    ],
    "max_output_tokens": 9,
    "tools": [{"type": "function", "strict": False, **FUNCTION}],
    "tool_choice": "auto",
}


def claude(**more: Any) -> dict[str, Any]:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    call = {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [text('{"degrees": 3}')]}
    tool = {"name": "weather", "description": "Look it up", "input_schema": PARAMETERS}
    return {
        "max_tokens": 9,
        "system": [text("Be kind.")],
        "messages": [
            turn("user", text("Hi")),
            turn("assistant", text("Hello.")),
            turn("user", text("Weather in Oslo?"), image),
            turn("assistant", text("A moment."), call),
            turn("user", result, text("And tomorrow?")),
        ],
        "tools": [tool],
        "tool_choice": {"type": "auto"},
        **more,
    }


CONVERSE = {
    "system": [{"text": "Be kind."}],
    "messages": [
        turn("user", {"text": "Hi"}),
        turn("assistant", {"text": "Hello."}),
        # JSON has no place for the bytes of the image; the response of the registry says so.
        turn("user", {"text": "Weather in Oslo?"}),
        turn(
            "assistant",
            {"text": "A moment."},
            {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}},
        ),
        turn(
            "user",
            {"toolResult": {"toolUseId": "c1", "content": [{"json": {"degrees": 3}}]}},
            {"text": "And tomorrow?"},
        ),
    ],
    "inferenceConfig": {"maxTokens": 9, "temperature": 0.5},
    "additionalModelRequestFields": {"top_k": 5},
    "toolConfig": {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "Look it up",
                    "inputSchema": {"json": PARAMETERS},
                }
            }
        ],
        "toolChoice": {"auto": {}},
    },
}


def gemini(**config: Any) -> dict[str, Any]:
    def said(role: str, *parts: Any) -> dict[str, Any]:
        return {"role": role, "parts": list(parts)}

    call = {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}
    last = said("user", {"text": "And tomorrow?"})
    declaration = {key: FUNCTION[key] for key in ("name", "description")} | {
        "parametersJsonSchema": PARAMETERS
    }
    return {
        "systemInstruction": {"parts": [{"text": "Be kind."}]},
        "contents": [
            said("user", {"text": "Hi"}),
            said("model", {"text": "Hello."}),
            said(
                "user", {"text": "Weather in Oslo?"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}
            ),
            said("model", {"text": "A moment."}, call),
            said("user", {"functionResponse": {"name": "weather", "response": {"degrees": 3}}}),
            last,
            # The SDK sends the last turn of the history again.
            last,
        ],
        "tools": [{"functionDeclarations": [declaration]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "generationConfig": config,
    }


VERTEX = {
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_CLOUD_PROJECT": "p",
    "GOOGLE_CLOUD_LOCATION": "us-central1",
}


def model(provider: str, name: str, api_type: str | None = None, **parameters: Any) -> dict[str, Any]:
    typed = {"api_type": api_type} if api_type else {}
    return {"model": {"provider": provider, "name": name, "parameters": parameters, **typed}}


ONCE = {"parts": [{"text": "Once in Oslo"}], "role": "user"}
RUNS: dict[str, tuple[dict[str, Any], dict[str, Any], str, dict[str, Any]]] = {
    "openai": (
        model("openai", "gpt-5", max_completion_tokens=9),
        CHAT,
        "/openai/v1/chat/completions",
        openai_chat("gpt-5", OPENAI_FUNCTION, max_completion_tokens=9),
    ),
    "responses": (
        model("openai", "gpt-5", "responses", max_output_tokens=9),
        CHAT,
        "/openai/v1/responses",
        RESPONSES,
    ),
    "images": (
        model("openai", "gpt-image-1", "images", size="1024x1024"),
        TEXT,
        "/openai/v1/images/generations",
        {"model": "gpt-image-1", "prompt": "Once in Oslo", "size": "1024x1024", "stream": False},
    ),
    "completion": (
        model("openai", "gpt-3.5-turbo-instruct", max_tokens=9),
        TEXT,
        "/openai/v1/completions",
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Once in Oslo", "max_tokens": 9, "stream": False},
    ),
    "azure": (
        model("openai.azure", "gpt-4o", max_tokens=9),
        CHAT,
        "/azure/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        openai_chat("gpt-4o", OPENAI_FUNCTION, max_tokens=9),
    ),
    "openrouter": (
        model("openrouter", "openai/gpt-4o-mini", max_tokens=9),
        CHAT,
        "/api/v1/chat/completions",
        openai_chat("openai/gpt-4o-mini", max_tokens=9, usage={"include": True}),
    ),
    "openrouter-images": (
        model("openrouter", "openai/gpt-image-1", "images"),
        TEXT,
        "/api/v1/images",
        {"model": "openai/gpt-image-1", "prompt": "Once in Oslo"},
    ),
    "mistral": (
        model("mistral", "mistral-large-latest", max_tokens=9, random_seed=1),
        CHAT,
        "/v1/chat/completions",
        MISTRAL,
    ),
    "anthropic": (
        model("anthropic", "claude-sonnet-4", max_tokens=9),
        CHAT,
        "/anthropic/v1/messages",
        claude(model="claude-sonnet-4", stream=False),
    ),
    "anthropic.bedrock": (
        model("anthropic.bedrock", "anthropic.claude-3", max_tokens=9),
        CHAT,
        "/claude-on-bedrock/model/anthropic.claude-3/invoke",
        claude(),
    ),
    "amazon.bedrock": (
        model("amazon.bedrock", "anthropic.claude-3", maxTokens=9, top_k=5, temperature=0.5),
        CHAT,
        "/bedrock/model/anthropic.claude-3/converse",
        CONVERSE,
    ),
    "google": (
        model("google", "gemini-2.5-flash", max_output_tokens=9, temperature=0.5),
        CHAT,
        "/gemini/v1/models/gemini-2.5-flash:generateContent",
        gemini(maxOutputTokens=9, temperature=0.5),
    ),
    "google-completion": (
        model("google", "gemini-2.5-flash", maxOutputTokens=9),
        TEXT,
        "/gemini/v1/models/gemini-2.5-flash:generateContent",
        {"contents": [ONCE], "generationConfig": {"maxOutputTokens": 9}},
    ),
    "vertexai-gemini": (
        model("vertexai", "gemini-2.5-flash", maxOutputTokens=9),
        CHAT,
        "/vertex/v1beta1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash:generateContent",
        gemini(maxOutputTokens=9),
    ),
    "vertexai-claude": (
        model("vertexai", "claude-sonnet-4", max_tokens=9),
        CHAT,
        "/vertex/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4:rawPredict",
        claude(stream=False),
    ),
}
# A streamed completion is left out: the SDK reads a chunk of a chat from it, and raises an AttributeError.
STREAMED = {
    "openai": {"stream_options": {"include_usage": True}},
    "responses": {},
    "images": {},
    "anthropic": {},
    "amazon.bedrock": {},
    "google": {},
    "google-completion": {},
}
OVERRIDDEN = {"prompt_name": "openai", "provider": "anthropic", "model": "claude-opus-4"}


# -- running --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def providers() -> Iterator[ProviderFake]:
    with provider_fake() as fake:
        yield fake


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with create_app(tmp_path_factory.mktemp("registry") / "registry.db") as app, running(app) as url:
        client = promptlayer.PromptLayer(api_key="pl_test", base_url=url)
        for name, (metadata, template, _, _) in RUNS.items():
            client.templates.publish({"prompt_name": name, "prompt_template": template, "metadata": metadata})
        yield url


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, providers: ProviderFake) -> dict[str, str]:
    url, account = providers.url, tmp_path_factory.mktemp("google") / "account.json"
    account.write_text(json.dumps(service_account(f"{url}/token")), "utf-8")
    return {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        **{
            f"{name}_API_KEY": "key"
            for name in ("OPENAI", "AZURE_OPENAI", "OPENROUTER", "MISTRAL", "ANTHROPIC", "GEMINI")
        },
        "OPENAI_BASE_URL": f"{url}/openai/v1",
        "AZURE_OPENAI_ENDPOINT": f"{url}/azure",
        "OPENAI_API_VERSION": "2024-10-21",
        "ANTHROPIC_BASE_URL": f"{url}/anthropic",
        "ANTHROPIC_BEDROCK_BASE_URL": f"{url}/claude-on-bedrock",
        "ANTHROPIC_VERTEX_BASE_URL": f"{url}/vertex/v1",
        "ANTHROPIC_VERTEX_PROJECT_ID": "p",
        "CLOUD_ML_REGION": "us-east5",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"{url}/bedrock",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "GOOGLE_GEMINI_BASE_URL": f"{url}/gemini",
        "GOOGLE_VERTEX_BASE_URL": f"{url}/vertex",
        "GOOGLE_APPLICATION_CREDENTIALS": str(account),
    }


def service_account(token_url: str) -> dict[str, str]:
    """Credentials with which Google's clients fetch their tokens from ``token_url``."""
    from cryptography.hazmat.primitives import serialization as written
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048).private_bytes(
        written.Encoding.PEM, written.PrivateFormat.PKCS8, written.NoEncryption()
    )
    about = {"type": "service_account", "project_id": "p", "client_email": "a@example.com"}
    return {**about, "private_key_id": "1", "private_key": key.decode(), "token_uri": token_url}


def camel(value: Any) -> Any:
    """Google takes both spellings of a field, and its client sends both."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    words = {key: key.split("_") for key in value}
    return {first + "".join(map(str.title, rest)): camel(value[key]) for key, (first, *rest) in words.items()}


SAID = [
    ("system", "Be kind."),
    ("user", "Hi"),
    ("assistant", "Hello."),
    ("user", "Weather in Oslo?"),
    ("assistant", "A moment."),
    ("tool", '{"degrees":3}'),
    ("user", "And tomorrow?"),
    ("assistant", "Hello"),
]


def conversation(template: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the role and the texts of each message; the images of a completion are its content."""
    found = []
    for message in template.get("messages") or [{"role": "completion", **template}]:
        blocks = [block for block in message["content"] if block["type"] in ("text", "output_media")]
        said = "".join(block.get("text") or block["type"] for block in blocks)
        # Gemini writes the JSON of a result anew.
        found.append((message["role"], said.replace(": ", ":") if message["role"] == "tool" else said))
    return found


def expected_conversation(name: str) -> list[tuple[str, str]]:
    if RUNS[name][1] is CHAT:
        return SAID
    if "images" in name:
        return [("completion", "Once in Oslooutput_media")]
    return [("user", "Once in Oslo"), ("assistant", "Hello")]


def streamed(name: str) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a run with ``stream``."""
    path, body = RUNS[name][2:]
    if "generateContent" in path:
        return path.replace("generateContent", "streamGenerateContent") + "?alt=sse", body
    if path.endswith("/converse"):
        return f"{path}-stream", body
    return path, {**body, "stream": True, **STREAMED[name]}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_every_provider_gets_its_request_and_the_conversation_is_logged(
    kind: str, registry: str, providers: ProviderFake, environ: dict[str, str]
) -> None:
    runs = [{"prompt_name": name} for name in RUNS]
    runs += [{"prompt_name": name, "stream": True} for name in STREAMED]
    cases = [
        {
            "options": {**options, "input_variables": VALUES},
            "environ": VERTEX if options["prompt_name"] == "vertexai-gemini" else {},
        }
        for options in [*runs, OVERRIDDEN]
    ]
    program = Path(__file__).with_name("run_providers.py")
    done = subprocess.run(
        [sys.executable, str(program), kind, registry, providers.url],
        input=json.dumps(cases),
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    failed = {
        str(case["options"]): one for case, one in zip(cases, said, strict=True) if not isinstance(one, dict)
    }
    expected = [(path, body) for _, _, path, body in RUNS.values()]
    expected += map(streamed, STREAMED)
    # The maximum is a default, because the stored parameters belong to OpenAI.
    changed = claude(model="claude-opus-4", stream=False, max_tokens=4096)
    expected.append((RUNS["anthropic"][2], changed))
    if kind == "async":
        # This function of the SDK does not take the arguments that the SDK passes.
        assert len(failed) == 1, (failed, done.stderr)
        assert "amistral_request() got an unexpected keyword argument" in next(iter(failed.values()))
        expected.remove(("/v1/chat/completions", MISTRAL))
    else:
        assert failed == {}, done.stderr
    arrived = providers.taken()
    assert [path for path, _ in arrived] == [path for path, _ in expected]
    for (path, body), (_, wanted) in zip(arrived, expected, strict=True):
        body.pop("anthropic_version", None)
        assert (camel(body) if "enerateContent" in path else body) == wanted, path
    for case, blueprint in zip(cases, said, strict=True):
        if isinstance(blueprint, dict):
            found = conversation(blueprint["prompt_template"])
            assert found == expected_conversation(case["options"]["prompt_name"]), case


# -- what arrives is what the provider documents --------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name", "body"),
    [
        (
            "openai.types.chat.completion_create_params",
            "CompletionCreateParamsNonStreaming",
            RUNS["openai"][3],
        ),
        ("openai.types.responses.response_create_params", "ResponseCreateParamsNonStreaming", RESPONSES),
        ("openai.types.image_generate_params", "ImageGenerateParamsNonStreaming", RUNS["images"][3]),
        ("anthropic.types.message_create_params", "MessageCreateParamsNonStreaming", RUNS["anthropic"][3]),
    ],
)
def test_the_types_of_the_client_accept_it(module: str, name: str, body: dict[str, Any]) -> None:
    """The other clients check what they send themselves."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(getattr(importlib.import_module(module), name)).json_schema()
    close(schema)
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(body)] == []
    assert list(jsonschema.Draft202012Validator(schema).iter_errors({**body, "unknown": 1}))


def close(schema: Any) -> None:
    """Refuse unknown fields in every object."""
    for value in schema if isinstance(schema, list) else schema.values() if isinstance(schema, dict) else ():
        close(value)
    if isinstance(schema, dict) and schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)

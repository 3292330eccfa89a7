"""``run`` of the official SDK with every provider that it can call: the request that arrives there."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from msgspec import Struct, convert
from provider_fakes import ProviderFake, provider_fake
from registry_server import running

from promptsync.server.app import create_app

promptlayer = pytest.importorskip("promptlayer")
for _client in ("openai", "anthropic", "google.genai", "mistralai", "openrouter", "boto3", "aioboto3"):
    if importlib.util.find_spec(_client) is None:  # to import them all takes seconds
        pytest.skip(f"needs {_client}", allow_module_level=True)

PROMPTS = r"""
chat:
  type: chat
  messages:
    - {role: system, content: [{type: text, text: Be kind.}]}
    - {role: placeholder, name: before}
    - role: user
      content:
        - {type: text, text: "Weather in {city}?"}
        - &image {type: image_url, image_url: {url: "data:image/png;base64,iVBORw0KGgo="}}
    - role: assistant
      content: [{type: text, text: A moment.}]
      tool_calls: [&call {id: c1, type: function, function: {name: weather, arguments: '{"city": "Oslo"}'}}]
    - {role: tool, tool_call_id: c1, content: [{type: text, text: '{"degrees": 3}'}]}
    - {role: user, content: [{type: text, text: "And tomorrow?"}]}
  tools: [{type: function, function: &function {name: weather, description: Look it up, parameters: &schema
    {type: object, properties: {city: {type: string}}}}}]
  tool_choice: auto
text: {type: completion, content: [{type: text, text: "Once in {city}"}]}
values:
  city: Oslo
  before:
    - {role: user, content: [{type: text, text: Hi}]}
    - {role: assistant, content: [{type: text, text: Hello.}]}

openai: &openai
  messages:
    - {role: system, content: Be kind.}
    - {role: user, content: [{type: text, text: Hi}]}
    - {role: assistant, content: Hello.}
    - {role: user, content: [{type: text, text: "Weather in Oslo?"}, *image]}
    - {role: assistant, content: A moment., tool_calls: [*call]}
    - {role: tool, tool_call_id: c1, content: '{"degrees": 3}'}
    - {role: user, content: [{type: text, text: "And tomorrow?"}]}
  tools: [{type: function, function: {<<: *function, strict: false}}]
  tool_choice: auto
  stream: false
compatible: &compatible
  <<: *openai
  tools: [{type: function, function: *function}]
# The client fills in two defaults.
mistral: &mistral
  <<: *compatible
  messages:
    - {role: system, content: Be kind.}
    - {role: user, content: [{type: text, text: Hi}]}
    - {role: assistant, content: Hello., prefix: false}
    - {role: user, content: [{type: text, text: "Weather in Oslo?"}, *image]}
    - {role: assistant, content: A moment., prefix: false, tool_calls: [{<<: *call, index: 0}]}
    - {role: tool, tool_call_id: c1, content: '{"degrees": 3}'}
    - {role: user, content: [{type: text, text: "And tomorrow?"}]}
responses: &responses
  input:
    - {role: system, content: [{type: input_text, text: Be kind.}]}
    - {role: user, content: [{type: input_text, text: Hi}]}
    - {role: assistant, content: Hello.}
    - role: user
      content:
        - {type: input_text, text: "Weather in Oslo?"}
        - {type: input_image, image_url: "data:image/png;base64,iVBORw0KGgo=", detail: auto}
    - {role: assistant, content: A moment.}
    - {type: function_call, call_id: c1, name: weather, arguments: '{"city": "Oslo"}'}
    - {type: function_call_output, call_id: c1, output: '{"degrees": 3}'}
    - {role: user, content: [{type: input_text, text: "And tomorrow?"}]}
  tools: [{type: function, strict: false, <<: *function}]
  tool_choice: auto
claude: &claude
  max_tokens: 9
  system: [{type: text, text: Be kind.}]
  messages:
    - {role: user, content: [{type: text, text: Hi}]}
    - {role: assistant, content: [{type: text, text: Hello.}]}
    - role: user
      content:
        - {type: text, text: "Weather in Oslo?"}
        - {type: image, source: {type: base64, media_type: image/png, data: iVBORw0KGgo=}}
    - role: assistant
      content:
        - {type: text, text: A moment.}
        - {type: tool_use, id: c1, name: weather, input: {city: Oslo}}
    - role: user
      content:
        - {type: tool_result, tool_use_id: c1, content: [{type: text, text: '{"degrees": 3}'}]}
        - {type: text, text: "And tomorrow?"}
  tools: [{name: weather, description: Look it up, input_schema: *schema}]
  tool_choice: {type: auto}
# JSON has no place for the bytes of the image; the response of the registry says so.
converse: &converse
  system: [{text: Be kind.}]
  messages:
    - {role: user, content: [{text: Hi}]}
    - {role: assistant, content: [{text: Hello.}]}
    - {role: user, content: [{text: "Weather in Oslo?"}]}
    - role: assistant
      content: [{text: A moment.}, {toolUse: {toolUseId: c1, name: weather, input: {city: Oslo}}}]
    - role: user
      content: [{toolResult: {toolUseId: c1, content: [{json: {degrees: 3}}]}}, {text: "And tomorrow?"}]
  inferenceConfig: {maxTokens: 9, temperature: 0.5}
  additionalModelRequestFields: {top_k: 5}
  toolConfig:
    tools: [{toolSpec: {name: weather, description: Look it up, inputSchema: {json: *schema}}}]
    toolChoice: {auto: {}}
gemini: &gemini
  systemInstruction: {parts: [{text: Be kind.}]}
  contents:
    - {role: user, parts: [{text: Hi}]}
    - {role: model, parts: [{text: Hello.}]}
    - role: user
      parts: [{text: "Weather in Oslo?"}, {inlineData: {mimeType: image/png, data: iVBORw0KGgo=}}]
    - {role: model, parts: [{text: A moment.}, {functionCall: {name: weather, args: {city: Oslo}}}]}
    - {role: user, parts: [{functionResponse: {name: weather, response: {degrees: 3}}}]}
    - {role: user, parts: [{text: "And tomorrow?"}]}
    # The SDK sends the last turn of the history again.
    - {role: user, parts: [{text: "And tomorrow?"}]}
  tools:
    - functionDeclarations: [{name: weather, description: Look it up, parametersJsonSchema: *schema}]
  toolConfig: {functionCallingConfig: {mode: AUTO}}

runs:
  openai:
    model: openai gpt-5
    parameters: {max_completion_tokens: 9}
    path: /openai/v1/chat/completions
    body: {<<: *openai, model: gpt-5, max_completion_tokens: 9}
  responses:
    model: openai gpt-5 responses
    parameters: {max_output_tokens: 9}
    path: /openai/v1/responses
    body: {<<: *responses, model: gpt-5, max_output_tokens: 9, stream: false}
  images:
    model: openai gpt-image-1 images
    parameters: {size: 1024x1024}
    path: /openai/v1/images/generations
    body: {model: gpt-image-1, prompt: Once in Oslo, size: 1024x1024, stream: false}
  completion:
    model: openai gpt-3.5-turbo-instruct
    parameters: {max_tokens: 9}
    path: /openai/v1/completions
    body: {model: gpt-3.5-turbo-instruct, prompt: Once in Oslo, max_tokens: 9, stream: false}
  azure:
    model: openai.azure gpt-4o
    parameters: {max_tokens: 9}
    path: /azure/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21
    body: {<<: *openai, model: gpt-4o, max_tokens: 9}
  openrouter:
    model: openrouter openai/gpt-4o-mini
    parameters: {max_tokens: 9}
    path: /api/v1/chat/completions
    body: {<<: *compatible, model: openai/gpt-4o-mini, max_tokens: 9, usage: {include: true}}
  openrouter-images:
    model: openrouter openai/gpt-image-1 images
    path: /api/v1/images
    body: {model: openai/gpt-image-1, prompt: Once in Oslo}
  mistral:
    model: mistral mistral-large-latest
    parameters: {max_tokens: 9, random_seed: 1}
    path: /v1/chat/completions
    body: {<<: *mistral, model: mistral-large-latest, max_tokens: 9, random_seed: 1}
  anthropic:
    model: anthropic claude-sonnet-4
    parameters: {max_tokens: 9}
    path: /anthropic/v1/messages
    body: {<<: *claude, model: claude-sonnet-4, stream: false}
  anthropic.bedrock:
    model: anthropic.bedrock anthropic.claude-3
    parameters: {max_tokens: 9}
    path: /claude-on-bedrock/model/anthropic.claude-3/invoke
    body: *claude
  amazon.bedrock:
    model: amazon.bedrock anthropic.claude-3
    parameters: {maxTokens: 9, top_k: 5, temperature: 0.5}
    path: /bedrock/model/anthropic.claude-3/converse
    body: *converse
  google:
    model: google gemini-2.5-flash
    parameters: {max_output_tokens: 9, temperature: 0.5}
    path: /gemini/v1/models/gemini-2.5-flash:generateContent
    body: {<<: *gemini, generationConfig: {maxOutputTokens: 9, temperature: 0.5}}
  google-completion:
    model: google gemini-2.5-flash
    parameters: {maxOutputTokens: 9}
    path: /gemini/v1/models/gemini-2.5-flash:generateContent
    body:
      contents: [{role: user, parts: [{text: Once in Oslo}]}]
      generationConfig: {maxOutputTokens: 9}
  vertexai-gemini:
    model: vertexai gemini-2.5-flash
    parameters: {maxOutputTokens: 9}
    path: "/vertex/v1beta1/projects/p/locations/us-central1/publishers/google/models/\
      gemini-2.5-flash:generateContent"
    body: {<<: *gemini, generationConfig: {maxOutputTokens: 9}}
  vertexai-claude:
    model: vertexai claude-sonnet-4
    parameters: {max_tokens: 9}
    path: "/vertex/v1/projects/p/locations/us-east5/publishers/anthropic/models/\
      claude-sonnet-4:rawPredict"
    body: {<<: *claude, stream: false}
"""
"""Two templates and the values of their variables, what arrives at each API, and the prompts that are run.

A prompt has the template whose text arrives in its request.
"""

READ = yaml.safe_load(PROMPTS)
CHAT, TEXT, VALUES = READ["chat"], READ["text"], READ["values"]
VERTEX = {
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_CLOUD_PROJECT": "p",
    "GOOGLE_CLOUD_LOCATION": "us-central1",
}


class Run(Struct):
    """A prompt, and the request that arrives for it. ``model`` is a provider, a name and an ``api_type``."""

    model: str
    path: str
    body: dict[str, Any]
    parameters: dict[str, Any] = {}

    @property
    def prompt(self) -> dict[str, Any]:
        """The body that publishes the prompt."""
        model = dict(zip(("provider", "name", "api_type"), self.model.split(), strict=False))
        return {
            "prompt_template": CHAT if self.is_chat else TEXT,
            "metadata": {"model": {**model, "parameters": self.parameters}},
        }

    @property
    def is_chat(self) -> bool:
        return "Once" not in str(self.body)


RUNS = {name: convert(run, Run) for name, run in READ["runs"].items()}
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
        for name, run in RUNS.items():
            client.templates.publish({"prompt_name": name, **run.prompt})
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
    ("assistant", 'A moment.weather{"city":"Oslo"}'),
    ("tool", '{"degrees":3}'),
    ("user", "And tomorrow?"),
    ("assistant", "Hello"),
]


def conversation(template: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the role, the texts and the calls of each message; a completion has images as its content."""
    turns = []
    for message in template.get("messages") or [{"role": "completion", **template}]:
        blocks = [block for block in message["content"] if block["type"] in ("text", "output_media")]
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        said = "".join(block.get("text") or block["type"] for block in blocks)
        said += "".join(f"{call['name']}{call['arguments']}" for call in calls)
        # Some write JSON anew.
        turns.append((message["role"], said.replace(": ", ":")))
    return turns


def expected_conversation(name: str) -> list[tuple[str, str]]:
    if RUNS[name].is_chat:
        return SAID
    if "images" in name:
        return [("completion", "Once in Oslooutput_media")]
    return [("user", "Once in Oslo"), ("assistant", "Hello")]


def streamed(name: str) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a run with ``stream``."""
    path, body = RUNS[name].path, RUNS[name].body
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
    process = subprocess.run(
        [sys.executable, str(program), kind, registry, providers.url],
        input=json.dumps(cases),
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = [json.loads(line) for line in process.stdout.splitlines()]
    failed = {
        str(case["options"]): answer
        for case, answer in zip(cases, said, strict=True)
        if not isinstance(answer, dict)
    }
    expected = [(run.path, run.body) for run in RUNS.values()]
    expected += map(streamed, STREAMED)
    # The maximum is a default, because the stored parameters belong to OpenAI.
    changed = {**RUNS["anthropic"].body, "model": "claude-opus-4", "max_tokens": 4096}
    expected.append((RUNS["anthropic"].path, changed))
    if kind == "async":
        # This function of the SDK does not take the arguments that the SDK passes.
        assert len(failed) == 1, (failed, process.stderr)
        assert "amistral_request() got an unexpected keyword argument" in next(iter(failed.values()))
        expected.remove((RUNS["mistral"].path, RUNS["mistral"].body))
    else:
        assert failed == {}, process.stderr
    arrived = providers.taken()
    assert [path for path, _ in arrived] == [path for path, _ in expected]
    for (path, body), (_, wanted) in zip(arrived, expected, strict=True):
        body.pop("anthropic_version", None)
        assert (camel(body) if "enerateContent" in path else body) == wanted, path
    for case, blueprint in zip(cases, said, strict=True):
        if isinstance(blueprint, dict):
            turns = conversation(blueprint["prompt_template"])
            assert turns == expected_conversation(case["options"]["prompt_name"]), case
            functions = [tool["function"] for tool in blueprint["prompt_template"].get("tools") or ()]
            wanted = CHAT["tools"][0]["function"]
            assert all(wanted.items() <= function.items() for function in functions), case
            assert len(functions) == (turns == SAID), case


# -- what arrives is what the provider documents --------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name", "run"),
    [
        ("openai.types.chat.completion_create_params", "CompletionCreateParamsNonStreaming", "openai"),
        ("openai.types.responses.response_create_params", "ResponseCreateParamsNonStreaming", "responses"),
        ("openai.types.image_generate_params", "ImageGenerateParamsNonStreaming", "images"),
        ("anthropic.types.message_create_params", "MessageCreateParamsNonStreaming", "anthropic"),
    ],
)
def test_the_types_of_the_client_accept_it(module: str, name: str, run: str) -> None:
    """The other clients check what they send themselves."""
    from pydantic import TypeAdapter

    body = RUNS[run].body
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

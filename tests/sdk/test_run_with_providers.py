"""``run`` of the official SDK with every provider that it can call: the request that arrives there."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import subprocess
import sys
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
  openai: {model: openai gpt-5, parameters: {max_completion_tokens: 9},
    path: /openai/v1/chat/completions, body: {<<: *openai, model: gpt-5, max_completion_tokens: 9}}
  responses: {model: openai gpt-5 responses, parameters: {max_output_tokens: 9},
    path: /openai/v1/responses, body: {<<: *responses, model: gpt-5, max_output_tokens: 9, stream: false}}
  images: {model: openai gpt-image-1 images, parameters: {size: 1024x1024},
    path: /openai/v1/images/generations,
    body: {model: gpt-image-1, prompt: Once in Oslo, size: 1024x1024, stream: false}}
  completion: {model: openai gpt-3.5-turbo-instruct, parameters: {max_tokens: 9},
    path: /openai/v1/completions,
    body: {model: gpt-3.5-turbo-instruct, prompt: Once in Oslo, max_tokens: 9, stream: false}}
  azure: {model: openai.azure gpt-4o, parameters: {max_tokens: 9},
    path: "/azure/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
    body: {<<: *openai, model: gpt-4o, max_tokens: 9}}
  openrouter: {model: openrouter openai/gpt-4o-mini, parameters: {max_tokens: 9},
    path: /api/v1/chat/completions,
    body: {<<: *compatible, model: openai/gpt-4o-mini, max_tokens: 9, usage: {include: true}}}
  openrouter-images: {model: openrouter openai/gpt-image-1 images,
    path: /api/v1/images, body: {model: openai/gpt-image-1, prompt: Once in Oslo}}
  mistral: {model: mistral mistral-large-latest, parameters: {max_tokens: 9, random_seed: 1},
    path: /v1/chat/completions,
    body: {<<: *compatible, model: mistral-large-latest, max_tokens: 9, random_seed: 1}}
  anthropic: {model: anthropic claude-sonnet-4, parameters: {max_tokens: 9},
    path: /anthropic/v1/messages, body: {<<: *claude, model: claude-sonnet-4, stream: false}}
  anthropic.bedrock: {model: anthropic.bedrock anthropic.claude-3, parameters: {max_tokens: 9},
    path: /claude-on-bedrock/model/anthropic.claude-3/invoke, body: *claude}
  amazon.bedrock: {model: amazon.bedrock anthropic.claude-3,
    parameters: {maxTokens: 9, top_k: 5, temperature: 0.5},
    path: /bedrock/model/anthropic.claude-3/converse, body: *converse}
  google: {model: google gemini-2.5-flash, parameters: {max_output_tokens: 9, temperature: 0.5},
    path: "/gemini/v1/models/gemini-2.5-flash:generateContent",
    body: {<<: *gemini, generationConfig: {maxOutputTokens: 9, temperature: 0.5}}}
  google-completion: {model: google gemini-2.5-flash, parameters: {maxOutputTokens: 9},
    path: "/gemini/v1/models/gemini-2.5-flash:generateContent",
    body: {contents: [{role: user, parts: [{text: Once in Oslo}]}], generationConfig: {maxOutputTokens: 9}}}
  vertexai-gemini: {model: vertexai gemini-2.5-flash, parameters: {maxOutputTokens: 9},
    path: "/vertex/v1beta1/projects/p/locations/us-central1/publishers/google/models/\
      gemini-2.5-flash:generateContent",
    body: {<<: *gemini, generationConfig: {maxOutputTokens: 9}}}
  vertexai-claude: {model: vertexai claude-sonnet-4, parameters: {max_tokens: 9},
    path: "/vertex/v1/projects/p/locations/us-east5/publishers/anthropic/models/\
      claude-sonnet-4:rawPredict",
    body: {<<: *claude, stream: false}}
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
# The client of Mistral fills in two defaults.
RUNS["mistral"].body["messages"] = copy.deepcopy(RUNS["mistral"].body["messages"])
for message in RUNS["mistral"].body["messages"]:
    if message["role"] == "assistant":
        message["prefix"] = False
    for call in message.get("tool_calls", ()):
        call["index"] = 0
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


def environ(url: str, account: Path) -> dict[str, str]:
    """The variables that send each client to the provider at a URL; ``account`` gets the one of Google."""
    account.write_text(json.dumps(service_account(f"{url}/token")), "utf-8")
    keys = ("OPENAI", "AZURE_OPENAI", "OPENROUTER", "MISTRAL", "ANTHROPIC", "GEMINI")
    return {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        **{f"{name}_API_KEY": "key" for name in keys},
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


def answers(providers: ProviderFake, cases: list[dict[str, Any]], folder: Path) -> list[Any]:
    """Publish all prompts and run the cases with both clients; return the blueprints, or what failed."""
    with create_app(folder / "registry.db") as app, running(app) as url:
        client = promptlayer.PromptLayer(api_key="pl_test", base_url=url)
        for name, run in RUNS.items():
            client.templates.publish({"prompt_name": name, **run.prompt})
        process = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("run_providers.py")), url, providers.url],
            input=json.dumps(cases),
            env=environ(providers.url, folder / "account.json"),
            capture_output=True,
            text=True,
            timeout=120,
        )
    said = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(said) == 2 * len(cases), process.stderr
    return said


def test_every_provider_gets_its_request_and_the_conversation_is_logged(tmp_path: Path) -> None:
    runs = [{"prompt_name": name} for name in RUNS]
    runs += [{"prompt_name": name, "stream": True} for name in STREAMED]
    cases = [
        {
            "options": {**options, "input_variables": VALUES},
            "environ": VERTEX if options["prompt_name"] == "vertexai-gemini" else {},
        }
        for options in [*runs, OVERRIDDEN]
    ]
    with provider_fake() as providers:
        said = answers(providers, cases, tmp_path)
    # The maximum is a default, because the stored parameters belong to OpenAI.
    changed = {**RUNS["anthropic"].body, "model": "claude-opus-4", "max_tokens": 4096}
    expected = [(run.path, run.body) for run in RUNS.values()]
    expected += [*map(streamed, STREAMED), (RUNS["anthropic"].path, changed)]
    # This function of the asynchronous client does not take the arguments that the SDK passes.
    (failed,) = [answer for answer in said if not isinstance(answer, dict)]
    assert "amistral_request() got an unexpected keyword argument" in failed
    expected += [wanted for wanted in expected if wanted != (RUNS["mistral"].path, RUNS["mistral"].body)]
    assert [path for path, _ in providers.requests] == [path for path, _ in expected]
    for (path, body), (_, wanted) in zip(providers.requests, expected, strict=True):
        body.pop("anthropic_version", None)
        assert (camel(body) if "enerateContent" in path else body) == wanted, path
    for case, blueprint in zip([*cases, *cases], said, strict=True):
        if isinstance(blueprint, dict):
            turns = conversation(blueprint["prompt_template"])
            assert turns == expected_conversation(case["options"]["prompt_name"]), case
            functions = [tool["function"] for tool in blueprint["prompt_template"].get("tools") or ()]
            wanted = CHAT["tools"][0]["function"]
            assert all(wanted.items() <= function.items() for function in functions), case
            assert len(functions) == (turns == SAID), case


# -- what arrives is what the provider documents --------------------------------------------------------


TYPES = {
    "openai": "openai.types.chat.completion_create_params CompletionCreateParamsNonStreaming",
    "responses": "openai.types.responses.response_create_params ResponseCreateParamsNonStreaming",
    "images": "openai.types.image_generate_params ImageGenerateParamsNonStreaming",
    "anthropic": "anthropic.types.message_create_params MessageCreateParamsNonStreaming",
}


def test_the_types_of_the_client_accept_it() -> None:
    """The other clients check what they send themselves."""
    from pydantic import TypeAdapter

    for run, type_name in TYPES.items():
        module, name = type_name.split()
        schema = TypeAdapter(getattr(importlib.import_module(module), name)).json_schema()
        close(schema)
        validator, body = jsonschema.Draft202012Validator(schema), RUNS[run].body
        assert [error.message for error in validator.iter_errors(body)] == [], run
        assert list(validator.iter_errors({**body, "unknown": 1})), run


def close(schema: Any) -> None:
    """Refuse unknown fields in every object."""
    for value in schema if isinstance(schema, list) else schema.values() if isinstance(schema, dict) else ():
        close(value)
    if isinstance(schema, dict) and schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)

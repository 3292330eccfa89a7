"""The arguments for each provider's client. What arrives there is in tests/sdk/test_run_with_providers.py."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from promptsync.server import providers

CASES = """
parts:
  - &system {role: system, content: [{type: text, text: Be kind, id: null, annotations: null}], name: null}
  - &image {type: image_url, image_url: {url: u, detail: null}}
  - &user {role: user, content: [{type: text, text: Hi}, *image]}
  - &ok {type: text, text: ok}
  - &call {id: "1", type: function, function: {name: f, arguments: '{"a": 1}'}}
  - &broken {id: "2", function: {name: g, arguments: "{"}}
  - &result {role: tool, tool_call_id: "1", content: [{type: text, text: "42"}]}
  - &named {type: function, function: {name: f}}
  - &function {type: function, function: {name: f, description: "", strict: false,
      parameters: {type: object}}}
  - &strict {type: function, function: {name: f, strict: true}}
  - &search {type: web_search, id: "1", name: web_search, config: {size: low}}
  - &shell {type: shell, id: "2", name: shell}
  - &schema {type: object, properties: {a: {type: string}}}
  - &json_schema {type: json_schema, json_schema: {name: n, schema: *schema, strict: true}}
  - &any_json {type: json_object}

# The order of the arguments is that of the recordings.
chat:
  - api: openai
    stored: {messages: [1], model: other}
    kwargs: {messages: [1], model: other}
  - api: openai.azure
    messages:
      - {role: assistant, content: [],
         tool_calls: [{tool_id: null, id: "1", type: function, function: {name: f}}]}
      - *result
      - {role: assistant, content: null, function_call: {name: f, arguments: "{}"}}
      - {role: function, name: f, content: [{type: text, text: "42"}]}
    template: {tools: [*named], tool_choice: auto, functions: [{name: f}], function_call: auto}
    kwargs:
      messages:
        - {role: assistant, content: null, tool_calls: [{id: "1", type: function, function: {name: f}}]}
        - {role: tool, content: "42", tool_call_id: "1"}
        - {role: assistant, content: null, function_call: {name: f, arguments: "{}"}}
        - {role: function, content: "42", name: f}
      model: m
      tools: [*named]
      tool_choice: auto
      functions: [{name: f}]
      function_call: auto
  - api: openai responses
    messages: [{role: function, content: [*ok]}]
    template: {tools: [*named]}
    kwargs:
      input: [{role: user, content: [{type: input_text, text: ok}]}]
      model: m
      tools: [{type: function, strict: false, parameters: {}, name: f}]
  - api: anthropic
    messages: &called [{role: assistant, content: [], tool_calls: [*call, *broken]}, *result,
        {role: user, content: [*ok]}]
    kwargs:
      model: m
      max_tokens: 4096
      messages:
        - role: assistant
          content:
            - {type: tool_use, id: "1", name: f, input: {a: 1}}
            - {type: tool_use, id: "2", name: g, input: {}}
        - role: user
          content: [{type: tool_result, tool_use_id: "1", content: [{type: text, text: "42"}]}, *ok]
  - api: amazon.bedrock
    messages: *called
    kwargs:
      modelId: m
      messages:
        - role: assistant
          content:
            - {toolUse: {toolUseId: "1", name: f, input: {a: 1}}}
            - {toolUse: {toolUseId: "2", name: g, input: {}}}
        - {role: user, content: [{toolResult: {toolUseId: "1", content: [{text: "42"}]}}, {text: ok}]}
  # The result of a call must directly follow it, so the next texts stay turns of their own.
  - api: google
    messages:
      - {role: assistant, content: [], tool_calls: [*call, *broken]}
      - *result
      - {role: tool, tool_call_id: "2", content: [{type: text, text: '{"b": 2}'}]}
      - {role: user, content: [*ok]}
      - {role: user, content: [*ok]}
    kwargs:
      model: m
      history:
        - role: model
          parts: [{function_call: {name: f, args: {a: 1}}}, {function_call: {name: g, args: {}}}]
        - role: user
          parts:
            - {function_response: {name: f, response: {result: "42"}}}
            - {function_response: {name: g, response: {b: 2}}}
        - {role: user, parts: [{text: ok}]}
        - {role: user, parts: [{text: ok}]}
      generation_config: {}
  - api: mistral
    messages: [{role: developer, content: [*ok], name: n}, {role: function, content: []}]
    template: {functions: [{name: g}]}
    kwargs: {messages: [{role: system, content: ok}, {role: user, content: []}], model: m}

completion:
  - {api: openai responses, completion: Once, kwargs: {input: Once, model: m}}
  - api: anthropic
    completion: Once
    kwargs: {model: m, max_tokens: 4096, messages: [{role: user, content: [{type: text, text: Once}]}]}
  - api: cohere
    completion: Once
    kwargs: {messages: [{role: user, content: [{type: text, text: Once}]}], model: m}

media generation:
  - {api: openai images, messages: &two [*system, *user], stored: {size: s},
     kwargs: {prompt: "Be kind\\n\\nHi", model: m, size: s}}
  - {api: openrouter video, messages: *two, kwargs: {prompt: "Be kind\\n\\nHi", model: m}}
  - {api: openrouter speech, messages: *two, stored: {voice: v},
     kwargs: {input: "Be kind\\n\\nHi", model: m, voice: v}}

parameters:
  - {api: openai, overrides: {maxOutputTokens: 2}, more: {max_completion_tokens: 2}}
  - {api: openai, stored: {max_tokens: 1, seed: 3}, overrides: {max_completion_tokens: 2},
     more: {seed: 3, max_completion_tokens: 2}}
  - {api: openai, overrides: {stop_sequences: [x], topP: 1}, more: {stop: [x], top_p: 1}}
  - {api: openrouter, overrides: {maxTokens: 2, top_k: 1}, more: {max_tokens: 2, top_k: 1}}
  - {api: mistral, overrides: {seed: 2, max_completion_tokens: 3}, more: {random_seed: 2, max_tokens: 3}}
  - {api: huggingface, overrides: {maxOutputTokens: 2}, more: {max_tokens: 2}}
  - {api: cohere, stored: {p: 0.1}, overrides: {top_p: 0.2, top_k: 3, stop: x},
     more: {p: 0.2, k: 3, stop_sequences: [x]}}
  - {api: anthropic, stored: {max_tokens: 9}, overrides: {max_completion_tokens: 2, stop: x},
     more: {max_tokens: 2, stop_sequences: [x]}}
  - {api: anthropic, stored: {thinking: {type: disabled}},
     more: {max_tokens: 4096, thinking: {type: disabled}}}
  - {api: google, stored: {topK: 1}, overrides: {max_tokens: 2},
     more: {generation_config: {topK: 1, max_output_tokens: 2}}}
  - {api: google, stored: {generation_config: {seed: 1}}, overrides: {temperature: 0},
     more: {generation_config: {seed: 1, temperature: 0}}}
  - {api: amazon.bedrock, stored: {inferenceConfig: {maxTokens: 1}, temperature: 0},
     more: {inferenceConfig: {maxTokens: 1, temperature: 0}}}
  - {api: amazon.bedrock, overrides: {topP: 1},
     stored: {max_tokens: 1, temperature: 0, top_k: 5, guardrailConfig: {}, aws_region: e},
     more: {inferenceConfig: {maxTokens: 1, temperature: 0, topP: 1},
            additionalModelRequestFields: {top_k: 5}, guardrailConfig: {}, aws_region: e}}

answer:
  - {api: openai, stored: {response_format: *json_schema}, more: {response_format: *json_schema}}
  - {api: mistral, stored: {response_format: *any_json}, more: {response_format: *any_json}}
  - {api: openai responses, stored: {response_format: *json_schema, max_tokens: 3},
     more: {max_output_tokens: 3,
            text: {format: {type: json_schema, name: n, schema: *schema, strict: true}}}}
  - {api: cohere, stored: {response_format: *json_schema},
     more: {response_format: {type: json_object, json_schema: *schema}}}
  - {api: cohere, stored: {response_format: *any_json}, more: {response_format: *any_json}}
  - {api: anthropic, stored: {response_format: *json_schema},
     more: {max_tokens: 4096, output_config: {format: {type: json_schema, schema: *schema}}}}
  - {api: anthropic, stored: {response_format: *any_json}, more: {max_tokens: 4096}}
  - api: amazon.bedrock
    stored: {response_format: {type: json_schema, json_schema: {name: n, schema: {type: object}}}}
    more:
      outputConfig:
        textFormat: {type: json_schema, structure: {jsonSchema: {schema: '{"type": "object"}', name: n}}}
  - {api: amazon.bedrock, stored: {response_format: *any_json}, more: {}}
  - {api: google, stored: {response_format: *json_schema},
     more: {generation_config: {response_mime_type: application/json, response_json_schema: *schema}}}
  - {api: google, stored: {response_format: *any_json},
     more: {generation_config: {response_mime_type: application/json}}}

tools:
  - {api: mistral, template: {tools: [*function], tool_choice: *named},
     more: {tools: [{type: function, function: {name: f, parameters: {type: object}}}], tool_choice: *named}}
  - {api: cohere, template: {tools: [*named], tool_choice: required},
     more: {tools: [*named], tool_choice: REQUIRED}}
  - {api: cohere, template: {tools: [*named], tool_choice: none}, more: {tools: [*named], tool_choice: NONE}}
  - {api: cohere, template: {tools: [*strict], tool_choice: auto},
     more: {tools: [*named], strict_tools: true}}
  - {api: cohere, template: {tools: [*named], tool_choice: *named, functions: [{name: g}]},
     more: {tools: [*named]}}
  - {api: anthropic.bedrock, template: {tools: [*named], tool_choice: *named},
     more: {max_tokens: 4096, tools: [{name: f, description: "", input_schema: {type: object}}],
         tool_choice: {type: tool, name: f}}}
  - {api: anthropic, template: {tools: [*search]},
     more: {max_tokens: 4096, tools: [{type: web_search_20250305, name: web_search, size: low}]}}
  - {api: openai responses, template: {tools: [*search]}, more: {tools: [{type: web_search, size: low}]}}
  - {api: openai, template: {tools: [*search, *shell]}, more: {}}
  - {api: amazon.bedrock, template: {tools: [*named], tool_choice: none}, more: {}}
  - {api: amazon.bedrock, template: {tools: [*named, *search], tool_choice: *named},
     more: {toolConfig: {tools: [{toolSpec: {name: f, inputSchema: {json: {type: object}}}}],
         toolChoice: {tool: {name: f}}}}}
  - api: google
    template: {tools: [*function, *search, *shell], tool_choice: *named}
    more:
      generation_config:
        tools: [{function_declarations: [{name: f, parametersJsonSchema: {type: object}}]},
            {google_search: {size: low}}]
        tool_config: {function_calling_config: {mode: ANY, allowed_function_names: [f]}}

# The part for a block, null if it is left out.
content:
  - {api: openai, block: &link {type: image_url, image_url: {url: "https://x/a.png", detail: low}},
     part: *link}
  - {api: openai, block: {type: media, media: {url: "http://a", format: url}},
     part: {type: image_url, image_url: {url: "http://a"}}}
  - {api: openai, block: &data {type: media, media: {url: aGk=, format: base64, type: image/webp}},
     part: {type: image_url, image_url: {url: "data:image/webp;base64,aGk="}}}
  - {api: openai,
     block: &pdf {type: media, media: {url: aGk=, format: base64, type: application/pdf, title: a}},
     part: {type: file, file: {filename: a, file_data: "data:application/pdf;base64,aGk="}}}
  - {api: openai, block: &pdf_link {type: media, media: {url: "https://x/a.pdf", format: url}}, part: null}
  - {api: openai, block: {type: thinking, thinking: hm}, part: null}
  - {api: mistral, block: *pdf, part: null}
  - {api: openai responses, block: *link,
     part: {type: input_image, image_url: "https://x/a.png", detail: low}}
  - {api: openai responses, block: *pdf_link, part: {type: input_file, file_url: "https://x/a.pdf"}}
  - {api: anthropic, block: *link, part: {type: image, source: {type: url, url: "https://x/a.png"}}}
  - {api: anthropic, block: *pdf,
     part: {type: document, source: {type: base64, media_type: application/pdf, data: aGk=}}}
  - {api: anthropic, block: {type: thinking, thinking: hm, signature: s, id: null},
     part: {type: thinking, thinking: hm, signature: s}}
  - {api: anthropic, block: {type: thinking, thinking: hm}, part: null}
  - {api: google, block: *data, part: {inline_data: {mime_type: image/webp, data: aGk=}}}
  - {api: google, block: *link, part: {file_data: {mime_type: image/png, file_uri: "https://x/a.png"}}}
  - {api: google, block: {type: text, text: b, thought_signature: s}, part: {text: b, thought_signature: s}}
  - {api: amazon.bedrock, block: {type: image_url, image_url: {url: "s3://b/a.png"}},
     part: {image: {format: png, source: {s3Location: {uri: "s3://b/a.png"}}}}}
  - {api: amazon.bedrock, block: *data, part: null}
"""
"""By topic: a template for an ``api``, which is a provider and its ``api_type``, and what becomes of it.

``kwargs`` are all arguments; ``more`` are those beside the messages and the model.
"""

MESSAGES = ("messages", "input", "history")


def model(provider: str = "openai", **more: Any) -> dict[str, Any]:
    return {"model": {"provider": provider, "name": "m", **more}}


def test_what_becomes_of_a_template() -> None:
    read = yaml.safe_load(CASES)
    for case in [case for topic, cases in read.items() if topic != "parts" for case in cases]:
        provider, _, api_type = case["api"].partition(" ")
        messages = case.get("messages", [])
        if "block" in case:
            messages = [{"role": "user", "content": [{"type": "text", "text": "a"}, case["block"]]}]
        template = {"type": "chat", "messages": messages, **case.get("template", {})}
        if "completion" in case:
            template = {"type": "completion", "content": [{"type": "text", "text": case["completion"]}]}
        metadata = model(provider, api_type=api_type or None, parameters=case.get("stored"))
        built = providers.llm_kwargs(template, metadata, None, case.get("overrides"))
        assert built is not None, case
        if "part" in case:
            (turn,) = next(built[key] for key in MESSAGES if key in built)
            parts = turn.get("content") or turn["parts"]
            assert parts[1:] == ([] if case["part"] is None else [case["part"]]), case
        elif "more" in case:
            shown = {key: built[key] for key in built if key not in (*MESSAGES, "model", "modelId")}
            assert shown == case["more"], case
        else:
            assert built == case["kwargs"], case
            assert provider != "openai" or list(built) == list(case["kwargs"]), case


def test_the_provider_of_a_template() -> None:
    hello = {"type": "completion", "content": [{"type": "text", "text": "Hello"}]}
    for metadata, provider, expected in (
        ({"owner": "x"}, None, None),
        (None, "openai", {"prompt": "Hello"}),
        (model("acme"), None, None),
        (model("openai"), "anthropic", {"prompt": "Hello", "model": "m"}),
    ):
        assert providers.llm_kwargs(hello, metadata, provider) == expected, metadata


KEYS = [
    *("type", "text", "image_url", "media", "content", "tool_calls", "function", "id", "tool_call_id"),
    *("config", "tools", "tool_choice", "response_format", "generation_config", "inferenceConfig"),
    *("model", "stop"),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("function", "name", "url")), inner)
    ),
    max_leaves=4,
)


@given(
    odd=st.dictionaries(st.sampled_from(KEYS), json_values),
    parameters=st.dictionaries(st.sampled_from(KEYS), json_values),
)
def test_messages_from_placeholders_and_parameters_may_be_anything(odd, parameters) -> None:
    content = [odd, {"type": "text", "text": "a"}]
    tools = [{"type": "function", "function": {"name": "f", "strict": True}}, odd]
    roles = ("system", "user", "assistant", "tool", 3)
    for provider, role, api_type in product(providers.FORMS, roles, (None, "responses", "images")):
        message = {"content": content, "tool_calls": [odd], **odd, "role": role}
        template = {"type": "chat", "messages": [message], "tools": tools}
        template |= {"tool_choice": odd.get("tool_choice")}
        about = model(provider, parameters=parameters, api_type=api_type)
        json.dumps(providers.llm_kwargs(template, about))

"""Lint refuses what the registry rejects, before a push writes anything, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import event, given, settings
from hypothesis import strategies as st
from seeds import examples
from worlds import World, template

from promptsync.files.prompt_file import parse
from promptsync.files.yaml.load import InvalidFile
from promptsync.lint.check import check
from promptsync.registry.errors import Rejected
from promptsync.registry.open import open_registry
from promptsync.registry.protocol import Registry

CHAT = "messages:\n- {role: user, content: Hi}\n"

REJECTED = {
    "a message without content": ("messages:\n- {role: user}\n", 1, "message-incomplete"),
    "a message with content null": ("messages:\n- {role: system, content: null}\n", 1, "message-incomplete"),
    "an unknown role": ("messages:\n- {role: critic, content: a}\n", 1, "unknown-role"),
    "a tool message without its call": ("messages:\n- {role: tool, content: a}\n", 1, "message-incomplete"),
    "a placeholder without a name": ("messages:\n- {role: placeholder}\n", 1, "message-incomplete"),
    "a function message without a name": ("messages:\n- {role: function}\n", 1, "message-incomplete"),
    "no messages": ("messages: null\n", 1, "wrong-type"),
    "no content": ("content: null\n", 1, "wrong-type"),
    "an unknown format": (f"template_format: mustache\n{CHAT}", 1, "unknown-format"),
    "an unknown format of a completion": ("template_format: mustache\ncontent: a\n", 1, "unknown-format"),
    "an unknown format of a placeholder": (
        "messages:\n- {role: placeholder, name: h, template_format: liquid}\n",
        1,
        "unknown-format",
    ),
    "a format that is no text": (f"extra: {{template: {{template_format: 3}}}}\n{CHAT}", 1, "unknown-format"),
    "an unknown type": (f"extra: {{template: {{type: essay}}}}\n{CHAT}", 1, "wrong-value"),
    "a type without its content": (f"extra: {{template: {{type: completion}}}}\n{CHAT}", 1, "missing-key"),
    "a model without a name": (f"model: {{provider: openai}}\n{CHAT}", 1, "model-incomplete"),
    "a model without a provider": (f"model: {{name: gpt-4o}}\n{CHAT}", 1, "model-incomplete"),
    "a model that is a text": (f"metadata: {{model: gpt-4o}}\n{CHAT}", 1, "wrong-value"),
    "parameters that are a list": (
        f"metadata: {{model: {{provider: p, name: n, parameters: [1]}}}}\n{CHAT}",
        1,
        "wrong-value",
    ),
    "a long base model": (
        f"model: {{provider: p, name: n, base_model: {'x' * 101}}}\n{CHAT}",
        1,
        "wrong-value",
    ),
    "a long configuration name": (
        f"model: {{provider: p, name: n, model_config_display_name: {'x' * 256}}}\n{CHAT}",
        1,
        "wrong-value",
    ),
    "a block without a text": ("content: [{type: text}]\n", 1, "missing-key"),
    "a block without a type": ("content: [{id: a}]\n", 1, "missing-key"),
    "a block without its key": ("content: [{type: code}]\n", 1, "block-incomplete"),
    "an image without a URL": ("content: [{type: image_url, image_url: {}}]\n", 1, "block-incomplete"),
    "an image that is a text": ("content: [{type: image_url, image_url: u}]\n", 1, "wrong-value"),
    "a block that is a number": ("content: [3]\n", 1, "wrong-type"),
    "a tool without a function": (f"tools: [{{type: function}}]\n{CHAT}", 1, "tool-incomplete"),
    "a function without a name": (f"functions: [{{strict: true}}]\n{CHAT}", 1, "tool-incomplete"),
    "a tool call without a name": (
        "messages:\n- {role: assistant, tool_calls: [{id: a, function: {}}]}\n",
        1,
        "tool-incomplete",
    ),
    "a call that is a list": (f"tool_choice: [a]\n{CHAT}", 1, "wrong-type"),
    "a tag that is a number": (f"tags: [3]\n{CHAT}", 1, "wrong-type"),
    "a long name": (f"name: {'x' * 513}\n{CHAT}", 1, "schema"),
    "a label under extra": (f"extra: {{version: {{release_labels: [prod]}}}}\n{CHAT}", 1, "reserved-key"),
    "a folder under extra": (f"extra: {{version: {{folder_id: x}}}}\n{CHAT}", 1, "reserved-key"),
    "a snippet that does not exist": ("content: '@@@nobody@@@'\n", 1, "snippet-missing"),
    "a chat prompt as a snippet": ("content: '@@@good@@@'\n", 1, "snippet-chat"),
    "a prompt that contains itself": ("content: '@@@bad@@@'\n", 1, "snippet-cycle"),
    "a version that a snippet lacks": ("content: '@@@tone@version_number:7@@@'\n", 3, "snippet-version"),
    "a label that a snippet lacks": ("content: '@@@tone@label:prod@@@'\n", 3, "snippet-label"),
    "half a surrogate pair": ('content: "\\ud800"\n', 1, "yaml-syntax"),
}


@template
def mixed(world: World) -> None:
    """A working copy with a published snippet, and a new prompt that is fine."""
    world.put("prompts/tone.yaml", "name: tone\ncontent: Be kind.\n")
    world.ok("push")
    world.put("prompts/good.yaml", f"name: good\n{CHAT}")


def test_a_push_of_what_the_registry_rejects_stops_before_the_first_write(mixed: World) -> None:
    for what, (text, code, rule) in REJECTED.items():
        mixed.put("prompts/bad.yaml", text if text.startswith("name:") else f"name: bad\n{text}")
        ran = mixed.run("push", "--json")
        assert (ran.code, mixed.writes) == (code, []), what
        if code == 3:
            assert ran.document["error"]["code"] == rule, what
        else:
            problems = mixed.run("lint", "--json").document["problems"]
            assert rule in {problem["rule"] for problem in problems}, what
        if rule != "schema":
            assert "bad" in ran.document["error"]["message"], what


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("messages:\n- {role: user}\n", "messages[0].content is missing."),
        (f"model: {{provider: openai}}\n{CHAT}", "model.name is missing."),
        ("messages:\n- {role: tool, content: a}\n", "messages[0].tool_call_id is missing."),
        (f"metadata: {{model: {{provider: 3, name: n}}}}\n{CHAT}", "model.provider must be a string."),
    ],
)
def test_what_is_missing_is_called_missing(text: str, says: str) -> None:
    found = [one.message for one in check([parse(text.encode(), "a.yaml", "a")]) if one.severity == "error"]
    assert found == [f"The registry rejects this: {says}"]


# -- an oracle: documents of every shape ---------------------------------------------------------------------

words = st.sampled_from(["", "a", "user", "gpt-4o", "jinja2", "f-string", "mustache", "text", "chat"])
junk = words | st.none() | st.integers(0, 3) | st.booleans() | st.just([]) | st.just({}) | st.just(["a"])


def objects(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


formats = st.sampled_from(["jinja2", "f-string", "f-string", "mustache"])
functions = objects(name=words, description=words, strict=st.booleans(), parameters=st.just({}))
blocks = st.builds(
    lambda kind, more: {"type": kind, **more},
    st.sampled_from(["text", "text", "code", "image_url", "media", "media_variable", "thinking", "odd"]),
    objects(
        text=words | junk, code=words, image_url=objects(url=words) | junk, name=words, media=st.just({})
    ),
) | objects(text=words, id=words)
content = words | st.lists(blocks, max_size=2)
roles = st.sampled_from(["system", "user", "assistant", "tool", "function", "placeholder", "developer", "x"])
messages = objects(
    content=content | st.none(),
    name=words | st.none(),
    tool_call_id=words,
    template_format=formats,
    tool_calls=st.lists(objects(id=words, function=functions | junk), max_size=1),
).flatmap(lambda message: st.builds(lambda role: {"role": role, **message}, roles))
models = objects(
    provider=words, name=words, parameters=st.just({}), api_type=words, base_model=words | st.just("x" * 101)
)
odd_models = objects(provider=words | junk, name=words | junk, parameters=st.just({}) | junk) | junk
documents = st.builds(
    lambda kind, model, rest: {**kind, **model, **rest},
    st.one_of(
        st.builds(lambda value: {"messages": value}, st.lists(messages, max_size=3)),
        st.builds(lambda value: {"content": value}, content),
    ),
    st.just({}) | st.builds(lambda model: {"model": model}, models),
    objects(
        template_format=formats,
        metadata=objects(model=odd_models, owner=words),
        tags=st.lists(words, max_size=2),
        tools=st.lists(objects(type=st.just("function") | words, function=functions), max_size=2),
        functions=st.lists(functions, max_size=1),
        function_call=words | st.just({}),
        tool_choice=words | st.just({}),
        extra=objects(
            template=objects(type=words, mood=junk, template_format=junk), version=objects(odd=junk)
        ),
    ),
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with open_registry(f"local:{tmp_path_factory.mktemp('registry') / 'registry.db'}", None) as opened:
        yield opened


@settings(deadline=None, max_examples=examples(300))
@given(documents)
def test_the_registry_accepts_exactly_what_lint_accepts(registry: Registry, document: dict[str, Any]) -> None:
    try:
        file = parse(yaml.safe_dump(document).encode(), "a.yaml", "a")
    except InvalidFile:
        event("no prompt file")
        return
    errors = [one for one in check([file]) if one.severity == "error"]
    try:
        registry.prompts.publish(file.prompt, message="m")
        is_accepted = True
    except Rejected:
        is_accepted = False
    event(f"accepted: {is_accepted}")
    assert is_accepted == (not errors), errors

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


def message(fields: str) -> str:
    return f"messages:\n- {{{fields}}}\n"


REJECTED = [
    ("missing-key", message("role: system, content: null")),
    ("wrong-value", message("role: critic, content: a")),
    ("wrong-value", message("role: placeholder, name: h, template_format: liquid")),
    ("wrong-value", f"model: {{provider: p, name: n, base_model: {'x' * 101}}}\n{CHAT}"),
    ("wrong-type", f"tags: [3]\n{CHAT}"),
    ("missing-key", "content: [{type: text}]\n"),
    ("missing-key", f"model: {{name: gpt-4o}}\n{CHAT}"),
    ("missing-key", "content: [{type: image_url, image_url: {}}]\n"),
    ("missing-key", message("role: assistant, tool_calls: [{id: a, function: {}}]")),
    ("schema", f"name: {'x' * 513}\n{CHAT}"),
    ("reserved-key", f"extra: {{version: {{folder_id: x}}}}\n{CHAT}"),
    ("snippet-missing", "content: '@@@nobody@@@'\n"),
    ("snippet-chat", "content: '@@@good@@@'\n"),
    ("snippet-cycle", "content: '@@@bad@@@'\n"),
    ("snippet-version", "content: '@@@tone@version_number:7@@@'\n"),
    ("snippet-label", "content: '@@@tone@label:prod@@@'\n"),
    ("yaml-syntax", 'content: "\\ud800"\n'),
]
"""Rules, or codes of errors, and prompt files that they refuse."""
FOUND_BY_PUSH = ("snippet-version", "snippet-label")


@template
def mixed(world: World) -> None:
    """A working copy with a published snippet, and a new prompt that is fine."""
    world.put("prompts/tone.yaml", "name: tone\ncontent: Be kind.\n")
    world.ok("push")
    world.put("prompts/good.yaml", f"name: good\n{CHAT}")


def test_a_push_of_what_the_registry_rejects_stops_before_the_first_write(mixed: World) -> None:
    for rule, text in REJECTED:
        mixed.put("prompts/bad.yaml", text if rule == "schema" else f"name: bad\n{text}")
        ran = mixed.run("push", "--json")
        assert (ran.code, mixed.writes) == (3 if rule in FOUND_BY_PUSH else 1, []), text
        if rule in FOUND_BY_PUSH:
            assert ran.document["error"]["code"] == rule
        else:
            problems = mixed.run("lint", "--json").document["problems"]
            assert rule in {problem["rule"] for problem in problems}, text
        assert rule == "schema" or "bad" in ran.document["error"]["message"], text


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

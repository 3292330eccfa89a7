from __future__ import annotations

import subprocess
import sys
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_filler import filled
from seeds import examples
from strategies import prompts

from promptsync.prompt.canonical import digest
from promptsync.prompt.fields import FieldChange, align, changes, variables_change
from promptsync.prompt.prompt import Prompt, readable, tag_set

Row = tuple[str, Any, Any, str]


def row(change: FieldChange) -> Row:
    return change.path, change.old, change.new, change.kind


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def chat(*messages: dict[str, Any], **more: Any) -> Prompt:
    fields = {key: more.pop(key) for key in ("metadata", "tags", "extra") if key in more}
    return Prompt("greet", {"type": "chat", "messages": list(messages), **more}, **fields)


def model(**more: Any) -> Prompt:
    return chat(metadata={"model": {"provider": "openai", "name": "gpt-4o", **more}})


def functions(*names: str, **more: Any) -> Prompt:
    return chat(tools=[{"type": "function", "function": {"name": name, **more}} for name in names])


SYSTEM = said("system", "You are a friendly assistant of the shop.")
QUESTION = said("user", "{question}")
ANSWER = said("assistant", "Let me look that up for you.")

CASES: dict[str, tuple[Prompt, Prompt, list[Row]]] = {
    "one text": (
        chat(SYSTEM, said("user", "Hi")),
        chat(SYSTEM, said("user", [{"type": "text", "text": "Hello", "id": None}])),
        [("messages[1].content", "Hi", "Hello", "changed")],
    ),
    "an inserted message leaves the others alone": (
        chat(SYSTEM, QUESTION),
        chat(SYSTEM, ANSWER, QUESTION),
        [("messages[1]", None, {"role": "assistant", "content": ANSWER["content"]}, "added")],
    ),
    "a removed message leaves the others alone": (
        chat(SYSTEM, ANSWER, QUESTION),
        chat(SYSTEM, said("user", "{question}!")),
        [
            ("messages[1]", {"role": "assistant", "content": ANSWER["content"]}, None, "removed"),
            ("messages[1].content", "{question}", "{question}!", "changed"),
        ],
    ),
    "a changed message after an inserted one": (
        chat(SYSTEM, QUESTION),
        chat(
            said("developer", "Policy 7."), said("system", "You are a brief assistant of the shop."), QUESTION
        ),
        [
            ("messages[0]", None, {"role": "developer", "content": "Policy 7."}, "added"),
            ("messages[1].content", SYSTEM["content"], "You are a brief assistant of the shop.", "changed"),
        ],
    ),
    "a new role for the same text": (
        chat(SYSTEM),
        chat(said("developer", SYSTEM["content"])),
        [("messages[0].role", "system", "developer", "changed")],
    ),
    "another role and another text": (
        chat(said("user", "abc")),
        chat(said("assistant", "xyz")),
        [
            ("messages[0].role", "user", "assistant", "changed"),
            ("messages[0].content", "abc", "xyz", "changed"),
        ],
    ),
    "a block goes before one of another type that changes": (
        chat(said("user", [{"type": "thinking", "thinking": "a"}, {"type": "code", "code": "b"}])),
        chat(said("user", [{"type": "code", "code": "c"}])),
        [
            ("messages[0].content[0]", {"type": "thinking", "thinking": "a"}, None, "removed"),
            ("messages[0].content[0].code", "b", "c", "changed"),
        ],
    ),
    "the format of all messages": (
        chat(said("user", "{{ a }}")),
        chat(said("user", "{{ a }}", template_format="jinja2")),
        [("template_format", None, "jinja2", "added")],
    ),
    "the format of one of two messages": (
        chat(SYSTEM, QUESTION),
        chat(SYSTEM, {**QUESTION, "template_format": "jinja2"}),
        [("messages[1].template_format", None, "jinja2", "added")],
    ),
    "a parameter": (
        model(parameters={"temperature": 0.2, "n": 1}),
        model(parameters={"temperature": 1, "n": 1.0}),
        [("model.parameters.temperature", 0.2, 1, "changed")],
    ),
    "parameters appear": (
        model(),
        model(parameters={"temperature": 1}),
        [("model.parameters", None, {"temperature": 1}, "added")],
    ),
    "a boolean is not a number": (
        model(parameters={"stream": True}),
        model(parameters={"stream": 1}),
        [("model.parameters.stream", True, 1, "changed")],
    ),
    "a list of values": (
        model(parameters={"stop": ["a", "b", "c"]}),
        model(parameters={"stop": ["a", "c"]}),
        [("model.parameters.stop[1]", "b", None, "removed")],
    ),
    "custom metadata": (
        chat(),
        chat(metadata={"a.b": None}),
        [('metadata["a.b"]', None, None, "added")],
    ),
    "what the application must have": (
        chat(metadata={"needs": "app >= 2.3", "owner": "x"}),
        chat(metadata={"needs": "app >= 2.4"}),
        [
            ("needs", "app >= 2.3", "app >= 2.4", "changed"),
            ("metadata.owner", "x", None, "removed"),
        ],
    ),
    "needs that are no text are metadata": (
        chat(metadata={"needs": 2}),
        chat(metadata={"needs": "app >= 2.4"}),
        [("needs", None, "app >= 2.4", "added"), ("metadata.needs", 2, None, "removed")],
    ),
    "tags are a set": (
        chat(tags=("b", "a", "a")),
        chat(tags=("a", "c")),
        [("tags", ["a", "b"], ["a", "c"], "changed")],
    ),
    "an inserted tool": (
        functions("search", "refund"),
        functions("search", "lookup", "refund"),
        [("tools[1]", None, {"function": {"name": "lookup"}}, "added")],
    ),
    "deep inside a tool": (
        functions("f", parameters={"properties": {"size": {"enum": ["s", "m", "l"]}}}),
        functions("f", parameters={"properties": {"size": {"enum": ["s", "m", "xl", "l"]}}}),
        [("tools[0].function.parameters.properties.size.enum[2]", None, "xl", "added")],
    ),
    "an image beside the text": (
        chat(said("user", "Look")),
        chat(
            said("user", [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "u"}}])
        ),
        [
            (
                "messages[0].content",
                "Look",
                [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "u"}}],
                "changed",
            )
        ],
    ),
    "unknown fields": (
        chat(mood="calm"),
        chat(extra={"rank": 1}),
        [
            ("extra.version", None, {"rank": 1}, "added"),
            ("extra.template", {"mood": "calm"}, None, "removed"),
        ],
    ),
    "another kind of prompt": (
        chat(said("user", "Hi")),
        Prompt("greet", {"type": "completion", "content": "Hi"}),
        [
            ("type", "chat", "completion", "changed"),
            ("content", None, "Hi", "added"),
            ("messages[0]", {"role": "user", "content": "Hi"}, None, "removed"),
        ],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES)
def test_only_what_differs_is_shown(old: Prompt, new: Prompt, expected: list[Row]) -> None:
    assert [row(change) for change in changes(old, new)] == expected


def test_a_new_prompt_shows_all_its_fields_in_the_order_of_a_file() -> None:
    prompt = chat(SYSTEM, QUESTION, metadata={"model": {"name": "m"}, "owner": "x"}, tags=("t",))
    found = changes(None, prompt)
    assert [(change.path, change.kind) for change in found] == [
        ("tags", "added"),
        ("model", "added"),
        ("metadata", "added"),
        ("messages[0]", "added"),
        ("messages[1]", "added"),
    ]
    gone = changes(prompt, None)
    assert [(change.path, change.old, change.kind) for change in gone] == [
        (change.path, change.new, "removed") for change in found
    ]


def test_two_missing_prompts_do_not_differ() -> None:
    assert changes(None, None) == []
    assert variables_change(None, None) == ((), ())


def test_added_and_removed_variables_are_named() -> None:
    old = chat(said("user", "{order} {name}"))
    new = chat(said("user", "{order} {{x}} {tone} {city}"), {"role": "placeholder", "name": "history"})
    assert variables_change(old, new) == (("city", "history", "tone"), ("name",))
    assert variables_change(None, old) == (("name", "order"), ())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("messages", 1, "content"), "messages[1].content"),
        (("metadata", "a b", "c"), 'metadata["a b"].c'),
        (("metadata", "größe"), "metadata.größe"),
        (("metadata", 'say "hi"'), 'metadata["say \\"hi\\""]'),
        (("metadata", ""), 'metadata[""]'),
        (("metadata", "7"), 'metadata["7"]'),
    ],
)
def test_paths_are_readable(path: tuple[str | int, ...], text: str) -> None:
    assert readable(path) == text


@settings(deadline=None, max_examples=examples(60))
@given(prompts(), st.randoms(use_true_random=False))
def test_values_that_a_registry_fills_in_are_not_shown(prompt: Prompt, random: Random) -> None:
    assert changes(prompt, filled(prompt, random)) == []


@settings(deadline=None, max_examples=examples(100))
@given(prompts(), prompts())
def test_a_change_is_shown_exactly_if_content_or_tags_differ(old: Prompt, new: Prompt) -> None:
    differ = digest(old) != digest(new) or tag_set(old) != tag_set(new)
    assert bool(changes(old, new)) == differ


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_alignment_uses_every_index_once_and_in_order(old: list[str], new: list[str]) -> None:
    pairs = align([said("user", text) for text in old], [said("user", text) for text in new])
    assert [left for left, _ in pairs if left is not None] == list(range(len(old)))
    assert [right for _, right in pairs if right is not None] == list(range(len(new)))
    assert (None, None) not in pairs


def test_many_changed_items_are_paired_in_order() -> None:
    old = [said("user", f"old {index}") for index in range(80)]
    new = [said("user", f"new {index}") for index in range(90)]
    pairs = align(old, new)
    assert pairs[:80] == [(index, index) for index in range(80)]
    assert pairs[80:] == [(None, index) for index in range(80, 90)]


def test_deepdiff_is_loaded_only_when_something_differs() -> None:
    code = (
        "import sys\nfrom promptsync.prompt.fields import changes\n"
        "from promptsync.prompt.prompt import Prompt\n"
        "p = Prompt('a', {'type': 'chat', 'messages': []}); changes(p, p); changes(None, None)\n"
        "sys.exit('deepdiff' in sys.modules or 'jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

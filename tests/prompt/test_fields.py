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
from promptsync.prompt.fields import align, changes, variables_change
from promptsync.prompt.prompt import Prompt, readable, tag_set


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def chat(*messages: dict[str, Any], **more: Any) -> Prompt:
    fields = {key: more.pop(key) for key in ("metadata", "tags", "extra") if key in more}
    return Prompt("greet", {"type": "chat", "messages": list(messages), **more}, **fields)


def model(**more: Any) -> Prompt:
    return chat(metadata={"model": {"provider": "openai", "name": "gpt-4o", **more}})


SYSTEM = said("system", "You are a friendly assistant of the shop.")
QUESTION, OTHER = said("user", "{question}"), said("user", "{question}!")
ANSWER = said("assistant", "Let me look that up for you.")
CODE, THOUGHT, LOOK = (
    {"type": "code", "code": "b"},
    {"type": "thinking", "thinking": "a"},
    said("user", "Look"),
)
JINJA = {"template_format": "jinja2"}


def lookup(*sizes: str) -> Prompt:
    function = {"name": "f", "parameters": {"properties": {"size": {"enum": list(sizes)}}}}
    return chat(tools=[{"type": "function", "function": function}])


CASES: dict[str, tuple[Prompt, Prompt, list[tuple[str, Any, Any]]]] = {
    "one text": (
        chat(SYSTEM, said("user", "Hi")),
        chat(SYSTEM, said("user", [{"type": "text", "text": "Hello", "id": None}])),
        [("messages[1].content", "Hi", "Hello")],
    ),
    "an inserted message": (
        chat(SYSTEM, QUESTION), chat(SYSTEM, ANSWER, QUESTION), [("messages[1]", None, ANSWER)],
    ),
    "a removed message": (
        chat(SYSTEM, ANSWER, QUESTION), chat(SYSTEM, OTHER),
        [("messages[1]", ANSWER, None), ("messages[1].content", "{question}", "{question}!")],
    ),
    "a block goes before one that changes": (
        chat(said("user", [THOUGHT, CODE])), chat(said("user", [{**CODE, "code": "c"}])),
        [("messages[0].content[0]", THOUGHT, None), ("messages[0].content[0].code", "b", "c")],
    ),
    "the format of all messages": (chat(SYSTEM), chat(SYSTEM | JINJA), [("template_format", None, "jinja2")]),
    "what the application must have": (
        chat(metadata={"needs": "app >= 2.3", "owner": "x"}), chat(metadata={"needs": "app >= 2.4"}),
        [("needs", "app >= 2.3", "app >= 2.4"), ("metadata.owner", "x", None)],
    ),
    "tags": (chat(tags=("b", "a", "a")), chat(tags=("a", "c")), [("tags", ["a", "b"], ["a", "c"])]),
    "deep inside a tool": (
        lookup("s", "m", "l"), lookup("s", "m", "xl", "l"),
        [("tools[0].function.parameters.properties.size.enum[2]", None, "xl")],
    ),
    "unknown fields": (
        chat(mood="calm"), chat(extra={"rank": 1}),
        [("extra.version", None, {"rank": 1}), ("extra.template", {"mood": "calm"}, None)],
    ),
    "another kind of prompt": (
        chat(LOOK), Prompt("greet", {"type": "completion", "content": "Look"}),
        [("type", "chat", "completion"), ("content", None, "Look"), ("messages[0]", LOOK, None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES)
def test_only_what_differs_is_shown(old: Prompt, new: Prompt, expected: list[tuple[str, Any, Any]]) -> None:
    found = changes(old, new)
    assert [(change.path, change.old, change.new) for change in found] == expected
    kinds = {(True, False): "added", (False, True): "removed", (False, False): "changed"}
    assert [change.kind for change in found] == [kinds[was is None, now is None] for _, was, now in expected]


def test_a_new_prompt_shows_all_its_fields_in_the_order_of_a_file() -> None:
    prompt = chat(SYSTEM, QUESTION, metadata={"model": {"name": "m"}, "owner": "x"}, tags=("t",))
    found = changes(None, prompt)
    paths = ["tags", "model", "metadata", "messages[0]", "messages[1]"]
    assert [(change.path, change.kind) for change in found] == [(path, "added") for path in paths]
    gone = [(change.path, change.old, change.kind) for change in changes(prompt, None)]
    assert gone == [(change.path, change.new, "removed") for change in found]


def test_added_and_removed_variables_are_named() -> None:
    old = chat(said("user", "{order} {name}"))
    new = chat(said("user", "{order} {{x}} {tone} {city}"), {"role": "placeholder", "name": "history"})
    assert variables_change(old, new) == (("city", "history", "tone"), ("name",))
    assert variables_change(None, old) == (("name", "order"), ())
    assert (changes(None, None), variables_change(None, None)) == ([], ((), ()))


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


@settings(deadline=None, max_examples=examples(100))
@given(prompts(), prompts(), st.randoms(use_true_random=False))
def test_a_change_is_shown_exactly_if_content_or_tags_differ(
    old: Prompt, new: Prompt, random: Random
) -> None:
    differ = digest(old) != digest(new) or tag_set(old) != tag_set(new)
    assert bool(changes(old, new)) == differ
    assert changes(old, filled(old, random)) == []


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_alignment_uses_every_index_once_and_in_order(old: list[str], new: list[str]) -> None:
    pairs = align([said("user", text) for text in old], [said("user", text) for text in new])
    assert [left for left, _ in pairs if left is not None] == list(range(len(old)))
    assert [right for _, right in pairs if right is not None] == list(range(len(new)))
    assert (None, None) not in pairs


def test_deepdiff_is_loaded_only_when_something_differs() -> None:
    code = (
        "import sys\nfrom promptsync.prompt.fields import changes\n"
        "from promptsync.prompt.prompt import Prompt\n"
        "p = Prompt('a', {'type': 'chat', 'messages': []}); changes(p, p); changes(None, None)\n"
        "sys.exit('deepdiff' in sys.modules or 'jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from seeds import examples
from strategies import prompts

from promptsync.prompt.canonical import canonical, encode
from promptsync.prompt.merge import (
    BOTH_ADDED,
    BOTH_CHANGED,
    FORMAT_CHANGED,
    MOVED,
    REMOVED_HERE,
    REMOVED_THERE,
    TOOL_REFERENCES,
    Merge,
    merge,
)
from promptsync.prompt.prompt import Prompt, tag_set

MODEL = {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2, "top_p": 1}}


def say(role: str, content: Any, **more: Any) -> dict[str, Any]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {"role": role, "content": blocks, **more}


SYSTEM, USER = say("system", "You are kind.\nYou are brief."), say("user", "Question: {question}")
SHOT = [say("user", "Where is my parcel?"), say("assistant", "On its way.")]


def chat(*messages: dict[str, Any], model: Any = MODEL, tags: Sequence[str] = (), **more: Any) -> Prompt:
    metadata = {"model": model} if model is not None else {}
    return Prompt("p", {"type": "chat", "messages": list(messages), **more}, metadata, tuple(tags))


def tool(name: str, description: str = "", **parameters: Any) -> dict[str, Any]:
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def texts(found: Merge) -> list[str]:
    return [message["content"][0]["text"] for message in found.prompt.template["messages"]]


BASE = chat(SYSTEM, USER)


COMPLETION = Prompt("p", {"type": "completion", "content": [{"type": "text", "text": "x"}]})


def model(**changed: Any) -> dict[str, Any]:
    return {**MODEL, **changed}


def holding(metadata: dict[str, Any], **extra: Any) -> Prompt:
    return replace(BASE, metadata=metadata, extra=extra)


KIND, THEIRS = say("system", "Be kind."), say("user", "Their question: {question}")
WARMER = model(parameters={"temperature": 0.9, "top_p": 1})
FILLED_IN = [
    {**message, "input_variables": [], "template_format": "f-string", "name": None}
    for message in (SYSTEM, USER)
]
PICTURE = {"type": "image_url", "image_url": {"url": "{picture}"}}
REFERENCE = {"type": "registry", "tool_registry_id": 5}
MERGED: dict[str, tuple[Prompt, Prompt, Prompt, Prompt]] = {
    "a text and a parameter": (
        BASE, chat(KIND, USER), chat(SYSTEM, USER, model=WARMER), chat(KIND, USER, model=WARMER),
    ),
    "what the registry fills in": (
        BASE,
        chat(KIND, USER),
        chat(*FILLED_IN, THEIRS, tools=None, functions=[], function_call="none"),
        chat(KIND, USER, THEIRS),
    ),
    "inserted messages": (
        BASE, chat(SYSTEM, *SHOT, USER), chat(SYSTEM, THEIRS), chat(SYSTEM, *SHOT, THEIRS),
    ),
    "blocks by their kind": (
        BASE,
        chat(SYSTEM, say("user", [*USER["content"], PICTURE])),
        chat(SYSTEM, THEIRS),
        chat(SYSTEM, say("user", [*THEIRS["content"], PICTURE])),
    ),
    "tools by name": (
        chat(SYSTEM, tools=[tool("a", "Finds.", order="string"), tool("old")]),
        chat(SYSTEM, tools=[tool("mine"), tool("a", "Finds an order.", order="string")]),
        chat(SYSTEM, tools=[tool("a", "Finds.", order="number"), tool("old"), tool("yours")]),
        chat(SYSTEM, tools=[tool("a", "Finds an order.", order="number"), tool("mine"), tool("yours")]),
    ),
    "references to tools that did not change": (
        chat(SYSTEM, tools=[tool("shared")]),
        chat(SYSTEM, tools=[REFERENCE]),
        chat(USER, tools=[tool("shared")]),
        chat(USER, tools=[REFERENCE]),
    ),
    "metadata and unknown fields": (
        holding({"owner": "a", "deep": {"x": 1, "y": 1}}, beta={"on": True}),
        holding({"deep": {"x": 2, "y": 1}}, beta={"on": False}),
        holding({"owner": "a", "deep": {"x": 1, "y": 2}}, beta={"on": True}, more=1),
        holding({"deep": {"x": 2, "y": 2}}, beta={"on": False}, more=1),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("base", "ours", "theirs", "merged"), MERGED.values(), ids=MERGED)
def test_changes_of_different_parts_merge(base: Prompt, ours: Prompt, theirs: Prompt, merged: Prompt) -> None:
    found = merge(base, ours, theirs)
    assert (says(found.prompt), found.conflicts) == (says(merged), ())


SHORT = say("system", "You are kind.")

CONFLICTS: list[Any] = [
    pytest.param(
        BASE, chat(SHOT[0], SYSTEM, say("user", "Mine: {question}")), chat(SYSTEM, THEIRS),
        [("messages[2].content", BOTH_CHANGED)], id="one text, two ways, after an inserted message",
    ),
    pytest.param(
        BASE, chat(USER), chat(say("system", "You are rude.\nYou are brief."), USER),
        [("messages[0]", REMOVED_HERE)], id="removed here, edited there",
    ),
    pytest.param(
        BASE, chat(SYSTEM, USER, model=model(name="a")), chat(SYSTEM, USER, model=model(name="b")),
        [("model.name", BOTH_CHANGED)], id="one value, two ways",
    ),
    pytest.param(
        BASE, COMPLETION, chat(SYSTEM, *SHOT),
        [("type", BOTH_CHANGED)], id="chat became completion",
    ),
    pytest.param(
        chat(SYSTEM, *SHOT, USER), chat(*SHOT, SYSTEM, USER), chat(*SHOT, USER, SYSTEM),
        [("messages[2].content", MOVED)] * 2, id="moved to two places",
    ),
    pytest.param(
        chat(USER, SYSTEM, *SHOT), chat(SYSTEM, *SHOT), chat(SYSTEM, *SHOT, USER),
        [("messages[3].content", MOVED)], id="removed here, moved there",
    ),
    pytest.param(
        BASE, chat(SHORT, USER), chat(SHORT, say("user", "Question: {question}\nYou are brief.")),
        [("messages[1].content", MOVED)], id="line removed here, moved to another message there",
    ),
    pytest.param(
        chat(SYSTEM, tools=[tool("a", "Finds an order.")]), chat(SYSTEM),
        chat(SYSTEM, tools=[tool("b", "Finds an order.")]),
        [("tools[0].function.description", MOVED)], id="tool removed here, renamed there",
    ),
    pytest.param(
        *(chat(SYSTEM, tools=[tool(name) for name in names]) for names in ("abc", "bac", "acb")),
        [("tools", MOVED)], id="tools in two orders",
    ),
    pytest.param(
        BASE, chat(*(say(*text, template_format="jinja2") for text in (
            ("system", "You are kind.\nYou are brief."), ("user", "Question: {{ question }}"),
        ))),
        chat(SYSTEM, say("user", "Question: {question}\nReply to {name}.")),
        [("messages[1].content", BOTH_CHANGED), ("messages[1].template_format", FORMAT_CHANGED)],
        id="another format here, another text there",
    ),
    pytest.param(
        COMPLETION, replace(COMPLETION, template={**COMPLETION.template, "template_format": "jinja2"}),
        Prompt("p", {"type": "completion", "content": [{"type": "text", "text": "{x}"}]}),
        [("template_format", FORMAT_CHANGED)], id="format alone here, text alone there",
    ),
    pytest.param(
        None, chat(SYSTEM), chat(say("system", "Other.")), [("messages[0]", BOTH_ADDED)], id="no base",
    ),
]  # fmt: skip


MIRRORED = {REMOVED_HERE: REMOVED_THERE}


@pytest.mark.parametrize(("base", "ours", "theirs", "told"), CONFLICTS)
def test_a_conflict_names_its_field(
    base: Prompt | None, ours: Prompt, theirs: Prompt, told: list[tuple[str, str]]
) -> None:
    found = merge(base, ours, theirs)
    assert [(one.path, one.reason) for one in found.conflicts] == told
    assert not all(one.markable for one in found.conflicts) or "content" in told[0][0]
    turned = merge(base, theirs, ours)
    assert [one.reason for one in turned.conflicts] == [MIRRORED.get(reason, reason) for _, reason in told]


A, B, C = (say("user", f"Example {name}.") for name in "ABC")
RUNS: list[Any] = [
    # one side's messages at a place, the other side's, and whether the first are the result
    pytest.param([A, B], [A], True, id="one more at the end"),
    pytest.param([A, B, C], [A, C], True, id="one more in between"),
    pytest.param([A, A], [A], True, id="the same twice"),
    pytest.param([A, B], [B, A], False, id="another order"),
    pytest.param([A, B], [A, A], False, id="one and the same twice"),
    pytest.param([A, B], [say("assistant", "Example A.")], False, id="another role"),
]


@pytest.mark.parametrize(("longer", "shorter", "contains"), RUNS)
def test_an_inserted_run_that_contains_the_other_one_is_the_result(
    longer: list[Any], shorter: list[Any], contains: bool
) -> None:
    for place in (0, 1, 2):
        one, other = (
            chat(*[SYSTEM, USER][:place], *run, *[SYSTEM, USER][place:]) for run in (longer, shorter)
        )
        for found in (merge(BASE, one, other), merge(BASE, other, one)):
            assert [conflict.reason for conflict in found.conflicts] == ([] if contains else [BOTH_ADDED])
            assert not contains or says(found.prompt) == says(one)


NEW_TOOLS = [
    pytest.param("", "ab", "ba", "ab", "ba", id="the same in another order"),
    pytest.param("x", "xab", "bxa", "xab", "bxa", id="around one that was there"),
    pytest.param("x", "xcab", "xac", "xcab", "xcab", id="all on one side, in another order"),
    pytest.param("xy", "xyba", "yab", "yba", "yba", id="one side also removed an old one"),
    pytest.param("x", "xca", "xab", "xabc", "xabc", id="neither side has all: by name"),
    pytest.param("xy", "yxa", "xyab", "yxab", "yxab", id="neither side has all: one moved an old one"),
]


@pytest.mark.parametrize(("base", "ours", "theirs", "merged", "turned"), NEW_TOOLS)
def test_the_order_of_new_tools_does_not_matter(
    base: str, ours: str, theirs: str, merged: str, turned: str
) -> None:
    def version(names: str) -> Prompt:
        made = [tool(name) for name in names]
        return chat(SYSTEM, tools=made, functions=[one["function"] for one in made])

    three = version(base), version(ours), version(theirs)
    for found, names in ((merge(*three), merged), (merge(three[0], three[2], three[1]), turned)):
        assert (says(found.prompt), found.conflicts) == (says(version(names)), ())


def test_a_text_that_clashes_is_reported_by_line_and_marked() -> None:
    ours, theirs = (
        chat(say("system", f"You are kind.\nYou are {word}."), USER) for word in ("curt", "terse")
    )
    found = merge(BASE, ours, theirs, names=("yours", "registry v7"))
    (conflict,) = found.conflicts
    assert (conflict.path, conflict.base) == ("messages[0].content", "You are brief.")
    assert (conflict.ours, conflict.theirs) == ("You are curt.", "You are terse.")
    assert conflict.markable
    assert texts(found)[0] == (
        "You are kind.\n<<<<<<< yours\nYou are curt.\n=======\nYou are terse.\n>>>>>>> registry v7"
    )


MOVED_LINES: list[Any] = [
    # each letter is a line; without a result, one that was moved is a conflict
    pytest.param("abcdef", "abdef", "abdefc", None, id="removed here, moved there"),
    pytest.param("abcdef", "cabdef", "abdefc", None, id="moved to two places"),
    pytest.param("abcdef", "cabdef", "cabdefg", "cabdefg", id="moved alike"),
    pytest.param("abcdef", "cabcdef", "abcdefg", "cabcdefg", id="there once more here"),
    pytest.param("abcdef", "abdef", "Cabdef", "Cabdef", id="removed here, another one there"),
    pytest.param("`1`-S`2`M", "`1`-M", "-S`2`M`1`", "-M`1`", id="equal lines"),
]


@pytest.mark.parametrize(("base", "ours", "theirs", "merged"), MOVED_LINES)
def test_a_line_is_back_or_there_twice_only_as_a_conflict(
    base: str, ours: str, theirs: str, merged: str | None
) -> None:
    three = [chat(say("system", "\n".join(lines))) for lines in (base, ours, theirs)]
    for found in (merge(*three), merge(three[0], three[2], three[1])):
        assert [one.reason for one in found.conflicts] == ([] if merged else [MOVED])
        assert merged is None or texts(found) == ["\n".join(merged)]


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("abc", "abcd", "aBc", "aBcd"),
        ("abc", "abcd", "abC", None),
        ("abc", "abcd", "abce", None),
        ("abcd", "abc", "Abcd", "Abc"),
        ("abcd", "abc", "abcD", None),
        ("abc", "abcd", "bc", "bcd"),
    ],
)
def test_sentences_of_a_long_line_merge_like_lines_also_at_its_end(
    base: str, ours: str, theirs: str, merged: str | None
) -> None:
    def line(letters: str) -> str:
        return " ".join(
            f"The sentence {letter} is one of those that make a line of this text a long one."
            for letter in letters
        )

    three = [chat(say("system", line(letters))) for letters in (base, ours, theirs)]
    for found in (merge(*three), merge(three[0], three[2], three[1])):
        assert bool(found.conflicts) == (merged is None)
        assert merged is None or texts(found) == [line(merged)]


def test_a_sentence_removed_here_and_moved_to_another_line_there_is_a_conflict() -> None:
    kind = "Be kind and brief to all customers of the shop. "
    text = f"You answer refunds. {kind}Never promise money that the policy does not allow.\nThank.\nEnd.\n"
    gone = text.replace(kind, "")
    found = merge(*(chat(say("system", said)) for said in (text, gone, f"{gone}{kind}")))
    assert [one.reason for one in found.conflicts] == [MOVED]
    # Also beside another conflict, which would not show it.
    sides = ((text, "x"), (gone, "y"), (f"{gone}{kind}", "z"))
    found = merge(*(chat(say("system", said), tool_choice=choice) for said, choice in sides))
    assert [one.reason for one in found.conflicts] == [BOTH_CHANGED, MOVED]


def test_tags_merge_as_sets_and_ours_keep_their_order() -> None:
    base = chat(SYSTEM, tags=["a", "b", "c"])
    found = merge(base, chat(SYSTEM, tags=["z", "c", "a"]), chat(SYSTEM, tags=["b", "c", "new"]))
    assert found.prompt.tags == ("z", "c", "new")
    assert not found.conflicts


def test_a_reference_that_may_stand_for_several_tools_is_a_conflict() -> None:
    base = chat(SYSTEM, tools=[tool("shared")])
    found = merge(
        base,
        chat(say("system", "Mine."), tools=[REFERENCE]),
        chat(USER, tools=[tool("added"), tool("shared", "Edited in its own place.")]),
    )
    alone = merge(base, chat(SYSTEM, tools=[REFERENCE]), chat(SYSTEM, tools=[tool("added"), tool("new")]))
    assert [one.reason for one in alone.conflicts] == [TOOL_REFERENCES]
    assert ("tools", TOOL_REFERENCES) in [(one.path, one.reason) for one in found.conflicts]
    assert found.prompt.template["tools"] == [REFERENCE]


def says(prompt: Prompt) -> tuple[str, frozenset[str]]:
    # what a registry tool stands for is not known here, so that only the reference counts
    return encode(canonical(prompt)), tag_set(prompt)


some = settings(
    max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@some
@given(prompts(), prompts())
def test_the_only_side_with_a_change_is_the_result(base: Prompt, other: Prompt) -> None:
    other = replace(other, name=base.name)
    for found in (merge(base, other, other), merge(base, other, base)):
        assert (says(found.prompt), found.conflicts) == (says(other), ())
    found = merge(base, base, other)
    if not found.conflicts and not _has_reference(base):  # nobody can tell what it stands for
        assert says(found.prompt) == says(other)
    assert all(conflict.path == "tools" for conflict in found.conflicts)


def _has_reference(prompt: Prompt) -> bool:
    return any(tool.get("type") == "registry" for tool in prompt.template.get("tools") or ())


@st.composite
def three_versions(draw: st.DrawFn) -> tuple[Prompt, Prompt, Prompt]:
    """A base and two versions of it, each made by edits of random messages and fields."""
    lines = st.lists(st.sampled_from(["Be kind.", "Be brief.", "Ask first.", "{x}"]), min_size=1, max_size=3)
    message = st.builds(say, st.sampled_from(["system", "user", "assistant"]), lines.map("\n".join))
    base = draw(st.lists(message, max_size=4))

    def version(number: int) -> Prompt:
        messages = list(base)
        for _ in range(draw(st.integers(0, 3))):
            place = draw(st.integers(0, len(messages)))
            messages[place : place + draw(st.integers(0, 1))] = draw(st.lists(message, max_size=1))
        model = {
            **MODEL,
            "parameters": draw(st.fixed_dictionaries({}, optional={"a": st.integers(0, 2), "b": st.none()})),
        }
        named = draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3))
        return chat(*messages, model=model, tags=named, tools=[tool(name, str(number % 2)) for name in named])

    return chat(*base), version(1), version(2)


@some
@given(three_versions())
def test_both_sides_get_the_same_merge_and_no_new_line_is_lost(three: tuple[Prompt, Prompt, Prompt]) -> None:
    base, ours, theirs = three
    one, other = merge(base, ours, theirs), merge(base, theirs, ours)
    assert _values(one) == sorted(encode([base, ours, theirs]) for base, theirs, ours in _sides(other))
    if not one.conflicts:
        assert says(one.prompt) == says(other.prompt)
    held = _lines(one.prompt.template) | {line for sides in _sides(one) for line in _lines(sides)}
    for side in (ours, theirs):
        assert _lines(side.template) - _lines(base.template) <= held


def _sides(found: Merge) -> list[tuple[Any, Any, Any]]:
    return [(one.base, one.ours, one.theirs) for one in found.conflicts]


def _values(found: Merge) -> list[str]:
    return sorted(encode(list(sides)) for sides in _sides(found))


def _lines(value: Any) -> set[str]:
    if isinstance(value, str):
        return set(value.split("\n"))
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return {line for item in items for line in _lines(item)}

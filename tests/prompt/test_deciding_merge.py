"""The merge that decides who changed what: whether it can be trusted when it says yes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from seeds import examples

from promptsync.prompt.canonical import canonical, encode
from promptsync.prompt.merge import deciding, merge
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.text_diff import words

some = settings(
    max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def prompt(*texts: str, **more: Any) -> Prompt:
    roles = ["system", "user", "assistant", "user"]
    messages = [
        {"role": role, "content": [{"type": "text", "text": text}]}
        for role, text in zip(roles, texts, strict=False)
    ]
    return Prompt("p", {"type": "chat", "messages": messages, **more})


def tools(names: str) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": name, "parameters": {}}} for name in names]


def content(found: Prompt | None) -> str | None:
    return None if found is None else encode(canonical(found))


def holds(base: Prompt, text: Prompt, version: Prompt) -> bool:
    """Whether a text has all that a version changed."""
    return content(deciding(base, text, version)) == content(text)


HELD: list[Any] = [
    pytest.param("Be kind to all.", "Be nice to all, ever.", "Be nice to all.", id="a word, and more behind"),
    pytest.param("Be kind to all.", "Be nice to them.", "Be nice to all.", id="two words of one line"),
    pytest.param("Do not be rude now.", "Do be rude today.", "Do be rude now.", id="a word removed"),
    pytest.param("a\nb\nc", "A\nB\nc", "A\nb\nc", id="adjacent lines"),
    pytest.param("Be kind to all.", "Be  kind to them.", "Be  kind to all.", id="white space"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "text", "version"), HELD)
def test_a_text_contains_a_change_that_it_builds_on(base: str, text: str, version: str) -> None:
    assert holds(prompt(base), prompt(text), prompt(version))
    assert not holds(prompt(base), prompt(version), prompt(text))


@pytest.mark.parametrize(("base", "text", "version"), HELD)
def test_a_merge_by_words_is_never_written(base: str, text: str, version: str) -> None:
    assert merge(prompt(base), prompt(text), prompt(version)).conflicts


NOT_HELD: list[Any] = [
    pytest.param("Be kind.", "Be nice.", "Be good.", id="another word"),
    pytest.param("Be kind to all.", "Be kind to them.", "Be nice to all.", id="a word elsewhere"),
    pytest.param("Be kind. Be kind.", "Be kind. Be nice.", "Be nice. Be kind.", id="the same word elsewhere"),
    pytest.param("Be kind.\nAsk.", "Ask.", "Be nice.\nAsk.", id="the line is gone"),
    pytest.param("Be kind. Ask first.", "Ask first.", "Be nice. Ask first.", id="the sentence is gone"),
    pytest.param("Be kind.", "Never be rude, or nice.", "Be nice.", id="rewritten"),
    pytest.param("Do not be rude.", "Do not be rude now.", "Do be rude.", id="a word that is still there"),
    pytest.param("Be kind.", "Be very nice.", "Be so kind.", id="another word in its place"),
    pytest.param("Be kind.", "Be kind to all.", "Be  kind.", id="white space"),
    pytest.param("Be kind.", "Be nice and brief.", "Be nice.", id="a change that the next one touches"),
    pytest.param("a\nb\nc", "a\nc", "a\nb\nb\nc", id="a line repeated that is gone"),
    pytest.param("a\n\nb\n\nc", "a\n\nB\n\nc", "b\n\na\n\nc", id="swapped"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "text", "version"), NOT_HELD)
def test_a_text_does_not_contain_a_change_that_it_lacks(base: str, text: str, version: str) -> None:
    assert not holds(prompt(base), prompt(text), prompt(version))
    assert not holds(prompt(base), prompt(version), prompt(text))


def test_messages_are_contained_in_a_run_and_tools_in_any_order() -> None:
    base = prompt("Be kind.")
    for text, version in (
        (prompt("Be kind.", "Hello.", "Hi."), prompt("Be kind.", "Hello.")),
        (prompt("Be kind.", tools=tools("ab")), prompt("Be kind.", tools=tools("ba"))),
        (prompt("Be kind.", tools=tools("cab")), prompt("Be kind.", tools=tools("ba"))),
    ):
        assert holds(base, text, version)
    two, turned = prompt("Be kind.", tools=tools("ab")), prompt("Be kind.", tools=tools("ba"))
    assert holds(base, turned, two)
    assert not holds(base, two, prompt("Be kind.", tools=tools("abc")))


def test_tags_do_not_affect_the_decision() -> None:
    base, ours, theirs = (
        replace(prompt(text), tags=tags)
        for text, tags in (("Be kind.", ("a",)), ("Be nice.", ("b", "a")), ("Be kind.\n", ("c",)))
    )
    found = deciding(base, ours, theirs)
    assert found is not None and found.tags == ("b", "a")
    same = deciding(base, base, replace(base, tags=("z",)))
    assert same is not None and same.tags == ("a",)


def test_a_conflict_in_another_field_is_a_conflict() -> None:
    base, ours, theirs = (
        replace(prompt("Be kind."), metadata={"model": {"provider": "openai", "name": name}})
        for name in ("a", "b", "c")
    )
    assert deciding(base, ours, theirs) is None


WORDS = ["be", "kind", "brief", "not", "very", "\n", "\n\n", ".", "Ask first. ", "- x\n"]


@st.composite
def edits(draw: st.DrawFn, base: list[str]) -> list[str]:
    """A list with some runs removed, replaced and inserted."""
    made = list(base)
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(made)))
        made[place : place + draw(st.integers(0, 2))] = draw(st.lists(st.sampled_from(WORDS), max_size=2))
    return made


@st.composite
def three_versions(draw: st.DrawFn) -> tuple[Prompt, Prompt, Prompt]:
    """A base and two versions of it, made by edits of words, messages and tools."""
    text = draw(st.lists(st.sampled_from(WORDS), min_size=4, max_size=20))
    filler = draw(st.sampled_from(["", f"{'word ' * 30}. "]))
    names = st.just("") | st.lists(st.sampled_from("abc"), unique=True).map("".join)
    more = st.just([]) | st.lists(st.sampled_from(["A", "B"]), max_size=3)

    def version(text: list[str]) -> Prompt:
        said = filler + " ".join(text)
        return prompt(said, *draw(more), tools=tools(draw(names)))

    return version(text), version(draw(edits(text))), version(draw(edits(text)))


def without_order(found: Prompt | None) -> str | None:
    if found is None:
        return None
    made = sorted(found.template.get("tools") or (), key=encode)
    return content(replace(found, template={**found.template, "tools": made}))


@some
@given(three_versions())
def test_both_sides_decide_the_same(three: tuple[Prompt, Prompt, Prompt]) -> None:
    base, ours, theirs = three
    assert without_order(deciding(base, ours, theirs)) == without_order(deciding(base, theirs, ours))


@some
@given(three_versions())
def test_what_merges_when_written_decides_the_same(three: tuple[Prompt, Prompt, Prompt]) -> None:
    written = merge(*three)
    if not written.conflicts:
        assert content(deciding(*three)) == content(written.prompt)


@some
@given(three_versions())
def test_a_word_that_a_side_added_is_in_the_result(three: tuple[Prompt, Prompt, Prompt]) -> None:
    base, *sides = three
    found = deciding(*three)
    for side in sides if found is not None else ():
        assert said(side) - said(base) <= said(found)


def said(found: Prompt | None) -> set[str]:
    assert found is not None
    return {
        word
        for message in found.template.get("messages") or ()
        for block in message["content"]
        for word in words(block["text"])
        if not word.isspace()
    }


PIECES = [
    f"Rule {number} says: {word} it." for number, word in enumerate(["drop", "send", "check", "fill"] * 4)
]


@some
@given(
    st.lists(st.sampled_from(["ours", "theirs", ""]), min_size=1, max_size=len(PIECES)),
    st.sampled_from(["\n", "\n\n", " ", "\n- "]),
    st.sampled_from(["changed", "added", "removed"]),
)
def test_edits_of_different_lines_or_sentences_are_both_in_the_result(
    editors: list[str], between: str, kind: str
) -> None:
    def version(*sides: str) -> Prompt:
        pieces = []
        for piece, editor in zip(PIECES, editors, strict=False):
            edited = {"changed": piece.replace("says", f"of {editor} is"), "added": f"{piece} So {editor}."}
            pieces.append(edited.get(kind, f"{piece.split(':')[0]}.") if editor in sides else piece)
        return prompt(between.join(pieces))

    found = deciding(version(), version("ours"), version("theirs"))
    assert content(found) == content(version("ours", "theirs"))


@some
@given(st.data(), st.integers(1, 40))
def test_a_text_contains_a_changed_word_exactly_if_the_word_is_there(data: st.DataObject, size: int) -> None:
    before = [f"w{number}" for number in range(size)]
    signs = data.draw(
        st.lists(st.sampled_from([" ", " ", ". ", ", ", "\n", "\n\n- "]), min_size=size, max_size=size)
    )
    said = data.draw(st.tuples(*(st.sampled_from([word, word, "X", "Y"]) for word in before)))
    place = data.draw(st.integers(0, size - 1))

    def version(words: Any) -> Prompt:
        return prompt("".join(word + sign for word, sign in zip(words, signs, strict=True)))

    changed = [*before[:place], "X", *before[place + 1 :]]
    assert holds(version(before), version(said), version(changed)) is (said[place] == "X")

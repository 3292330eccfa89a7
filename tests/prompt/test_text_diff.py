from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.prompt.text_diff import DiffLine, emphasis, plain, unified

LONG = (
    "You are a helpful assistant. You answer refund questions politely. Never promise money. "
    "Ask for the order number first! If unsure, escalate to a human. "
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("same\n", "same\n", []),
        ("a\nb\n", "a\nc\n", ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]),
        ("", "a\n", ["@@ -0,0 +1 @@", "+a"]),
        ("a\nb", "a\nb\n", ["@@ -1,2 +1,3 @@", " a", " b", "+"]),
        ("a\n", "b", ["@@ -1,2 +1 @@", "-a", "-", "+b"]),
        ("a\r\n", "a\n", ["@@ -1 +1 @@", "-a\r", "+a"]),
        ("a\u2028b", "a b", ["@@ -1 +1 @@", "-a\u2028b", "+a b"]),
    ],
)
def test_a_difference_reads_as_a_unified_diff(old: str, new: str, expected: list[str]) -> None:
    assert plain(unified(old, new)) == expected


def test_a_long_line_is_shown_in_sentences_with_the_changed_words() -> None:
    lines = unified(LONG + "Be brief.", LONG.replace("politely", "very politely") + "Be brief.")
    assert plain(lines) == [
        "@@ -1 +1 @@",
        " You are a helpful assistant. ",
        "-You answer refund questions politely. ",
        "+You answer refund questions very politely. ",
        " Never promise money. ",
        " Ask for the order number first! ",
        " If unsure, escalate to a human. ",
    ]
    assert lines[2].emphasis == ()
    assert lines[3] == DiffLine("added", "You answer refund questions very politely. ", ((28, 33),))


def test_japanese_sentences_and_words_are_split() -> None:
    old = "返金の質問に答えてください。丁寧に話す。" * 7
    lines = unified(old, old.replace("丁寧", "とても丁寧", 1))
    changed = [line for line in lines if line.kind == "added"]
    assert [line.text for line in changed] == ["とても丁寧に話す。"]
    assert [changed[0].text[start:end] for start, end in changed[0].emphasis] == ["とても"]


@pytest.mark.parametrize(
    ("old", "new", "removed", "added"),
    [
        ("keep the tone calm", "keep the tone friendly", ["calm"], ["friendly"]),
        ("answer in one short sentence", "answer in two or three short sentence", ["one"], ["two or three"]),
        ("all is different", "nothing remains here", [], []),
        ("{{ a }} b c d", "{{ a }}, b c d", [], [","]),
    ],
)
def test_changed_words_are_emphasised(old: str, new: str, removed: list[str], added: list[str]) -> None:
    ours, theirs = emphasis(old, new)
    assert [old[start:end] for start, end in ours] == removed
    assert [new[start:end] for start, end in theirs] == added


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("word " * 6000, "word " * 5000 + "x " * 900),
        ("line\n" * 6000, "line\n" * 3000 + "other\n" * 3000),
        ("".join(f"line {i}\n" for i in range(5000)), "".join(f"line {i}!\n" for i in range(5000))),
    ],
)
def test_large_repetitive_texts_do_not_take_quadratic_time(old: str, new: str) -> None:
    assert unified(old, new)


texts = st.lists(
    st.sampled_from(["a", "b. ", "\n", "\n\n", "c! ", "x" * 70, "\r", "é", " ", "Sentence one. "]),
    max_size=25,
).map("".join)


@given(texts, texts)
def test_a_diff_with_all_its_context_contains_both_texts(old: str, new: str) -> None:
    lines = unified(old, new, context=10_000)
    assert bool(lines) == (old != new)
    if lines:
        for text, kind in ((old, "removed"), (new, "added")):
            shown = [line.text for line in lines if line.kind in (kind, "context")]
            assert "".join(shown) == text.replace("\n", "")
    for line in lines:
        assert all(0 <= start < end <= len(line.text) for start, end in line.emphasis)

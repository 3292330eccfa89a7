from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import texts

from promptsync.prompt.text_diff import Clash, marked, merge_text

LONG = (
    "You answer questions about refunds for customers of the shop. Be kind and brief to them. "
    "Never promise money that the policy does not allow. Ask for the order number first. End politely."
)


def text_of(*three: str) -> str:
    """The merged text; a clash shows as its markers."""
    return marked(merge_text(*three), "yours", "theirs")


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        pytest.param("a\nb\nc\n", "b\nc\n", "a\nb\nc\nd\n", "b\nc\nd\n", id="removed first, appended last"),
        pytest.param("a\nb", "a\nb\nc", "A\nb", "A\nb\nc", id="appended behind a last line without break"),
        pytest.param("a\nb", "a\nb\n", "A\nb", "A\nb\n", id="a last line break is a change of its own"),
        pytest.param("b\n", "b", "a\nb\n", "a\nb", id="the last line break was taken away"),
        pytest.param("b\n", "b", "b\nc\n", "b\nc", id="and a line was appended"),
        pytest.param("a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC", "A\r\nb\r\nC", id="CRLF"),
        pytest.param("a\x85b\nd\ne", "\x85b\nd\ne", "a\x85b\nd\n", "\x85b\nd\n", id="NEL"),
    ],
)  # fmt: skip
def test_changes_apart_merge_by_lines(base: str, ours: str, theirs: str, merged: str) -> None:
    assert text_of(base, ours, theirs) == merged
    assert text_of(base, theirs, ours) == merged


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "clash"),
    [
        pytest.param("a\nb\nc", "a\nX\nc", "a\nY\nc", ("b", "X", "Y"), id="one line"),
        pytest.param("a\nb\nc", "a\nX\nc", "a\nc", ("b", "X", ""), id="changed and removed"),
        pytest.param("a\nb", "a\nX\nb", "a\nY\nb", ("", "X", "Y"), id="inserted at one place"),
        pytest.param("a\nb\nc", "A\nb\nc", "a\nB\nc", ("a\nb", "A\nb", "a\nB"), id="adjacent"),
        pytest.param("", "x", "y", ("", "x", "y"), id="out of nothing"),
        pytest.param("a\nb\n", "a\r\nb\r\n", "a\nB\n", ("a\nb", "a\r\nb\r", "a\nB"), id="line ends"),
    ],
)  # fmt: skip
def test_changes_of_the_same_lines_clash(
    base: str, ours: str, theirs: str, clash: tuple[str, str, str]
) -> None:
    assert [sides(part) for part in clashes(base, ours, theirs)] == [clash]


def clashes(*three: str) -> list[Clash]:
    return [part for part in merge_text(*three) if isinstance(part, Clash)]


def sides(clash: Clash) -> tuple[str, ...]:
    return tuple(map("\n".join, (clash.base, clash.ours, clash.theirs)))


def test_sentences_of_one_long_line_merge() -> None:
    ours = LONG.replace("Be kind and brief", "Be very kind")
    theirs = LONG.replace("End politely.", "End politely. Thank them.")
    merged = text_of(LONG, ours, theirs)
    assert merged == ours.replace("End politely.", "End politely. Thank them.")


def test_sentences_merge_also_where_one_side_alone_has_a_long_line() -> None:
    short = "Be polite to all. Say goodbye at the end. Ask for the name first. Answer briefly. Never lie."
    ours = short.replace("briefly", "briefly, in the language of the question")
    theirs = short.replace("goodbye at the end", "goodbye kindly")
    assert len(theirs) < len(short) < 120 < len(ours)
    assert text_of(short, ours, theirs) == ours.replace("goodbye at the end", "goodbye kindly")


def test_removing_the_last_sentence_leaves_no_blank_and_joins_no_words() -> None:
    shorter = LONG.removesuffix(" End politely.")
    theirs = LONG.replace("You answer", "You ask")
    assert text_of(LONG, shorter, theirs) == theirs.removesuffix(" End politely.")
    longer = LONG + " Thank them."
    assert text_of(shorter, longer, theirs.removesuffix(" End politely.")) == theirs + " Thank them."


def test_both_sides_of_a_clash_include_what_merged_around_it() -> None:
    ours = LONG.replace("brief", "short").replace("order number", "number")
    theirs = LONG.replace("brief", "curt")
    (clash,) = clashes(LONG, ours, theirs)
    assert sides(clash) == (
        LONG.replace("order number", "number"),
        ours,
        theirs.replace("order number", "number"),
    )


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "text"),
    [
        ("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", "a\n<<<<<<< me\nX\n=======\nY\n>>>>>>> v7\nc\n"),
        ("a\nb", "a\nX", "a\nY", "a\n<<<<<<< me\nX\n=======\nY\n>>>>>>> v7"),
        ("a\nb", "a", "a\nY", "a\n<<<<<<< me\n=======\nY\n>>>>>>> v7"),
        ("a\nb\n", "a\nX\n", "a\n", "a\n<<<<<<< me\nX\n=======\n>>>>>>> v7\n"),
    ],
)
def test_conflict_markers_are_on_their_own_lines(base: str, ours: str, theirs: str, text: str) -> None:
    assert marked(merge_text(base, ours, theirs), "me", "v7") == text


MARKERS = {"<<<<<<< ", "=======", ">>>>>>> "}
lines = st.lists(st.sampled_from(["a", "b", "c", "", "d "]), max_size=8)
ended = st.tuples(lines, st.sampled_from(["", "\n"])).map(lambda drawn: "\n".join(drawn[0]) + drawn[1])
sentences = st.lists(st.sampled_from([f"{'word ' * 14}{name}. " for name in "ABCDE"]), max_size=8).map(
    "".join
)
versions = st.one_of(st.tuples(ended, ended, ended), st.tuples(sentences, sentences, sentences))
any_text = st.one_of(ended, sentences, texts())


@given(any_text, any_text)
def test_a_change_on_one_side_alone_is_the_result(base: str, other: str) -> None:
    assert text_of(base, other, other) == other
    assert text_of(base, base, other) == other
    assert text_of(base, other, base) == other


@given(versions)
def test_both_sides_get_the_same_merge(three: tuple[str, str, str]) -> None:
    base, ours, theirs = three
    turned = [
        Clash(part.base, part.theirs, part.ours) if isinstance(part, Clash) else part
        for part in merge_text(base, ours, theirs)
    ]
    assert merge_text(base, theirs, ours) == turned


@given(ended, ended, ended)
def test_no_line_that_a_side_added_is_lost_and_none_is_made_of_two(base: str, ours: str, theirs: str) -> None:
    found = {*marked(merge_text(base, ours, theirs), "", "").split("\n")} - MARKERS
    assert found <= {line for text in (base, ours, theirs) for line in text.split("\n")} | {""}
    for side in (ours, theirs):
        added = Counter(side.split("\n")) - Counter(base.split("\n"))
        assert {line for line in added if line} <= found

"""Marks at the end of messages, and keys in files."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.errors import UsageError
from promptsync.history.mark import (
    Key,
    Mark,
    check_message,
    identity,
    make_key,
    make_mark,
    parse_key,
    parse_mark,
    shorten,
    with_mark,
    without_mark,
)

FULL = "1a2b3c4" * 5 + "12345"


@pytest.mark.parametrize(
    ("message", "mark"),
    [
        ("Tighten refund tone (1a2b3c4+ v5)", Mark("1a2b3c4", True, 5)),
        ("Tighten refund tone (v5)", Mark(None, False, 5)),
        (f"Tone ({FULL} v12)", Mark(FULL, False, 12)),
        ("(v5)", Mark(None, False, 5)),
        ("A merge (1a2b3c4+ v5^4^2)", Mark("1a2b3c4", True, 5, (4, 2))),
        ("Four parents (v9^7^5^3^1)", None),
        ("A sign too many (v5^)", None),
        ("Restore v3 (1a2b3c4 v3) (9f8e7d6 v6)", Mark("9f8e7d6", False, 6)),
        ("Trailing blank (v5)\n", Mark(None, False, 5)),
        (None, None),
        ("No mark", None),
        ("In the middle (v5) of it", None),
        ("Glued(v5)", None),
        ("Too short (1a2b3c v5)", None),
        ("Upper case (1A2B3C4 v5)", None),
        ("Version zero (v0)", None),
        ("Other digits (v٥)", None),
        (f"Absurd (v{'9' * 5000})", None),
        (f"Too long ({FULL}0 v5)", None),
    ],
)
def test_mark_is_read_from_the_end_of_a_message(message: str | None, mark: Mark | None) -> None:
    assert parse_mark(message) == mark


@pytest.mark.parametrize(
    ("message", "text"),
    [("Tone (1a2b3c4 v5)", "Tone"), ("(v5)", ""), ("Tone", "Tone"), (None, ""), ("A (v1) (v2)", "A (v1)")],
)
def test_a_message_can_be_shown_without_its_mark(message: str | None, text: str) -> None:
    assert without_mark(message) == text


@pytest.mark.parametrize(
    ("subject", "commit", "dirty", "expected"),
    [
        ("Tighten refund tone", "1a2b3c4", True, "Tighten refund tone (1a2b3c4+ v5)"),
        ("Tighten refund tone", None, True, "Tighten refund tone (v5)"),
        ("  two\nlines\tand \x1b[31mred\x1b[0m ", None, False, "two lines and [31mred [0m (v5)"),
        ("broken \udce9 byte", None, False, "broken byte (v5)"),
        (" \n\x00", "1a2b3c4", False, "Update support/refund (1a2b3c4 v5)"),
        ("x" * 80, "1a2b3c4", False, "x" * 58 + "… (1a2b3c4 v5)"),
        ("x" * 68, None, False, "x" * 66 + "… (v5)"),
        ("x" * 65 + " yyy", None, False, "x" * 65 + "… (v5)"),
    ],
)
def test_a_message_is_its_subject_and_the_mark(
    subject: str, commit: str | None, dirty: bool, expected: str
) -> None:
    message = with_mark(subject, make_mark(commit, dirty, 5, None), name="support/refund")
    assert message == expected
    assert len(message) <= 72


def test_a_text_is_cut_between_words() -> None:
    for text, room, expected in (
        ("short", 5, "short"),
        ("to be or not", 6, "to be…"),
        ("unbroken", 5, "unbr…"),
    ):
        assert shorten(text, room) == expected


@given(
    st.text(),
    st.none() | st.from_regex(r"[0-9a-f]{7,40}", fullmatch=True),
    st.booleans(),
    st.integers(2, 10**9),
    st.none() | st.lists(st.integers(1, 10**9), max_size=5, unique=True),
)
def test_every_message_fits_is_one_line_and_its_mark_can_be_read_back(
    subject: str, commit: str | None, dirty: bool, version: int, parents: list[int] | None
) -> None:
    message = with_mark(subject, make_mark(commit, dirty, version, parents), name="a")
    assert len(message) <= 72
    found = parse_mark(message)
    assert found is not None
    assert (found.commit, found.dirty, found.version) == (commit, dirty and commit is not None, version)
    named = [version - 1] if parents is None else sorted(parents, reverse=True)[:3] or [0]
    assert list(found.parents or (version - 1,)) == named
    assert not {unicodedata.category(character) for character in message} & {"Cc", "Cs", "Zl", "Zp"}
    assert without_mark(message)


def test_a_message_that_fits_is_stripped_and_any_other_is_refused_with_both_lengths() -> None:
    mark = Mark("1a2b3c4", True, 12)
    assert check_message(f" {'é' * 57}\n", mark) == "é" * 57
    with pytest.raises(UsageError, match="60 characters; at most 57 fit") as caught:
        check_message("x" * 60, mark)
    assert caught.value.hint == "pass -m a message that is 3 characters shorter"
    for message, named in (("a\nb", "U+000A"), ("a\u2028b", "U+2028"), ("a\x1b[0m", "U+001B")):
        with pytest.raises(UsageError, match="one line of text") as caught:
            check_message(message, mark)
        assert named in caught.value.message


def test_a_key_is_a_version_and_seven_digits() -> None:
    assert parse_key("7-3fa9c1a") == Key(7, "3fa9c1a") and str(Key(7, "3fa9c1a")) == "7-3fa9c1a"
    assert [parse_key(text) for text in ("0-3fa9c1a", "07-3fa9c1a", "7-3fa9c1", "7-3FA9C1A", "")] == [
        None
    ] * 5


def test_a_key_is_bound_to_a_prompt_in_a_registry_and_to_a_content() -> None:
    key = make_key(identity(9, 1), 7, "sha256:a")
    assert key.names(identity(9, 1), "sha256:a")
    for prompt, text in (
        ((9, 1), "sha256:b"),
        ((9, 2), "sha256:a"),
        ((8, 1), "sha256:a"),
        ((None, 1), "sha256:a"),
    ):
        assert not key.names(identity(*prompt), text)
    assert make_key(identity(9, 1), 8, "sha256:a").digits != key.digits

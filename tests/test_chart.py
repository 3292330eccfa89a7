"""Bars in a terminal: as long as their values, in whatever the terminal can show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.show.scores import WIDTH, bar, can_show


@pytest.mark.parametrize(
    ("value", "blocks", "plain"),
    [
        (0, "          ", ".........."),
        (50, "█████     ", "#####....."),
        (55, "█████▌    ", "######...."),
        (51.25, "█████▏    ", "#####....."),
        (99.9, "██████████", "##########"),
        (100, "██████████", "##########"),
        (250, "██████████", "##########"),
        (-3, "          ", ".........."),
    ],
)
def test_a_bar_is_as_long_as_its_value(value: float, blocks: str, plain: str) -> None:
    assert bar(value, width=10) == blocks
    assert bar(value, width=10, blocks=False) == plain


@pytest.mark.parametrize(
    ("value", "mark", "plain"),
    [
        (50, 80, "#####..|.."),
        (79, 80, "########|."),
        (0, 1, "|........."),
        (99.9, 100, "#########|"),
        (80, 80, "########.."),
        (90, 80, "#########."),
    ],
)
def test_a_mark_stands_behind_a_bar_that_does_not_reach_it(value: float, mark: float, plain: str) -> None:
    assert bar(value, mark=mark, width=10, blocks=False) == plain


@given(st.floats(-1e9, 1e9), st.none() | st.floats(-1e9, 1e9), st.integers(1, 60))
def test_every_bar_has_its_width_and_plain_ones_are_ascii(
    value: float, mark: float | None, width: int
) -> None:
    assert len(bar(value, mark=mark, width=width)) == width
    plain = bar(value, mark=mark, width=width, blocks=False)
    assert (len(plain), plain.isascii()) == (width, True)


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_higher_score_never_has_a_shorter_bar(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert len(bar(low).rstrip()) <= len(bar(high).rstrip()) <= WIDTH


@pytest.mark.parametrize(
    ("encoding", "shows"),
    [
        ("utf-8", True),
        ("UTF-16", True),
        ("ascii", False),
        ("latin-1", False),
        (None, False),
        ("nonsense", False),
    ],
)
def test_blocks_need_an_encoding_that_has_them(encoding: str | None, shows: bool) -> None:
    assert can_show(encoding) is shows

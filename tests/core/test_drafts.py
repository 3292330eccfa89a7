"""Which versions count as drafts that a release passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.core.drafts import Run, superseded_runs


def messages(pattern: str) -> dict[int, str | None]:
    """The messages of versions from 1 on, one sign each.

    ``d`` draft, ``n`` draft without any message, ``c`` clean mark, ``+`` mark with a plus, ``k`` a mark that
    was copied from another version, ``g`` a mark without a commit, ``.`` a version that is gone.
    """
    made = {}
    for number, sign in enumerate(pattern, 1):
        marks = {
            "d": "by hand",
            "n": None,
            "c": f"Say (1a2b3c4 v{number})",
            "+": f"Say (1a2b3c4+ v{number})",
            "k": f"Say (1a2b3c4+ v{number + 1})",
            "g": f"Say (v{number})",
        }
        if sign != ".":
            made[number] = marks[sign]
    return made


TABLE: list[tuple[str, str, int, list[Run]]] = [
    ("nothing", "", 0, []),
    ("one version", "c", 0, []),
    ("a draft that nothing covers", "cd", 0, []),
    ("a draft below a clean mark was in the file", "cdc", 0, []),
    ("a draft below a plus was passed over", "cd+", 0, [Run((2,), 1, 3)]),
    ("drafts above one another", "cdd+", 0, [Run((2, 3), 1, 4)]),
    ("a later clean mark brings nothing back", "cd+c", 0, [Run((2,), 1, 3)]),
    ("nor do many", "cd+ccc", 0, [Run((2,), 1, 3)]),
    ("nor does an edit on top", "cd+d", 0, [Run((2,), 1, 3)]),
    ("nor an edit that was pulled and pushed again", "cd+dc", 0, [Run((2,), 1, 3)]),
    ("passed over twice", "cd+cd+", 0, [Run((2,), 1, 3), Run((5,), 4, 6)]),
    ("the second on top of the first", "cd+d+", 0, [Run((2,), 1, 3), Run((4,), 3, 5)]),
    ("a plus with nothing below it", "c+", 0, []),
    ("a plus on a plus", "c++", 0, []),
    ("a draft below a clean mark below a plus", "cdc+", 0, []),
    ("the first version of all", "d+", 0, [Run((1,), None, 2)]),
    ("no message at all", "cn+", 0, [Run((2,), 1, 3)]),
    ("a copied mark is no mark", "ck+", 0, [Run((2,), 1, 3)]),
    ("a copied mark covers nothing", "cdk", 0, []),
    ("without git nobody can tell, and a push needs the draft", "gdg", 0, []),
    ("a version between is gone", "cd.+", 0, [Run((2,), 1, 4)]),
    ("the draft is gone", "c.+", 0, []),
    ("the version that covered it is gone: the next one tells", "cd.c", 0, []),
    ("answered for by the number of the plus", "cd+", 3, []),
    ("answered for by a higher number", "cd+c", 4, []),
    ("answered for by its own number", "cd+", 2, []),
    ("answered for below it", "cd+", 1, [Run((2,), 1, 3)]),
    ("answered for in part", "cdd+", 2, [Run((3,), 2, 4)]),
    ("the first of two answered for", "cd+cd+", 3, [Run((5,), 4, 6)]),
    ("answered for between the two", "cd+cd+", 4, [Run((5,), 4, 6)]),
]


@pytest.mark.parametrize(
    ("pattern", "answered", "expected"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_drafts_below_a_plus_are_superseded_until_the_files_answer_for_them(
    pattern: str, answered: int, expected: list[Run]
) -> None:
    assert superseded_runs(messages(pattern), answered) == expected


@given(st.text("dnc+kg.", max_size=14), st.integers(0, 14))
def test_what_is_published_later_takes_no_draft_away_and_an_answer_takes_all_up_to_it(
    pattern: str, answered: int
) -> None:
    told = [number for run in superseded_runs(messages(pattern)) for number in run.drafts]
    later = [number for run in superseded_runs(messages(pattern + "d+c")) for number in run.drafts]
    left = [number for run in superseded_runs(messages(pattern), answered) for number in run.drafts]
    assert [number for number in later if number <= len(pattern)][: len(told)] == told
    assert left == [number for number in told if number > answered]
    for run in superseded_runs(messages(pattern)):
        assert (run.below or 0) < run.drafts[0] <= run.drafts[-1] < run.covered_by

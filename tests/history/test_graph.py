"""What versions include, by their marks, by what was restored or raced, and by what their texts hold."""

from __future__ import annotations

import pytest
from versions import C1, C2, C3, graph_of, versions

from promptsync.history.graph import Graph, Missing, Node


def graph(*rows: tuple[str, str]) -> Graph:
    return graph_of(versions(*rows))


@pytest.mark.parametrize(
    ("rows", "parents"),
    [
        pytest.param([("a", f"({C1} v1)"), ("ab", f"({C2} v2)")], (1,), id="the version before"),
        pytest.param([("a", ""), ("ab", "")], (1,), id="saved in the dashboard"),
        pytest.param([("a", ""), ("ab", ""), ("ac", f"({C1} v3^1)")], (1,), id="a named parent"),
        pytest.param([("a", ""), ("ab", ""), ("abc", f"({C1} v3^2^1)")], (2, 1), id="a merge"),
        pytest.param([("a", ""), ("b", f"({C1} v2^0)")], (0,), id="forced without a common text"),
        pytest.param([("a", ""), ("ab", f"({C1} v2)"), ("ac", f"({C2} v2)")], (1,), id="raced"),
        pytest.param(
            [("a", f"({C1} v1)"), ("ab", ""), ("a", f"({C1} v1)")], (2,), id="restored, message and all"
        ),
        pytest.param(
            [("a", ""), ("ab", f"({C1}+ v2)"), ("ac", f"({C1}+ v2)")], (1,), id="two drafts of a commit"
        ),
        pytest.param([("a", ""), ("ab", f"({C1}+ v2)"), ("ab", f"({C1}+ v2)")], (2,), id="a draft, restored"),
        pytest.param([("a", ""), ("ab", f"({C1} v7)")], (1,), id="a mark from elsewhere"),
        pytest.param([("a", ""), ("ab", f"({C1} v2^9)")], (1,), id="a parent that is yet to come"),
    ],
)
def test_the_parents_of_the_last_version(rows: list[tuple[str, str]], parents: tuple[int, ...]) -> None:
    # messages are compared as well: the same mark with the same words is the same message
    found = {
        number: Node(number, text, f"Say it {mark}".rstrip()) for number, (text, mark) in enumerate(rows, 1)
    }
    assert graph_of(found).parents(len(rows)) == parents


def test_a_version_includes_what_its_parents_include() -> None:
    made = graph(
        ("a", ""), ("ab", ""), ("ac", f"({C1} v3^1)"), ("acd", f"({C2} v4)"), ("abcd", f"({C3} v5^4^2)")
    )
    assert made.includes(4) == {0, 1, 3, 4}
    assert made.includes(5) == {0, 1, 2, 3, 4, 5}
    assert made.heads(frozenset({1, 2, 3, 4})) == (4, 2)


def test_a_restored_text_does_not_include_the_versions_in_between() -> None:
    made = graph(("a", f"({C1} v1)"), ("ab", f"({C2} v2)"), ("a", ""))
    assert made.grow(frozenset({0, 1}), "a") == {0, 1}
    assert made.grow(frozenset({0, 1, 2}), "a") == {0, 1, 2, 3}


def test_a_text_that_was_saved_in_the_dashboard_shows_nothing_of_the_versions_in_between() -> None:
    made = graph(("a", f"({C1} v1)"), ("ac", f"({C2} v2)"), ("ab", ""))
    assert made.grow(frozenset({0, 1}), "ab") == {0, 1}


def test_a_version_that_is_gone_contains_nothing_and_is_still_a_parent() -> None:
    found = versions(("a", ""), ("ab", ""), ("abc", ""))
    found[2] = Node(2, None)
    made = graph_of(found)
    assert made.includes(3) == {0, 1, 2, 3}
    assert made.grow(frozenset({0, 1}), "ab") == {0, 1}


def test_all_versions_below_the_window_count_as_one() -> None:
    found = versions(("a", ""), ("ab", ""), ("ac", f"({C1} v3^1)"))
    made = graph_of({3: found[3]}, 3)
    assert made.includes(3) == {0, 3}
    assert made.includes(1) == {0}


def test_a_long_chain_needs_no_recursion() -> None:
    made = graph(*[("a", "")] * 3000)
    assert len(made.includes(3000)) == 3001


def test_missing_versions_are_named() -> None:
    made = graph_of({3: Node(3, "a", "x (v3)")}, 2)
    with pytest.raises(Missing) as caught:
        made.includes(3)
    assert caught.value.versions == {2}

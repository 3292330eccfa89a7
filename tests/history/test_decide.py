"""Who changed what, and how much has to be read to tell. A text is its set of letters."""

from __future__ import annotations

import pytest
from msgspec import structs
from versions import (
    C1,
    C2,
    C3,
    C4,
    Side,
    committed,
    decided,
    key,
    revision,
    uncommitted,
    versions,
)

from promptsync.history.graph import Decision, Missing, Node, passed_over
from promptsync.prompt.prompt import State

FIRST = ("a", f"({C1} v1)")
AT_FIRST = revision(C1, "a")
EDITED = (AT_FIRST, revision(C2, "ab", 0))


def base_of(decision: Decision) -> tuple[str, int | None] | None:
    return (decision.base.digest, decision.base.version) if decision.base is not None else None


@pytest.mark.parametrize(
    ("local", "rows", "relation", "push", "pull", "reads"),
    [
        pytest.param(
            uncommitted("ab", AT_FIRST, keys=[key(2, "ab")]),
            [FIRST, ("ab", f"({C1}+ v2)"), ("ac", f"({C2} v3^1)")],
            "diverged", (3, 2), (3, 2), 3, id="pushed uncommitted, released over",
        ),
        pytest.param(
            uncommitted("abc", AT_FIRST, keys=[key(3, "ac"), key(2, "ab")]),
            [FIRST, ("ab", f"({C1}+ v2)"), ("ac", f"({C2} v3^1)"), ("acd", "")],
            "diverged", (4, 2), (4, 2), 3, id="the two merged, and edited there",
        ),
        pytest.param(
            uncommitted("ab", keys=[key(1, "ab")]), [("A", "(v1)")], "altered", (1,), (1,), 1,
            id="altered, without git",
        ),
        pytest.param(
            committed(AT_FIRST), [("A", f"({C1} v1)"), ("Ac", "")], "diverged", (2,), (2,), 2,
            id="altered, then edited there",
        ),
    ],
)  # fmt: skip
def test_who_changed_what(
    local: Side,
    rows: list[tuple[str, str]],
    relation: str,
    push: tuple[int, ...],
    pull: tuple[int, ...],
    reads: int,
) -> None:
    found, read = decided(local, versions(*rows))
    assert found.relation is State(relation)
    assert (found.push, found.pull) == (push, pull)
    assert len(read) == reads, read


def test_a_labelled_version_is_included_if_the_latest_one_includes_it() -> None:
    found = versions(("a", f"({C2} v1)"), ("ab", f"({C3} v2)"), ("abc", f"({C1} v3)"))
    local = committed(revision(C1, "abc"))
    decision, _ = decided(local, found, tracked=1)
    assert decision.relation is State.AHEAD


def test_git_may_know_a_newer_common_text() -> None:
    """A branch that was pushed is looked at from main, which went on from the same unpublished commit."""
    revisions = (AT_FIRST, revision(C2, "ab", 0), revision(C3, "abc", 1), revision(C4, "b", 1))
    decision, _ = decided(committed(*revisions), versions(FIRST, ("abc", f"({C3} v2)")))
    assert (base_of(decision), decision.relation) == (("ab", None), State.DIVERGED)
    # Somebody pushed what was not committed yet, on top of a commit that HEAD reaches.
    local = committed(AT_FIRST, revision(C2, "ab", 0), revision(C4, "b", 1))
    decision, _ = decided(local, versions(FIRST, ("abc", f"({C2}+ v2)")))
    assert base_of(decision) == ("ab", None)


def test_after_a_move_of_the_directory_the_first_revision_is_the_version_with_its_text() -> None:
    moved = committed(revision(C1, "a"), revision(C2, "ab", 0))
    decision, _ = decided(moved, versions(("a", f"({C3} v1)"), ("ac", "")))
    assert base_of(decision) == ("a", 1)
    restored = versions(("a", f"({C1} v1)"), ("ab", f"({C2} v2)"), ("a", ""))
    decision, _ = decided(committed(*EDITED), restored)
    assert decision.relation is State.BEHIND


def test_a_force_includes_what_the_file_includes_and_nothing_else() -> None:
    decision, _ = decided(committed(*EDITED), versions(FIRST, ("ac", "")))
    assert decision.force == (1,)
    edited = uncommitted("ab", keys=[key(1, "a")])
    decision, _ = decided(edited, versions(("a", "(v1)"), ("a", "")))  # saved again without a change
    assert (decision.force, decision.is_included) == ((1,), False)
    decision, _ = decided(uncommitted("x"), versions(FIRST, ("ac", "")))
    assert decision.force == ()


def test_the_tags_of_the_base_are_those_of_the_revision_it_was_published_from() -> None:
    new = frozenset({"new"})
    pulled = structs.replace(revision(C2, "ac", 0, keys=[key(2, "ac")]), tags=new)
    for local, found, tags in (
        (committed(AT_FIRST, revision(C2, "ab", 0)), versions(FIRST), frozenset[str]()),
        (committed(AT_FIRST, pulled, revision(C3, "abc", 1)), versions(FIRST, ("ac", "")), new),
        (uncommitted("ab", keys=[key(1, "a")]), versions(("a", "(v1)")), None),
    ):
        base = decided(local, found)[0].base
        assert base is not None and base.tags == tags
    # Saved in the dashboard with the same text: tags that were removed there must not come back.
    decision, _ = decided(committed(AT_FIRST), versions(FIRST, ("a", "")))
    assert decision.base is not None and (decision.base.version, decision.base.tags) == (2, frozenset())


@pytest.mark.parametrize("behind", [1, 10, 40])
def test_versions_are_read_down_to_the_newest_common_one_in_few_rounds(behind: int) -> None:
    found = versions(*[("a", "")] * 260, *[("a" + "b" * n, "") for n in range(1, behind + 1)])
    pulled = committed(revision(C1, "a", keys=[key(260, "a")]))
    marked = {**found, 260: Node(260, "a", f"Say a ({C1} v260)")}
    for local, remote in ((pulled, found), (committed(AT_FIRST), marked)):
        _, read = decided(local, remote)
        assert behind + 1 <= len(read) <= 2 * behind + 16


def test_a_file_that_nothing_ties_to_a_version_needs_no_reads() -> None:
    _, read = decided(uncommitted("x"), versions(*[("a", "")] * 100))
    assert read == [100]


def test_passed_over_versions_are_found_with_the_text_that_they_changed() -> None:
    found = versions(FIRST, ("ab", ""), ("ac", f"({C2} v3^1)"), ("acd", ""))
    local = committed(AT_FIRST, revision(C2, "ac", 0))
    (lost,) = passed_over(local.graph(found))
    assert (lost.version, lost.numbers, lost.base) == (2, (2,), "a")
    with pytest.raises(Missing):
        passed_over(local.graph({4: found[4]}))


def test_a_file_includes_what_its_text_has_of_the_versions_since_its_key() -> None:
    """That shows only once all versions are read: the change of each is measured from the one before."""
    found = versions(("a", ""), ("ab", ""), ("abc", ""), ("d", "(v4^0)"))
    assert passed_over(uncommitted("abcx", keys=[key(1, "a")]).graph(found)) == ()


def test_a_passed_over_version_above_several_common_ones_has_no_base() -> None:
    found = versions(
        ("a", "(v1)"), ("ab", "(v2)"), ("ac", "(v3^1)"), ("abcd", "(v4^3^2)"), ("abce", "(v5^3^2)")
    )
    (lost,) = passed_over(uncommitted("abce", keys=[key(5, "abce")]).graph(found))
    assert (lost.version, lost.base) == (4, None)

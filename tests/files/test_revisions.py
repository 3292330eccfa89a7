"""The revisions of one prompt among all commits, with the parents that a walk over every commit finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from promptsync.files.git.log import Commit
from promptsync.files.git.revisions import _Chains
from promptsync.history.lineage import Revision

Parents = dict[str, frozenset[str]]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Commit], set[str]]:
    """Commits, oldest first, of which some changed the file."""
    commits: list[Commit] = []
    for number in range(draw(st.integers(1, 20))):
        before = st.sampled_from([commit.id for commit in commits]) if commits else st.nothing()
        parents = draw(st.lists(before, max_size=2, unique=True)) if commits else []
        commits.append(Commit(f"c{number}", tuple(parents)))
    changed = draw(st.sets(st.sampled_from([commit.id for commit in commits])))
    return commits, changed


def walked(commits: Sequence[Commit], changed: set[str]) -> tuple[Parents, Mapping[str, frozenset[str]]]:
    """The parents of each revision, and the newest revisions that each commit reaches."""
    parents: Parents = {}
    newest: dict[str, frozenset[str]] = {}
    for commit in commits:
        near = frozenset[str]().union(*(newest[one] for one in commit.parents))
        if commit.id in changed or len(near) > 1:
            parents[commit.id] = near
            near = frozenset([commit.id])
        newest[commit.id] = near
    return parents, newest


@given(histories())
def test_revisions_have_the_parents_that_a_walk_finds(drawn: tuple[list[Commit], set[str]]) -> None:
    commits, changed = drawn
    made = {one: Revision(one, (), f"digest of {one}") for one in changed}
    found: list[Revision] = []
    nearest = _Chains(commits).nearest(made, found)
    parents, newest = walked(commits, changed)
    assert all(place < at for at, one in enumerate(found) for place in one.parents)
    assert {one.commit: frozenset(found[at].commit for at in one.parents) for one in found} == parents
    for commit in commits:
        assert frozenset(found[at].commit for at in nearest(commit.id)) == newest[commit.id]

"""The revisions of one prompt among all commits, with the parents that they have in git."""

from __future__ import annotations

import pytest

from promptsync.files.git.repository import Commit
from promptsync.files.git.revisions import linked
from promptsync.history.graph import Revision

HISTORIES = {
    # commits with their parents, which of them changed the file; the parents of each revision; the tips
    "nothing": ("a b:a", "", {}, {"b": ""}),
    "a line": ("a b:a c:b d:c", "a c", {"a": "", "c": "a"}, {"b": "a", "d": "c"}),
    "one side": ("a b:a c:a d:b,c", "a c", {"a": "", "c": "a", "d": "ac"}, {"b": "a", "d": "d"}),
    "a merge of equal sides": ("a b:a c:a d:b,c", "a", {"a": ""}, {"d": "a"}),
    "a merge that changed it": ("a b:a c:a d:b,c", "b c d", {"b": "", "c": "", "d": "bc"}, {"d": "d"}),
    "a merge that changed nothing": ("a b:a c:a d:b,c", "b c", {"b": "", "c": "", "d": "bc"}, {"d": "d"}),
    "two roots": ("a b c:a,b d:c", "a b d", {"a": "", "b": "", "c": "ab", "d": "c"}, {"c": "c"}),
    "a parent outside": ("b:a c:b", "c", {"c": ""}, {"b": "", "c": "c"}),
}


@pytest.mark.parametrize(("commits", "changed", "parents", "newest"), HISTORIES.values(), ids=[*HISTORIES])
def test_revisions_have_the_parents_that_git_gives_them(
    commits: str, changed: str, parents: dict[str, str], newest: dict[str, str]
) -> None:
    log = [
        Commit(name, tuple(filter(None, before.split(","))))
        for name, _, before in (word.partition(":") for word in commits.split())
    ]
    made = {commit: Revision(commit, (), f"digest of {commit}") for commit in changed.split()}
    revisions, places = linked(log, made)
    ids = [revision.commit for revision in revisions]
    assert {
        revision.commit: "".join(sorted(ids[place] for place in revision.parents)) for revision in revisions
    } == parents
    for commit, expected in newest.items():
        assert "".join(sorted(ids[place] for place in places[commit])) == expected

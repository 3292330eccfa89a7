"""Small histories for tests: a text is its set of letters, and merges as a set does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from promptsync.history.decide import Decision, decide
from promptsync.history.graph import Contents, Missing, Node
from promptsync.history.includes import LocalSide, RemoteSide
from promptsync.history.revisions import Revision, RevisionGraph
from promptsync.history.synced_key import Key, make_key

PROMPT = "9 1"
C1, C2, C3, C4 = "1111111", "2222222", "3333333", "4444444"


class Letters(dict[str, Any]):
    """Every text is known: it is its own content."""

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: str) -> str:
        return key


def merged(base: str, ours: str, theirs: str) -> tuple[str, str]:
    was, our, their = set(base), set(ours), set(theirs)
    found = "".join(sorted(((our | their) - was) | (was & our & their)))
    return found, found


def texts() -> Contents:
    return Contents(merged, Letters())


def versions(*rows: tuple[str, str]) -> dict[int, Node]:
    """Versions by number; each row is a text and the mark at the end of its message, if any."""
    return {
        number: Node(number, text, f"Say {text} {mark}".rstrip())
        for number, (text, mark) in enumerate(rows, 1)
    }


def key(number: int, text: str, prompt: str = PROMPT) -> Key:
    return make_key(prompt, number, text)


def revision(commit: str, text: str | None, *parents: int, keys: Sequence[Key] = ()) -> Revision:
    return Revision(commit, parents, text, frozenset(), tuple(keys))


def committed(*revisions: Revision) -> LocalSide:
    """A clean working tree at the last of the revisions."""
    newest = revisions[-1]
    graph = RevisionGraph(revisions, len(revisions) - 1)
    return LocalSide(newest.digest, newest.keys, committed=True, identity=PROMPT, revisions=graph)


def uncommitted(text: str, *revisions: Revision, keys: Iterable[Key] = ()) -> LocalSide:
    """A working file with other text than the last of the revisions, which is ``HEAD``'s."""
    graph = RevisionGraph(revisions, len(revisions) - 1 if revisions else None)
    return LocalSide(text, tuple(keys), identity=PROMPT, revisions=graph)


def decided(
    local: LocalSide,
    found: dict[int, Node],
    tracked: int | None = None,
    other: dict[str, int] | None = None,
) -> tuple[Decision, list[int]]:
    """Decide, and return what was read for it beside the decision, in the order of reading.

    ``other`` are commits that git has and ``HEAD`` does not reach, with the place of their revision.
    """
    latest = len(found)
    read = [tracked or latest]
    for _ in range(50):
        known = {number: found[number] for number in read}
        try:
            return decide(local, RemoteSide(tracked or latest, latest, known), texts()), read
        except Missing as needs:
            assert not needs.texts
            assert not needs.versions & {*read}
            read += sorted(needs.versions, reverse=True)
            places = {commit: (other or {}).get(commit) for commit in needs.commits}
            known_commits = {**local.revisions.commits, **places}
            local = replace(local, revisions=replace(local.revisions, commits=known_commits))
    raise AssertionError("it never stops asking")

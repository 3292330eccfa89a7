"""Small histories for tests: a text is its set of letters, and merges as a set does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from promptsync.history.graph import Decision, Graph, Lineage, Missing, Node, Revision, decide
from promptsync.history.mark import Key, make_key

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


@dataclass(frozen=True)
class Side:
    """The file's side: its text, and its revisions in git, of which the last is ``HEAD``'s."""

    file: Revision
    revisions: tuple[Revision, ...]

    def graph(
        self, versions: dict[int, Node], tracked: int | None = None, latest: int | None = None
    ) -> Graph:
        latest = latest or max(versions)
        lineage = Lineage(self.revisions, len(self.revisions) - 1 if self.revisions else None)
        made = Graph(
            merged,
            self.file,
            lineage,
            identity=PROMPT,
            tracked=tracked or latest,
            latest=latest,
        )
        made.versions = dict(versions)
        made.contents = Letters()
        return made


def graph_of(versions: dict[int, Node], floor: int = 1) -> Graph:
    """Versions without a file."""
    made = Graph(merged, None, Lineage(), tracked=max(versions), latest=max(versions))
    made.versions = dict(versions)
    made.contents = Letters()
    made.look_from(floor)
    return made


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


def committed(*revisions: Revision) -> Side:
    """A clean working tree at the last of the revisions."""
    return Side(revisions[-1], revisions)


def uncommitted(text: str, *revisions: Revision, keys: Iterable[Key] = ()) -> Side:
    """A working file with other text than the last of the revisions, which is ``HEAD``'s."""
    return Side(Revision("", (), text, frozenset(), tuple(keys)), revisions)


def decided(side: Side, found: dict[int, Node], tracked: int | None = None) -> tuple[Decision, list[int]]:
    """Decide, and return what was read for it beside the decision, in the order of reading."""
    read = [tracked or len(found)]
    graph = side.graph({number: found[number] for number in read}, tracked, len(found))
    for _ in range(50):
        try:
            return decide(graph), read
        except Missing as needs:
            assert not needs.versions & {*read}
            read += sorted(needs.versions, reverse=True)
            graph.versions |= {number: found[number] for number in needs.versions}
            commits = {**graph.lineage.commits, **dict.fromkeys(needs.commits)}
            graph.lineage = Lineage(graph.lineage.revisions, graph.lineage.head, commits)
    raise AssertionError("it never stops asking")

"""Versions that were passed over: neither the latest version nor your files include them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptsync.history.graph import Contents, Graph, Missing, Node
from promptsync.history.includes import LocalSide, RemoteSide, Sides


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A version that neither the latest version nor your files include.

    ``numbers`` are itself and the other passed-over versions that it includes. ``base`` is the digest of the
    text from which its changes are merged into the file, ``None`` if there is no common text. A file that
    this version alone is merged into ``includes`` these versions. ``edits`` are those of the ``numbers`` that
    nobody pushed: they were saved in the dashboard.
    """

    version: int
    numbers: tuple[int, ...]
    base: str | None
    includes: tuple[int, ...]
    edits: tuple[int, ...]


def passed_over(
    local: LocalSide, remote: RemoteSide, texts: Contents
) -> tuple[tuple[PassedOver, ...], tuple[int, ...]]:
    """Return the heads of the passed-over versions, oldest first.

    Returns also the versions that a file includes once all of them are merged into it. Every version down to
    the first is needed: raises ``Missing`` until they are read.
    """
    sides = Sides(local, remote, texts, floor=1)
    graph, included = sides.graph, sides.of_file | sides.of_latest
    not_included = frozenset(graph.window) - included
    found = []
    for head in sorted(graph.heads(not_included)):
        common = graph.heads(graph.includes(head) & included)
        mark = graph.own_mark(head)
        revision = sides.shared_in_git(mark, frozenset(common)) if common and mark is not None else None
        base = revision.digest if revision is not None else None
        if common and base is None:  # git has no newer text
            base = sides.merged_versions(common)
        if base is not None and base not in texts.contents:
            raise Missing(texts=[base])
        numbers = graph.includes(head) & not_included
        edits = tuple(number for number in sorted(numbers) if graph.own_mark(number) is None)
        found.append(PassedOver(head, tuple(sorted(numbers)), base, graph.heads(included | numbers), edits))
    return tuple(found), graph.heads(included | not_included)


@dataclass(frozen=True, slots=True)
class Outline:
    """The parents of each version, and the versions that the latest one does not include."""

    parents: Mapping[int, tuple[int, ...]]
    passed_over: frozenset[int]


def outline(remote: RemoteSide, texts: Contents, lowest: int) -> Outline:
    """Return how the versions from ``lowest`` up depend on one another. Raises ``Missing``."""
    graph = Graph(remote.versions, lowest, remote.latest, texts)
    not_included = frozenset(graph.window) - graph.includes(remote.latest)
    return Outline({number: graph.parents(number) for number in graph.window}, not_included)


def listed_as_passed_over(version: Node, versions: Mapping[int, Node]) -> tuple[int, ...]:
    """Return the versions directly below that a version passed over, going by its own message alone.

    Raises ``Missing`` if its mark has another version's number, because then the message may be restored.
    """
    mark = version.mark
    if mark is None or (mark.version == version.number and not mark.parents):
        return ()
    # Parents come from messages alone, so nothing is merged.
    texts = Contents(lambda *_: None)
    graph = Graph({**versions, version.number: version}, version.number, version.number, texts)
    return tuple(range(version.number - 1, max(graph.parents(version.number)), -1))

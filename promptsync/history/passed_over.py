"""Versions that were passed over: neither the latest version nor the files include them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptsync.history.graph import Graph, Missing, Texts, Version
from promptsync.history.includes import Local, Remote, Sides


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A version that neither the latest nor the files include, with all of its kind that it includes.

    ``base`` is the digest of the text over which its changes are merged into the file, ``None`` where
    nothing is in common. ``includes`` is what the file includes afterwards.
    """

    version: int
    numbers: tuple[int, ...]
    base: str | None


def passed_over(local: Local, remote: Remote, texts: Texts) -> tuple[tuple[PassedOver, ...], tuple[int, ...]]:
    """Return the heads of what was passed over, oldest first, and what a file includes that takes them in.

    Every version down to the first is needed. Raises ``Missing`` until they are read.
    """
    sides = Sides(local, remote, texts, floor=1)
    graph, answered = sides.graph, sides.of_file | sides.of_latest
    lost = frozenset(graph.window) - answered
    found = []
    for head in sorted(graph.heads(lost)):
        common = graph.heads(graph.includes(head) & answered)
        base = _base(sides, head, common) if common else None
        if base is not None and base not in texts.contents:
            raise Missing(texts=[base])
        found.append(PassedOver(head, tuple(sorted(graph.includes(head) & lost)), base))
    return tuple(found), graph.heads(answered | lost)


def _base(sides: Sides, head: int, common: Sequence[int]) -> str | None:
    """Return the text that a version changed: that of git where it knows a newer one than the versions do."""
    mark = sides.graph.own_mark(head)
    revision = sides.shared_in_git(mark, frozenset(common)) if mark is not None else None
    if revision is not None and revision.digest is not None:
        return revision.digest
    return sides.merged_versions(common)


@dataclass(frozen=True, slots=True)
class Outline:
    """The parents of each version from a lowest one up, and those that the latest does not include."""

    parents: Mapping[int, tuple[int, ...]]
    passed_over: frozenset[int]


def outline(remote: Remote, texts: Texts, lowest: int) -> Outline:
    """Return how the versions from ``lowest`` up depend on one another. Raises ``Missing``."""
    graph = Graph(remote.versions, lowest, remote.latest, texts)
    lost = frozenset(graph.window) - graph.includes(remote.latest)
    return Outline({number: graph.parents(number) for number in graph.window}, lost)


def listed_as_passed_over(version: Version, versions: Mapping[int, Version]) -> tuple[int, ...]:
    """Return what a version passed over as far as its own message tells: those right below it.

    Raises ``Missing`` where its mark is another version's number, which a restored message would have too.
    """
    mark = version.mark
    if mark is None or (mark.version == version.number and not mark.parents):
        return ()
    graph = Graph({**versions, version.number: version}, version.number, version.number, Texts(_no_merge))
    return tuple(range(version.number - 1, max(graph.parents(version.number)), -1))


def _no_merge(*_: object) -> None:
    raise AssertionError("messages alone are looked at")

"""Versions that were passed over: neither the latest version nor your files include them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from promptsync.history.decide import shared_in_git
from promptsync.history.graph import Graph, Includes, Missing


class PassedOver(msgspec.Struct, frozen=True):
    """A version that neither the latest version nor your files include.

    ``numbers`` are itself and the other passed-over versions that it includes. ``base`` is the digest of the
    text from which its changes are merged into the file, ``None`` if there is no common text. A file
    that this version alone is merged into ``includes`` these versions. ``edits`` are those of the ``numbers``
    that nobody pushed: they were saved in the dashboard.
    """

    version: int
    numbers: tuple[int, ...]
    base: str | None
    includes: tuple[int, ...]
    edits: tuple[int, ...]


def passed_over(graph: Graph) -> tuple[PassedOver, ...]:
    """Return the heads of the passed-over versions, oldest first.

    Every version down to the first is needed: raises ``Missing`` until they are read.
    """
    graph.look_from(1)
    included = graph.of_file | graph.includes(graph.latest)
    not_included = frozenset(graph.window) - included
    heads = []
    for head in sorted(graph.heads(not_included)):
        common = graph.heads(graph.includes(head) & included)
        revision = shared_in_git(graph, head, frozenset(common)) if common else None
        base = revision.digest if revision is not None else None
        # Of several common versions none has all that both sides have.
        if base is None and len(common) == 1:
            base = graph.digest(common[0])
        if base is not None and base not in graph.contents:
            raise Missing(texts=[base])
        numbers = graph.includes(head) & not_included
        edits = tuple(number for number in sorted(numbers) if graph.own_mark(number) is None)
        heads.append(PassedOver(head, tuple(sorted(numbers)), base, graph.heads(included | numbers), edits))
    return tuple(heads)


def file_includes(graph: Graph, numbers: Sequence[int]) -> Includes:
    """Return which of some versions the file includes, and others.

    Raises ``Missing`` until the versions from the lowest one up are read, or all if one of them seems to be
    left out.
    """
    included: Includes = frozenset()
    for floor in (min(numbers), 1):
        graph.look_from(floor)
        included = graph.of_file
        if graph.file is not None and graph.file.digest == graph.digest(graph.latest):
            included |= graph.includes(graph.latest)
        if included.issuperset(numbers):
            break
    return included

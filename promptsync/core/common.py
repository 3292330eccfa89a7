"""The last common point of two histories that nothing else ties together."""

from __future__ import annotations

from collections.abc import Sequence

from promptsync.core.lineage import LocalHistory, Read, Tie, Version


def aligned(local: LocalHistory, read: Read, newest: int, tie: Tie | None) -> Tie | None:
    """Return the last common point of both histories after ``tie``."""
    texts = _texts_since(local, tie, read)
    if not texts:
        return None
    floor = tie.version if tie else 0
    found = [read(number) for number in range(floor + 1, newest + 1)]
    remote = [item for item in found if item is not None]
    while pair := _last_common([digest for digest, _ in texts], [item.digest for item in remote]):
        if not _is_restored(remote[pair[1]], read, floor):
            break
        del remote[pair[1]]
    if pair is None:
        return None
    digest, position = texts[pair[0]]
    # two texts that are the same say nothing about the tags beside them
    return Tie(remote[pair[1]].number, position, "aligned", digest)


def _is_restored(version: Version, read: Read, floor: int) -> bool:
    """Whether a version brings back text from before the tie, which says nothing about what came since."""
    if version.mark is not None:
        return False
    older = (read(number) for number in range(floor, 0, -1))
    return any(item is not None and item.digest == version.digest for item in older)


def _texts_since(local: LocalHistory, tie: Tie | None, read: Read) -> list[tuple[str, int]]:
    """Return the local texts since a tie with their positions, oldest first, each change once.

    The text that includes the tie's version comes first where it says something else than that version: it
    may have become a version in turn.
    """
    start = tie.position + 1 if tie is not None else len(local.revisions)
    texts = [(one.digest, position) for position, one in enumerate(local.revisions[:start])]
    texts.reverse()
    if local.working is not None and not local.committed:
        texts.append((local.working.digest, -1))
    found = read(tie.version) if tie is not None and texts else None
    before = found.digest if found is not None else None
    changes: list[tuple[str, int]] = []
    for digest, position in texts:
        if digest is not None and digest != before:
            changes.append((digest, position))
        before = digest
    return changes


def _last_common(ours: Sequence[str], theirs: Sequence[str]) -> tuple[int, int] | None:
    """Return the last pair of the longest common subsequence, as indexes.

    Of several longest ones the pair that is oldest on the registry's side: where the order is in doubt, the
    registry's later versions count as not yet seen.
    """
    width = len(theirs)
    best = [[0] * (width + 1) for _ in range(len(ours) + 1)]
    for i, our in enumerate(ours, 1):
        for j, their in enumerate(theirs, 1):
            best[i][j] = best[i - 1][j - 1] + 1 if our == their else max(best[i - 1][j], best[i][j - 1])
    length = best[-1][-1]
    if length == 0:
        return None
    ends = [
        (j - 1, i - 1)
        for i, our in enumerate(ours, 1)
        for j, their in enumerate(theirs, 1)
        if our == their and best[i][j] == length and best[i - 1][j - 1] == length - 1
    ]
    theirs_at, ours_at = min(ends, key=lambda end: (end[0], -end[1]))
    return ours_at, theirs_at

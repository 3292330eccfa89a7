"""What the marks of published versions tell of the version that a file includes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptsync.core.lineage import LocalHistory, Read, Revision, Tie, Version
from promptsync.core.message import Mark


def marked(local: LocalHistory, read: Read, newest: int, told: Tie | None) -> tuple[Tie | None, list[Tie]]:
    """Return the tie of the newest mark, or ``told`` where no mark is above it; and drafts.

    A draft was pushed uncommitted from one of our commits, without a trace of it in the revisions since: the
    local text may include it or not. A version that was forced over others counts unless a lower one came in
    with a newer text: then old text was forced, and the newer one does not include that.
    """
    drafts: list[Tie] = []
    forced: Tie | None = None
    lowest = told.version if told is not None else 1
    tie = told
    for number in range(newest, lowest - 1, -1) if local.revisions else ():
        found = read(number)
        mark = found.mark if found is not None else None
        if found is None or mark is None or mark.commit is None:
            continue
        position = _marked_revision(local.revisions, mark.commit, found.digest)
        if position is not None:
            one = _tie_of_mark(local.revisions, found, position, dirty=mark.dirty)
        elif _is_amended(local.revisions[0], mark):
            position = 0
            one = Tie(number, position, "amended", found.digest)
        else:
            continue
        if one is None and local.revisions[position].digest == found.digest:
            forced = forced or Tie(number, position, "mark", found.digest)
        elif one is None and (position > 0 or not local.committed):
            drafts.append(Tie(number, position, "draft"))
        elif one is not None:
            tie = _older(told, one) if told is not None and number == told.version else one
            break
    if forced is not None and (tie is None or forced.position <= tie.position):
        tie = forced
    return tie, drafts


def _older(told: Tie, marked: Tie) -> Tie:
    """Of two ties to one version it came in with the older text; what is told of the tags is newer."""
    return replace(told, position=max(told.position, marked.position))


def _tie_of_mark(
    revisions: Sequence[Revision], version: Version, position: int, *, dirty: bool
) -> Tie | None:
    revision = revisions[position]
    if not dirty:
        tie = Tie(version.number, position, "mark", revision.digest, revision.tags)
        return tie if revision.digest is not None else None
    if revision.digest == version.digest:
        return None
    # Pushed on top of that commit before it was committed: a later commit of the same text is that push.
    for later in reversed(range(position)):
        if revisions[later].digest == version.digest:
            return Tie(version.number, later, "mark", version.digest, seen_tags=revisions[later].tags)
    return None


def _is_amended(newest: Revision, mark: Mark) -> bool:
    """Whether the newest revision took the place of a marked commit: it was made on top of that text.

    Of an older revision that would be as true, but other clones of it could not tell, and a push of what came
    after would rest on what they do not know.
    """
    commit = mark.commit
    return commit is not None and not mark.dirty and any(one.startswith(commit) for one in newest.replaced)


def _marked_revision(revisions: Sequence[Revision], commit: str, digest: str) -> int | None:
    """Return the revision of an abbreviated commit; of several, the one that agrees with the version."""
    hits = [place for place, revision in enumerate(revisions) if revision.commit.startswith(commit)]
    if len(hits) > 1:
        hits = [place for place in hits if revisions[place].digest == digest]
    return hits[0] if hits else None

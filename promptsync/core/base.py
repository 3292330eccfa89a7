"""The base: the newest version of the registry that a local file is known to include.

What a lock file would hold is already in two histories. Git knows each revision of the file, the registry
each version; what ties them together is, in this order of strength,

1. a mark: a version whose message ends in its own number and a commit that ``HEAD`` reaches agrees with the
   file of that commit;
2. ``pulled:`` in the working file or in a revision: that text includes that version. Uncommitted it decides
   alone, for somebody may have put old text there on purpose to look at it;
3. the record that this working copy keeps of a push of uncommitted text, while the file descends from it;
4. alignment: what neither tells is found by the longest common subsequence of the two histories *after* the
   newest of these ties. A text that was merely seen at some time is no tie: restored and reverted texts mean
   different things at different places in the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from promptsync.core.message import parse_mark

Tags = frozenset[str]


@dataclass(frozen=True, slots=True)
class Text:
    """The working file: what it says, and the version that it says it includes."""

    digest: str
    tags: Tags = frozenset()
    pulled: int | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """What one commit that ``HEAD`` reaches made of the file. ``digest`` is ``None`` when it deleted it."""

    commit: str
    digest: str | None
    tags: Tags = frozenset()
    pulled: int | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """The record of the last version that this working copy published or pulled.

    ``pulled`` is what the file said then, ``commit`` the newest revision that the file had then. ``tags`` are
    those of the text, ``kept_tags`` those that the registry showed afterwards.
    """

    version: int
    digest: str
    tags: Tags = frozenset()
    kept_tags: Tags = frozenset()
    pulled: int | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the registry as far as a base is concerned."""

    number: int
    digest: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class LocalHistory:
    """Everything the local side knows of one prompt. ``revisions`` are newest first.

    ``git`` is false in a directory without a repository. ``committed`` says that the working text is that of
    ``HEAD``. ``working`` is ``None`` when there is no file.
    """

    working: Text | None
    revisions: Sequence[Revision] = ()
    record: Pushed | None = None
    git: bool = True
    committed: bool = False


@dataclass(frozen=True, slots=True)
class Base:
    """The text that agrees with ``version``: its ``digest``, and its ``tags`` or ``None`` where nobody knows.

    ``version_digest`` is that of the version as the registry keeps it, ``kept_tags`` are the tags that it was
    seen to keep. ``seen_tags`` are those of the revision that brought the version in, which somebody may have
    edited before the commit. ``certain`` is false when history that cannot be seen (a shallow clone) might
    hold a newer base.
    """

    version: int
    digest: str
    version_digest: str
    tags: Tags | None
    how: str
    seen_tags: Tags | None = None
    kept_tags: Tags | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class _Tie:
    """A tie between version and text. ``position`` is the revision's index, -1 the working file."""

    version: int
    position: int
    how: str
    digest: str | None = None
    tags: Tags | None = None
    seen_tags: Tags | None = None


def find_base(local: LocalHistory, tracked: Version, read: Callable[[int], Version | None]) -> Base | None:
    """Return the base of a prompt, or ``None`` when the two sides have nothing in common.

    ``tracked`` is the version that stands for the registry. ``read`` returns an older version by its number,
    or ``None`` when the registry no longer has it; it is asked for as few as the answer needs, newest first.
    """
    versions = {tracked.number: tracked}

    def version(number: int) -> Version | None:
        if number not in versions:
            found = read(number)
            if found is None:
                return None
            versions[number] = found
        return versions[number]

    own = _uncommitted(local, tracked.number)
    if own is not None:
        return _settle(own, version, tracked, local)
    tie = _newest(_told(local, tracked.number))
    marked = _marked(local, version, tracked.number, above=tie.version if tie else 0)
    tie = marked or tie
    if tie is not None and tie.version == tracked.number:
        return _settle(tie, version, tracked, local)
    aligned = _aligned(local, version, tracked.number, tie)
    best = aligned or tie
    return _settle(best, version, tracked, local) if best else None


def _settle(
    tie: _Tie, version: Callable[[int], Version | None], tracked: Version, local: LocalHistory
) -> Base | None:
    found = version(tie.version)
    if found is None and tie.digest is None:
        return None
    version_digest = found.digest if found is not None else ""
    tags, kept, record = tie.tags, None, local.record
    if record is not None and record.version == tie.version:
        tags, kept = record.tags if tags is None else tags, record.kept_tags
    return Base(
        version=tie.version,
        digest=tie.digest or version_digest,
        version_digest=version_digest,
        tags=tags,
        how=tie.how,
        seen_tags=tie.seen_tags,
        kept_tags=kept,
        certain=tie.version == tracked.number or tie.how == "materialised",
    )


def _uncommitted(local: LocalHistory, limit: int) -> _Tie | None:
    """Return the tie of an uncommitted ``pulled:``, or of the record of a push that was made on top of it."""
    working = local.working
    if working is None or working.pulled is None or working.pulled > limit:
        return None
    if local.git and local.revisions and local.revisions[0].pulled == working.pulled:
        return None
    record = local.record
    if record is not None and working.pulled < record.version <= limit and _record_holds(local, record):
        return _Tie(record.version, -1, "record", record.digest, record.tags)
    return _Tie(working.pulled, -1, "materialised")


def _told(local: LocalHistory, limit: int) -> Iterator[_Tie]:
    """Yield the ties that the local side tells of by itself: ``pulled:`` and the record."""
    working = local.working
    if working is not None and working.pulled is not None and working.pulled <= limit:
        yield _Tie(working.pulled, -1, "pulled")
    for position, revision in enumerate(local.revisions):
        # the oldest revision that says it comes last and wins: that is where the version came in
        if revision.pulled is not None and revision.pulled <= limit:
            yield _Tie(revision.pulled, position, "pulled", seen_tags=revision.tags)
    record = local.record
    if record is not None and record.version <= limit and _record_holds(local, record):
        yield _Tie(record.version, _position_of(local, record), "record", record.digest, record.tags)


def _newest(ties: Iterator[_Tie]) -> _Tie | None:
    best: _Tie | None = None
    for tie in ties:
        if best is None or tie.version >= best.version:
            best = tie
    return best


def _record_holds(local: LocalHistory, record: Pushed) -> bool:
    """Whether the working file is, or descends from, the text that the record speaks of."""
    working = local.working
    if working is not None and working.pulled != record.pulled and local.git:
        return False  # other text was put there since
    if not local.git:
        return True
    if working is not None and working.digest == record.digest:
        return True
    newer = _revisions_after(local.revisions, record.commit)
    if newer is None:
        return False  # HEAD has left the history that the push was made on
    if any(revision.digest == record.digest for revision in newer):
        return True
    # Still on the same revision and with text that no commit ever held: an edit of what was pushed.
    known = {revision.digest for revision in local.revisions}
    return not newer and (working is None or working.digest not in known)


def _revisions_after(revisions: Sequence[Revision], commit: str | None) -> Sequence[Revision] | None:
    if commit is None:
        return revisions
    for position, revision in enumerate(revisions):
        if revision.commit == commit:
            return revisions[:position]
    return None


def _position_of(local: LocalHistory, record: Pushed) -> int:
    newer = _revisions_after(local.revisions, record.commit) or ()
    for position in reversed(range(len(newer))):
        if newer[position].digest == record.digest:
            return position
    return -1


def _marked(
    local: LocalHistory, version: Callable[[int], Version | None], newest: int, *, above: int
) -> _Tie | None:
    if not local.revisions:
        return None
    for number in range(newest, above, -1):
        found = version(number)
        mark = parse_mark(found.message) if found else None
        if mark is None or mark.commit is None or mark.dirty or mark.version != number:
            continue
        position = _marked_revision(local.revisions, mark.commit, found.digest if found else "")
        if position is not None:
            revision = local.revisions[position]
            return _Tie(number, position, "mark", revision.digest, revision.tags)
    return None


def _marked_revision(revisions: Sequence[Revision], commit: str, digest: str) -> int | None:
    """Return the revision of an abbreviated commit; of several, the one that agrees with the version."""
    hits = [
        position
        for position, revision in enumerate(revisions)
        if revision.digest is not None and revision.commit.startswith(commit)
    ]
    if len(hits) > 1:
        hits = [position for position in hits if revisions[position].digest == digest]
    return hits[0] if hits else None


def _aligned(
    local: LocalHistory, version: Callable[[int], Version | None], newest: int, tie: _Tie | None
) -> _Tie | None:
    """Return the last common point of both histories after ``tie``."""
    texts = _texts_after(local, tie)
    if not texts:
        return None
    floor = tie.version if tie else 0
    found = [version(number) for number in range(floor + 1, newest + 1)]
    remote = [item for item in found if item is not None]
    pair = _last_common([digest for digest, _, _ in texts], [item.digest for item in remote])
    if pair is None:
        return None
    digest, tags, position = texts[pair[0]]
    return _Tie(remote[pair[1]].number, position, "aligned", digest, tags)


def _texts_after(local: LocalHistory, tie: _Tie | None) -> list[tuple[str, Tags, int]]:
    """Return the local texts that came after a tie, oldest first, each change once."""
    until = tie.position if tie is not None else len(local.revisions)
    texts: list[tuple[str, Tags, int]] = []
    if until > 0:
        texts = [
            (revision.digest, revision.tags, position)
            for position, revision in reversed(list(enumerate(local.revisions[:until])))
            if revision.digest is not None
        ]
    if local.working is not None and until != -1 and not local.committed:
        texts.append((local.working.digest, local.working.tags, -1))
    before = local.revisions[until].digest if 0 <= until < len(local.revisions) else None
    changes: list[tuple[str, Tags, int]] = []
    for text in texts:
        if text[0] != before:
            changes.append(text)
        before = text[0]
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

"""What the local side tells by itself of the version that it includes: ``pulled:`` and the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptsync.core.lineage import LocalHistory, Pushed, Read, Revision, Text, Tie


def uncommitted(local: LocalHistory, read: Read, limit: int) -> Tie | None:
    """Return the tie of an uncommitted ``pulled:``, or of the record of a push that was made on top of it."""
    working = local.working
    if working is None or working.pulled is None or working.pulled > limit:
        return None
    if local.git and local.revisions and local.revisions[0].pulled == working.pulled:
        # the number is committed, and yet the text may be that version, put back over what came after it
        if local.committed or working.pulled == limit:
            return None
        if not _is_put_back(local, working.pulled) and _digest(read, working.pulled) != working.digest:
            return None
    record = local.record
    if record is not None and working.pulled < record.version <= limit and record_holds(local, record):
        return Tie(record.version, -1, "record", record.digest, record.tags)
    return Tie(working.pulled, -1, "materialised")


def _is_put_back(local: LocalHistory, version: int) -> bool:
    """Whether the last that went through this working copy was a pull of ``version`` over ``HEAD``'s text."""
    record = local.record
    return record is not None and (record.version, record.pulled, record.commit) == (
        version,
        version,
        local.revisions[0].commit,
    )


def _digest(read: Read, number: int) -> str | None:
    found = read(number)
    return found.digest if found is not None else None


def told(local: LocalHistory, limit: int) -> Tie | None:
    """Return the newest tie that the local side tells of by itself, by ``pulled:`` or by the record."""
    best: Tie | None = None
    for tie in _told(local, limit):
        if best is None or tie.version >= best.version:
            best = tie
    return best


def _told(local: LocalHistory, limit: int) -> Iterator[Tie]:
    working = local.working
    if working is not None and working.pulled is not None and working.pulled <= limit:
        yield Tie(working.pulled, -1, "pulled")
    for position, revision in enumerate(local.revisions):
        # the oldest revision that says it comes last and wins: that is where the version came in
        if revision.pulled is not None and revision.pulled <= limit:
            yield Tie(revision.pulled, position, "pulled", seen_tags=revision.tags)
    record = local.record
    if record is not None and record.version <= limit and record_holds(local, record):
        yield Tie(record.version, _position_of(local, record), "record", record.digest, record.tags)


def record_holds(local: LocalHistory, record: Pushed) -> bool:
    """Whether the working file is, or descends from, the text that the record speaks of."""
    working, pushed = local.working, (record.digest, record.tags)
    is_pushed = working is not None and (working.digest, working.tags) == pushed
    if not local.git:
        # of a repository that is gone it tells no more than what was here, and may be missed
        return is_pushed or record.commit is None or working is None
    if working is not None and working.pulled != record.pulled:
        return False  # other text was put there since
    if is_pushed:
        return True
    newer = _revisions_after(local.revisions, record.commit)
    if newer is None:
        return False  # HEAD has left the history that the push was made on
    if any((revision.digest, revision.tags) == pushed for revision in newer):
        return True
    if newer:  # what was pushed was edited and then committed
        made = newer[-1].made
        return made is not None and record.moves is not None and made > record.moves
    # Still on the same revision and with text that no commit ever held: an edit of what was pushed.
    return _is_edit(working, record, local.revisions)


def _is_edit(working: Text | None, record: Pushed, revisions: Sequence[Revision]) -> bool:
    if working is None:
        return not revisions or revisions[0].digest is not None
    if working.digest == record.digest:
        return all((one.digest, one.tags) != (working.digest, working.tags) for one in revisions)
    return all(one.digest != working.digest for one in revisions)


def _revisions_after(revisions: Sequence[Revision], commit: str | None) -> Sequence[Revision] | None:
    if commit is None:
        return revisions
    for position, revision in enumerate(revisions):
        if revision.commit == commit:
            return revisions[:position]
        if position == 0 and commit in revision.replaced:
            return revisions[:1]
    return None


def _position_of(local: LocalHistory, record: Pushed) -> int:
    newer = _revisions_after(local.revisions, record.commit) or ()
    for position in reversed(range(len(newer))):
        if (newer[position].digest, newer[position].tags) == (record.digest, record.tags):
            return position
    return len(newer) - 1

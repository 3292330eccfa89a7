"""Who changed a prompt: how its two sides are related, the base, and what a push or a pull writes down.

Pure: what it needs is read before. ``decide`` raises ``Missing`` with what to read next, as often as the
graph of the versions makes that necessary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from promptsync.history.graph import Includes, Missing, Texts
from promptsync.history.includes import Local, Remote, Sides, settled
from promptsync.history.revisions import Tags


class Relation(StrEnum):
    """How the texts of the two sides are related."""

    EQUAL = "equal"
    AHEAD = "ahead"
    BEHIND = "behind"
    DIVERGED = "diverged"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Base:
    """The newest text that both sides include.

    ``version`` is the newest version that has it, or ``None`` for a text that only git has. ``tags`` are
    ``None`` where nobody knows those of then.
    """

    digest: str
    version: int | None
    tags: Tags | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Who changed what. The numbers are those of versions, newest first.

    ``push`` are the parents of a version published now, ``force`` those of one that is forced over the
    latest, ``pull`` what a text includes that takes the tracked version in. ``is_included`` says that the
    file includes the tracked version.
    """

    relation: Relation
    base: Base | None
    push: tuple[int, ...]
    force: tuple[int, ...]
    pull: tuple[int, ...]
    is_included: bool


def decide(local: Local, remote: Remote, texts: Texts) -> Decision:
    """Return who changed what. Raises ``Missing`` with what has to be read before that can be told."""
    sides = settled(local, remote, texts)
    relation, base = _relation(sides)
    return Decision(
        relation,
        base,
        push=sides.graph.heads(sides.of_file | sides.of_latest),
        force=sides.graph.heads(sides.of_file),
        pull=sides.graph.heads(sides.of_file | sides.of_tracked),
        is_included=remote.tracked in sides.of_file,
    )


def _relation(sides: Sides) -> tuple[Relation, Base | None]:
    ours, theirs = sides.local.digest, sides.graph.digest(sides.remote.tracked)
    if ours == theirs:
        return Relation.EQUAL, _base_at(sides, sides.remote.tracked)
    common = sides.graph.heads(sides.of_file & sides.of_tracked)
    if sides.remote.tracked in sides.of_file:
        altered = _was_sent_as(sides, ours, sides.remote.tracked)
        return (Relation.ALTERED if altered else Relation.AHEAD), _base_at(sides, sides.remote.tracked)
    if not common or ours is None or theirs is None:
        return Relation.DIVERGED, _base_at(sides, common[0]) if common else None
    base = _base(sides, common)
    if base is None:
        return Relation.DIVERGED, _base_at(sides, common[0])
    is_unchanged = len(common) == 1 and _was_sent_as(sides, ours, common[0])
    return _merged(sides, base, ours, theirs, is_unchanged=is_unchanged), base


def _merged(sides: Sides, base: Base, ours: str, theirs: str, *, is_unchanged: bool) -> Relation:
    """Let the merge decide; a text that is as it was sent counts as the base, whatever came of it."""
    fork = bool(frozenset(sides.graph.window) & sides.of_file - sides.of_tracked)
    if fork and theirs == base.digest:
        return Relation.DIVERGED  # it was taken back on purpose
    if is_unchanged and theirs != base.digest:
        return Relation.DIVERGED if fork else Relation.BEHIND
    found = sides.texts.merged(base.digest, ours, theirs)
    if found == ours:
        return Relation.AHEAD
    if found == theirs and not fork:
        return Relation.BEHIND
    return Relation.DIVERGED


def _was_sent_as(sides: Sides, text: str | None, version: int) -> bool:
    """Whether this very text was published as a version that says something else."""
    if text is None or text == sides.graph.digest(version):
        return False
    mark = sides.graph.own_mark(version)
    if mark is not None and mark.commit is not None and not mark.dirty:
        place = sides.revisions.place(mark.commit)
        if place is not None and sides.revisions.all[place].digest == text:
            return True
    keys = (key for key in sides.local.keys if key.version == version)
    return any(key.names(sides.local.identity, text) for key in keys)


def _base(sides: Sides, common: Sequence[int]) -> Base | None:
    """Return the newest text that both sides include, ``None`` where several of them clash."""
    newer = _base_in_git(sides, frozenset(common))
    if newer is not None:
        return newer
    digest = sides.merged_versions(common)
    return replace(_base_at(sides, common[0]), digest=digest) if digest is not None else None


def _base_in_git(sides: Sides, common: Includes) -> Base | None:
    """Return a newer common text that git may know: the tracked text was made on top of its commit."""
    if sides.is_put_back:
        return None
    above = sorted(frozenset(sides.graph.window) & sides.of_tracked - sides.of_file, reverse=True)
    marks = [mark for one in above if (mark := sides.graph.own_mark(one)) and mark.commit]
    unknown = [mark.commit for mark in marks if mark.commit and not sides.revisions.knows(mark.commit)]
    if unknown:
        raise Missing(commits=unknown)
    mark = next((mark for mark in marks if sides.revisions.place(mark.commit or "") is not None), None)
    revision = sides.shared_in_git(mark, common) if mark is not None else None
    if revision is None or revision.digest is None:
        return None
    return Base(revision.digest, None, revision.tags)


def _base_at(sides: Sides, version: int) -> Base:
    return Base(sides.graph.digest(version) or "", version, _tags_at(sides, version))


def _tags_at(sides: Sides, version: int) -> Tags | None:
    """Return the tags when a version was published, or came into the file."""
    mark = sides.graph.own_mark(version)
    if mark is not None and mark.commit is not None and not mark.dirty:
        place = sides.revisions.place(mark.commit)
        if place is not None:
            return sides.revisions.all[place].tags
    for place in sorted(sides.revisions.of_head):
        revision = sides.revisions.all[place]
        if any(key.version == version for key in revision.keys):
            return revision.tags
    return None

"""Which side changed a prompt: the relation of its two sides, their base, and what a push or pull records.

Nothing is read here. ``decide`` raises ``Missing`` with what it needs: read that, and call it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from promptsync.history.graph import Contents, Includes, Missing
from promptsync.history.includes import LocalSide, RemoteSide, Sides, compare_sides
from promptsync.history.revisions import Tags


class Relation(StrEnum):
    """How the texts of the two sides are related.

    ``ALTERED`` means that the file is what was published, and that the registry stored something else.
    """

    EQUAL = "equal"
    AHEAD = "ahead"
    BEHIND = "behind"
    DIVERGED = "diverged"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Base:
    """The newest text that both sides include.

    ``version`` is the newest version with this text, ``None`` if only git has it. ``tags`` are the prompt's
    tags at that time, ``None`` if they are unknown.
    """

    digest: str
    version: int | None
    tags: Tags | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Which side changed what. All numbers are version numbers, newest first.

    ``push`` are the parents of a version published now, ``force`` those of a version forced over the latest.
    ``pull`` are the versions that a text includes once the tracked version is pulled into it. ``is_included``
    says that the file already includes the tracked version.
    """

    relation: Relation
    base: Base | None
    push: tuple[int, ...]
    force: tuple[int, ...]
    pull: tuple[int, ...]
    is_included: bool


def decide(local: LocalSide, remote: RemoteSide, texts: Contents) -> Decision:
    """Return which side changed what. Raises ``Missing`` with what must be read first."""
    sides = compare_sides(local, remote, texts)
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
    # The registry's side has nothing new: either the file changed, or the registry changed what it was sent.
    if sides.remote.tracked in sides.of_file:
        altered = _was_sent_as(sides, ours, sides.remote.tracked)
        return (Relation.ALTERED if altered else Relation.AHEAD), _base_at(sides, sides.remote.tracked)
    # Without a common version or one of the texts there is nothing to merge.
    if not common or ours is None or theirs is None:
        return Relation.DIVERGED, _base_at(sides, common[0]) if common else None
    base = _base_in_git(sides, frozenset(common))
    if base is None:
        merged = sides.merged_versions(common)
        base = _base_at(sides, common[0])
        if merged is None:
            return Relation.DIVERGED, base
        base = replace(base, digest=merged)
    is_unchanged = len(common) == 1 and _was_sent_as(sides, ours, common[0])
    return _merged(sides, base, ours, theirs, is_unchanged=is_unchanged), base


def _merged(sides: Sides, base: Base, ours: str, theirs: str, *, is_unchanged: bool) -> Relation:
    """Let the merge decide. A file that still is what was sent counts as unchanged, whatever was stored."""
    # The file includes a version that the tracked one does not, so neither side builds on the other.
    fork = bool(frozenset(sides.graph.window) & sides.of_file - sides.of_tracked)
    if fork and theirs == base.digest:
        # The registry's side reverted the file's version on purpose, so the file must not simply win.
        return Relation.DIVERGED
    if is_unchanged and theirs != base.digest:
        return Relation.DIVERGED if fork else Relation.BEHIND
    found = sides.texts.merged(base.digest, ours, theirs)
    if found == ours:
        return Relation.AHEAD
    if found == theirs and not fork:
        return Relation.BEHIND
    return Relation.DIVERGED


def _was_sent_as(sides: Sides, text: str | None, version: int) -> bool:
    """Whether exactly this text was published as a version that the registry then stored differently."""
    if text is None or text == sides.graph.digest(version):
        return False
    place = sides.published_from(version)
    if place is not None and sides.revisions.all[place].digest == text:
        return True
    keys = (key for key in sides.local.keys if key.version == version)
    return any(key.names(sides.local.identity, text) for key in keys)


def _base_in_git(sides: Sides, common: Includes) -> Base | None:
    """Return a newer common text from git: the tracked version was made on top of the commit in its mark."""
    # A file that shows an old version does not build on what HEAD has.
    if sides.shows_old_version:
        return None
    above = sorted(frozenset(sides.graph.window) & sides.of_tracked - sides.of_file, reverse=True)
    marks = [mark for one in above if (mark := sides.graph.own_mark(one)) and mark.commit]
    unknown = [
        mark.commit for mark in marks if mark.commit and not sides.revisions.has_looked_up(mark.commit)
    ]
    if unknown:
        raise Missing(commits=unknown)
    mark = next((mark for mark in marks if sides.revisions.place(mark.commit or "") is not None), None)
    revision = sides.shared_in_git(mark, common) if mark is not None else None
    if revision is None or revision.digest is None:
        return None
    return Base(revision.digest, None, revision.tags)


def _base_at(sides: Sides, version: int) -> Base:
    """Return a version with the tags at the time when it was published, or pulled into the file.

    A file includes a version that was saved in the dashboard with the same text, whatever its tags. Then the
    tags are those of the newest version before it whose tags are known.
    """
    window, before = sides.graph.window, sides.graph.includes(version) & sides.of_file
    known = (_tags_at(sides, one) for one in (version, *sorted(before, reverse=True)) if one in window)
    tags = next((one for one in known if one is not None), None)
    return Base(sides.graph.digest(version) or "", version, tags)


def _tags_at(sides: Sides, version: int) -> Tags | None:
    """Return the tags that came into the file with the key of a version, or those that it was published with.

    Tags have no versions, so a pull may bring tags that were changed since the version was published.
    """
    revisions = sides.revisions.all

    def has_key(place: int) -> bool:
        return any(key.version == version for key in revisions[place].keys)

    # Later revisions keep the key, whatever tags they add.
    written = (
        place
        for place in sorted(sides.revisions.of_head, reverse=True)
        if has_key(place) and not any(map(has_key, revisions[place].parents))
    )
    place = next(written, sides.published_from(version))
    return revisions[place].tags if place is not None else None

"""Who changed a prompt: the table of states, and what is done about each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptsync.core.base import Base, Tags


class State(StrEnum):
    """How the two sides of one prompt stand to each other."""

    IN_SYNC = "in-sync"
    AHEAD = "ahead"
    BEHIND = "behind"
    DIVERGED = "diverged"
    ALTERED = "altered"
    NEW = "new"
    REMOTE_ONLY = "remote-only"
    DELETED_LOCALLY = "deleted-locally"
    DELETED_REMOTELY = "deleted-remotely"
    RENAMED_REMOTELY = "renamed-remotely"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table asks. ``None`` for a change means that there is no base to tell by.

    ``known`` says that this repository has had the name; ``archived`` that the registry has it archived.
    """

    local: bool
    remote: bool
    equal: bool = False
    local_changed: bool | None = None
    remote_changed: bool | None = None
    archived: bool = False
    known: bool = False


ANY = None
YES, NO = (True,), (False,)
OPEN = (True, None)  # changed, or nobody can tell

# local, remote, equal, local changed, remote changed, archived, known -> state; the first row that fits
TABLE: tuple[tuple[tuple[tuple[bool | None, ...] | None, ...], State], ...] = (
    ((YES, YES, YES, ANY, ANY, ANY, ANY), State.IN_SYNC),
    ((YES, YES, NO, YES, NO, ANY, ANY), State.AHEAD),
    ((YES, YES, NO, NO, YES, ANY, ANY), State.BEHIND),
    ((YES, YES, NO, OPEN, OPEN, ANY, ANY), State.DIVERGED),
    ((YES, YES, NO, NO, NO, ANY, ANY), State.ALTERED),
    ((YES, NO, ANY, ANY, ANY, YES, ANY), State.DELETED_REMOTELY),
    ((YES, NO, ANY, ANY, ANY, NO, ANY), State.NEW),
    ((NO, YES, ANY, ANY, NO, ANY, YES), State.DELETED_LOCALLY),
    ((NO, YES, ANY, ANY, OPEN, ANY, YES), State.DIVERGED),
    ((NO, YES, ANY, ANY, ANY, ANY, NO), State.REMOTE_ONLY),
)


def state_of(facts: Facts) -> State:
    """Return the state of a prompt that at least one side has."""
    given = (
        facts.local,
        facts.remote,
        facts.equal,
        facts.local_changed,
        facts.remote_changed,
        facts.archived,
        facts.known,
    )
    for row, state in TABLE:
        if all(allowed is None or value in allowed for allowed, value in zip(row, given, strict=True)):
            return state
    raise ValueError(f"neither side has the prompt: {facts}")


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a prompt: the digest of its content, and its tags."""

    digest: str
    tags: Tags = frozenset()


def compare(
    local: Side | None,
    remote: Side | None,
    base: Base | None,
    *,
    tracked: int | None = None,
    archived: bool = False,
    known: bool = False,
) -> State:
    """Return the state of a prompt.

    ``tracked`` is the number of the version on the remote side. The content decides by digests, the tags
    beside it as sets; the two together say what a side changed.
    """
    equal = local is not None and local == remote
    local_changed: bool | None = None
    remote_changed: bool | None = None
    if base is not None:
        base_tags = _base_tags(base, local, remote)
        local_changed = local is not None and (local.digest != base.digest or local.tags != base_tags)
        kept_tags = base_tags if base.kept_tags is None else base.kept_tags
        remote_changed = remote is not None and (
            (tracked != base.version and remote.digest != base.version_digest) or remote.tags != kept_tags
        )
        if base.doubtful:
            local_changed, remote_changed = local is not None, remote is not None
    facts = Facts(
        local=local is not None,
        remote=remote is not None,
        equal=equal,
        local_changed=local_changed,
        remote_changed=remote_changed,
        archived=archived,
        known=known,
    )
    return state_of(facts)


def _base_tags(base: Base, local: Side | None, remote: Side | None) -> Tags | None:
    """Return the tags at the base: ``None``, which equals no side's, when they differ and nobody knows.

    Tags that nobody knows do not stand in the way of a deletion.
    """
    if base.tags is not None:
        return base.tags
    if remote is None or local is None:
        return (remote or local or Side("")).tags
    if local.tags == remote.tags or base.seen_tags == remote.tags:
        return remote.tags
    return None

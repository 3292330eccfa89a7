"""The states of a prompt: of its text, its tags and its two sides together."""

from __future__ import annotations

from enum import StrEnum

from promptsync.prompt.tags import merged_tags

Tags = frozenset[str]


class State(StrEnum):
    """How the two sides of one prompt relate."""

    IN_SYNC = "in-sync"
    AHEAD = "ahead"
    BEHIND = "behind"
    DIVERGED = "diverged"
    ALTERED = "altered"
    CONFLICT = "conflict"
    NEW = "new"
    REMOTE_ONLY = "remote-only"
    DELETED_LOCALLY = "deleted-locally"
    DELETED_REMOTELY = "deleted-remotely"
    RENAMED_REMOTELY = "renamed-remotely"
    MOVED = "moved"
    INVALID = "invalid"
    UNKNOWN = "unknown"


def state_in_files(*, archived: bool) -> State:
    """Return the state of a prompt that has a file and is not in the registry's list."""
    return State.DELETED_REMOTELY if archived else State.NEW


def state_in_registry(*, known: bool, included: bool) -> State:
    """Return the state of a prompt without a file.

    ``known`` says that ``HEAD`` had one, ``included`` that it included the tracked version.
    """
    if not known:
        return State.REMOTE_ONLY
    return State.DELETED_LOCALLY if included else State.DIVERGED


def with_tags(text: State, base: Tags | None, ours: Tags, theirs: Tags | None) -> State:
    """Return the state of a prompt whose texts alone are in the state ``text``.

    Tags belong to the prompt and have no versions. ``base`` are those of the base, ``None`` if they are
    unknown: then tags that differ count as changed on both sides. ``theirs`` are ``None`` if the registry
    does not store tags.
    """
    if theirs is None:
        return State.ALTERED if text is State.IN_SYNC and ours else text
    if ours == theirs or text is State.DIVERGED:
        return text
    # Text and tags must have changed on the same side; otherwise each side lacks a change of the other.
    merged = merged_tags(base, ours, theirs) if base is not None else None
    if merged == ours and text in (State.IN_SYNC, State.AHEAD, State.ALTERED):
        return State.AHEAD
    if merged == theirs and text in (State.IN_SYNC, State.BEHIND, State.ALTERED):
        return State.BEHIND
    return State.DIVERGED

"""Merges prompts that changed on both sides with the version that both last agreed on. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptsync.core.canonical import tag_set
from promptsync.core.prompt import Prompt, RemoteVersion
from promptsync.errors import Refused
from promptsync.sync.decide import read_version
from promptsync.sync.project import Project
from promptsync.sync.snapshot import Item

if TYPE_CHECKING:
    from promptsync.core.merge import Merge
    from promptsync.core.merge_fields import FieldConflict


@dataclass(frozen=True, slots=True)
class Unmerged:
    """A prompt that does not merge with the ``version`` of the registry, field by field."""

    name: str
    path: str
    version: int
    conflicts: tuple[FieldConflict, ...]


class MergeConflict(Refused):
    """Prompts that do not merge; ``unmerged`` tells their fields."""

    code = "merge-conflict"

    def __init__(self, unmerged: Sequence[Unmerged], *, marked: bool, markable: bool) -> None:
        first = unmerged[0]
        fields = sum(len(one.conflicts) for one in unmerged)
        names = ", ".join(repr(one.name) for one in unmerged[:3])
        more = f" and {len(unmerged) - 3} more" if len(unmerged) > 3 else ""
        places = f"{fields} place" if fields == 1 else f"{fields} places"
        message = f"{names}{more}: both sides changed the same in {places}"
        if marked:
            hint = f"decide between the sides in {first.path}, delete the marker lines, then promptsync push"
            super().__init__(f"{message}; the files hold conflict markers", hint=hint)
        else:
            hint = (f"{_MARKERS}\n{_WAYS_OUT}" if markable else _WAYS_OUT).replace(
                "NAME", shlex.quote(first.name)
            )
            super().__init__(f"{message}; nothing was written", hint=hint)
        self.unmerged = tuple(unmerged)


_MARKERS = "promptsync pull --merge --markers NAME writes both texts into the file, for you to decide"
_WAYS_OUT = (
    "promptsync pull --theirs NAME takes the registry's text (yours is kept in .promptsync/backup)\n"
    "promptsync pull --ours NAME keeps yours as the next version, to be pushed"
)


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged prompts by name, and those of them that hold conflict markers."""

    prompts: Mapping[str, Prompt]
    marked: tuple[Unmerged, ...] = ()


def merge_all(
    project: Project, items: Sequence[Item], remote: Mapping[str, RemoteVersion], *, markers: bool
) -> Merged:
    """Merge each item's file with the registry's version.

    Raises ``MergeConflict`` when one of them does not merge, unless ``markers`` are wanted and can show all
    conflicts of all prompts.
    """
    merges = {item.name: _merge(project, item, remote[item.name]) for item in items}
    unmerged = [
        Unmerged(item.name, item.path or "", remote[item.name].version, merges[item.name].conflicts)
        for item in items
        if merges[item.name].conflicts
    ]
    markable = all(one.is_markable for one in merges.values())
    if unmerged and not (markers and markable):
        raise MergeConflict(unmerged, marked=False, markable=markable)
    return Merged({name: one.prompt for name, one in merges.items()}, tuple(unmerged))


def _merge(project: Project, item: Item, found: RemoteVersion) -> Merge:
    from promptsync.core.merge import merge

    assert item.file is not None and item.listed is not None
    # tags belong to the prompt, and a version read earlier carries those of that day
    theirs = replace(found.prompt, tags=item.listed.prompt.tags)
    base = _base(project, item, theirs)
    return merge(base, item.file.prompt, theirs, names=("yours", f"registry v{found.version}"))


def _base(project: Project, item: Item, theirs: Prompt) -> Prompt | None:
    """Return the version that both sides last agreed on, ``None`` when there is none any more."""
    if item.base is None or item.listed is None or item.file is None:
        return None
    found = read_version(project, item.listed, item.base.version)
    if found is None:
        return None
    tags, our, their = item.base.tags, tag_set(item.file.prompt), tag_set(theirs)
    if tags is None:
        # where nobody knows the tags of then, none counts as removed
        tags = their if item.base.seen_tags == their else our & their
    return replace(found.prompt, tags=tuple(sorted(tags)))

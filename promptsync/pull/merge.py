"""Merges prompts that changed on both sides, from the last version that both include. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptsync.compare.conflict import edit
from promptsync.compare.snapshot import Item
from promptsync.errors import Refused
from promptsync.project.project import Project
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version

if TYPE_CHECKING:
    from promptsync.prompt.merge import Merge
    from promptsync.prompt.merge_fields import FieldConflict


@dataclass(frozen=True, slots=True)
class Unmerged:
    """A prompt that does not merge with the ``version`` of the registry, field by field.

    ``is_passed_over`` says that a later version passed it over. ``markable`` says that conflict
    markers in its texts would show every conflict, and ``is_crowded`` that this pull cannot write them,
    because it brings more than one version into the file.
    """

    name: str
    path: str
    version: int
    conflicts: tuple[FieldConflict, ...]
    is_passed_over: bool = False
    markable: bool = False
    is_crowded: bool = False


class MergeConflict(Refused):
    """Prompts that do not merge; ``unmerged`` has their fields."""

    code = "merge-conflict"

    def __init__(self, unmerged: Sequence[Unmerged], *, marked: bool) -> None:
        self.unmerged = tuple(unmerged)
        fields = sum(len(one.conflicts) for one in unmerged)
        places = f"{fields} place" if fields == 1 else f"{fields} places"
        self.reason = f"both sides changed the same text in {places}"
        """Why these prompts do not merge."""
        if all(one.is_passed_over for one in unmerged):
            self.reason = f"versions that were passed over do not merge in {places}"
        if len(unmerged) == 1 and unmerged[0].is_passed_over:
            self.reason = f"v{unmerged[0].version}, which was passed over, does not merge in {places}"
        names = ", ".join(repr(one.name) for one in unmerged[:3])
        more = f" and {len(unmerged) - 3} more" if len(unmerged) > 3 else ""
        message = f"{names}{more}: {self.reason}"
        if marked:
            super().__init__(f"{message}; the files have conflict markers", hint=edit(unmerged[0].path))
        else:
            super().__init__(f"{message}; nothing was written", hint=_ways_out(unmerged))


def _ways_out(unmerged: Sequence[Unmerged]) -> str:
    is_passed_over = unmerged[0].is_passed_over
    # Passed-over versions come one at a time, because conflict markers cannot be nested.
    names = shlex.join(f"{one.name}@{one.version}" if is_passed_over else one.name for one in unmerged)
    is_markable = all(one.markable for one in unmerged)
    if is_passed_over:
        first = f"pull {names} --passed-over --markers" if is_markable else f"diff {names}"
        return f"promptsync {first}\npromptsync pull {names} --no-passed-over"
    ways = [f"promptsync pull {names} {way}" for way in ("--merge --markers", "--theirs", "--ours")]
    return "\n".join(ways[:2] if is_markable else ways[1:])


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged prompts by name, those of them with conflict markers, and those that do not merge."""

    prompts: Mapping[str, Prompt]
    marked: tuple[Unmerged, ...] = ()
    skipped: tuple[Unmerged, ...] = ()


def merge_all(
    project: Project,
    items: Sequence[Item],
    remote: Mapping[str, Version],
    *,
    markers: bool,
    partial: bool,
) -> Merged:
    """Merge each item's file with the registry's version.

    Raises ``MergeConflict`` if one of them does not merge, unless ``markers`` are wanted and can show all its
    conflicts. With ``partial``, prompts that do not merge are skipped.
    """
    merges = {item.name: _merge(item, remote[item.name]) for item in items}
    unmerged = [
        Unmerged(
            item.name,
            item.path or "",
            remote[item.name].version,
            merges[item.name].conflicts,
            markable=merges[item.name].is_markable,
        )
        for item in items
        if merges[item.name].conflicts
    ]
    marked, skipped = parted(unmerged, markers=markers, partial=partial)
    # A prompt with markers stays in ``prompts``: its merged text has the markers in it.
    names = {one.name for one in skipped}
    prompts = {name: one.prompt for name, one in merges.items() if name not in names}
    return Merged(prompts, marked, skipped)


def parted(
    unmerged: Sequence[Unmerged], *, markers: bool, partial: bool
) -> tuple[tuple[Unmerged, ...], tuple[Unmerged, ...]]:
    """Split what does not merge into what gets conflict markers and what is skipped.

    Raises ``MergeConflict`` if something would be skipped, unless ``partial``.
    """
    marked = tuple(one for one in unmerged if markers and one.markable and not one.is_crowded)
    skipped = tuple(one for one in unmerged if one not in marked)
    if skipped and not partial:
        raise MergeConflict(unmerged, marked=False)
    return marked, skipped


def _merge(item: Item, found: Version) -> Merge:
    from promptsync.prompt.merge import merge

    assert item.file is not None
    names = ("yours", f"registry v{found.version}")
    return merge(item.base_prompt, item.file.prompt, item.content_of(found), names=names)

"""Merges prompts that changed on both sides, from the last version that both include. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from promptsync.compare.conflict import edit
from promptsync.compare.snapshot import Item
from promptsync.errors import Refused
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version

if TYPE_CHECKING:
    from promptsync.prompt.merge_fields import FieldConflict


class Unmerged(Struct, frozen=True):
    """A prompt that does not merge with the ``version`` of the registry, field by field.

    ``is_passed_over`` says that a later version passed it over. ``markable`` says that conflict markers in
    its texts would show every conflict.
    """

    name: str
    path: str
    version: int
    conflicts: tuple[FieldConflict, ...]
    is_passed_over: bool = False
    markable: bool = False


class MergeConflict(Refused):
    """Prompts that do not merge; ``unmerged`` has their fields."""

    code = "merge-conflict"

    def __init__(self, unmerged: Sequence[Unmerged], *, marked: bool) -> None:
        self.unmerged = tuple(unmerged)
        fields = sum(len(prompt.conflicts) for prompt in unmerged)
        places = f"{fields} place" if fields == 1 else f"{fields} places"
        self.reason = f"both sides changed the same text in {places}"
        """Why these prompts do not merge."""
        if all(prompt.is_passed_over for prompt in unmerged):
            self.reason = f"versions that were passed over do not merge in {places}"
        if len(unmerged) == 1 and unmerged[0].is_passed_over:
            self.reason = f"v{unmerged[0].version}, which was passed over, does not merge in {places}"
        names = ", ".join(repr(prompt.name) for prompt in unmerged[:3])
        more = f" and {len(unmerged) - 3} more" if len(unmerged) > 3 else ""
        message = f"{names}{more}: {self.reason}"
        if marked:
            super().__init__(f"{message}; the files have conflict markers", hint=edit(unmerged[0].path))
        else:
            super().__init__(f"{message}; nothing was written", hint=_ways_out(unmerged))


def _ways_out(unmerged: Sequence[Unmerged]) -> str:
    names = shlex.join(prompt.name for prompt in unmerged)
    is_markable = all(prompt.markable for prompt in unmerged)
    if unmerged[0].is_passed_over:
        first = f"pull {names} --passed-over --markers" if is_markable else f"diff {names}"
        dropped = f"{names}@{unmerged[0].version}" if len(unmerged) == 1 else names
        return f"promptsync {first}\npromptsync pull {dropped} --no-passed-over"
    ways = [f"promptsync pull {names} {way}" for way in ("--merge --markers", "--theirs", "--ours")]
    return "\n".join(ways[:2] if is_markable else ways[1:])


class Merged(Struct, frozen=True):
    """The merged prompts by name, those of them with conflict markers, and those that do not merge."""

    prompts: Mapping[str, Prompt]
    marked: tuple[Unmerged, ...] = ()
    skipped: tuple[Unmerged, ...] = ()


def merge_all(
    items: Sequence[Item], remote: Mapping[str, Version], *, markers: bool, partial: bool
) -> Merged:
    """Merge each item's file with the registry's version.

    Raises ``MergeConflict`` if one of them does not merge, unless ``markers`` are wanted and can show all its
    conflicts. With ``partial``, prompts that do not merge are skipped.
    """
    from promptsync.prompt.merge import merge  # only some pulls merge

    prompts, unmerged = {}, []
    for item in items:
        assert item.file is not None
        version = remote[item.name]
        names = ("yours", f"registry v{version.version}")
        result = merge(item.base_prompt, item.file.prompt, item.content_of(version), names=names)
        # A prompt with markers stays in ``prompts``: its merged text has the markers in it.
        prompts[item.name] = result.prompt
        if result.conflicts:
            path, conflicts = item.path or "", result.conflicts
            unmerged.append(
                Unmerged(item.name, path, version.version, conflicts, markable=result.is_markable)
            )
    marked, skipped = parted(unmerged, markers=markers, partial=partial)
    for conflict in skipped:
        del prompts[conflict.name]
    return Merged(prompts, marked, skipped)


def parted(
    unmerged: Sequence[Unmerged], *, markers: bool, partial: bool
) -> tuple[tuple[Unmerged, ...], tuple[Unmerged, ...]]:
    """Split what does not merge into what gets conflict markers and what is skipped.

    Raises ``MergeConflict`` if something would be skipped, unless ``partial``.
    """
    marked = tuple(prompt for prompt in unmerged if markers and prompt.markable)
    skipped = tuple(prompt for prompt in unmerged if prompt not in marked)
    if skipped and not partial:
        raise MergeConflict(unmerged, marked=False)
    return marked, skipped

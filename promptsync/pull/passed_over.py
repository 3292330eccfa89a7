"""Adds versions that were passed over to the writes of a pull. Writes nothing itself.

A version is passed over while neither the newest one nor the files include it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from promptsync.compare.decide import too_shallow
from promptsync.compare.histories import Histories, histories_of
from promptsync.compare.history import History
from promptsync.compare.project import Project
from promptsync.compare.snapshot import Item
from promptsync.compare.state import State
from promptsync.history.passed_over import PassedOver
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt, RemoteVersion
from promptsync.pull.merge import Unmerged, parted
from promptsync.pull.options import PullOptions
from promptsync.pull.write import Write, kept, read_tracked, rewritten

if TYPE_CHECKING:
    from promptsync.prompt.merge_fields import FieldConflict

Found = Mapping[str, tuple[RemoteVersion, ...]]
"""Passed-over versions by prompt, oldest first."""

_UNSETTLED = (State.INVALID, State.CONFLICT, State.RENAMED_REMOTELY, State.MOVED)


def listed(numbers: Iterable[int]) -> str:
    """Return versions as words: ``v6, v7``."""
    return ", ".join(f"v{number}" for number in numbers)


@dataclass(frozen=True, slots=True)
class Brought:
    """What a pull does with passed-over versions. ``found`` are those that it includes or excludes for good.

    ``marked`` get conflict markers, ``skipped`` do not merge.
    """

    found: Found = field(default_factory=dict)
    marked: tuple[Unmerged, ...] = ()
    skipped: tuple[Unmerged, ...] = ()


def bring_passed_over(
    project: Project,
    items: Sequence[Item],
    writes: dict[str, Write],
    options: PullOptions,
    marked: Collection[str],
) -> Brought:
    """Make ``writes`` include the passed-over versions of ``items``, with their text or without.

    ``marked`` are the writes that hold conflict markers. Raises ``MergeConflict`` if a version does not
    merge, unless ``partial``.
    """
    if options.passed_over is None:
        return Brought()
    by_name = {item.name: item for item in items}
    merged: dict[str, _Merged] = {}
    for name, found in find_passed_over(project, items).items():
        file, planned = by_name[name].file, writes.get(name)
        assert file is not None
        text = planned.prompt if planned is not None else file.prompt
        if options.passed_over:
            merged[name] = _with_versions(text, found, markable=name not in marked)
        else:
            merged[name] = _Merged(found, text)
    unmerged = [
        Unmerged(
            name, by_name[name].path or "", one.found.versions[-1].version, one.conflicts, True, one.markable
        )
        for name, one in merged.items()
        if one.conflicts
    ]
    markers, skipped = parted(unmerged, markers=options.markers, partial=options.partial)
    for gone in skipped:
        writes.pop(gone.name, None)
        del merged[gone.name]
    # A text with conflict markers does not count as merged until somebody has edited it.
    conflicts = {one.name for one in markers} | {*marked}
    for name, one in merged.items():
        write = _write(project, by_name[name], one, writes.get(name))
        writes[name] = replace(write, merged=options.passed_over and name not in conflicts)
    return Brought({name: one.found.read for name, one in merged.items()}, markers, skipped)


@dataclass(frozen=True, slots=True)
class PassedOverVersions:
    """The passed-over versions of one prompt: ``versions`` are merged one after the other.

    ``includes`` are the versions that a text with all of them includes.
    """

    versions: tuple[PassedOver, ...]
    includes: tuple[int, ...]
    history: History

    @property
    def read(self) -> tuple[RemoteVersion, ...]:
        """All of them that the registry still has, oldest first."""
        numbers = sorted(number for one in self.versions for number in one.numbers)
        return tuple(self.history.remote[number] for number in numbers if number in self.history.remote)


def find_passed_over(project: Project, items: Iterable[Item]) -> dict[str, PassedOverVersions]:
    """Return by name what was passed over, for the prompts that have a file.

    Reads the message of each version, once. Raises ``RemoteError``, and ``Refused`` if the clone is too
    shallow to show what the files include.
    """
    settled = [
        item
        for item in items
        if item.file is not None and item.listed is not None and item.state not in _UNSETTLED
    ]
    wanted = histories_of(project, settled)
    histories = Histories(project, wanted)
    found = histories.passed_over(list(wanted))
    # In a shallow clone the file may include a version through a commit that is not there.
    if found and project.history is not None and project.history.shallow:
        raise too_shallow(f"which versions of {next(iter(found))!r} its file includes")
    return {
        name: PassedOverVersions(versions, includes, wanted[name])
        for name, (versions, includes) in found.items()
    }


def _write(project: Project, item: Item, one: _Merged, write: Write | None) -> Write:
    """Return the write of a text with passed-over versions."""
    item = replace(item, history=one.found.history)
    includes = one.found.includes
    # Nothing changes in the text, and only ``synced:`` must say that the versions are included.
    if write is None and digest(one.prompt) == item.digest:
        return kept(project, item, includes)
    keep = write is not None and write.backup
    return rewritten(project, item, read_tracked(project, item), one.prompt, backup=keep, heads=includes)


@dataclass(frozen=True, slots=True)
class _Merged:
    """A text with the versions that were passed over."""

    found: PassedOverVersions
    prompt: Prompt
    conflicts: tuple[FieldConflict, ...] = ()
    markable: bool = True


def _with_versions(text: Prompt, found: PassedOverVersions, *, markable: bool) -> _Merged:
    """Merge what passed-over versions changed into a text."""
    from promptsync.prompt.merge import merge

    prompt, history = text, found.history
    conflicts: list[FieldConflict] = []
    for lost in found.versions:
        version = history.prompts.get(lost.version)
        if version is None:
            continue
        # Conflict markers cannot be nested.
        markable = markable and not conflicts
        # Tags belong to the prompt, not to its versions.
        base = history.text(lost.base) if lost.base is not None else None
        base = replace(base, tags=text.tags) if base is not None else None
        one = merge(base, prompt, replace(version, tags=text.tags), names=("yours", f"v{lost.version}"))
        prompt = one.prompt
        conflicts += one.conflicts
        markable = markable and one.is_markable
    return _Merged(found, prompt, tuple(conflicts), markable)

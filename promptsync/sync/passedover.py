"""Brings versions that were passed over into what a pull writes. Writes nothing.

A version is passed over while neither the newest one nor the files include it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from promptsync.core.canonical import digest
from promptsync.core.compare import State
from promptsync.core.prompt import Listed, Prompt, RemoteVersion
from promptsync.files.revisions import Lineage
from promptsync.history.decide import PassedOver, listed_as_passed_over
from promptsync.history.graph import Missing, Version
from promptsync.sync.histories import Histories, History, read_version
from promptsync.sync.merging import Unmerged, parted
from promptsync.sync.project import Project
from promptsync.sync.pullwrites import PullOptions, Write, is_only_here, kept, read_tracked, rewritten
from promptsync.sync.snapshot import Item

if TYPE_CHECKING:
    from promptsync.core.merge_fields import FieldConflict

Found = Mapping[str, tuple[RemoteVersion, ...]]
"""Passed-over versions by prompt, oldest first."""

_UNSETTLED = (State.INVALID, State.RENAMED_REMOTELY)


def listed(numbers: Iterable[int]) -> str:
    """Return versions as words: ``v6, v7``."""
    return ", ".join(f"v{number}" for number in numbers)


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of passed-over versions: ``found`` are those that the writes answer for.

    ``marked`` get conflict markers, ``left`` do not merge.
    """

    found: Found = field(default_factory=dict)
    marked: tuple[Unmerged, ...] = ()
    left: tuple[Unmerged, ...] = ()


def bring_passed_over(
    project: Project,
    items: Sequence[Item],
    writes: dict[str, Write],
    options: PullOptions,
    marked: Collection[str] = (),
) -> Brought:
    """Make ``writes`` answer for the passed-over versions of ``items``: with their text, or without.

    ``marked`` are the writes that hold conflict markers. Raises ``MergeConflict`` where a version does not
    merge, unless ``partial``.
    """
    if options.passed_over is None:
        return Brought()
    by_name = {item.name: item for item in items if _may_have(item)}
    histories = Histories(project, {name: _history(project, item) for name, item in by_name.items()})
    answers = histories.passed_over(list(by_name))
    found: dict[str, tuple[RemoteVersion, ...]] = {}
    unmerged: list[Unmerged] = []
    merged: dict[str, _Merged] = {}
    for name, (versions, heads) in answers.items():
        item, history = by_name[name], histories.by_name[name]
        text = _text(item, writes.get(name))
        one = _with_versions(text, versions, history, heads, markable=name not in marked)
        if not options.passed_over:
            one = replace(one, prompt=text, conflicts=())
        found[name] = tuple(
            history.remote[number] for lost in versions for number in lost.numbers if number in history.remote
        )
        merged[name] = one
        if one.conflicts:
            unmerged.append(
                Unmerged(name, item.path or "", versions[-1].version, one.conflicts, True, one.markable)
            )
    markers, left = parted(unmerged, markers=options.markers, partial=options.partial)
    for gone in left:
        writes.pop(gone.name, None)
        del merged[gone.name], found[gone.name]
    conflicts = {one.name for one in markers} | {*marked}
    for name, one in merged.items():
        item = replace(by_name[name], history=histories.by_name[name])
        write = _write(project, item, one, writes.get(name))
        writes[name] = replace(write, merged=options.passed_over and name not in conflicts)
    return Brought(found, markers, left)


def passed_over_by_latest(project: Project, items: Iterable[Item]) -> dict[str, tuple[int, ...]]:
    """Return by name the versions that the latest one passed over, as far as its own message tells.

    The registry is asked only where two publishes raced. Raises ``RemoteError``.
    """
    found = {}
    for item in items:
        listed = item.listed
        if listed is None or not listed.message or listed.message.endswith(f" v{listed.version})"):
            continue
        numbers = _passed_over_by(project, listed)
        if numbers:
            found[item.name] = numbers
    return found


def _passed_over_by(project: Project, listed: Listed) -> tuple[int, ...]:
    latest = Version(listed.version, digest(listed.prompt), listed.message)
    versions: dict[int, Version] = {}
    while True:
        try:
            numbers = listed_as_passed_over(latest, versions)
            break
        except Missing as needs:
            for number in needs.versions:
                found = read_version(project, listed, number)
                if found is None:
                    versions[number] = Version(number, None)
                else:
                    versions[number] = Version(number, digest(found.prompt), found.message)
    # what raced with the very same text was not passed over
    return tuple(
        one for one in sorted(numbers) if one not in versions or versions[one].digest != latest.digest
    )


def _may_have(item: Item) -> bool:
    """Whether a prompt may have such versions: one that was never here is imported as it is."""
    return item.file is not None and item.listed is not None and item.state not in _UNSETTLED


def _history(project: Project, item: Item) -> History:
    if item.history is not None:
        return item.history
    assert item.listed is not None and item.file is not None
    revisions = project.revisions()
    lineage = revisions.of({item.name: item.file.path})[item.name] if revisions is not None else Lineage()
    return History(item.name, item.file, item.listed, item.listed.version, lineage)


def _text(item: Item, write: Write | None) -> Prompt:
    """Return what the file would say without what was passed over."""
    assert item.file is not None
    return write.prompt if write is not None else item.file.prompt


def _write(project: Project, item: Item, one: _Merged, write: Write | None) -> Write:
    """Return the write of a text with passed-over versions; one that no commit holds is backed up."""
    keep = is_only_here(item) if write is None else write.backup
    if write is None and digest(one.prompt) == item.digest:
        return kept(project, item, one.heads)
    return rewritten(project, item, read_tracked(project, item), one.prompt, backup=keep, heads=one.heads)


@dataclass(frozen=True, slots=True)
class _Merged:
    """A text with passed-over versions; ``heads`` are the versions that it includes then."""

    prompt: Prompt
    heads: tuple[int, ...]
    conflicts: tuple[FieldConflict, ...] = ()
    markable: bool = True


def _with_versions(
    text: Prompt, versions: Sequence[PassedOver], history: History, heads: tuple[int, ...], *, markable: bool
) -> _Merged:
    """Merge a text with passed-over versions: what they changed, and it does not have, comes in."""
    from promptsync.core.merge import merge

    prompt = text
    conflicts: list[FieldConflict] = []
    for lost in versions:
        found = history.remote.get(lost.version)
        if found is None:
            continue
        # markers cannot stand around markers
        markable = markable and not conflicts
        # tags belong to the prompt, and have no part in its versions
        base = history.text(lost.base) if lost.base is not None else None
        base = replace(base, tags=text.tags) if base is not None else None
        one = merge(base, prompt, replace(found.prompt, tags=text.tags), names=("yours", f"v{lost.version}"))
        prompt = one.prompt
        conflicts += one.conflicts
        markable = markable and one.is_markable
    return _Merged(prompt, heads, tuple(conflicts), markable)

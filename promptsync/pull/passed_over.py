"""Adds versions that were passed over to the writes of a pull. Writes nothing itself.

A version is passed over while neither the newest one nor the files include it.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from promptsync.compare.decide import too_shallow
from promptsync.compare.history import Histories, PromptHistory, histories_of
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.errors import UsageError
from promptsync.history.passed_over import PassedOver
from promptsync.project.project import Project
from promptsync.project.target import select
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version
from promptsync.pull.merge import Unmerged, parted
from promptsync.pull.options import PullOptions
from promptsync.pull.write import Write, kept, read_tracked, rewritten

Found = Mapping[str, tuple[Version, ...]]
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
    wanted = {
        name: number
        for name, number in options.versions.items()
        if name in by_name and by_name[name].state not in _UNSETTLED
    }
    for name, found in _chosen(find_passed_over(project, items), wanted).items():
        file, planned = by_name[name].file, writes.get(name)
        assert file is not None
        text = planned.prompt if planned is not None else file.prompt
        if options.passed_over:
            merged[name] = _with_versions(text, found, is_marked=name in marked)
        else:
            merged[name] = _Merged(found, text)
    unmerged = [
        replace(one.unmerged, path=by_name[name].path or "")
        for name, one in merged.items()
        if one.unmerged is not None
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


def at_versions(project: Project, directory: Path, snapshot: Snapshot, options: PullOptions) -> PullOptions:
    """Return the options with plain names and the versions that ``NAME@N`` specified.

    Raises ``NoSuchPrompt``, and ``UsageError`` where a version is not specified by its number alone.
    """
    known = {item.name for item in snapshot.items} | set(snapshot.worktree.files)
    names: dict[str, None] = {}
    versions: dict[str, int] = {}
    for argument in options.names:
        (chosen,) = select(project, directory, [argument], known, where="your files or the registry")
        names |= dict.fromkeys(chosen.names)
        for name in chosen.names if chosen.at else ():
            number = chosen.at.number
            if number is None or not chosen.is_exact or versions.setdefault(name, number) != number:
                raise UsageError(
                    f"passed-over versions are specified one at a time, as in NAME@2, not {argument!r}",
                    hint=f"promptsync log {shlex.quote(name)}",
                )
    return replace(options, names=tuple(names), versions=versions)


@dataclass(frozen=True, slots=True)
class PassedOverVersions:
    """The passed-over versions of one prompt: ``versions`` are merged one after the other.

    ``includes`` are the versions that a text with all of them includes.
    """

    versions: tuple[PassedOver, ...]
    includes: tuple[int, ...]
    history: PromptHistory

    @property
    def read(self) -> tuple[Version, ...]:
        """All of them that the registry still has, oldest first."""
        numbers = sorted(number for one in self.versions for number in one.numbers)
        return tuple(self.history.remote[number] for number in numbers if number in self.history.remote)

    @property
    def has_edits(self) -> bool:
        """Whether one was saved in the dashboard; the others come with the branch that pushed them."""
        return any(one.edits for one in self.versions)


def _chosen(
    found: Mapping[str, PassedOverVersions], wanted: Mapping[str, int]
) -> dict[str, PassedOverVersions]:
    """Return what was passed over, where a version is wanted that one alone. Raises ``UsageError``."""
    for name, number in wanted.items():
        heads = found[name].versions if name in found else ()
        head = next((one for one in heads if number in one.numbers), None)
        if head is None or head.version != number:
            quoted = shlex.quote(name)
            what = f"is part of v{head.version}" if head else "was not passed over, or the file includes it"
            hint = (
                f"promptsync pull {quoted}@{head.version} --passed-over"
                if head
                else f"promptsync log {quoted}"
            )
            raise UsageError(f"{name}: v{number} {what}", hint=hint)
        found = {**found, name: PassedOverVersions((head,), head.includes, found[name].history)}
    return dict(found)


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
    """A text with the versions that were passed over. ``unmerged`` is the first that does not merge."""

    found: PassedOverVersions
    prompt: Prompt
    unmerged: Unmerged | None = None


def _with_versions(text: Prompt, found: PassedOverVersions, *, is_marked: bool) -> _Merged:
    """Merge what passed-over versions changed into a text, up to the first that does not merge.

    ``is_marked`` says that the text has conflict markers, which cannot be nested.
    """
    from promptsync.prompt.merge import merge

    prompt, history = text, found.history
    for lost in found.versions:
        version = history.prompts.get(lost.version)
        if version is None:
            continue
        # Tags belong to the prompt, not to its versions.
        base = history.text(lost.base) if lost.base is not None else None
        base = structs.replace(base, tags=text.tags) if base is not None else None
        version = structs.replace(version, tags=text.tags)
        one = merge(base, prompt, version, names=("yours", f"v{lost.version}"))
        prompt = one.prompt
        if one.conflicts:
            is_crowded = is_marked or lost is not found.versions[-1]
            unmerged = Unmerged(text.name, "", lost.version, one.conflicts, True, one.is_markable, is_crowded)
            return _Merged(found, prompt, unmerged)
    return _Merged(found, prompt)

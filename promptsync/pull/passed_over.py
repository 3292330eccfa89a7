"""Adds versions that were passed over to the writes of a pull. Writes nothing itself.

A version is passed over while neither the newest one nor the files include it.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct, structs
from msgspec.structs import replace

from promptsync.compare.decide import too_shallow
from promptsync.compare.history import Histories, PromptHistory, histories_of
from promptsync.compare.snapshot import Item, State
from promptsync.errors import UsageError
from promptsync.history.passed_over import PassedOver
from promptsync.project.project import Project
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version
from promptsync.pull.merge import Unmerged, parted
from promptsync.pull.write import Write, kept, read_tracked, write_of

_UNSETTLED = (State.INVALID, State.CONFLICT, State.RENAMED_REMOTELY, State.MOVED)


class PassedOverVersions(Struct, frozen=True):
    """The passed-over versions of one prompt: ``heads`` are merged one after the other.

    ``includes`` are the versions that a text with all of them includes.
    """

    heads: tuple[PassedOver, ...]
    includes: tuple[int, ...]
    history: PromptHistory

    @property
    def read(self) -> tuple[Version, ...]:
        """All of them that the registry still has, oldest first."""
        numbers = sorted(number for head in self.heads for number in head.numbers)
        return tuple(self.history.remote[number] for number in numbers if number in self.history.remote)

    @property
    def has_edits(self) -> bool:
        """Whether one was saved in the dashboard; the others come with the branch that pushed them."""
        return any(head.edits for head in self.heads)

    def only(self, head: PassedOver) -> PassedOverVersions:
        """Return one of the heads alone."""
        return PassedOverVersions((head,), head.includes, self.history)


class Brought(Struct, frozen=True):
    """What a pull does with passed-over versions. ``versions`` are those that it settles, by prompt.

    ``marked`` get conflict markers, ``skipped`` do not merge.
    """

    versions: Mapping[str, tuple[Version, ...]] = {}
    marked: tuple[Unmerged, ...] = ()
    skipped: tuple[Unmerged, ...] = ()


def bring_passed_over(
    project: Project,
    items: Sequence[Item],
    writes: dict[str, Write],
    marked: Collection[str],
    *,
    with_text: bool,
    number: int | None,
    markers: bool,
    partial: bool,
) -> Brought:
    """Make ``writes`` include the passed-over versions of ``items``, with their text or without.

    ``number`` is the only version that is meant. If the versions of a prompt clash and ``markers`` are
    wanted, only the oldest comes, and the next pull goes on. ``marked`` are the writes that hold conflict
    markers already, which cannot be nested. Raises ``MergeConflict`` if a version does not merge, unless
    ``partial``, and ``UsageError`` for a number that was not passed over.
    """
    by_name = {item.name: item for item in items}
    found = find_passed_over(project, items)
    if number is not None:
        found = {name: _only(name, number, found.get(name)) for name in by_name}
    texts: dict[str, Prompt] = {}
    unmerged = []
    for name in found:
        item, planned = by_name[name], writes.get(name)
        assert item.file is not None
        texts[name] = text = planned.prompt if planned is not None else item.file.prompt
        if not with_text:
            continue
        texts[name], conflict = _merged(text, found[name], item.path or "")
        if conflict is not None and markers and name not in marked:
            found[name] = found[name].only(found[name].heads[0])
            texts[name], conflict = _merged(text, found[name], item.path or "")
        if conflict is not None:
            is_markable = conflict.markable and name not in marked
            unmerged.append(structs.replace(conflict, markable=is_markable))
    markers_in, skipped = parted(unmerged, markers=markers, partial=partial)
    for conflict in skipped:
        writes.pop(conflict.name, None)
        del found[conflict.name]
    # A text with conflict markers does not count as merged until somebody has edited it.
    conflicts = {conflict.name for conflict in markers_in} | {*marked}
    for name, versions in found.items():
        item = replace(by_name[name], history=versions.history)
        write = _write(project, item, texts[name], versions.includes, writes.get(name))
        writes[name] = structs.replace(write, merged=with_text and name not in conflicts)
    return Brought({name: versions.read for name, versions in found.items()}, markers_in, skipped)


def _only(name: str, number: int, versions: PassedOverVersions | None) -> PassedOverVersions:
    heads = versions.heads if versions is not None else ()
    head = next((head for head in heads if number in head.numbers), None)
    if versions is not None and head is not None and head.version == number:
        return versions.only(head)
    what = f"is part of v{head.version}" if head else "was not passed over, or the file includes it"
    hint = f"promptsync pull {shlex.quote(name)}@{head.version} --passed-over" if head else ""
    raise UsageError(f"{name}: v{number} {what}", hint=hint or f"promptsync log {shlex.quote(name)}")


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
    found = Histories(project, wanted).passed_over(list(wanted))
    # In a shallow clone the file may include a version through a commit that is not there.
    if found and project.history is not None and project.history.shallow:
        raise too_shallow(f"which versions of {next(iter(found))!r} its file includes")
    return {
        name: PassedOverVersions(heads, includes, wanted[name]) for name, (heads, includes) in found.items()
    }


def _write(
    project: Project, item: Item, prompt: Prompt, includes: Sequence[int], write: Write | None
) -> Write:
    """Return the write of a text with passed-over versions."""
    # Nothing changes in the text, and only ``synced:`` must say that the versions are included.
    if write is None and digest(prompt) == item.digest:
        return kept(project, item, includes)
    keep = write is not None and write.backup
    return write_of(project, item, read_tracked(project, item), prompt, backup=keep, heads=includes)


def _merged(text: Prompt, versions: PassedOverVersions, path: str) -> tuple[Prompt, Unmerged | None]:
    """Merge what passed-over versions changed into a text, up to the first that does not merge."""
    from promptsync.prompt.merge import merge

    prompt, history = text, versions.history
    for head in versions.heads:
        version = history.prompts.get(head.version)
        if version is None:
            continue
        # Tags belong to the prompt, not to its versions.
        base = history.text(head.base) if head.base is not None else None
        base = structs.replace(base, tags=text.tags) if base is not None else None
        version = structs.replace(version, tags=text.tags)
        result = merge(base, prompt, version, names=("yours", f"v{head.version}"))
        prompt = result.prompt
        if result.conflicts:
            conflicts = result.conflicts
            return prompt, Unmerged(text.name, path, head.version, conflicts, True, result.is_markable)
    return prompt, None

"""Brings drafts that a release passed over into what a pull writes. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from promptsync.core.canonical import digest
from promptsync.core.prompt import Prompt
from promptsync.errors import Refused
from promptsync.sync.merging import Unmerged, parted
from promptsync.sync.project import Project
from promptsync.sync.pullwrites import PullOptions, Write, kept, read_tracked, rewritten
from promptsync.sync.snapshot import Item, Snapshot
from promptsync.sync.superseded import Superseded, superseded

if TYPE_CHECKING:
    from promptsync.core.merge_fields import FieldConflict

Drafts = Mapping[str, tuple[Superseded, ...]]
"""Superseded drafts by prompt."""


class PassedOver(Refused):
    """Prompts whose drafts a pull would forget: their files would say that they include what covers them."""

    code = "superseded"

    def __init__(self, drafts: Drafts) -> None:
        first = next(iter(drafts))
        more = f" (and {len(drafts) - 1} more prompts)" if len(drafts) > 1 else ""
        super().__init__(
            f"{first!r}{more}: {self.reason_of(drafts[first])}; nothing was written", hint=ways_out(first)
        )
        self.drafts = drafts

    @staticmethod
    def reason_of(found: Sequence[Superseded]) -> str:
        """Why a pull does not go past these drafts unasked."""
        numbers = [one.version for run in found for one in run.drafts]
        was = "was" if len(numbers) == 1 else "were"
        return (
            f"{listed(numbers)} {was} passed over by v{found[-1].covered_by}, and would be left out for good"
        )


def ways_out(name: str) -> str:
    """What to type about drafts that were passed over."""
    quoted = shlex.quote(name)
    return (
        f"promptsync pull --drafts {quoted} brings them into the file\n"
        f"promptsync pull --no-drafts {quoted} leaves them out for good"
    )


def listed(numbers: Iterable[int]) -> str:
    """Return versions as words: ``v6, v7``."""
    return ", ".join(f"v{number}" for number in numbers)


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of drafts: ``drafts`` are those that the writes answer for.

    ``marked`` get conflict markers, ``left`` do not merge, and of ``pending`` nobody said what to do.
    """

    drafts: Drafts = field(default_factory=dict)
    marked: tuple[Unmerged, ...] = ()
    left: tuple[Unmerged, ...] = ()
    pending: Drafts = field(default_factory=dict)


def bring_drafts(
    project: Project,
    snapshot: Snapshot,
    items: Sequence[Item],
    writes: dict[str, Write],
    options: PullOptions,
    marked: Collection[str] = (),
) -> Brought:
    """Make ``writes`` answer for the superseded drafts of ``items``: with their text, or without.

    Where the options do not say which, only what is written anyway is looked at, and what would forget a
    draft is taken out. Drafts that the text holds already are no reason to write a file. ``marked`` are the
    writes that hold conflict markers. Raises ``MergeConflict`` where a draft does not merge, unless
    ``partial``.
    """
    by_name = {item.name: item for item in items if options.drafts is not None or item.name in writes}
    found: dict[str, tuple[Superseded, ...]] = {}
    for run in superseded(project, snapshot, by_name) if by_name else ():
        found[run.name] = (*found.get(run.name, ()), run)
    news: dict[str, _Drafted] = {}
    for name, runs in found.items():
        text = _text(by_name[name], writes.get(name))
        one = _with_drafts(text, runs, markable=name not in marked)
        if one.conflicts or digest(one.prompt) != digest(text):
            news[name] = one
    told = {name: found[name] for name in news}
    if options.drafts is None:
        for name in news:
            del writes[name]
        return Brought(pending=told)
    if not options.drafts:
        for name in news.keys() - writes.keys():
            writes[name] = kept(project, by_name[name])
        return Brought(told)
    unmerged = [_unmerged(by_name[name], found[name], one) for name, one in news.items() if one.conflicts]
    markers, left = parted(unmerged, markers=options.markers, partial=options.partial)
    for gone in left:
        writes.pop(gone.name, None)
        del news[gone.name], told[gone.name]
    conflicts = {one.name for one in markers} | {*marked}
    for name, one in news.items():
        write = _write(project, by_name[name], one.prompt, writes.get(name))
        writes[name] = replace(write, merged=name not in conflicts)
    return Brought(told, markers, left)


def _unmerged(item: Item, found: Sequence[Superseded], one: _Drafted) -> Unmerged:
    draft = found[-1].last.version
    return Unmerged(item.name, item.path or "", draft, tuple(one.conflicts), True, one.markable)


def _text(item: Item, write: Write | None) -> Prompt:
    """Return what the file would say without the drafts."""
    if write is not None:
        return write.prompt
    assert item.file is not None
    return item.file.prompt


def _write(project: Project, item: Item, prompt: Prompt, write: Write | None) -> Write:
    """Return the write of a text with drafts in it; a text that no commit holds is backed up."""
    keep = item.origin.dirty if write is None else write.backup
    return rewritten(project, item, read_tracked(project, item), prompt, backup=keep)


@dataclass
class _Drafted:
    prompt: Prompt
    conflicts: list[FieldConflict] = field(default_factory=list)
    markable: bool = True


def _with_drafts(text: Prompt, found: Sequence[Superseded], *, markable: bool) -> _Drafted:
    """Merge a text with drafts: what they changed, and it does not have, comes in."""
    from promptsync.core.merge import merge

    made = _Drafted(text, markable=markable)
    for run in found:
        # markers cannot stand around markers
        made.markable = made.markable and not made.conflicts
        # tags belong to the prompt, and have no part in its drafts
        base = replace(run.base.prompt, tags=text.tags) if run.base is not None else None
        theirs = replace(run.last.prompt, tags=text.tags)
        one = merge(base, made.prompt, theirs, names=("yours", f"draft v{run.last.version}"))
        made.prompt = one.prompt
        made.conflicts += one.conflicts
        made.markable = made.markable and one.is_markable
    return made

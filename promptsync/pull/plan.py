"""Plans a pull: reads and renders everything before anything is written. Reads only."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from promptsync.compare.conflict import Conflict, reason, unusable
from promptsync.compare.decide import too_shallow
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.errors import InvalidFile
from promptsync.files.worktree import paths_for_new
from promptsync.parallel import mapped
from promptsync.project.plan import fingerprint
from promptsync.project.project import Project
from promptsync.prompt.version import Version
from promptsync.pull.merge import MergeConflict, Unmerged, merge_all
from promptsync.pull.options import PullOptions
from promptsync.pull.passed_over import Found, bring_passed_over
from promptsync.pull.write import (
    Delete,
    Write,
    deletes_of,
    kept,
    last_files,
    read_all,
    render,
    restore,
    rewritten,
)
from promptsync.registry.errors import NotFound

_PULLED = (State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A prompt that a partial pull skips although the registry has a change for it, and why.

    ``refusal`` is the error of a pull that is not partial. Unusable versions do not stop a pull.
    """

    name: str
    path: str | None
    reason: str
    refusal: Refused


@dataclass(frozen=True, slots=True)
class PullPlan:
    """Everything a pull will write, rendered.

    ``marked`` are the prompts whose files get conflict markers. ``passed_over`` are passed-over versions that
    the writes bring in or leave out for good, depending on the ``options``. ``blocked`` are the
    prompts that a partial pull skips because of a conflict; those that do not merge are in ``unmerged`` as
    well. ``skipped`` are all other prompts that are not in sync.
    """

    writes: tuple[Write, ...] = ()
    deletes: tuple[Delete, ...] = ()
    skipped: tuple[Item, ...] = ()
    marked: tuple[Unmerged, ...] = ()
    passed_over: Found = field(default_factory=dict)
    blocked: tuple[Blocked, ...] = ()
    unmerged: tuple[Unmerged, ...] = ()
    options: PullOptions = field(default_factory=PullOptions)
    refusal: Refused | None = None

    @property
    def is_empty(self) -> bool:
        return not self.writes and not self.deletes

    @property
    def fingerprint(self) -> str:
        writes = [[one.name, one.path, one.version, one.old, one.new] for one in self.writes]
        return fingerprint([writes, [[one.name, one.path, one.old] for one in self.deletes]])

    @property
    def destructive(self) -> tuple[str, ...]:
        return ("--prune",) if self.deletes else ()

    @property
    def error(self) -> PromptsyncError | None:
        """The error that a pull with this plan ends in, because conflicts remain."""
        if self.marked:
            return MergeConflict(self.marked, marked=True)
        if not self.blocked:
            return None
        first = self.blocked[0]
        what = f"{first.name!r} was skipped: {first.reason}"
        if len(self.blocked) > 1:
            what = f"{len(self.blocked)} prompts were skipped; first: {first.name!r}: {first.reason}"
        return Refused(what, hint=first.refusal.hint, code=first.refusal.code)


def plan_pull(project: Project, snapshot: Snapshot, options: PullOptions) -> PullPlan:
    """Return what a pull will write.

    Raises ``InvalidFile`` if a file cannot be read, ``UsageError`` for unknown names, ``RemoteError``, and
    ``Refused`` if the clone is too shallow to distinguish a deleted prompt from a new one. Unless the pull is
    ``partial``, raises ``Conflict`` for a prompt that changed on both sides and that is neither merged nor
    settled by ``theirs`` or ``ours``, and ``MergeConflict`` for one that does not merge.
    """
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    chosen = matching(snapshot, options.names)
    items = tuple(item for item in snapshot.only(chosen) if not item.problem)
    if options.ours:
        _check_ours(items)
    apart = [item for item in items if _is_apart(item, options)]
    merging = [
        item
        for item in apart
        if options.merge
        and item.state is State.DIVERGED
        and item.file is not None
        and item.listed is not None
    ]
    conflicts = [item for item in apart if item not in merging]
    wanted = [item for item in items if _is_pulled(item, options)]
    if conflicts and not options.partial:
        raise Conflict(conflicts, "pull", command=options.command if merging or wanted else "")
    _check_not_deleted(project, wanted, chosen)
    writes, marked, unmerged = _writes(project, snapshot, wanted, merging, options)
    # --ours keeps the text, but the file must now say that it includes the registry's version.
    if options.ours:
        writes |= {item.name: kept(project, item) for item in items if item not in conflicts}
    stuck = {item.name for item in conflicts} | {one.name for one in unmerged}
    open_items = [item for item in items if item.name not in stuck]
    brought = bring_passed_over(project, open_items, writes, options, {one.name for one in marked})
    stuck |= {one.name for one in brought.skipped}
    without_text = [item for item in snapshot.only(chosen) if item.problem]
    blocked = _blocked(conflicts, [*unmerged, *brought.skipped], without_text)
    deletes = deletes_of(project, items, theirs=options.theirs) if options.prune else []
    # A side that was taken before is recorded already.
    writes = {name: one for name, one in writes.items() if one.old != one.new}
    done = {*writes, *(one.name for one in deletes), *(one.name for one in blocked)}
    return PullPlan(
        writes=tuple(sorted(writes.values(), key=lambda one: one.path)),
        deletes=tuple(deletes),
        skipped=tuple(item for item in items if item.name not in done and item.state is not State.IN_SYNC),
        marked=(*(one for one in marked if one.name in writes), *brought.marked),
        passed_over=brought.found,
        blocked=blocked,
        unmerged=(*unmerged, *brought.skipped),
        options=options,
    )


def _writes(
    project: Project,
    snapshot: Snapshot,
    wanted: Sequence[Item],
    merging: Sequence[Item],
    options: PullOptions,
) -> tuple[dict[str, Write], Sequence[Unmerged], Sequence[Unmerged]]:
    """Return the writes of what is pulled and merged, what gets conflict markers, and what does not merge."""
    pulled = {item.name: item for item in wanted}
    last = last_files(project, wanted)
    # A restored file goes back to its last path, not to the default one.
    old_paths = {name: file.path for name, file in last.items()}
    paths = paths_for_new(snapshot.worktree, [item.name for item in wanted if item.file is None], old_paths)
    writes: dict[str, Write] = {}

    def prepare(name: str, found: Version) -> None:
        if name in last:
            writes[name] = restore(project, pulled[name], found, last[name], paths[name])
        elif name in pulled:
            writes[name] = render(project, pulled[name], found, paths.get(name), keep=options.theirs)

    listed = [item.listed for item in (*wanted, *merging) if item.listed is not None]
    remote = read_all(project, listed, then=prepare)
    merged = merge_all(project, merging, remote, markers=options.markers, partial=options.partial)
    marked = {one.name for one in merged.marked}
    for item in merging:
        if item.name in merged.prompts:
            found, prompt = remote[item.name], merged.prompts[item.name]
            write = rewritten(project, item, found, prompt)
            writes[item.name] = replace(write, merged=item.name not in marked)
    return writes, merged.marked, merged.skipped


def _blocked(
    conflicts: Sequence[Item], unmerged: Sequence[Unmerged], without_text: Sequence[Item]
) -> tuple[Blocked, ...]:
    found = [Blocked(item.name, item.path, reason(item), Conflict([item], "pull")) for item in conflicts]
    found += [Blocked(item.name, item.path, item.problem, unusable([item], "pull")) for item in without_text]
    for one in unmerged:
        refusal = MergeConflict([one], marked=False)
        found.append(Blocked(one.name, one.path, refusal.reason, refusal))
    return tuple(sorted(found, key=lambda one: one.name))


def _check_not_deleted(project: Project, wanted: Sequence[Item], chosen: Sequence[str]) -> None:
    """Raise ``Refused`` for a prompt that may have been deleted in commits that a shallow clone lacks."""
    new = [item.name for item in wanted if item.state is State.REMOTE_ONLY and item.name not in chosen]
    history = project.history if new else None
    if history is not None and history.shallow:
        raise too_shallow(f"whether {new[0]!r} is new in the registry or was deleted in your files")


def _is_apart(item: Item, options: PullOptions) -> bool:
    """Whether a prompt stops a pull; a renamed one does even with ``theirs`` or ``ours``."""
    if item.state in (State.RENAMED_REMOTELY, State.MOVED):
        return True
    return item.state is State.DIVERGED and not (options.theirs or options.ours)


def _check_ours(items: Sequence[Item]) -> None:
    for item in items:
        if item.state is State.CONFLICT:
            raise Conflict([item], "pull")
        if item.file is None or item.listed is None:
            where = "has no file" if item.file is None else "is not in the registry"
            raise UsageError(
                f"--ours: {item.name!r} {where}, so there is nothing to choose",
                hint=f"promptsync status {shlex.quote(item.name)}",
            )


def _is_pulled(item: Item, options: PullOptions) -> bool:
    if options.ours or item.listed is None:
        return False
    return item.state in _PULLED or (options.theirs and item.state is not State.IN_SYNC)


# -- the versions that a pull brings in ---------------------------------------------------------------------

_MOST = 20
"""How many versions of a prompt are read to describe a pull."""


@dataclass(frozen=True, slots=True)
class PulledVersions:
    """The versions that one file includes after a pull and did not before, oldest first.

    ``older`` counts those before them that were not read.
    """

    versions: tuple[Version, ...]
    older: int = 0


def read_pulled(project: Project, plan: PullPlan) -> dict[str, PulledVersions]:
    """Return the versions that each write of a plan brings in, the newest of many, by name.

    Most were read already, to find out who changed what. Versions that no longer exist are left out.
    """
    numbers = {write.name: _numbers(write) for write in plan.writes}
    ids = {write.name: write.entry.template_id for write in plan.writes}
    wanted = [(name, number) for name, found in numbers.items() for number in found[-_MOST:]]

    def read(key: tuple[str, int]) -> Version | None:
        name, number = key
        try:
            return project.registry.prompts.get(ids[name], name, version=number)
        except NotFound:
            return None

    read_all = dict(zip(wanted, mapped(read, wanted), strict=True))
    return {
        name: PulledVersions(
            tuple(one for number in found[-_MOST:] if (one := read_all[name, number]) is not None),
            max(len(found) - _MOST, 0),
        )
        for name, found in numbers.items()
    }


def _numbers(write: Write) -> range:
    """Return the versions that a file did not include before; only the last one if that is unknown."""
    since = write.since if write.old is not None and write.since is not None else write.version - 1
    return range(since + 1, write.version + 1)

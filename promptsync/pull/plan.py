"""Plans a pull: reads and renders everything before anything is written. Reads only."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct, structs

from promptsync.compare.conflict import Conflict, reason, unusable
from promptsync.compare.decide import too_shallow
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.errors import InvalidFile
from promptsync.files.worktree import paths_for_new
from promptsync.parallel import mapped
from promptsync.project.plan import fingerprint
from promptsync.project.planned_files import PlannedFile
from promptsync.project.project import Project
from promptsync.prompt.version import Version
from promptsync.pull.merge import MergeConflict, Unmerged, merge_all
from promptsync.pull.passed_over import Brought, bring_passed_over
from promptsync.pull.write import (
    Write,
    deletes_of,
    kept,
    last_files,
    read_all,
    render,
    restore,
    with_merged_keys,
    write_of,
)
from promptsync.registry.errors import NotFound

_PULLED = (State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY)

_MOST = 20
"""How many versions of a prompt are read to describe a pull."""


class PullOptions(Struct, frozen=True):
    """What was requested. Empty ``names`` mean every prompt in scope.

    ``theirs`` and ``ours`` are about all the ``names``. ``passed_over`` says whether versions that were
    passed over are brought in or left out for good, ``None`` if neither; ``version`` is the only one that is
    meant. ``partial`` writes what can be written and skips the rest. ``command`` is what was typed.
    """

    names: tuple[str, ...] = ()
    theirs: bool = False
    ours: bool = False
    prune: bool = False
    merge: bool = False
    markers: bool = False
    passed_over: bool | None = None
    partial: bool = False
    version: int | None = None
    command: str = "promptsync pull"


class Blocked(Struct, frozen=True):
    """A prompt that a partial pull skips although the registry has a change for it, and why.

    ``refusal`` is the error of a pull that is not partial. Unusable versions do not stop a pull.
    """

    name: str
    path: str | None
    reason: str
    refusal: Refused


class PullPlan(Struct, frozen=True):
    """Everything a pull will write, rendered.

    ``marked`` are the prompts whose files get conflict markers. ``passed_over`` are passed-over versions that
    the writes bring in or leave out for good, depending on the ``options``. ``blocked`` are the prompts that
    a partial pull skips because of a conflict; those that do not merge are in ``unmerged`` as well.
    ``skipped`` are all other prompts that are not in sync.
    """

    writes: tuple[Write, ...] = ()
    deletes: tuple[PlannedFile, ...] = ()
    skipped: tuple[Item, ...] = ()
    marked: tuple[Unmerged, ...] = ()
    passed_over: Mapping[str, tuple[Version, ...]] = {}
    blocked: tuple[Blocked, ...] = ()
    unmerged: tuple[Unmerged, ...] = ()
    options: PullOptions = PullOptions()
    refusal: Refused | None = None

    @property
    def is_empty(self) -> bool:
        return not self.writes and not self.deletes

    @property
    def fingerprint(self) -> str:
        writes = [[write.name, write.path, write.version, write.old, write.new] for write in self.writes]
        return fingerprint([writes, [[gone.name, gone.path, gone.old] for gone in self.deletes]])

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
    names = matching(project, snapshot, options.names)
    items = tuple(item for item in snapshot.only(names) if not item.problem)
    if options.ours:
        _check_ours(items)
    apart = [item for item in items if _is_apart(item, options)]
    merging = [item for item in apart if options.merge and _can_merge(item)]
    conflicts = [item for item in apart if item not in merging]
    wanted = [item for item in items if _is_pulled(item, options)]
    if conflicts and not options.partial:
        raise Conflict(conflicts, "pull", command=options.command if merging or wanted else "")
    _check_not_deleted(project, wanted, names)
    writes, marked, unmerged = _writes(project, snapshot, wanted, merging, options)
    # --ours keeps the text, but the file must now say that it includes the registry's version.
    if options.ours:
        writes |= {item.name: kept(project, item) for item in items if item not in conflicts}
    stuck = {item.name for item in conflicts} | {prompt.name for prompt in unmerged}
    brought = Brought()
    if options.passed_over is not None:
        brought = bring_passed_over(
            project,
            [item for item in items if item.name not in stuck],
            writes,
            {prompt.name for prompt in marked},
            with_text=options.passed_over,
            number=options.version,
            markers=options.markers,
            partial=options.partial,
        )
    unmerged = (*unmerged, *brought.skipped)
    stuck |= {prompt.name for prompt in unmerged}
    for item in items:
        is_conflicted = item.file is not None and item.file.conflicted is not None
        if is_conflicted and item.name not in {*stuck, *writes}:
            writes[item.name] = with_merged_keys(project, item)
    deletes = deletes_of(project, items, theirs=options.theirs) if options.prune else []
    # A side that was taken before is recorded already.
    writes = {name: write for name, write in writes.items() if write.old != write.new}
    blocked = _blocked(conflicts, unmerged, [item for item in snapshot.only(names) if item.problem])
    settled = {*writes, *(gone.name for gone in deletes), *(prompt.name for prompt in blocked)}
    return PullPlan(
        writes=tuple(sorted(writes.values(), key=lambda write: write.path)),
        deletes=tuple(deletes),
        skipped=tuple(item for item in items if item.name not in settled and item.state is not State.IN_SYNC),
        marked=(*(prompt for prompt in marked if prompt.name in writes), *brought.marked),
        passed_over=brought.versions,
        blocked=blocked,
        unmerged=unmerged,
        options=options,
    )


def _writes(
    project: Project,
    snapshot: Snapshot,
    wanted: Sequence[Item],
    merging: Sequence[Item],
    options: PullOptions,
) -> tuple[dict[str, Write], tuple[Unmerged, ...], tuple[Unmerged, ...]]:
    """Return the writes of what is pulled and merged, what gets conflict markers, and what does not merge."""
    last = last_files(project, wanted)
    # A restored file goes back to its last path, not to the default one.
    old_paths = {name: file.path for name, file in last.items()}
    paths = paths_for_new(snapshot.worktree, [item.name for item in wanted if item.file is None], old_paths)
    listed = [item.listed for item in (*wanted, *merging) if item.listed is not None]
    remote = read_all(project, listed)
    writes = {}
    for item in wanted:
        name, version = item.name, remote[item.name]
        if name in last:
            writes[name] = restore(project, item, version, last[name], paths[name])
        else:
            writes[name] = render(project, item, version, paths.get(name), keep=options.theirs)
    merged = merge_all(merging, remote, markers=options.markers, partial=options.partial)
    marked = {prompt.name for prompt in merged.marked}
    for item in merging:
        if item.name in merged.prompts:
            write = write_of(project, item, remote[item.name], merged.prompts[item.name])
            writes[item.name] = structs.replace(write, merged=item.name not in marked)
    return writes, merged.marked, merged.skipped


def _blocked(
    conflicts: Sequence[Item], unmerged: Sequence[Unmerged], unusable_items: Sequence[Item]
) -> tuple[Blocked, ...]:
    blocked = [Blocked(item.name, item.path, reason(item), Conflict([item], "pull")) for item in conflicts]
    blocked += [
        Blocked(item.name, item.path, item.problem, unusable([item], "pull")) for item in unusable_items
    ]
    for prompt in unmerged:
        refusal = MergeConflict([prompt], marked=False)
        blocked.append(Blocked(prompt.name, prompt.path, refusal.reason, refusal))
    return tuple(sorted(blocked, key=lambda prompt: prompt.name))


def _check_not_deleted(project: Project, wanted: Sequence[Item], names: Collection[str]) -> None:
    """Raise ``Refused`` for a prompt that may have been deleted in commits that a shallow clone lacks."""
    new = [item.name for item in wanted if item.state is State.REMOTE_ONLY and item.name not in names]
    history = project.history if new else None
    if history is not None and history.shallow:
        raise too_shallow(f"whether {new[0]!r} is new in the registry or was deleted in your files")


def _is_apart(item: Item, options: PullOptions) -> bool:
    """Whether a prompt stops a pull; a renamed one does even with ``theirs`` or ``ours``."""
    if item.state in (State.RENAMED_REMOTELY, State.MOVED):
        return True
    return item.state is State.DIVERGED and not (options.theirs or options.ours)


def _can_merge(item: Item) -> bool:
    return item.state is State.DIVERGED and item.file is not None and item.listed is not None


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


def read_pulled(project: Project, plan: PullPlan) -> dict[str, list[Version]]:
    """Return the versions that each write of a plan brings in, oldest first, the newest of many, by name.

    Most were read already, to find out who changed what. Versions that no longer exist are left out.
    """
    wanted = [(write, number) for write in plan.writes for number in write.brings_in[-_MOST:]]

    def read(key: tuple[Write, int]) -> Version | None:
        write, number = key
        try:
            return project.registry.prompts.get(write.entry.template_id, write.name, version=number)
        except NotFound:
            return None

    versions: dict[str, list[Version]] = {write.name: [] for write in plan.writes}
    for (write, _), version in zip(wanted, mapped(read, wanted), strict=True):
        versions[write.name] += [version] if version is not None else []
    return versions

"""Plans a pull, which reads and renders everything before anything is written, and carries it out."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from promptsync.compare.conflict import Conflict, edit, reason, unusable
from promptsync.compare.git_state import too_shallow
from promptsync.compare.history import PassedOverVersions, find_passed_over
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.worktree import paths_for_new
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.plan import FilesReceipt, PlannedFile, fingerprint, write_files
from promptsync.project.project import Project
from promptsync.pull.write import (
    MergeConflict,
    PullOptions,
    Unmerged,
    Write,
    deletes_of,
    edited,
    last_files,
    read_all,
    restore,
    write_of,
)

_PULLED = (State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY)


class Blocked(Struct, frozen=True):
    """A prompt that a partial pull skips although the registry has a change for it, and why.

    ``refusal`` is the error of a pull that is not partial. Unusable versions do not stop a pull.
    """

    name: str
    path: str | None
    reason: str
    refusal: Refused
    unmerged: Unmerged | None = None


class PullPlan(Struct, frozen=True):
    """Everything a pull will write, rendered. ``skipped`` are all other prompts that are not in sync."""

    writes: tuple[Write, ...] = ()
    deletes: tuple[PlannedFile, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    skipped: tuple[Item, ...] = ()
    options: PullOptions = PullOptions()
    refusal: Refused | None = None

    @property
    def is_empty(self) -> bool:
        return not self.writes and not self.deletes

    @property
    def marked(self) -> tuple[Unmerged, ...]:
        """The prompts whose files get conflict markers."""
        return tuple(write.unmerged for write in self.writes if write.unmerged is not None)

    @property
    def unmerged(self) -> tuple[Unmerged, ...]:
        """The prompts that are skipped because they do not merge."""
        return tuple(prompt.unmerged for prompt in self.blocked if prompt.unmerged is not None)

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
    items = [item for item in snapshot.only(names) if not item.problem]
    if options.ours:
        _check_ours(items)
    conflicts = [item for item in items if _stops(item, options)]
    items_to_pull = [item for item in items if not _stops(item, options)]
    wanted = [
        item
        for item in items_to_pull
        if item.listed is not None
        and not options.ours
        and (item.state in _PULLED or (options.theirs and item.state is not State.IN_SYNC))
    ]
    if conflicts and not options.partial:
        can_go_on = wanted or any(item.state is State.DIVERGED for item in items_to_pull)
        raise Conflict(conflicts, "pull", command=options.command if can_go_on else "")
    _check_not_deleted(project, wanted, names)
    writes, unmerged = _writes(project, snapshot, items_to_pull, wanted, options)
    if unmerged and not options.partial:
        raise MergeConflict(unmerged, marked=False)
    deletes = deletes_of(project, items_to_pull, theirs=options.theirs) if options.prune else []
    blocked = [Blocked(item.name, item.path, reason(item), Conflict([item], "pull")) for item in conflicts]
    for item in snapshot.only(names):
        if item.problem:
            blocked.append(Blocked(item.name, item.path, item.problem, unusable([item], "pull")))
    for prompt in unmerged:
        refusal = MergeConflict([prompt], marked=False)
        blocked.append(Blocked(prompt.name, prompt.path, refusal.reason, refusal, prompt))
    settled = {change.name for change in (*writes, *deletes)} | {prompt.name for prompt in blocked}
    return PullPlan(
        writes=tuple(sorted(writes, key=lambda write: write.path)),
        deletes=tuple(deletes),
        blocked=tuple(sorted(blocked, key=lambda prompt: prompt.name)),
        skipped=tuple(item for item in items if item.name not in settled and item.state is not State.IN_SYNC),
        options=options,
    )


def _writes(
    project: Project, snapshot: Snapshot, items: Sequence[Item], wanted: Sequence[Item], options: PullOptions
) -> tuple[list[Write], list[Unmerged]]:
    """Return the writes of all files that a pull changes, and what does not merge."""
    passed_over = _passed_over(project, items, options)
    last = last_files(project, wanted)
    # A restored file goes back to its last path, not to the default one.
    old_paths = {name: file.path for name, file in last.items()}
    paths = paths_for_new(snapshot.worktree, [item.name for item in wanted if item.file is None], old_paths)
    pulled = {item.name for item in wanted}
    changing = [
        item
        for item in items
        if item.name in pulled
        or item.name in passed_over
        or options.ours
        or item.state is State.DIVERGED
        or (item.file is not None and item.file.conflicted is not None)
    ]
    for item in changing:
        if item.listed is None:  # only a file in which git could not merge ``synced:``
            message = f"{item.name!r} is not in the registry, so {item.path} stays in conflict"
            hint = edit(item.path or "")
            raise Refused(f"{message}; nothing was written", hint=hint, code="conflict-markers")
    versions = read_all(project, [item.listed for item in changing if item.listed is not None])
    writes, unmerged = [], []
    for item in changing:
        version = versions[item.name]
        if item.name in last:
            write: Write | Unmerged = restore(project, item, version, last[item.name], paths[item.name])
        elif item.file is None:
            write = write_of(project, item, version, path=paths[item.name])
        else:
            pulls, over = item.name in pulled, passed_over.get(item.name)
            write = edited(project, item, version, over, options, pulls=pulls)
        if isinstance(write, Unmerged):
            unmerged.append(write)
        elif write.old != write.new:  # a side that was taken before is recorded already
            writes.append(write)
    return writes, unmerged


def _passed_over(
    project: Project, items: Sequence[Item], options: PullOptions
) -> Mapping[str, PassedOverVersions]:
    """Return by name the versions that were passed over and are meant.

    Raises ``UsageError`` if a single ``version`` was not passed over, or only as a part of another one.
    """
    if options.passed_over is None:
        return {}
    passed_over, number = find_passed_over(project, items), options.version
    if number is None or not items:
        return passed_over
    (name,) = [item.name for item in items]
    versions = passed_over.get(name)
    head = next((head for head in versions.heads if number in head.numbers), None) if versions else None
    if versions is not None and head is not None and head.version == number:
        return {name: PassedOverVersions((head,), versions.history)}
    what = f"is part of v{head.version}" if head else "was not passed over, or the file includes it"
    option = "--passed-over" if options.passed_over else "--no-passed-over"
    hint = f"promptsync pull {shlex.quote(name)}@{head.version} {option}" if head else ""
    raise UsageError(f"{name}: v{number} {what}", hint=hint or f"promptsync log {shlex.quote(name)}")


def _check_not_deleted(project: Project, wanted: Sequence[Item], names: Collection[str]) -> None:
    """Raise ``Refused`` for a prompt that may have been deleted in commits that a shallow clone lacks."""
    new = [item.name for item in wanted if item.state is State.REMOTE_ONLY and item.name not in names]
    history = project.history if new else None
    if history is not None and history.shallow:
        raise too_shallow(f"whether {new[0]!r} is new in the registry or was deleted in your files")


def _stops(item: Item, options: PullOptions) -> bool:
    """Whether a prompt stops a pull; a renamed one does even with ``theirs`` or ``ours``."""
    if item.state in (State.RENAMED_REMOTELY, State.MOVED):
        return True
    if item.state is not State.DIVERGED or options.theirs or options.ours:
        return False
    return not options.merge or item.file is None or item.listed is None


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


def apply_pull(project: Project, plan: PullPlan) -> FilesReceipt:
    """Write the files of ``plan``; see ``write_files``."""
    receipt = write_files(project, [*plan.writes, *plan.deletes], "promptsync pull")
    if written := receipt.of(plan.writes):
        registry = project.registry
        entries = {write.name: write.entry for write in written}
        try:
            project.record().update(registry.url, registry.workspace_seen, entries)
        except (OSError, PromptsyncError) as error:
            receipt.unrecorded = str(error)
    return receipt

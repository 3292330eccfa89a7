"""Plans a pull, of changes or of specified versions, reading all before a file is written, and applies it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from promptsync.compare.conflict import conflict, edit, may_have_moved, reason, unusable
from promptsync.compare.gather import gather
from promptsync.compare.git_state import too_shallow
from promptsync.compare.snapshot import Item, Snapshot, State, find_passed_over, matching
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.disk import explained, real_path, write
from promptsync.files.prompt_file import paths_for_new, render_new
from promptsync.files.yaml.load import check_valid
from promptsync.project.plan import FilesPlan, FilesReceipt, PlannedFile, write_files
from promptsync.project.project import Project
from promptsync.project.target import At, resolve
from promptsync.project.versions import list_all, no_such_version
from promptsync.prompt.additions import without_notes
from promptsync.prompt.names import path_for
from promptsync.prompt.prompt import Local, Version
from promptsync.pull.write import (
    MergeConflict,
    PullOptions,
    Unmerged,
    Write,
    deletes_of,
    edited,
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


class PullPlan(FilesPlan, frozen=True, kw_only=True):
    """Everything a pull will write, rendered, and then delete.

    ``skipped`` are all other prompts that are not in sync.
    """

    blocked: tuple[Blocked, ...] = ()
    skipped: tuple[Item, ...] = ()
    options: PullOptions = PullOptions()

    @property
    def writes(self) -> tuple[Write, ...]:
        """The files that are written."""
        return tuple(change for change in self.changes if isinstance(change, Write))

    @property
    def deletes(self) -> tuple[PlannedFile, ...]:
        """The files that are deleted."""
        return tuple(change for change in self.changes if change.new is None)

    @property
    def marked(self) -> tuple[Unmerged, ...]:
        """The prompts whose files get conflict markers."""
        return tuple(write.unmerged for write in self.writes if write.unmerged is not None)

    @property
    def unmerged(self) -> tuple[Unmerged, ...]:
        """The prompts that are skipped because they do not merge."""
        return tuple(prompt.unmerged for prompt in self.blocked if prompt.unmerged is not None)

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
    check_valid(snapshot.problems)
    names = matching(project, snapshot, options.names)
    items = [item for item in snapshot.only(names) if not item.problem]
    for item in items if options.ours else ():
        if item.file is None or item.listed is None:
            where = "has no file" if item.file is None else "is not in the registry"
            raise UsageError(
                f"--ours: {item.name!r} {where}, so there is nothing to choose",
                hint=f"promptsync status {shlex.quote(item.name)}",
            )
    exact = {name for name, target in names.items() if target.is_exact}
    conflicts = [item for item in items if _stops(item, options, exact)]
    items_to_pull = [item for item in items if not _stops(item, options, exact)]
    wanted = [
        item
        for item in items_to_pull
        if item.listed is not None
        and not options.ours
        and (item.state in _PULLED or (options.theirs and item.state is not State.IN_SYNC))
    ]
    if conflicts and not options.partial:
        can_go_on = wanted or any(item.state is State.DIVERGED for item in items_to_pull)
        raise conflict(conflicts, "written", command=options.command if can_go_on else "")
    lost = [item for item in wanted if item.name not in exact]
    if moved := may_have_moved(project, lost, snapshot.items, "; nothing was written"):
        raise moved
    # A shallow clone may lack the commit that deleted a prompt.
    new = [item.name for item in wanted if item.state is State.REMOTE_ONLY and item.name not in names]
    if new and project.history is not None and project.history.shallow:
        raise too_shallow(f"whether {new[0]!r} is new in the registry or was deleted in your files")
    writes, blocked = _writes(project, snapshot, items_to_pull, wanted, options)
    deletes = deletes_of(project, items_to_pull, exact, theirs=options.theirs) if options.prune else []
    for item in (*conflicts, *(item for item in snapshot.only(names) if item.problem)):
        refusal = unusable([item], "pull") if item.problem else conflict([item], "written")
        blocked.append(Blocked(item.name, item.path, reason(item), refusal))
    settled = {change.name for change in (*writes, *deletes)} | {prompt.name for prompt in blocked}
    return PullPlan(
        changes=(*sorted(writes, key=lambda write: write.path), *deletes),
        destructive=("--prune",) if deletes else (),
        blocked=tuple(sorted(blocked, key=lambda prompt: prompt.name)),
        skipped=tuple(item for item in items if item.name not in settled and item.state is not State.IN_SYNC),
        options=options,
    )


def apply_pull(project: Project, plan: PullPlan) -> FilesReceipt:
    """Write the files of ``plan``; see ``write_files``."""
    receipt = write_files(project, plan.changes, "promptsync pull")
    if written := receipt.of(plan.writes):
        registry = project.registry
        entries = {write.name: write.entry for write in written}
        try:
            project.record().update(registry.url, registry.workspace_seen, entries)
        except (OSError, PromptsyncError) as error:
            receipt.unrecorded = str(error)
    return receipt


def _writes(
    project: Project, snapshot: Snapshot, items: Sequence[Item], wanted: Sequence[Item], options: PullOptions
) -> tuple[list[Write], list[Blocked]]:
    """Return the writes of all files that a pull changes, and what stays because it cannot be written."""
    passed_over = find_passed_over(project, items) if options.passed_over is not None else {}
    last = {item.name: item.last for item in wanted if item.last is not None}
    # A restored file goes back to its last path, not to the default one.
    old_paths = {name: revision.path for name, revision in last.items()}
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
    writes, unmerged, blocked = [], [], []
    for item in changing:
        version = versions[item.name]
        try:
            if item.name in last:
                write: Write | Unmerged = restore(project, item, version, last[item.name], paths[item.name])
            elif item.file is None:
                write = write_of(project, item, version, path=paths[item.name])
            else:
                pulls, over = item.name in pulled, passed_over.get(item.name)
                write = edited(project, item, version, over, options, pulls=pulls)
        except Refused as error:
            if not options.partial:
                raise
            blocked.append(Blocked(item.name, item.path, error.message, error))
            continue
        if isinstance(write, Unmerged):
            unmerged.append(write)
            refusal = MergeConflict([write], marked=False)
            blocked.append(Blocked(write.name, write.path, refusal.reason, refusal, write))
        elif write.old != write.new:  # a side that was taken before is recorded already
            writes.append(write)
    if unmerged and not options.partial:
        raise MergeConflict(unmerged, marked=False)
    return writes, blocked


def _stops(item: Item, options: PullOptions, exact: Collection[str]) -> bool:
    """Whether a prompt stops a pull; a renamed one does even with ``theirs`` or ``ours``.

    Conflict markers stop the pull of a prompt that is named, ``exact`` being these names.
    """
    if item.state is State.RENAMED_REMOTELY:
        return True
    if item.state is State.CONFLICT:
        return item.name in exact and not options.theirs
    if item.state is not State.DIVERGED or options.theirs or options.ours:
        return False
    return not options.merge or item.file is None or item.listed is None


# -- specified versions -------------------------------------------------------------------------------------

_SAFE = (State.IN_SYNC, State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY, State.ALTERED)


def plan_materialise(project: Project, names: Sequence[str], at: At, *, theirs: bool) -> PullPlan:
    """Return the writes of the versions under a label, or of one prompt's version.

    A file is replaced only if its content is committed or published, and a pull into it is committed.
    For any other file this raises ``Refused``, unless ``theirs``: then a backup is made.
    """
    snapshot = gather(project)
    check_valid(snapshot.problems)
    listed = snapshot.listing.values() if at.label is None else list_all(project, label=at.label)
    targets = _versions(project, listed, list(matching(project, snapshot, names)), at)
    items = [item for item in snapshot.only(()) if item.listed is not None and item.name in targets]
    unsafe = [item for item in items if _is_unsafe(project, item, targets[item.name])]
    if unsafe and not theirs:
        paths = shlex.join(item.path or "" for item in unsafe)
        restore = f"git restore {paths}"
        if any(item.state not in _SAFE for item in unsafe):  # the backup keeps what nobody else has
            option = f"--label {shlex.quote(at.label)}" if at.label is not None else f"--version {at.number}"
            restore = f"promptsync pull {shlex.join(item.name for item in unsafe)} {option} --theirs"
        raise Refused(
            f"commit or restore {paths} first: no commit has that content; nothing was written",
            hint=f"git add {paths} && git commit {paths}\n{restore}",
            code="uncommitted",
        )
    paths_of_new = paths_for_new(snapshot.worktree, [item.name for item in items if item.file is None])
    writes = []
    for item in items:
        version = targets[item.name]
        if item.state is State.IN_SYNC and version.version == item.version:
            continue  # the file has this version already, and does not need ``synced:``
        path, heads = paths_of_new.get(item.name), (version.version,)
        write = write_of(project, item, version, path=path, heads=heads, backup=theirs)
        if write.old != write.new:
            writes.append(write)
    return PullPlan(changes=tuple(sorted(writes, key=lambda write: write.path)))


def _is_unsafe(project: Project, item: Item, version: Version) -> bool:
    """Whether a file would lose what no commit has: content, or a later version that ``synced:`` names."""
    file, git = item.file, project.history
    if file is None or item.state not in _SAFE:
        return file is not None and not item.is_committed
    is_shown = item.history is not None and item.history.shows_old_version
    if git is None or is_shown or file.path not in git.edited & git.head.keys():
        return False
    committed = b"".join(git.blobs([git.head[file.path]]).values())
    later = [key for key in project.keys_in(file.local.synced) if key.version > version.version]
    return any(str(key).encode() not in committed for key in later)


def _versions(
    project: Project, listed: Iterable[Version], names: Sequence[str], at: At
) -> dict[str, Version]:
    """Read the listed prompts in scope, or those of ``names``, at their version or at ``at.number``, by name.

    Raises ``UsageError`` if a name is not listed, if there are none, or if a version does not exist.
    """
    in_scope = {version.name: version for version in listed if project.config.in_scope(version.name)}
    under = f" under the label {at.label!r}" if at.label is not None else ""

    def missing(name: str, known: Collection[str] = ()) -> UsageError:
        return UsageError(f"the registry has no prompt {name}{under}", hint="promptsync ls-remote")

    if not in_scope:
        raise missing("in scope")
    targets = resolve(project, names or ["*"], in_scope, with_versions=False, missing=missing)
    chosen = [in_scope[target.name] for target in targets]
    if at.number is not None:
        for latest in chosen:
            if at.number > latest.version:
                raise no_such_version(latest, at)
        chosen = [replace(latest, version=at.number) for latest in chosen]
    return read_all(project, chosen)


def export(
    project: Project, names: Sequence[str], directory: Path, at: At, *, dry_run: bool
) -> list[tuple[str, Version]]:
    """Write prompts to a new or empty directory; nothing is recorded in the working copy.

    Returns the path below ``directory`` and the version of each. Raises ``UsageError`` if a name does not
    exist, if no prompt has the label, or if the files would be among those of the working copy, and
    ``Refused`` if the directory has any files.
    """
    # Files of a build have no ``synced:``; among those of a working copy they would look like edits.
    if real_path(directory).is_relative_to(real_path(project.config.prompts_path)):
        raise UsageError(
            f"--output would write into {directory}, which holds the files of the working copy; "
            "nothing was written",
            hint="pass another directory, or leave out --output to pull into the working copy",
        )
    with explained("read", directory):
        if directory.is_dir() and any(directory.iterdir()):
            raise Refused(
                f"{directory} is not empty; nothing was written",
                hint="pass a new or empty directory to --output",
                code="exists",
            )
    versions = _versions(project, list_all(project, label=at.label), names, at)
    paths: dict[str, str] = {}
    for name in sorted(versions):
        paths[name] = path_for(name, list(paths.values()))
        if not dry_run:
            write(directory, paths[name], render_new(without_notes(versions[name].prompt), Local()))
    return [(path, versions[name]) for name, path in paths.items()]

"""Plans what a pull writes: all is read and rendered before anything is written. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from promptsync.core.base import Pushed
from promptsync.core.canonical import comparable, digest, tag_set
from promptsync.core.compare import State
from promptsync.core.prompt import Listed, Local, Prompt, RemoteVersion
from promptsync.errors import UsageError
from promptsync.files.emit import render_new
from promptsync.files.problems import InvalidFile
from promptsync.files.promptfile import PromptFile
from promptsync.files.record import Entry
from promptsync.files.splice import render_edit
from promptsync.files.worktree import paths_for_new
from promptsync.parallel import CONNECTIONS, mapped
from promptsync.sync.conflict import Conflict
from promptsync.sync.decide import pulled_from, too_shallow, with_pulled
from promptsync.sync.merging import Merged, Unmerged, merge_all
from promptsync.sync.planning import check_names
from promptsync.sync.project import Project
from promptsync.sync.proof import digest_beside
from promptsync.sync.snapshot import Item, Snapshot

_TAKEN = (State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY)


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What the user asked for. ``names`` empty means every prompt in scope."""

    names: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    prune: bool = False
    merge: bool = False
    markers: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """One file to write. ``old`` is the text that it replaces, ``None`` for a new file.

    ``merged`` says that it holds the changes of both sides.
    """

    name: str
    path: str
    version: int
    old: str | None
    new: str
    old_prompt: Prompt | None
    prompt: Prompt
    entry: Entry
    backup: bool = False
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """One file to delete, whose prompt is archived in the registry."""

    name: str
    path: str
    old: str


@dataclass(frozen=True, slots=True)
class PullPlan:
    """Everything a pull will write, rendered.

    ``marked`` are the prompts whose files get conflict markers. ``prune`` says that files of archived prompts
    were to be deleted.
    """

    writes: tuple[Write, ...] = ()
    deletes: tuple[Delete, ...] = ()
    left: tuple[Item, ...] = ()
    marked: tuple[Unmerged, ...] = ()
    prune: bool = False


def plan_pull(project: Project, snapshot: Snapshot, options: PullOptions) -> PullPlan:
    """Return what a pull will write.

    Raises ``InvalidFile`` while a file cannot be read, ``Conflict`` while a chosen prompt changed on both
    sides (unless ``theirs`` or ``ours`` names it, or it is merged), ``MergeConflict`` when one does not
    merge, ``UsageError`` for unknown names, ``RemoteError``, ``Refused`` where a clone is too shallow to tell
    a prompt that was deleted from one that is new.
    """
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    chosen = (*options.names, *options.theirs, *options.ours)
    check_names(snapshot, chosen)
    items = snapshot.only(chosen)
    _check_ours(items, options)
    settled = {*options.theirs, *options.ours}
    apart = [item for item in items if _is_apart(item, settled)]
    conflicts = [item for item in apart if not (options.merge and _is_mergeable(item))]
    if conflicts:
        raise Conflict(conflicts, "pull")
    wanted = [item for item in items if _is_taken(item, options)]
    _check_not_deleted(project, wanted, chosen)
    kept = [item for item in items if item.name in options.ours and item.file is not None and item.listed]
    paths = paths_for_new(snapshot.worktree, [item.name for item in wanted if item.file is None])
    taken = {item.name: item for item in wanted}
    rendered: dict[str, Write] = {}

    def prepare(name: str, found: RemoteVersion) -> None:
        if name in taken:
            keep = name in options.theirs
            rendered[name] = render(project, taken[name], found, paths.get(name), keep=keep)

    listed = [item.listed for item in (*wanted, *apart) if item.listed is not None]
    remote = read_all(project, listed, then=prepare)
    merged = merge_all(project, apart, remote, markers=options.markers)
    writes = list(rendered.values())
    writes += [_kept(project, item) for item in kept]
    writes += [_merged(project, item, remote[item.name], merged) for item in apart]
    deletes = [_deletion(item) for item in items if options.prune and _is_prunable(item)]
    done = {write.name for write in writes} | {item.name for item in deletes}
    left = tuple(item for item in items if item.name not in done and item.state is not State.IN_SYNC)
    writes.sort(key=lambda one: one.path)
    return PullPlan(tuple(writes), tuple(deletes), left, merged.marked, options.prune)


def _check_not_deleted(project: Project, wanted: Sequence[Item], chosen: Sequence[str]) -> None:
    """Refuse to bring back unasked what the history that a shallow clone lacks may have deleted."""
    new = [item.name for item in wanted if item.state is State.REMOTE_ONLY and item.name not in chosen]
    history = project.history if new else None
    if history is not None and history.shallow:
        raise too_shallow(f"whether {new[0]!r} is new in the registry or was deleted here")


def _is_apart(item: Item, settled: set[str]) -> bool:
    """Whether a prompt stops a pull; there is nothing to choose from where the name itself is in question."""
    if item.state is State.RENAMED_REMOTELY:
        return True
    return item.state is State.DIVERGED and item.name not in settled


def _check_ours(items: Sequence[Item], options: PullOptions) -> None:
    for item in items:
        if item.name in options.ours and (item.file is None or item.listed is None):
            where = "has no file here" if item.file is None else "is not in the registry"
            raise UsageError(
                f"--ours: {item.name!r} {where}, so there are no two texts to choose from",
                hint="promptsync status shows where it stands",
            )


def _is_mergeable(item: Item) -> bool:
    return item.state is State.DIVERGED and item.file is not None and item.listed is not None


def _is_taken(item: Item, options: PullOptions) -> bool:
    if item.name in options.ours or item.listed is None:
        return False
    return item.state in _TAKEN or (item.name in options.theirs and item.state is not State.IN_SYNC)


def _is_prunable(item: Item) -> bool:
    """Whether the file of an archived prompt holds nothing that was not in the registry."""
    return item.state is State.DELETED_REMOTELY and item.file is not None and not item.origin.dirty


def _deletion(item: Item) -> Delete:
    assert item.file is not None
    return Delete(item.name, item.file.path, item.file.text)


def read_all(
    project: Project,
    listed: Sequence[Listed],
    *,
    then: Callable[[str, RemoteVersion], None] = lambda name, found: None,
) -> dict[str, RemoteVersion]:
    """Read the tracked versions raw, several at a time, by name.

    ``then`` gets each as it comes, in any order and thread: its work is done while others are waited for.
    """
    found: dict[str, RemoteVersion] = {}

    def read(one: Listed) -> None:
        version = project.registry.get(one.template_id, one.name, version=one.version)
        then(one.name, version)
        found[one.name] = version
        project.progress("Reading versions", len(found), len(listed))

    # two more than there are connections: somebody works on an answer while the others wait for theirs
    mapped(read, listed, connections=CONNECTIONS + 2)
    return found


def render(
    project: Project, item: Item, found: RemoteVersion, new_path: str | None, *, keep: bool = False
) -> Write:
    """Return the write that brings a version into its file; comments and layout of the file survive."""
    file = item.file
    prompt = comparable(file.prompt, found.prompt) if file is not None else found.prompt
    local = with_pulled(file.local if file is not None else Local(), project, found.version)
    return _write(project, item, file, prompt, local, found, new_path, backup=keep)


def _kept(project: Project, item: Item) -> Write:
    """Return the write that says that a file includes the tracked version: its own text stays."""
    assert item.file is not None and item.listed is not None
    file, listed = item.file, item.listed
    found = project.registry.get(listed.template_id, item.name, version=listed.version)
    local = with_pulled(file.local, project, found.version)
    return _write(project, item, file, file.prompt, local, found, None)


def _merged(project: Project, item: Item, found: RemoteVersion, merged: Merged) -> Write:
    """Return the write of a merged prompt; a text that no commit holds is backed up."""
    assert item.file is not None
    prompt, local = merged.prompts[item.name], with_pulled(item.file.local, project, found.version)
    write = _write(project, item, item.file, prompt, local, found, None, backup=item.origin.dirty)
    return replace(write, merged=all(one.name != item.name for one in merged.marked))


def _write(
    project: Project,
    item: Item,
    file: PromptFile | None,
    prompt: Prompt,
    local: Local,
    found: RemoteVersion,
    new_path: str | None,
    *,
    backup: bool = False,
) -> Write:
    if file is not None:
        path, old = file.path, file.text
        new = render_edit(old, prompt, local, path, named=True)
    else:
        path, old = new_path or "", None
        new = render_new(prompt, local)
    remote_digest = digest_beside(file.prompt, found.prompt) if file is not None else digest(found.prompt)
    pushed = Pushed(
        version=found.version,
        digest=remote_digest,
        tags=tag_set(found.prompt),
        kept_tags=tag_set(found.prompt),
        pulled=pulled_from(local.pulled, project),
        commit=item.newest,
        moves=item.moves,
    )
    return Write(
        item.name,
        path,
        found.version,
        old,
        new,
        file.prompt if file is not None else None,
        prompt,
        Entry(found.template_id, pushed),
        backup,
    )

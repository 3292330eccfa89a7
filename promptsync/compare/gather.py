"""Gathers both sides and decides the state of each prompt. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptsync.compare.labels import labels_by_prompt, list_labels
from promptsync.compare.list_equality import ListComparison
from promptsync.compare.snapshot import Item, Snapshot
from promptsync.compare.state import State
from promptsync.errors import PromptsyncError, UsageError
from promptsync.files.cache import Cache
from promptsync.files.names import broken_names, name_in
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import Worktree, scan
from promptsync.parallel import in_background
from promptsync.project.project import Project
from promptsync.project.versions import list_all
from promptsync.prompt.prompt import Label
from promptsync.prompt.version import Version

if TYPE_CHECKING:
    from promptsync.files.git.history import GitHistory

_MAY_HAVE_MOVED = (State.NEW, State.AHEAD, State.DIVERGED)
_MAY_BE_ELSEWHERE = (State.DELETED_LOCALLY, State.DIVERGED)


def with_renames(project: Project, items: Sequence[Item]) -> list[Item]:
    """Return the items with ``was`` and ``became`` set where another name is likely.

    If ``name:`` changed, the two prompts stay ``new`` and ``deleted-locally``, and the note says what the
    registry will do with them. If a file without ``name:`` moved, nobody chose the new name, so both are
    ``moved``, also where it took the path of another. Equal content counts, and what git calls a rename for
    files without ``name:`` and for prompts that changed in the registry, if the same commit deleted the old
    file, or none yet. Of several candidates the one in the same file comes first, and none is used twice.
    """
    # The deleted prompts by each content that they are known to have had.
    gone: dict[str | None, list[Item]] = defaultdict(list)
    for item in items:
        if item.file is None and item.state in _MAY_BE_ELSEWHERE:
            base = item.base.digest if item.base is not None else None
            for content in {item.last_digest, base, item.remote_digest} - {None}:
                gone[content].append(item)
    was: dict[str, str] = {}
    new = [item for item in items if item.state is State.NEW and item.digest in gone]
    # Two passes, so that a candidate in the same file is not given away to another prompt first.
    for same_file in (True, False):
        for item in new:
            for old in gone[item.digest]:
                is_free = item.name not in was and old.name not in was.values()
                if is_free and (item.path == old.last_path or not same_file):
                    was[item.name] = old.name
    nameless = {item.name for item in items if item.state in _MAY_HAVE_MOVED and _is_nameless(item)}
    by_file = _by_file(project, items, nameless, was)
    was |= {name: old for name, old in by_file.items() if name in nameless}
    became = {old: name for name, old in was.items()}
    # What was edited in both places under two names must not be restored without the edit of the file.
    changed = {item.name for item in items if item.state is State.DIVERGED}
    became |= {old: name for name, old in by_file.items() if old in changed}
    moved = nameless & {*was}
    return [
        replace(
            item,
            state=State.MOVED if item.name in moved or became.get(item.name) in moved else item.state,
            was=was.get(item.name),
            became=became.get(item.name),
        )
        if item.name in was or item.name in became
        else item
        for item in items
    ]


def _is_nameless(item: Item) -> bool:
    return item.file is not None and not name_in(item.file.text.encode())


def _by_file(
    project: Project, items: Sequence[Item], nameless: Collection[str], was: Mapping[str, str]
) -> dict[str, str]:
    """Return more old names: of prompts in the files of deleted ones, and in files that git says moved."""
    gone = [item for item in items if item.file is None and item.state in _MAY_BE_ELSEWHERE]
    gone = [item for item in gone if item.name not in was.values()]
    new = [item for item in items if item.state is State.NEW and item.name not in was]
    changed = [item for item in items if item.state is not State.NEW and item.name in nameless]
    history = project.history if (new and gone) or changed else None
    if history is None:
        return {}
    # A file that a later commit added is another prompt, even if it is written like a deleted one.
    places = _places(history, gone)
    path = {item.name: item.path for item in (*new, *changed)}
    gone = [item for item in gone if item.name not in places or places[item.name] & {*path.values()}]
    paths = {item.last_path: item.name for item in gone}
    found = {item.name: paths[item.path] for item in new if item.path in paths}
    moved = [item for item in new if item.name not in found]
    left = [item for item in gone if item.name not in found.values()]
    found |= _by_text(history, [*moved, *changed], [*left, *changed])
    # A later commit may have made the text of a moved file quite another.
    moves = history.moves(item.newest for item in left if item.deletion_committed and item.newest)
    for item in moved:
        old = paths.get(moves.get(item.path or ""))
        if old is not None and item.name not in found and old not in found.values():
            found[item.name] = old
    return {name: old for name, old in found.items() if old not in places or path[name] in places[old]}


def _places(history: GitHistory, gone: Sequence[Item]) -> dict[str, set[str]]:
    """Return the paths that were written by the commits that deleted prompts, by name.

    Merges are left out, because their changes come from separate commits.
    """
    texts = {(item.last_path, item.last_blob): item.name for item in gone if item.deletion_committed}
    places: dict[str, set[str]] = {name: set() for name in texts.values()}
    for commit in history.commits:
        deleted = [name for change in commit.changes if (name := texts.get((change.path, change.old)))]
        if deleted and len(commit.parents) < 2:
            written = {change.path for change in commit.changes if change.new is not None}
            for name in deleted:
                places[name] |= written
    return places


def _by_text(history: GitHistory, new: Sequence[Item], old: Sequence[Item]) -> dict[str, str]:
    """Return the old names of files whose texts are more like that of another prompt than like their own."""
    blobs = {item.name: blob for item in old if (blob := _old_blob(item)) is not None}
    if not any(item.name != name for item in new for name in blobs):
        return {}
    contents = history.blobs(blobs.values())
    before = {name: contents[blob] for name, blob in blobs.items() if blob in contents}
    after = {item.name: item.file.text.encode() for item in new if item.file is not None}
    origins = history.alike(before, after)
    crossed = {name: origin for name, origin in origins.items() if origin[0] != name}
    own: dict[str, int] = {}
    for name in {*crossed, *(was for was, _ in crossed.values())} & before.keys() & after.keys():
        origin = history.alike({name: before[name]}, {name: after[name]}).get(name)
        own |= {name: origin[1]} if origin is not None else {}
    moved = {name: was for name, (was, likeness) in crossed.items() if likeness > own.get(name, 0)}
    # A file that is still like itself was copied, and did not move.
    return {name: was for name, was in moved.items() if was in moved or was not in own}


def _old_blob(item: Item) -> str | None:
    """Return the last text in git that a prompt without a file had, or the last one that both sides had."""
    if item.file is None or item.history is None:
        return item.last_blob
    lineage = item.history.lineage
    base = item.base.digest if item.base is not None else None
    common = next((revision.blob for revision in lineage.back() if revision.digest == base), None)
    return common or (lineage.newest.blob if lineage.newest is not None else None)


def gather(
    project: Project,
    *,
    label: str | None = None,
    with_labels: bool = False,
    latest: Snapshot | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Snapshot:
    """Return both sides, and the state of every prompt in scope.

    ``label`` tracks the versions under that label; ``latest`` is the snapshot without it, if there is one,
    whose files and list are not read again.
    ``meanwhile`` is called while the requests are under way, to load what is needed afterwards.
    Raises ``RemoteError`` if any part of the registry cannot be read, and ``Refused`` if the visible git
    history cannot settle who changed what.
    """
    worktree = latest.worktree if latest is not None else None
    worktree, listed, found_labels = _read_both(project, label, with_labels, meanwhile, worktree)
    _check_directory(project, worktree)
    listing = {item.name: item for item in listed}
    labels = labels_by_prompt(found_labels, listed)
    if label is None:
        _remember(project, listed, labels)
    in_scope = sorted(name for name in {*worktree.files, *listing} if project.config.in_scope(name))
    unusable = [name for name in in_scope if name in listing and listing[name].problem]
    names = [name for name in in_scope if name not in unusable]
    comparison = ListComparison(project, listed, whole=label is None)
    items = _in_sync(comparison, worktree.files, listing, names)
    equal = {item.name for item in items}
    open_names = [name for name in names if name not in equal]
    has_history = True
    if open_names:
        # a tree in sync needs neither git nor a base
        from promptsync.compare.decide import Decider

        # The versions under a label say nothing about what was published after them.
        newest: Iterable[Version] = latest.listing.values() if latest is not None else ()
        if label is not None and latest is None:
            newest = list_all(project)
        numbers = {item.name: item.version for item in newest}
        decider = Decider(project, worktree, listing, comparison, label=label, latest=numbers)
        items += with_renames(project, decider.decide(open_names))
        has_history = decider.has_git
    # An unreadable file must never look like a deletion or like a prompt to pull.
    broken = [Item(name, State.INVALID, listed=listing.get(name)) for name in broken_names(worktree)]
    broken += [Item(name, State.INVALID, worktree.files.get(name), listing[name]) for name in unusable]
    names_of_broken = {item.name for item in broken}
    kept = [*broken, *(item for item in items if item.name not in names_of_broken)]
    return Snapshot(
        items=tuple(sorted(kept, key=lambda item: item.name)),
        worktree=worktree,
        listing=listing,
        label=label,
        labels=labels,
        has_history=has_history,
    )


def _read_both(
    project: Project,
    label: str | None,
    with_labels: bool,
    meanwhile: Callable[[], object],
    worktree: Worktree | None,
) -> tuple[Worktree, list[Version], list[Label] | None]:
    """Return the files, the list of the registry, and its labels as far as ``list_labels`` returns them."""
    registry = project.registry  # opened before two threads ask for it

    def read() -> list[Label] | None:
        return list_labels(registry, project.config.labels.values()) if with_labels else None

    with in_background(lambda: list_all(project, label=label)) as listed, in_background(read) as found:
        meanwhile()
        try:
            worktree = worktree or scan(project.root, project.config.prompts)
        except PromptsyncError:
            listed()  # what the registry says comes first
            raise
        return worktree, listed(), found()


def _remember(
    project: Project, listed: Iterable[Version], labels: Mapping[str, Sequence[tuple[str, int]]] | None
) -> None:
    """Remember the names for shell completion, which sends no request."""
    names = None if labels is None else {name for pairs in labels.values() for name, _ in pairs}
    versions = {item.name: item.version for item in listed}
    Cache(project.root).keep_names(project.record_url, versions, names)


def _check_directory(project: Project, worktree: Worktree) -> None:
    """Raise ``UsageError`` if the prompts directory never existed although this working copy had prompts."""
    if worktree.files or (project.root / project.config.prompts).exists():
        return
    history = project.history
    if history is None or history.commits:
        return  # it existed, or may have: a pull restores what was deleted
    if project.record().entries(project.record_url, None):
        raise UsageError(
            f"there is no directory {project.config.prompts!r} in {project.root}",
            hint=f"fix the line prompts: in {project.config.path.name}, or create the directory",
            code="prompts-directory",
        )


def _in_sync(
    comparison: ListComparison,
    files: Mapping[str, PromptFile],
    listing: Mapping[str, Version],
    names: Sequence[str],
) -> list[Item]:
    """Return the prompts that are in sync as far as the list alone can show."""
    items = []
    for name in names:
        file, listed = files.get(name), listing.get(name)
        if file is not None and listed is not None and comparison.equal(file, listed):
            digest = comparison.digest(file)
            items.append(Item(name, State.IN_SYNC, file, listed, digest=digest, remote_digest=digest))
    return items

"""What a pull does with one file: the text that it gets, whole, beside the one that it replaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from promptsync.compare.list_equality import digest_beside
from promptsync.compare.origin import is_uncommitted, with_keys
from promptsync.compare.project import Project
from promptsync.compare.snapshot import Item
from promptsync.compare.state import State
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import PromptFile, parse, render_edit, render_new
from promptsync.files.state.record import Entry
from promptsync.history.synced_key import identity, make_key
from promptsync.parallel import CONNECTIONS, mapped
from promptsync.prompt.canonical import comparable, digest
from promptsync.prompt.prompt import Listed, Local, Prompt, RemoteVersion
from promptsync.prompt.tags import tag_set


@dataclass(frozen=True, slots=True)
class PullOptions:
    """What the user asked for. ``names`` empty means every prompt in scope.

    ``passed_over`` says whether versions that were passed over are brought in or left out for good; ``None``:
    nobody said. ``partial`` writes what can be written and leaves the rest.
    """

    names: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    prune: bool = False
    merge: bool = False
    markers: bool = False
    passed_over: bool | None = None
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """One file to write. ``old`` is the text that it replaces, ``None`` for a new file.

    ``merged`` says that it holds the changes of both sides, ``restored`` that it is made of the last text
    that git had of a file which is gone. ``since`` is the version that the file included before, ``None``
    where nobody knows of one.
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
    restored: bool = False
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """One file to delete, whose prompt is archived in the registry. ``backup`` keeps a copy first."""

    name: str
    path: str
    old: str
    backup: bool = False


def deletion(project: Project, item: Item) -> Delete:
    """Return the deletion of the file of an archived prompt; what no commit holds of it is backed up."""
    assert item.file is not None
    return Delete(item.name, item.file.path, item.file.text, is_uncommitted(project, item.file))


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
        version = project.registry.prompts.get(one.template_id, one.name, version=one.version)
        then(one.name, version)
        found[one.name] = version
        project.progress("Reading versions", len(found), len(listed))

    # two more than there are connections: somebody works on an answer while the others wait for theirs
    mapped(read, listed, connections=CONNECTIONS + 2)
    return found


def last_files(project: Project, items: Iterable[Item]) -> dict[str, PromptFile]:
    """Return the last files that git had of prompts without one: only there is what no registry keeps."""
    gone = {item.name: item for item in items if item.file is None and item.last_blob is not None}
    history = project.history
    if not gone or history is None:
        return {}
    contents = history.blobs(item.last_blob or "" for item in gone.values())
    files = {}
    for name, item in gone.items():
        path = item.last_path or ""
        try:
            file = parse(contents[item.last_blob or ""], path, name)
        except (InvalidFile, KeyError):
            continue
        if file.prompt.name == name:
            files[name] = file
    return files


def restore(project: Project, item: Item, found: RemoteVersion, last: PromptFile, path: str) -> Write:
    """Return the write that brings back, at ``path``, a file that is gone."""
    prompt = comparable(last.prompt, found.prompt)
    is_same = digest(prompt) == digest(last.prompt) and tag_set(prompt) == tag_set(last.prompt)
    local = last.local if is_same else _with_heads(project, item, last.local, found, prompt, _pulled(item))
    write = _write(item, last, prompt, local, found, None)
    return replace(write, path=path, old=None, old_prompt=None, restored=True)


def render(
    project: Project,
    item: Item,
    found: RemoteVersion,
    new_path: str | None,
    *,
    keep: bool = False,
    heads: Sequence[int] | None = None,
) -> Write:
    """Return the write that brings a version into its file; comments and layout of the file survive.

    The text that goes is backed up where no commit and no version that was read holds it. ``heads`` are the
    versions that the file includes afterwards, by default those of a pull.
    """
    file = item.file
    prompt = comparable(file.prompt, found.prompt) if file is not None else found.prompt
    before = file.local if file is not None else Local()
    local = _with_heads(project, item, before, found, prompt, heads or _pulled(item))
    backup = keep or is_only_here(item)
    return _write(item, file, prompt, local, found, new_path, backup=backup)


def is_only_here(item: Item) -> bool:
    """Whether neither a commit nor a version that was read holds the text of a file."""
    if item.file is None or not item.origin.dirty or item.state is State.IN_SYNC:
        return False
    versions = item.history.versions.values() if item.history is not None else ()
    return all(version.digest != item.digest for version in versions)


def _pulled(item: Item) -> Sequence[int]:
    """Return the versions that a file includes after a pull; the tracked one alone where nobody looked."""
    decision = item.history.decision if item.history is not None else None
    return decision.pull if decision is not None else ()


def _with_heads(
    project: Project, item: Item, local: Local, found: RemoteVersion, prompt: Prompt, heads: Sequence[int]
) -> Local:
    """Return the local part of a file whose text includes ``found`` and ``heads``."""
    workspace_id = project.registry.workspace_id
    keys = item.history.keys(heads, workspace_id) if item.history is not None else ()
    known = identity(workspace_id, found.template_id)
    return with_keys(local, project, keys or (make_key(known, found.version, digest(prompt)),))


def kept(project: Project, item: Item, heads: Sequence[int] | None = None) -> Write:
    """Return the write that says that a file includes the tracked version: its own text stays."""
    assert item.file is not None
    return rewritten(project, item, read_tracked(project, item), item.file.prompt, heads=heads)


def read_tracked(project: Project, item: Item) -> RemoteVersion:
    """Read the tracked version raw."""
    assert item.listed is not None
    return project.registry.prompts.get(item.listed.template_id, item.name, version=item.listed.version)


def rewritten(
    project: Project,
    item: Item,
    found: RemoteVersion,
    prompt: Prompt,
    *,
    backup: bool = False,
    heads: Sequence[int] | None = None,
) -> Write:
    """Return the write of a text that includes a version; comments and layout of the file survive."""
    assert item.file is not None
    theirs = comparable(item.file.prompt, found.prompt)
    local = _with_heads(project, item, item.file.local, found, theirs, heads or _pulled(item))
    return _write(item, item.file, prompt, local, found, None, backup=backup)


def merged_write(
    project: Project, item: Item, found: RemoteVersion, prompt: Prompt, *, merged: bool = True
) -> Write:
    """Return the write of a merged prompt; a text that nobody else holds is backed up."""
    write = rewritten(project, item, found, prompt, backup=is_only_here(item))
    return replace(write, merged=merged)


def _write(
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
        new = render_edit(file, prompt, local, named=True)
    else:
        path, old = new_path or "", None
        new = render_new(prompt, local)
    remote_digest = digest_beside(file.prompt, found.prompt) if file is not None else digest(found.prompt)
    return Write(
        item.name,
        path,
        found.version,
        old,
        new,
        file.prompt if file is not None else None,
        prompt,
        Entry(found.template_id, found.version, remote_digest, tag_set(found.prompt)),
        backup,
        since=_since(item),
    )


def _since(item: Item) -> int | None:
    decision = item.history.decision if item.history is not None else None
    if decision is None or decision.is_included:
        return item.version if item.file is not None else None
    return max(decision.force, default=None)

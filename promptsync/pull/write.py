"""What a pull does with one file: its complete new text, and the text that this replaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from promptsync.compare.archived import archived_labels
from promptsync.compare.content import has_text, read_content
from promptsync.compare.snapshot import Item, State
from promptsync.compare.uncommitted import needs_backup
from promptsync.files.errors import InvalidFile
from promptsync.files.names import name_in
from promptsync.files.prompt_file import PromptFile, parse
from promptsync.files.prompt_text import render_edit, render_new
from promptsync.files.record import Entry
from promptsync.history.mark import parse_mark
from promptsync.history.synced_key import identity, make_key
from promptsync.project.project import Project
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Local, Prompt
from promptsync.prompt.tags import tag_set
from promptsync.prompt.version import Version


@dataclass(frozen=True, slots=True)
class Write:
    """One file to write. ``old`` is the text that it replaces, ``None`` for a new file.

    ``merged`` says that it holds the changes of both sides, ``restored`` that it is made from the last text
    that git had of a deleted file. ``since`` is the version that the file included before, ``None`` if that
    is unknown.
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
    """One file to delete because its prompt is archived in the registry. ``backup`` keeps a copy first."""

    name: str
    path: str
    old: str
    backup: bool = False


def deletes_of(project: Project, items: Sequence[Item], *, theirs: bool) -> list[Delete]:
    """Return the deletions of committed files whose prompts are archived in the registry.

    A text that is no version may be an edit that was never published; it goes only with ``theirs``.
    """
    gone = [item for item in items if item.state is State.DELETED_REMOTELY and not item.origin.dirty]
    versions: dict[str, list[Version]] = {item.name: [] for item in gone}
    if gone and not theirs:
        for listed in project.registry.prompts.list(status="deleted"):
            versions.get(listed.name, []).append(listed)
        for name, labels in archived_labels(project, versions.keys()).items():
            versions[name] += labels.values()
    return [
        Delete(item.name, file.path, file.text, backup=needs_backup(project, file.path, file.text, None))
        for item in gone
        if (file := item.file) is not None
        and (theirs or any(_is_published(project, item, file, one) for one in versions[item.name]))
    ]


def _is_published(project: Project, item: Item, file: PromptFile, listed: Version) -> bool:
    """Whether a listed version has the text of a file or its commit, or ``synced:`` names the text."""
    mark = parse_mark(listed.message)
    is_clean = mark is not None and mark.version == listed.version and not mark.dirty
    commit = mark.commit if mark is not None and is_clean else None
    if commit is not None and (item.origin.commit or "").startswith(commit):
        return True
    keys, content = project.keys_in(file.local.synced), digest(file.prompt)
    prompt = identity(project.registry.workspace_id, listed.template_id) if keys else ""
    return has_text(listed, file.prompt) or any(key.names(prompt, content) for key in keys)


def read_all(
    project: Project,
    listed: Sequence[Version],
    *,
    then: Callable[[str, Version], None] = lambda name, found: None,
) -> dict[str, Version]:
    """Read the tracked versions raw, several at a time, by name.

    ``then`` is called with each as it arrives, in any order and thread, while others are still on their way.
    """

    def read(one: Version) -> tuple[str, Version]:
        version = project.registry.prompts.get(one.template_id, one.name, version=one.version)
        then(one.name, version)
        return one.name, version

    return dict(project.mapped("Reading versions", read, listed))


def last_files(project: Project, items: Iterable[Item]) -> dict[str, PromptFile]:
    """Return the last files in git of prompts without a file, because no registry stores their comments."""
    gone = {item.name: item for item in items if item.file is None and item.last is not None}
    history = project.history
    if not gone or history is None:
        return {}
    contents = history.blobs(item.last.blob or "" for item in gone.values() if item.last is not None)
    files = {}
    for name, item in gone.items():
        assert item.last is not None
        path = item.last.path
        try:
            file = parse(contents[item.last.blob or ""], path, name)
        except (InvalidFile, KeyError):
            continue
        if file.prompt.name == name:
            files[name] = file
    return files


def restore(project: Project, item: Item, found: Version, last: PromptFile, path: str) -> Write:
    """Return the write that restores a deleted file at ``path``."""
    assert item.listed is not None
    prompt = read_content(project, found, last.prompt)
    if item.history is not None:
        item.history.set(found, prompt)  # it was read without a file beside it
    # ``synced:`` in the old file is about its old text, so it is reused only if the text is the same.
    is_same = digest(prompt) == digest(last.prompt) and tag_set(prompt) == tag_set(last.prompt)
    if path != last.path:  # the new path may stand for another name
        last = structs.replace(last, prompt=structs.replace(last.prompt, name=name_in(last.text.encode())))
    write = _write(project, item, last, found, prompt, local=last.local if is_same else None)
    return replace(write, path=path, old=None, old_prompt=None, restored=True, backup=False)


def render(
    project: Project,
    item: Item,
    found: Version,
    new_path: str | None,
    *,
    keep: bool = False,
    heads: Sequence[int] | None = None,
) -> Write:
    """Return the write that brings a version into its file; comments and layout of the file survive.

    ``keep`` copies the old text even if git has it. ``heads`` are the versions that the file includes
    afterwards, by default those of a pull.
    """
    file, prompt = item.file, item.content_of(found)
    return _write(project, item, file, found, prompt, new_path=new_path, heads=heads, backup=keep)


def kept(project: Project, item: Item, heads: Sequence[int] | None = None) -> Write:
    """Return the write that keeps the text of a file and records that it includes the tracked version."""
    assert item.file is not None
    return rewritten(project, item, read_tracked(project, item), item.file.prompt, heads=heads)


def read_tracked(project: Project, item: Item) -> Version:
    """Read the tracked version raw."""
    assert item.listed is not None
    return project.registry.prompts.get(item.listed.template_id, item.name, version=item.listed.version)


def rewritten(
    project: Project,
    item: Item,
    found: Version,
    prompt: Prompt,
    *,
    backup: bool = False,
    heads: Sequence[int] | None = None,
) -> Write:
    """Return the write of a text that includes a version; comments and layout of the file survive."""
    return _write(project, item, item.file, found, prompt, heads=heads, backup=backup)


def _write(
    project: Project,
    item: Item,
    file: PromptFile | None,
    found: Version,
    prompt: Prompt,
    *,
    new_path: str | None = None,
    local: Local | None = None,
    heads: Sequence[int] | None = None,
    backup: bool = False,
) -> Write:
    """Return the write of ``prompt``, which includes ``found``, to ``file`` or to a new file."""
    remote_digest = digest(item.content_of(found))
    decision = item.history.decision if item.history is not None else None
    if local is None:
        workspace_id = project.registry.workspace_id
        heads = heads or (decision.pull if decision is not None else ())
        keys = item.history.keys(heads, workspace_id) if item.history is not None else ()
        # Without a history there is only this version, so it is all that the text includes.
        known = make_key(identity(workspace_id, found.template_id), found.version, remote_digest)
        local = project.with_keys(file.local if file is not None else Local(), keys or (known,))
    # Where the file includes the tracked version, nothing new comes in with it.
    if decision is None or decision.is_included:
        since = item.version if item.file is not None else None
    else:
        since = max(decision.force, default=None)
    new = render_edit(file, prompt, local, named=True) if file is not None else render_new(prompt, local)
    return Write(
        item.name,
        file.path if file is not None else new_path or "",
        found.version,
        file.text if file is not None else None,
        new,
        file.prompt if file is not None else None,
        prompt,
        Entry(found.template_id, found.version, remote_digest, tag_set(found.prompt)),
        backup or (file is not None and needs_backup(project, file.path, file.text, new)),
        since=since,
    )

"""What a pull does with one file: its complete new text, and the text that this replaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import structs

from promptsync.compare.conflict import edit
from promptsync.compare.content import has_text, read_content
from promptsync.compare.snapshot import Item, State
from promptsync.compare.uncommitted import needs_backup
from promptsync.errors import Refused
from promptsync.files.errors import InvalidFile
from promptsync.files.names import name_in
from promptsync.files.prompt_file import PromptFile, parse
from promptsync.files.prompt_text import render_edit, render_new
from promptsync.files.record import Entry
from promptsync.history.synced_key import identity, make_key
from promptsync.project.planned_files import PlannedFile
from promptsync.project.project import Project
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Local, Prompt
from promptsync.prompt.tags import tag_set
from promptsync.prompt.version import Version


class Write(PlannedFile, frozen=True, kw_only=True):
    """One file to write with a ``version``; ``prompt`` is its new content, ``entry`` what is recorded.

    ``merged`` says that it holds the changes of both sides, ``restored`` that it is made from the last text
    that git had of a deleted file. ``since`` is the version that the file included before, ``None`` if that
    is unknown.
    """

    version: int
    old_prompt: Prompt | None
    prompt: Prompt
    entry: Entry
    merged: bool = False
    restored: bool = False
    since: int | None = None

    @property
    def brings_in(self) -> range:
        """The versions that the file did not include before; only the last one if that is unknown."""
        since = self.since if self.old is not None and self.since is not None else self.version - 1
        return range(since + 1, self.version + 1)


def deletes_of(project: Project, items: Sequence[Item], *, theirs: bool) -> list[PlannedFile]:
    """Return the deletions of committed files whose prompts are archived in the registry.

    A file with another text than the archived version may be an edit that was never published; it goes only
    with ``theirs``.
    """
    gone = [item for item in items if item.state is State.DELETED_REMOTELY and not item.origin.dirty]
    deletes = []
    for item in gone:
        file, version = item.file, item.archived
        if file is not None and (theirs or (version is not None and has_text(version, file.prompt))):
            backup = needs_backup(project, file.path, file.text, None)
            deletes.append(
                PlannedFile(name=item.name, path=file.path, old=file.text, new=None, backup=backup)
            )
    return deletes


def read_all(project: Project, versions: Sequence[Version]) -> dict[str, Version]:
    """Read versions raw, several at a time, by name."""

    def read(version: Version) -> Version:
        return project.registry.prompts.get(version.template_id, version.name, version=version.version)

    return {version.name: version for version in project.mapped("Reading versions", read, versions)}


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


def restore(project: Project, item: Item, version: Version, last: PromptFile, path: str) -> Write:
    """Return the write that restores a deleted file at ``path``."""
    assert item.listed is not None
    prompt = read_content(project, version, last.prompt)
    if item.history is not None:
        item.history.set(version, prompt)  # it was read without a file beside it
    # ``synced:`` in the old file is about its old text, so it is reused only if the text is the same.
    is_same = digest(prompt) == digest(last.prompt) and tag_set(prompt) == tag_set(last.prompt)
    if path != last.path:  # the new path may stand for another name
        last = structs.replace(last, prompt=structs.replace(last.prompt, name=name_in(last.text.encode())))
    write = write_of(project, item, version, prompt, file=last, local=last.local if is_same else None)
    return structs.replace(write, path=path, old=None, old_prompt=None, restored=True, backup=False)


def render(project: Project, item: Item, version: Version, path: str | None, *, keep: bool = False) -> Write:
    """Return the write that brings a version into its file, or into a new one at ``path``.

    ``keep`` copies the old text even if git has it.
    """
    return write_of(project, item, version, item.content_of(version), path=path, backup=keep)


def kept(project: Project, item: Item, heads: Sequence[int] | None = None) -> Write:
    """Return the write that keeps the text of a file and records that it includes the tracked version."""
    assert item.file is not None
    return write_of(project, item, read_tracked(project, item), item.file.prompt, heads=heads)


def with_merged_keys(project: Project, item: Item) -> Write:
    """Return the write of a file in which git could not merge ``synced:``, with the keys of both sides.

    Raises ``Refused`` for a prompt that the registry does not have.
    """
    assert item.file is not None
    if item.listed is None:
        message = f"{item.name!r} is not in the registry, so {item.file.path} stays in conflict"
        raise Refused(f"{message}; nothing was written", hint=edit(item.file.path), code="conflict-markers")
    return write_of(project, item, read_tracked(project, item), item.file.prompt, local=item.file.local)


def read_tracked(project: Project, item: Item) -> Version:
    """Read the tracked version raw."""
    assert item.listed is not None
    return project.registry.prompts.get(item.listed.template_id, item.name, version=item.listed.version)


def write_of(
    project: Project,
    item: Item,
    version: Version,
    prompt: Prompt,
    *,
    file: PromptFile | None = None,
    path: str | None = None,
    local: Local | None = None,
    heads: Sequence[int] | None = None,
    backup: bool = False,
) -> Write:
    """Return the write of ``prompt``, which includes ``version``, to a file or to a new one at ``path``.

    Comments and layout of the file survive. ``heads`` are the versions that the text includes, by default
    those of a pull, and ``local`` is the rest of the file if it says so already.
    """
    file = file if file is not None else item.file
    content = digest(item.content_of(version))
    decision = item.history.decision if item.history is not None else None
    if local is None:
        workspace_id = project.registry.workspace_id
        heads = heads or (decision.pull if decision is not None else ())
        keys = item.history.keys(heads, workspace_id) if item.history is not None else ()
        # Without a history there is only this version, so it is all that the text includes.
        known = make_key(identity(workspace_id, version.template_id), version.version, content)
        local = project.with_keys(file.local if file is not None else Local(), keys or (known,))
    # Where the file includes the tracked version, nothing new comes in with it.
    if decision is None or decision.is_included:
        since = item.version if item.file is not None else None
    else:
        since = max(decision.force, default=None)
    text = render_edit(file, prompt, local, named=True) if file is not None else render_new(prompt, local)
    return Write(
        name=item.name,
        path=file.path if file is not None else path or "",
        version=version.version,
        old=(file.conflicted or file.text) if file is not None else None,
        new=text,
        old_prompt=file.prompt if file is not None else None,
        prompt=prompt,
        entry=Entry(version.template_id, version.version, content, tag_set(version.prompt)),
        backup=backup or (file is not None and needs_backup(project, file.path, file.text, text)),
        merged=file is not None and file.conflicted is not None,
        since=since,
    )

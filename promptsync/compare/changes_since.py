"""What changed in the prompt files since a git state. Opens only files that git does not report as equal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from msgspec import Struct

from promptsync.compare.difference import ChangeKind, Difference, Step, step
from promptsync.compare.git_state import find_state
from promptsync.compare.snapshot import Tags
from promptsync.errors import UsageError
from promptsync.files.errors import InvalidFile
from promptsync.files.git.repository import Repository
from promptsync.files.git.tree import Tree, files_in, tree_at
from promptsync.files.names import name_in
from promptsync.files.prompt_file import PromptFile, parse
from promptsync.files.worktree import Worktree
from promptsync.project.project import Project
from promptsync.project.target import resolve, unknown
from promptsync.prompt.canonical import digest
from promptsync.prompt.names import name_for
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.snippet_graph import follows_text, parents
from promptsync.prompt.snippets import rendered_in
from promptsync.prompt.tags import tag_set


class FileText(Struct, frozen=True):
    """The content of one file. ``digest`` is ``None`` for an old file that cannot be read."""

    name: str
    digest: str | None
    tags: Tags = frozenset()


class Texts(Struct, frozen=True):
    """The texts that may differ, by path below the prompts directory.

    ``files`` are all present files, by name.
    """

    before: Mapping[str, FileText]
    after: Mapping[str, FileText]
    files: Mapping[str, PromptFile]


def read_texts(history: Repository, worktree: Worktree, commit: str | None) -> Texts:
    """Return what may differ between a commit, or the empty state, and the working tree."""
    prefix = f"{worktree.prompts}/"
    now = {file.path.removeprefix(prefix): file for file in worktree.files.values()}
    tree = tree_at(history, commit, worktree.prompts) if commit is not None else Tree({})
    suspects = _suspects(history, commit, tree, now, worktree.prompts)
    data = {path: now[path].text.encode("utf-8", "surrogatepass") for path in suspects if path in now}
    blobs = {path: history.blob_of(text) for path, text in data.items()}
    # Git also reports files that were only touched, and their blob ids are equal.
    suspects = {path for path in suspects if blobs.get(path) != tree.files.get(path)}
    after = {path: text_of(now[path]) for path in suspects if path in now}
    # A file that sets its ``name:`` itself is the same prompt at any path.
    moved = {blobs[path]: text for path, text in after.items() if name_in(data[path]) == text.name}
    old = {path: tree.files[path] for path in suspects if path in tree.files}
    contents = history.blobs(blob for blob in old.values() if blob not in moved)
    before = {path: moved.get(blob) or _text(contents.get(blob, b""), path) for path, blob in old.items()}
    return Texts(before, after, {file.prompt.name: file for file in now.values()})


def text_of(file: PromptFile) -> FileText:
    """Return the content of a file."""
    return FileText(file.prompt.name, digest(file.prompt), tag_set(file.prompt))


def _suspects(
    history: Repository, commit: str | None, tree: Tree, now: Mapping[str, PromptFile], prompts: str
) -> set[str]:
    """Return the paths whose files may differ; the others are not opened."""
    # Git compares path by path, so it cannot help once the prompts directory has moved.
    if commit is None or not tree.in_place:
        return {*tree.files, *now}
    known = {path.removeprefix(f"{prompts}/") for path in history.differing(commit)}
    return (known & {*tree.files, *now}) | (tree.files.keys() ^ now.keys())


def _text(data: bytes, path: str) -> FileText:
    try:
        return text_of(parse(data, path, name_for(path)))
    except InvalidFile:
        return FileText(name_in(data) or name_for(path), None)


class ChangedPrompt(Struct, frozen=True):
    """One prompt that differs. ``path`` is its present file, ``None`` if it was deleted.

    ``old_name`` is the name before a rename. ``through`` are the snippets from a dependant
    down to the one that changed.
    """

    name: str
    kind: ChangeKind
    path: str | None
    old_name: str | None = None
    through: tuple[str, ...] = ()


class ChangedPrompts(Struct, frozen=True):
    """What differs from ``since``, sorted by name.

    ``commit`` is its full id, ``None`` for the state before the first commit.
    """

    since: str
    commit: str | None
    prompts: tuple[ChangedPrompt, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that still exist, sorted."""
        return tuple(sorted(prompt.name for prompt in self.prompts if prompt.kind is not ChangeKind.DELETED))


def changed_since(project: Project, worktree: Worktree, since: str | None) -> ChangedPrompts:
    """Return what differs between ``since`` and the working tree; ``None`` stands for ``HEAD``.

    ``since`` is anything that git resolves to a commit, or ``REF...`` for the last commit that REF and
    ``HEAD`` share. Content and tags count; comments, layout, path and local keys do not. Sends no request.
    Raises ``PromptsyncError`` when the state cannot be found, and ``InvalidFile`` for an unreadable file.
    """
    if worktree.problems:
        raise InvalidFile(worktree.problems)
    history = project.history
    if history is None:
        raise UsageError(
            f"{project.root} is not in a git repository, so there is nothing to compare with",
            hint="git init",
            code="no-repository",
        )
    wanted = "HEAD" if since is None else since
    commit = find_state(history, wanted)
    texts = read_texts(history, worktree, commit)
    in_scope = project.config.in_scope
    own = [prompt for prompt in _differences(texts, in_scope) if in_scope(prompt.name)]
    others = [prompt for prompt in _dependants(texts.files, own) if in_scope(prompt.name)]
    return ChangedPrompts(
        wanted, commit, tuple(sorted((*own, *others), key=lambda prompt: (prompt.name, prompt.kind)))
    )


def _differences(texts: Texts, in_scope: Callable[[str], bool]) -> Iterator[ChangedPrompt]:
    before: dict[str, list[FileText]] = {}
    for text in texts.before.values():
        before.setdefault(text.name, []).append(text)
    after = {text.name: text for text in texts.after.values()}
    # A name that had two files, which is an error, may have kept the file that did not change.
    after |= {
        name: text_of(texts.files[name]) for name in before if name in texts.files and name not in after
    }
    added = {name: text for name, text in after.items() if name not in before}
    deleted = {name: revisions[-1] for name, revisions in before.items() if name not in after}
    # A prompt renamed to a name outside of include: counts as deleted.
    renamed = _renamed({name: text for name, text in added.items() if in_scope(name)}, deleted)
    for name, text in after.items():
        path = texts.files[name].path
        if name in renamed:
            yield ChangedPrompt(name, ChangeKind.RENAMED, path, old_name=renamed[name])
        elif name in added:
            yield ChangedPrompt(name, ChangeKind.ADDED, path)
        elif any((old.digest, old.tags) != (text.digest, text.tags) for old in before[name]):
            yield ChangedPrompt(name, ChangeKind.CHANGED, path)
    for name in deleted.keys() - set(renamed.values()):
        yield ChangedPrompt(name, ChangeKind.DELETED, None)


def _renamed(added: Mapping[str, FileText], deleted: Mapping[str, FileText]) -> dict[str, str]:
    """Return the old names of new prompts that have the content of a deleted one."""
    gone: dict[str | None, list[str]] = {}
    # Sorted in reverse, so that pop() below gives the first new name the first old one.
    for name in sorted(deleted, reverse=True):
        gone.setdefault(deleted[name].digest, []).append(name)
    return {name: gone[text.digest].pop() for name, text in sorted(added.items()) if gone.get(text.digest)}


def _dependants(files: Mapping[str, PromptFile], own: Iterable[ChangedPrompt]) -> Iterator[ChangedPrompt]:
    # A prompt may still refer to a renamed snippet by its old name.
    names = {name for prompt in own for name in (prompt.name, prompt.old_name) if name is not None}
    if not names:
        return
    references = {name: rendered_in(file.prompt.template) for name, file in files.items()}
    for name, way in parents(references, dict.fromkeys(names, follows_text)).items():
        if name not in names:
            yield ChangedPrompt(name, ChangeKind.DEPENDANT, files[name].path, through=way)


def differences_since(
    project: Project, worktree: Worktree, since: str | None, arguments: Iterable[str]
) -> list[Difference]:
    """Return how the named prompts, or all, differ from a git state.

    Takes ``since`` and raises as ``changed_since`` does; also ``UsageError`` for a name without a file in
    either state.
    """
    changed = changed_since(project, worktree, since)
    known = {*worktree.files, *(prompt.name for prompt in changed.prompts)}
    missing = partial(unknown, prompts=worktree.prompts, where=f"your files or {changed.since}")
    targets = resolve(project, arguments, known, with_versions=False, missing=missing)
    wanted = {target.name for target in targets}
    chosen = [prompt for prompt in changed.prompts if not wanted or prompt.name in wanted]
    history = project.history
    before = _prompts_then(history, project, changed, chosen) if history is not None else {}
    return [_difference(worktree, changed, prompt, before) for prompt in chosen]


def _difference(
    worktree: Worktree, changed: ChangedPrompts, prompt: ChangedPrompt, before: Mapping[str, Prompt]
) -> Difference:
    file = worktree.files.get(prompt.name)
    now = file.prompt if file is not None else None
    if prompt.kind is ChangeKind.DEPENDANT:
        title = f"renders {', which renders '.join(prompt.through)}"
        return Difference(prompt.name, prompt.kind, prompt.path, (Step(title, ()),))
    then = before.get(prompt.old_name or prompt.name)
    was = f"{prompt.old_name} in {changed.since}" if prompt.old_name else changed.since
    title = f"{was if then is not None else 'nothing'} -> {prompt.path or 'no file'}"
    return Difference(prompt.name, prompt.kind, prompt.path, (step(title, then, now),))


def _prompts_then(
    history: Repository, project: Project, changed: ChangedPrompts, chosen: Iterable[ChangedPrompt]
) -> dict[str, Prompt]:
    """Return the prompts of the state by their names in it, without unreadable files."""
    if changed.commit is None:
        return {}
    wanted = {
        prompt.old_name or prompt.name
        for prompt in chosen
        if prompt.kind not in (ChangeKind.ADDED, ChangeKind.DEPENDANT)
    }
    if not wanted:
        return {}
    tree = tree_at(history, changed.commit, project.config.prompts)
    return {
        name: file.prompt
        for name, file in files_in(history, tree, wanted)
        if not isinstance(file, InvalidFile)
    }

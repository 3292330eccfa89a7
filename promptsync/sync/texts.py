"""What the prompt files said in a commit and say now, read only where git does not know them for the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from promptsync.core.canonical import digest, tag_set
from promptsync.core.compare import Tags
from promptsync.core.names import SUFFIXES, name_for
from promptsync.errors import Refused
from promptsync.files.history import History
from promptsync.files.problems import InvalidFile
from promptsync.files.promptfile import PromptFile, parse
from promptsync.files.quickname import name_in
from promptsync.files.tree import Tree, tree_at
from promptsync.files.worktree import Worktree


@dataclass(frozen=True, slots=True)
class Text:
    """What one file says of a prompt. ``digest`` is ``None`` for a file of old that cannot be read."""

    name: str
    digest: str | None
    tags: Tags = frozenset()

    @property
    def content(self) -> tuple[str | None, Tags]:
        """What two texts of one prompt have to share to be the same."""
        return self.digest, self.tags


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts that may differ, by path below the prompts directory. ``files`` are all of now, by name."""

    before: Mapping[str, Text]
    after: Mapping[str, Text]
    files: Mapping[str, PromptFile]


def read_texts(history: History, worktree: Worktree, commit: str | None) -> Texts:
    """Return what may differ between a commit, or nothing at all, and the working tree.

    What a sparse checkout hides is as ``HEAD`` has it.
    """
    now = _files_now(history, worktree)
    tree = tree_at(history, commit, worktree.prompts) if commit is not None else Tree({})
    suspects = _suspects(history, commit, tree, now, worktree.prompts)
    blobs = {path: _blob(history, now[path]) for path in suspects if path in now}
    suspects = {path for path in suspects if blobs.get(path) != tree.files.get(path)}
    after = {path: text_of(now[path]) for path in suspects if path in now}
    moved = {blobs[path]: text for path, text in after.items() if _says_name(now[path])}
    old = {path: tree.files[path] for path in suspects if path in tree.files}
    before = {path: moved[blob] for path, blob in old.items() if blob in moved}
    before |= _read(history, {path: blob for path, blob in old.items() if blob not in moved})
    return Texts(before, after, {file.prompt.name: file for file in now.values()})


def text_of(file: PromptFile) -> Text:
    """Return what a file says."""
    return Text(file.prompt.name, digest(file.prompt), tag_set(file.prompt))


def hidden_away(path: str, why: str) -> Refused:
    """The refusal of a question about a file that a sparse checkout hides."""
    folder = path.rpartition("/")[0]
    return Refused(
        f"{path} is hidden by a sparse checkout, and {why}",
        hint=f"git sparse-checkout add {folder}",
        code="hidden",
    )


def _files_now(history: History, worktree: Worktree) -> dict[str, PromptFile]:
    prefix = f"{worktree.prompts}/"
    found = {file.path.removeprefix(prefix): file for file in worktree.files.values()}
    hidden = [path for path in history.hidden if path.endswith(SUFFIXES) and path not in worktree.paths]
    if not hidden:
        return found
    wanted = {path: history.head[path] for path in hidden if path in history.head}
    contents = history.blobs(wanted.values())
    for path, blob in wanted.items():
        if blob not in contents:
            raise hidden_away(path, "this clone does not hold it")
        below = path.removeprefix(prefix)
        found[below] = parse(contents[blob], path, name_for(below))
    return found


def _suspects(
    history: History, commit: str | None, tree: Tree, now: Mapping[str, PromptFile], prompts: str
) -> set[str]:
    """Return the paths whose files may say something else: the others are not even opened."""
    if commit is None or not tree.in_place:
        return {*tree.files, *now}
    told: Iterable[str] = history.differing(commit) | history.unwatched
    known = {path.removeprefix(f"{prompts}/") for path in told} | tree.linked
    return (known & {*tree.files, *now}) | (tree.files.keys() ^ now.keys())


def _blob(history: History, file: PromptFile) -> str:
    return history.blob_of(file.text.encode("utf-8", "surrogatepass"))


def _says_name(file: PromptFile) -> bool:
    """Whether a file has its name of itself, and not of its path."""
    return name_in(file.text.encode("utf-8", "surrogatepass")) == file.prompt.name


def _read(history: History, blobs: Mapping[str, str]) -> dict[str, Text]:
    contents = history.blobs(blobs.values())
    return {path: _text(contents.get(blob, b""), path) for path, blob in blobs.items()}


def _text(data: bytes, path: str) -> Text:
    try:
        return text_of(parse(data, path, name_for(path)))
    except InvalidFile:
        return Text(name_in(data) or name_for(path), None)

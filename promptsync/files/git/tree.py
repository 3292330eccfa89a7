"""The prompt files of a commit, wherever its ``promptsync.yaml`` had them."""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterator, Mapping

from msgspec import Struct

from promptsync.files.config import FILE_NAME
from promptsync.files.errors import InvalidFile
from promptsync.files.git.repository import Repository
from promptsync.files.prompt_file import PromptFile, name_in, parse
from promptsync.files.worktree import is_skipped
from promptsync.files.yaml import load
from promptsync.prompt.names import SUFFIXES, name_for


class Tree(Struct, frozen=True):
    """The prompt files of a commit. ``files`` are blobs by path below its prompts directory.

    ``in_place`` says whether that directory is still the current one.
    """

    files: Mapping[str, str]
    in_place: bool = True


def tree_at(history: Repository, commit: str, prompts: str) -> Tree:
    """Return the prompt files of a commit; ``prompts`` is the current prompts directory."""
    config = history.files(commit, history.prefix + FILE_NAME).values()
    try:
        value = load.load(b"".join(history.blobs(config).values()), FILE_NAME).value
    except InvalidFile:
        value = None  # the commit's configuration is broken, so the current directory has to do
    named = value.get("prompts", "prompts") if isinstance(value, dict) else None
    place = history.prefix + (posixpath.normpath(named) if isinstance(named, str) else prompts)
    blobs = {path.removeprefix(f"{place}/"): blob for path, blob in history.files(commit, place).items()}
    files = {
        path: blob
        for path, blob in blobs.items()
        if path.endswith(SUFFIXES) and not any(map(is_skipped, path.split("/")))
    }
    return Tree(files, in_place=place == history.prefix + prompts)


def files_in(
    history: Repository, tree: Tree, names: Container[str]
) -> Iterator[tuple[str, PromptFile | InvalidFile]]:
    """Yield the files of the prompts with these names in a commit; an unreadable one as its error."""
    contents = history.blobs(tree.files.values())
    for path, blob in tree.files.items():
        data = contents.get(blob, b"")
        name = name_in(data) or name_for(path)
        if name in names:
            try:
                yield name, parse(data, path, name)
            except InvalidFile as error:
                yield name, error

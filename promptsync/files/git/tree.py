"""The prompt files of a commit, wherever its ``promptsync.yaml`` had them."""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterator, Mapping
from typing import Final

from msgspec import Struct

from promptsync.files.config import FILE_NAME
from promptsync.files.errors import InvalidFile
from promptsync.files.git.repository import Repository, TreeEntry
from promptsync.files.names import name_in
from promptsync.files.prompt_file import PromptFile, parse
from promptsync.files.worktree import is_skipped
from promptsync.files.yaml import load
from promptsync.prompt.names import SUFFIXES, name_for

_LINK: Final = "120000"


class Tree(Struct, frozen=True):
    """The prompt files of a commit. ``files`` are blobs by path below its prompts directory.

    ``in_place`` says whether that directory is still the current one.
    """

    files: Mapping[str, str]
    in_place: bool = True


def tree_at(history: Repository, commit: str, prompts: str) -> Tree:
    """Return the prompt files of a commit; ``prompts`` is the current prompts directory."""
    place = _place(history, commit, prompts)
    blobs = {entry.path: entry.object for entry in history.entries(commit, place) if entry.mode != _LINK}
    return Tree(_below(place, blobs), in_place=place == history.prefix + prompts)


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


def _place(history: Repository, commit: str, prompts: str) -> str:
    """Return the prompts directory of a commit, from the top of the repository."""
    configs = history.entries(commit, history.prefix + FILE_NAME)
    if not configs:
        # A single configuration that vanished is this one before it was moved.
        gone = history.vanished(commit, FILE_NAME)
        if len(gone) != 1:
            return history.prefix + prompts
        configs = history.entries(commit, next(iter(gone)))
    return _directory(history, configs[0], prompts)


def _directory(history: Repository, config: TreeEntry, prompts: str) -> str:
    """Return the prompts directory that a configuration in a commit names, from the top of the repository."""
    try:
        value = load.load(history.blobs([config.object]).get(config.object, b""), FILE_NAME).value
    except InvalidFile:
        value = None  # the commit's configuration is broken, so the current directory has to do
    named = value.get("prompts", "prompts") if isinstance(value, dict) else None
    below = posixpath.normpath(named) if isinstance(named, str) else prompts
    return posixpath.join(posixpath.dirname(config.path), below)


def _below(place: str, blobs: Mapping[str, str]) -> dict[str, str]:
    """Return the prompt files among paths, relative to a directory."""
    paths = {path.removeprefix(f"{place}/"): blob for path, blob in blobs.items()}
    return {
        path: blob
        for path, blob in paths.items()
        if path.endswith(SUFFIXES) and not any(map(is_skipped, path.split("/")))
    }

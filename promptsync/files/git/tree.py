"""The prompt files of a commit, wherever ``promptsync.yaml`` had them then."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from promptsync.errors import PromptsyncError
from promptsync.files.config import FILE_NAME
from promptsync.files.errors import InvalidFile
from promptsync.files.git.history import History
from promptsync.files.git.output import Entry
from promptsync.files.worktree import is_skipped
from promptsync.files.yaml import load
from promptsync.prompt.names import SUFFIXES

_LINK: Final = "120000"
_SUBMODULE: Final = "160000"


@dataclass(frozen=True, slots=True)
class Tree:
    """``files`` are blobs by path below the prompts directory of that commit.

    ``in_place`` tells whether that directory is the one of today. ``linked`` are the paths that are, or are
    below, symbolic links: their text may differ where the path does not.
    """

    files: Mapping[str, str]
    in_place: bool = True
    linked: frozenset[str] = frozenset()


def tree_at(history: History, commit: str, prompts: str) -> Tree:
    """Return the prompt files of a commit; ``prompts`` is the prompts directory of today.

    Raises ``PromptsyncError`` where they are in a submodule, which has a history of its own.
    """
    today = history.prefix + prompts
    place = _place(history, commit, prompts)
    entries = history.entries(commit, place)
    if len(entries) == 1 and (entries[0].path, entries[0].mode) == (place, _LINK):
        place = _targets(history, entries)[place]
        entries = history.entries(commit, place)
    submodule = next((entry.path for entry in entries if entry.mode == _SUBMODULE), None)
    if submodule is not None:
        raise PromptsyncError(
            f"{submodule} is a submodule: this repository does not know which prompts changed in it",
            hint="keep promptsync.yaml inside the submodule, and run promptsync there",
            code="submodule",
        )
    blobs = {entry.path: entry.object for entry in entries if entry.mode != _LINK}
    linked = _linked(_targets(history, [entry for entry in entries if entry.mode == _LINK]), blobs)
    return Tree(
        _below(place, blobs | linked),
        in_place=place == today,
        linked=frozenset(_below(place, linked)),
    )


def _place(history: History, commit: str, prompts: str) -> str:
    """Return the prompts directory of a commit, from the top of the repository."""
    found = history.entries(commit, history.prefix + FILE_NAME)
    if not found:
        # One configuration that went away is this one, before it was moved.
        gone = history.vanished(commit, FILE_NAME)
        if len(gone) != 1:
            return history.prefix + prompts
        found = history.entries(commit, next(iter(gone)))
    text = history.blobs([found[0].object]).get(found[0].object, b"")
    return posixpath.join(posixpath.dirname(found[0].path), _prompts_in(text) or prompts)


def _prompts_in(text: bytes) -> str | None:
    """Return the prompts directory that a configuration names, ``None`` when it cannot be read."""
    try:
        value = load.load(text, FILE_NAME).value
    except InvalidFile:
        return None
    found = value.get("prompts", "prompts") if isinstance(value, dict) else None
    return posixpath.normpath(found) if isinstance(found, str) else None


def _targets(history: History, links: Iterable[Entry]) -> dict[str, str]:
    """Return where symbolic links lead, both from the top of the repository."""
    wanted = {link.path: link.object for link in links}
    texts = history.blobs(wanted.values())
    return {
        path: posixpath.normpath(
            posixpath.join(posixpath.dirname(path), texts.get(blob, b"").decode("utf-8", "surrogateescape"))
        )
        for path, blob in wanted.items()
    }


def _linked(targets: Mapping[str, str], blobs: Mapping[str, str]) -> dict[str, str]:
    """Return the blobs behind links to files and directories."""
    found: dict[str, str] = {}
    for link, target in targets.items():
        if target in blobs:
            found[link] = blobs[target]
        inside = f"{target}/"
        found |= {
            f"{link}/{path.removeprefix(inside)}": blob
            for path, blob in blobs.items()
            if path.startswith(inside)
        }
    return found


def _below(place: str, blobs: Mapping[str, str]) -> dict[str, str]:
    """Return those of the paths that are prompt files, as paths below a directory."""
    paths = {path.removeprefix(f"{place}/"): blob for path, blob in blobs.items()}
    return {
        path: blob
        for path, blob in paths.items()
        if path.endswith(SUFFIXES) and not any(map(is_skipped, path.split("/")))
    }

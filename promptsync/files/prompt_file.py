"""Prompt files, read strictly: a prompt with what belongs to its file, or every reason why not."""

from __future__ import annotations

import shlex

from msgspec import Struct, structs

from promptsync.files import schema
from promptsync.files.errors import InvalidFile
from promptsync.files.synced_conflict import with_both_keys
from promptsync.files.yaml import load
from promptsync.prompt.document import to_prompt
from promptsync.prompt.prompt import Local, Prompt


class PromptFile(Struct, frozen=True):
    """A prompt file that was read; ``path`` is relative to the directory of promptsync.yaml, with ``/``.

    ``conflicted`` is what is on the disk where git could not merge ``synced:``, and ``text`` has both keys.
    """

    path: str
    text: str
    prompt: Prompt
    local: Local
    conflicted: str | None = None

    def position(self, keypath: load.KeyPath) -> tuple[int, int]:
        """Return the line and column, from 1, of a key or item such as ``("messages", 0, "content")``.

        When the file has no such place it is the nearest thing around it.
        """
        return load.position(self.text, keypath)


def parse(data: bytes, path: str, default_name: str, *, merge_keys: bool = False) -> PromptFile:
    """Read a prompt file; ``default_name`` is its name when it does not state its own.

    ``merge_keys`` reads a file in which git could not merge ``synced:`` alone with the keys of both sides.
    Raises InvalidFile with everything that is wrong and where.
    """
    try:
        loaded, problems = load.load_all(data, path)
    except InvalidFile as error:
        file = _with_both_keys(error, data, path, default_name)
        if merge_keys and file is not None:
            return file
        raise (_synced_conflict(error, file.prompt.name) if file is not None else error) from None
    if loaded.value is None and not problems:
        message = "The file is empty: a prompt has messages: or content:."
        raise InvalidFile.at(path, "missing-key", message)
    # A value that could not be read is reported once.
    lines = {problem.line for problem in problems if problem.rule != "yaml-duplicate-key"}
    problems += [problem for problem in schema.check(loaded, path, "prompt") if problem.line not in lines]
    if problems:
        raise InvalidFile(problems)
    return PromptFile(path, loaded.text, *to_prompt(loaded.value, default_name))


def _with_both_keys(error: InvalidFile, data: bytes, path: str, default_name: str) -> PromptFile | None:
    """Return the file with both keys if git's markers are around ``synced:`` alone."""
    if error.problems[0].rule != "conflict-markers":
        return None
    text = data.decode()
    joined = with_both_keys(text)
    try:
        file = parse(joined.encode(), path, default_name) if joined is not None else None
    except InvalidFile:
        return None
    return structs.replace(file, conflicted=text) if file is not None else None


def _synced_conflict(error: InvalidFile, name: str) -> InvalidFile:
    message = "Git conflict markers: both sides of a merge changed synced:."
    hint = f"promptsync pull --merge {shlex.quote(name)}"
    return InvalidFile([structs.replace(error.problems[0], message=message, hint=hint)])

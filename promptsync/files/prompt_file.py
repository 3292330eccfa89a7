"""Prompt files, read strictly: a prompt with what belongs to its file, or every reason why not."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from msgspec import structs

from promptsync.files import schema
from promptsync.files.errors import InvalidFile
from promptsync.files.synced_conflict import with_both_keys
from promptsync.files.yaml import load
from promptsync.prompt.document import to_prompt
from promptsync.prompt.prompt import Local, Problem, Prompt


@dataclass(frozen=True, slots=True)
class PromptFile:
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


def parse(data: bytes, path: str, default_name: str) -> PromptFile:
    """Read a prompt file; ``default_name`` is its name when it does not state its own.

    Raises InvalidFile with everything that is wrong and where; its ``rest`` is a file or ``None``.
    """
    problems: list[Problem] = []
    try:
        loaded = load.load(data, path)
    except InvalidFile as error:
        if error.rest is None:
            raise _synced_conflict(error, data, path, default_name) from None
        problems, loaded = [*error.problems], error.rest
    if loaded.value is None:
        message = "The file is empty: a prompt has messages: or content:."
        raise InvalidFile.at(path, "missing-key", message)
    # Only the value of a key that appears twice was read.
    unread = {(one.line, one.column) for one in problems if one.rule != "yaml-duplicate-key"}
    problems += schema.check(loaded, path, "prompt", unread)
    if problems:
        value = schema.fixed(loaded.value, "prompt")
        rest = PromptFile(path, loaded.text, *to_prompt(value, default_name)) if value is not None else None
        raise InvalidFile(problems, rest)
    prompt, local = to_prompt(loaded.value, default_name)
    return PromptFile(path, loaded.text, prompt, local)


def _synced_conflict(error: InvalidFile, data: bytes, path: str, default_name: str) -> InvalidFile:
    """Return the error, with a file that has both keys if git's markers are around ``synced:`` alone."""
    (problem,) = error.problems
    if problem.rule != "conflict-markers":
        return error
    text = data.decode()
    whole = with_both_keys(text)
    if whole is None:
        return error
    try:
        file = parse(whole.encode(), path, default_name)
    except InvalidFile:
        return error
    message = "Git conflict markers: both sides of a merge changed synced:."
    hint = f"promptsync pull --merge {shlex.quote(file.prompt.name)}"
    return InvalidFile([structs.replace(problem, message=message, hint=hint)], replace(file, conflicted=text))

"""Prompt files, read strictly: a prompt with what belongs to its file, or every reason why not."""

from __future__ import annotations

from msgspec import Struct

from promptsync.files import schema
from promptsync.files.errors import InvalidFile
from promptsync.files.yaml import load
from promptsync.prompt.document import to_prompt
from promptsync.prompt.prompt import Local, Prompt


class PromptFile(Struct, frozen=True):
    """A prompt file that was read; ``path`` is relative to the directory of promptsync.yaml, with ``/``."""

    path: str
    text: str
    prompt: Prompt
    local: Local

    def position(self, keypath: load.KeyPath) -> tuple[int, int]:
        """Return the line and column, from 1, of a key or item such as ``("messages", 0, "content")``.

        When the file has no such place it is the nearest thing around it.
        """
        return load.position(self.text, keypath)


def parse(data: bytes, path: str, default_name: str) -> PromptFile:
    """Read a prompt file; ``default_name`` is its name when it does not state its own.

    Raises InvalidFile with everything that is wrong and where.
    """
    loaded, problems = load.load_all(data, path)
    if loaded.value is None and not problems:
        message = "The file is empty: a prompt has messages: or content:."
        raise InvalidFile.at(path, "missing-key", message)
    # A value that could not be read is reported once.
    lines = {problem.line for problem in problems if problem.rule != "yaml-duplicate-key"}
    problems += [problem for problem in schema.check(loaded, path, "prompt") if problem.line not in lines]
    if problems:
        raise InvalidFile(problems)
    return PromptFile(path, loaded.text, *to_prompt(loaded.value, default_name))

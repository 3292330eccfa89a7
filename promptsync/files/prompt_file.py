"""A prompt file: read strictly, with every reason at once when it cannot be taken as it is."""

from __future__ import annotations

from dataclasses import dataclass

from promptsync.files import schema
from promptsync.files.errors import InvalidFile
from promptsync.files.yaml import load, places
from promptsync.prompt.document import to_prompt
from promptsync.prompt.prompt import Local, Problem, Prompt


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt file that was read; ``path`` is relative to the directory of promptsync.yaml, with ``/``."""

    path: str
    text: str
    prompt: Prompt
    local: Local

    def position(self, keypath: places.KeyPath) -> tuple[int, int]:
        """Return line and column, from 1, of a key or item such as ``("messages", 0, "content")``.

        When the file has no such place it is the nearest thing around it.
        """
        return places.position(self.text, keypath)


def parse(data: bytes, path: str, default_name: str) -> PromptFile:
    """Read a prompt file; ``default_name`` is its name when it does not say its own.

    Raises InvalidFile with everything that is wrong and where.
    """
    loaded = load.load(data, path)
    if loaded.value is None:
        message = "The file is empty: a prompt has messages: or content:."
        raise InvalidFile([Problem(path, 1, 1, "missing-key", message)])
    problems = schema.check(loaded, path, "prompt")
    if problems:
        raise InvalidFile(problems)
    prompt, local = to_prompt(loaded.value, default_name)
    return PromptFile(path, loaded.text, prompt, local)

"""An existing prompt file made to say something new, with as few bytes changed as that takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from promptsync.core.canonical import canonical, tag_set
from promptsync.core.document import to_document, to_prompt
from promptsync.core.prompt import Local, Prompt
from promptsync.files import layout, yamlio
from promptsync.files.edit import Unspliceable, edited
from promptsync.files.emit import RoundTripError, render_new, says, writable_document
from promptsync.files.problems import InvalidFile
from promptsync.files.promptfile import PromptFile, parse
from promptsync.files.reconcile import reconciled, same

_LEADING_COMMENTS: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*")
_LEVELS: Final = (yamlio.MAX_DEPTH, 3, 1)
"""How deep an edit may reach, from the smallest change to whole top-level values."""


def render_edit(existing: str, prompt: Prompt, local: Local, path: str, *, named: bool = False) -> str:
    """Return the text of an existing file after it was made to say ``prompt`` and ``local``.

    Only what changed is replaced, inserted or removed; comments, order, blank lines and quoting of the rest
    stay byte for byte, and a file that says the same already is returned as it is. ``path`` is for messages.
    ``named`` gives a file that changes its ``name:`` if it has none, so that moving it later does not rename
    the prompt.
    A file that cannot be read is replaced. Raises Refused when the prompt holds something that no file can.
    """
    try:
        file = parse(existing.encode(), path, prompt.name)
    except InvalidFile:
        return render_new(prompt, local)
    document = writable_document(_in_words_of(file, prompt), local)
    if same(to_document(file.prompt, file.local), document):
        return existing
    for target in _targets(existing, file, document, named):
        for level in _LEVELS:
            try:
                text = edited(existing, target, level)
            except Unspliceable:
                continue
            if says(text, document):
                return text
    text = _rewritten(existing, document)
    if not says(text, document):
        raise RoundTripError(f"{path} does not read back as it was edited.")
    return text


def _in_words_of(file: PromptFile, prompt: Prompt) -> Prompt:
    """Return ``prompt`` with what means the same in the file taken from there."""
    if tag_set(file.prompt) == tag_set(prompt):
        prompt = replace(prompt, tags=file.prompt.tags)
    if same(canonical(file.prompt), canonical(prompt)):
        prompt = replace(file.prompt, name=prompt.name, tags=prompt.tags)
    return prompt


def _targets(
    existing: str, file: PromptFile, document: dict[str, Any], named: bool
) -> Iterator[dict[str, Any]]:
    """Yield what the file should hold: in its own words, then in those of the house style."""
    raw = yamlio.load(existing.encode(), file.path).value
    own_words = reconciled(raw, to_document(file.prompt, file.local), document)
    if named:
        own_words = {"name": document["name"], **own_words}
    if same(to_document(*to_prompt(own_words, document["name"])), document):
        yield own_words
    yield document


def _rewritten(existing: str, document: dict[str, Any]) -> str:
    """Return the document in the house style, below the comments that the file starts with."""
    comments = _LEADING_COMMENTS.match(existing.replace("\r\n", "\n"))
    lines = "".join(f"{line}\n" for line in layout.mapping(document, 0))
    text = (comments[0] if comments else "") + lines
    return text.replace("\n", "\r\n") if "\r\n" in existing else text

"""Searches the text of files, and the values of prompts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from msgspec import Struct

from promptsync.errors import UsageError
from promptsync.lint.rules import leaves
from promptsync.prompt.canonical import to_document
from promptsync.prompt.prompt import Local, Prompt


class Match(Struct, frozen=True):
    """What was found, and what is around it in the lines where it starts and ends."""

    before: str
    text: str
    after: str


def pattern_of(text: str, *, ignore_case: bool = False, is_regexp: bool = False) -> re.Pattern[str]:
    """Return the pattern for a text, whose spaces also match line breaks unless it ``is_regexp``.

    Raises ``UsageError`` for an empty text and for an invalid regular expression.
    """
    source = text if is_regexp else r"\s+".join(map(re.escape, text.split()))
    if not source:
        raise UsageError("the text to search for is empty")
    try:
        with warnings.catch_warnings(action="ignore"):  # of what a later Python may read otherwise
            return re.compile(source, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"{text!r} is not a regular expression: {error}", hint="leave out -E") from None


def find_in_text(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, Match]]:
    """Yield the first match that starts in each line, after the number of the line."""
    line, at, seen = 1, 0, 0
    for match in pattern.finditer(text):
        start, end = match.span()
        line += text.count("\n", at, start)
        at = start
        if end > start and line != seen:
            seen = line
            begin, stop = text.rfind("\n", 0, start) + 1, text.find("\n", end)
            yield line, Match(text[begin:start], match[0], text[end : stop if stop >= 0 else None])


def find_in_prompt(prompt: Prompt, pattern: re.Pattern[str]) -> Match | None:
    """Return the first match in the values of a prompt."""
    values = (value for _, value in leaves(to_document(prompt, Local())) if isinstance(value, str))
    return next((match for value in values for _, match in find_in_text(value, pattern)), None)

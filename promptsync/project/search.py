"""Searches YAML files and the versions in the cache."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator

import yaml
from msgspec import Struct, structs

from promptsync.errors import UsageError
from promptsync.files.yaml.syntax import Loader
from promptsync.lint.subject import leaves
from promptsync.prompt.document import to_document
from promptsync.prompt.prompt import Local, Prompt


class Match(Struct, frozen=True):
    """A place where the text occurs, and what is around it in the ``line`` where it starts."""

    line: int
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


def find_in_text(text: str, pattern: re.Pattern[str]) -> Iterator[Match]:
    """Yield the first match that starts in each line."""
    line, at, seen = 1, 0, 0
    for match in pattern.finditer(text):
        start, end = match.span()
        line += text.count("\n", at, start)
        at = start
        if end > start and line != seen:
            seen = line
            begin, stop = text.rfind("\n", 0, start) + 1, text.find("\n", end)
            yield Match(line, text[begin:start], match[0], text[end : stop if stop >= 0 else None])


def find_in_file(source: str, pattern: re.Pattern[str]) -> list[Match]:
    """Return the first match that starts in each line of a YAML file, which may be broken.

    A value that matches only as YAML reads it, without its escapes and with its lines joined, is reported at
    its first line.
    """
    matches = {match.line: match for match in find_in_text(source, pattern)}
    with contextlib.suppress(yaml.YAMLError, RecursionError):
        for event in yaml.parse(source, Loader=Loader):
            match = next(find_in_text(getattr(event, "value", ""), pattern), None)
            if match is not None and event.start_mark and event.end_mark:
                lines = range(event.start_mark.line + 1, event.end_mark.line + 2)
                if not any(line in matches for line in lines):
                    matches[lines[0]] = structs.replace(match, line=lines[0])
    return [matches[line] for line in sorted(matches)]


def find_in_prompt(prompt: Prompt, pattern: re.Pattern[str]) -> Match | None:
    """Return the first match in the values of a prompt."""
    values = (value for _, value in leaves(to_document(prompt, Local())) if isinstance(value, str))
    return next((match for value in values for match in find_in_text(value, pattern)), None)

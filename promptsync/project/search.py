"""Finds a text in prompt and evaluation files, and in the versions that the cache has."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from yaml import YAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from promptsync.errors import UsageError
from promptsync.files.cache import Cache
from promptsync.files.errors import InvalidFile
from promptsync.files.evaluation import FOLDER
from promptsync.files.worktree import Worktree, read, walk
from promptsync.files.yaml.syntax import compose
from promptsync.lint.subject import leaves
from promptsync.project.project import Project
from promptsync.prompt.document import to_document
from promptsync.prompt.prompt import Local, readable
from promptsync.prompt.version import Version


class Match(Struct, frozen=True):
    """A place where the text occurs, with the words around it. ``line`` is the one where it starts."""

    before: str
    text: str
    after: str
    line: int = 0
    field: str = ""


def pattern_of(text: str, *, ignore_case: bool = False, is_regexp: bool = False) -> re.Pattern[str]:
    """Return the pattern for a text. Spaces in a plain text match line breaks and indentation, too.

    Raises ``UsageError`` for an empty text and for an invalid regular expression.
    """
    source = text if is_regexp else r"\s+".join(map(re.escape, text.split()))
    if not source:
        raise UsageError("the text to search for is empty", hint="promptsync search 'some words'")
    try:
        return re.compile(source, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"{text!r} is not a regular expression: {error}", hint="leave out -E") from None


def texts_of_files(root: Path, worktree: Worktree) -> dict[str, str]:
    """Return the texts of all prompt and evaluation files by path, also of those with errors."""
    places = {path: root / path for path in worktree.paths}
    if (top := root / FOLDER).is_dir() and not top.is_symlink():
        walk(top, FOLDER, places, [])
    texts = {file.path: file.text for file in worktree.files.values()}
    for path in places.keys() - texts.keys():
        with contextlib.suppress(InvalidFile):
            texts[path] = read(places[path], path).decode("utf-8", "replace")
    return dict(sorted(texts.items()))


def find_in_file(source: str, pattern: re.Pattern[str]) -> list[Match]:
    """Return one match for each line of a YAML file in which one starts.

    A value that matches only as YAML reads it, with its lines joined and its escapes resolved, is reported at
    its first line.
    """
    lines = source.split("\n")
    matches = {match.line: match for match in _find(source, pattern)}
    for node in _scalars(source):
        first, last = node.start_mark.line, node.end_mark.line
        if not any(number in matches for number in range(first + 1, last + 2)):
            raw = "\n".join(lines[first : last + 1])
            value = next(_find(node.value, pattern), None) if node.value not in raw else None
            if value is not None:
                matches[first + 1] = Match(value.before, value.text, value.after, first + 1)
    return [matches[line] for line in sorted(matches)]


def find_in_version(version: Version, pattern: re.Pattern[str]) -> list[Match]:
    """Return one match for each field of a version that contains the text."""
    matches = []
    for path, value in leaves(to_document(version.prompt, Local())):
        match = next(_find(value, pattern), None) if isinstance(value, str) else None
        if match is not None:
            matches.append(Match(match.before, match.text, match.after, field=readable(path)))
    return matches


def cached_versions(project: Project) -> list[Version]:
    """Return the versions of the project's registry that the cache has, newest first in each prompt."""
    cache = Cache(project.root)
    if not (responses := cache.versions()):
        return []
    from promptsync.registry.open import cached

    versions = cached(project.record_url, cache, responses)
    return sorted(versions, key=lambda version: (version.name, -version.version))


def _find(text: str, pattern: re.Pattern[str]) -> Iterator[Match]:
    """Yield the first match that starts in each line."""
    line, at, seen = 1, 0, 0
    for match in pattern.finditer(text):
        start, end = match.span()
        line += text.count("\n", at, start)
        at = start
        if end > start and line != seen:
            seen = line
            begin, stop = text.rfind("\n", 0, start) + 1, text.find("\n", end)
            yield Match(text[begin:start], match[0], text[end : stop if stop >= 0 else None], line)


def _scalars(source: str) -> Iterator[ScalarNode]:
    """Yield the keys and values of a YAML text, none if it cannot be read."""
    try:
        waiting: list[Node | None] = [compose(source)]
    except (YAMLError, RecursionError):
        return
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue  # an alias
        seen.add(id(node))
        if isinstance(node, ScalarNode):
            yield node
        elif isinstance(node, MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, SequenceNode):
            waiting += node.value

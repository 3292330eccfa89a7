"""``promptsync search``: find a text in files and in cached versions."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from promptsync.commands.shared.groups import flag
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.files.cache import Cache
from promptsync.files.evaluation import FOLDER
from promptsync.files.prompt_file import read, scan, walk
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.target import resolve, unknown
from promptsync.prompt.canonical import to_document
from promptsync.prompt.prompt import Local, Problem, Prompt, leaves
from promptsync.show.notes import cut
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_BEFORE, _AFTER, _MOST = 40, 120, 2000
"""The most characters that are shown before and after a match, and of all of it in JSON."""


@verb("search", is_long=True)
@click.argument("text")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@flag("-i --ignore-case", "Match upper and lower case alike.")
@flag("-E --regexp", "Read TEXT as a Python regular expression.")
def command(session: Session, text: str, names: tuple[str, ...], ignore_case: bool, regexp: bool) -> Outcome:
    """Find TEXT in your files, also across line breaks, and in the versions that earlier commands have read.

    Without NAME, all prompt and evaluation files are searched. NAME is a name, a pattern, a file or a
    directory. No request is sent. Exits with 1 if nothing was found or a file cannot be read.

    \b
    promptsync search 'when you do not know'
    promptsync search -i refund 'support/*'
    promptsync search -E 'gpt-4o?\\b' --json
    """
    from promptsync.registry.open import cached

    pattern = pattern_of(text, ignore_case=ignore_case, is_regexp=regexp)
    with session.project() as project:
        worktree = scan(project.root, project.config.prompts)
        places = {path: project.root / path for path in worktree.paths}
        evaluations = project.root / FOLDER
        if evaluations.is_dir() and not evaluations.is_symlink():
            walk(evaluations, FOLDER, places, [])
        owners = {file.path: name for name, file in worktree.files.items()} | worktree.broken
        versions = [*cached(project.record_url, Cache(project.root))]
        if names:
            known = {*owners.values(), *(version.name for version in versions)}
            missing = partial(unknown, prompts=project.config.prompts, where="your files or the cache")
            targets = resolve(project, names, known, with_versions=False, missing=missing)
            meant = {target.name for target in targets}
            places = {path: place for path, place in places.items() if owners.get(path) in meant}
            versions = [version for version in versions if version.name in meant]
        prompts = {file.path: file.prompt for file in worktree.files.values()}
        prefix = Path(os.path.relpath(project.root, session.directory))
    lines, matches = [], []
    unread: list[Problem] = []
    for path, place in sorted(places.items()):
        shown, source = (prefix / path).as_posix(), ""
        try:
            source = read(place, path).decode("utf-8", "replace")
        except InvalidFile as error:
            unread += error.problems
        in_lines: list[tuple[int | None, Match]] = [*find_in_text(source, pattern)]
        # YAML joins lines and has escapes, so a value may contain what no line does.
        if not in_lines and path in prompts and (hit := find_in_prompt(prompts[path], pattern)):
            in_lines = [(None, hit)]
        for line, match in in_lines:
            lines.append(_line(f"{shown}:{line}" if line is not None else shown, match))
            matches.append(_body(match, name=owners.get(path), path=shown, line=line))
    versions.sort(key=lambda version: (version.name, -version.version))
    for name, group in groupby(versions, key=lambda version: version.name):
        hits = [(item.version, hit) for item in group if (hit := find_in_prompt(item.prompt, pattern))]
        matches += [_body(hit, name=name, version=number) for number, hit in hits]
        if hits:
            lines.append(_line(name + ", ".join(f"@{number}" for number, _ in hits), hits[0][1]))
    if not session.json:
        searched = f"{output.count(len(places), 'file')} and {output.count(len(versions), 'cached version')}"
        advice = "" if matches or ignore_case else "; -i matches upper and lower case alike"
        session.say(f"{output.count(len(matches), 'match', 'matches')} in {searched}{advice}")
    body = {"matches": matches, "files": len(places), "cached_versions": len(versions)}
    return Outcome(lines, body, 0 if matches else 1, InvalidFile(unread) if unread else None)


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


def _line(place: str, match: Match) -> str:
    before, after = (re.sub(r"\s+", " ", part) for part in (match.before, match.after))
    before = before.lstrip() if len(before) <= _BEFORE else f"… {before[-_BEFORE:].partition(' ')[2]}"
    marked = output.style(cut(re.sub(r"\s+", " ", match.text)), "strong")
    text = f"{output.name(before)}{marked}{cut(after.rstrip(), _AFTER)}"
    return output.Line(f"{output.style(output.name(place), 'remote')}  {text}", 4)


def _body(match: Match, **place: Any) -> dict[str, Any]:
    nowhere = dict.fromkeys(("name", "path", "line", "version"))
    return {**nowhere, **place, "text": f"{match.before}{match.text}{match.after}"[:_MOST]}

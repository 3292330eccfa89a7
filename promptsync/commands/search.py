"""``promptsync search``: find a text in files and in cached versions."""

from __future__ import annotations

import os
import re
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from promptsync.commands.shared.session import Session, verb
from promptsync.files.worktree import scan
from promptsync.project.search import (
    Match,
    cached_versions,
    find_in_file,
    find_in_version,
    pattern_of,
    texts_of_files,
)
from promptsync.project.target import resolve, unknown
from promptsync.show.lines import cut
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_BEFORE, _AFTER, _MOST = 40, 120, 2000
"""The most characters that are shown before and after a match, and of all of it in JSON."""


@verb("search", blank={"matches": [], "files": 0, "cached_versions": 0}, is_long=True)
@click.argument("text")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-i", "--ignore-case", is_flag=True, help="Match upper and lower case alike.")
@click.option("-E", "--regexp", is_flag=True, help="Read TEXT as a regular expression (Python's).")
@click.option(
    "--all", "everything", is_flag=True, help="List each cached version that matches, not only the newest."
)
def command(
    session: Session, text: str, names: tuple[str, ...], ignore_case: bool, regexp: bool, everything: bool
) -> Outcome:
    """Find where TEXT occurs: in your files, and in the versions that the cache has.

    Sentences are found across line breaks, too. Without NAME, all prompts and evaluation files are searched;
    NAME is a name, a pattern, a file or a directory. No request is sent: the cache has the versions that
    earlier commands read. Exits with 1 if nothing was found.

    \b
    promptsync search 'when you do not know'
    promptsync search -i refund 'support/*'
    promptsync search -E '\\bgpt-4o?\\b' --json
    """
    pattern = pattern_of(text, ignore_case=ignore_case, is_regexp=regexp)
    with session.project() as project:
        worktree, versions = scan(project.root, project.config.prompts), cached_versions(project)
        texts = texts_of_files(project.root, worktree)
        owners = {file.path: name for name, file in worktree.files.items()} | worktree.broken
        if names:
            known = {*owners.values(), *(version.name for version in versions)}
            missing = partial(unknown, prompts=project.config.prompts, where="your files or the cache")
            targets = resolve(project, names, known, with_versions=False, missing=missing)
            meant = {target.name for target in targets}
            texts = {path: source for path, source in texts.items() if owners.get(path) in meant}
            versions = [version for version in versions if version.name in meant]
        prefix = Path(os.path.relpath(project.root, session.directory))
    lines, matches = [], []
    for path, source in texts.items():
        shown = (prefix / path).as_posix()
        for match in find_in_file(source, pattern):
            lines.append(_line(f"{shown}:{match.line}", match))
            matches.append(_body(match, name=owners.get(path), path=shown, line=match.line))
    for _, group in groupby(versions, key=lambda version: version.name):
        hits = [(version, match) for version in group for match in find_in_version(version, pattern)]
        newest = hits[0][0].version if hits else 0
        older = len({version.version for version, _ in hits} - {newest})
        for version, match in hits:
            matches.append(_body(match, name=version.name, version=version.version, field=match.field))
            if everything or version.version == newest:
                lines.append(_line(f"{version.name}@{version.version} {match.field}", match))
        if older and not everything:
            lines.append(output.aside(f"  and {output.count(older, 'older version')}: add --all"))
    if not session.json:
        cached = (
            f"and {output.count(len(versions), 'cached version')}" if versions else "(no version is cached)"
        )
        found = output.count(len(matches), "match", "matches")
        session.say(f"{found} in {output.count(len(texts), 'file')} {cached}")
    body = {"matches": matches, "files": len(texts), "cached_versions": len(versions)}
    return Outcome(lines, body, 0 if matches else 1)


def _line(place: str, match: Match) -> str:
    before, text, after = (re.sub(r"\s+", " ", part) for part in (match.before, match.text, match.after))
    before = before.lstrip() if len(before) <= _BEFORE else f"… {before[-_BEFORE:].partition(' ')[2]}"
    after = after.rstrip() if len(after) <= _AFTER else f"{after[:_AFTER]}…"
    marked = output.style(cut(text), "strong")
    return output.Line(
        f"{output.style(output.name(place), 'remote')}  {output.name(before)}{marked}{output.name(after)}", 4
    )


def _body(match: Match, **place: Any) -> dict[str, Any]:
    text = f"{match.before}{match.text}{match.after}"
    nowhere = dict.fromkeys(("name", "path", "line", "version", "field"))
    return {**nowhere, **place, "text": text[:_MOST]}

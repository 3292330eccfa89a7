"""``promptsync log``: the versions of a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from promptsync.commands.shared.options import version_options
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.versions import choose
from promptsync.inspect.log import Log, LoggedVersion, read_log
from promptsync.project.target import At
from promptsync.show import diff
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_SHA256, _DIGEST = "sha256:", 12


@verb("log", short_help="List the versions of a prompt.", blank={"versions": []}, is_long=True)
@click.argument("names", nargs=-1, required=True, metavar="NAME[@N|:LABEL]...")
@click.option(
    "--max-count",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="List the newest N versions.",
)
@click.option("--all", "every", is_flag=True, help="List all versions.")
@click.option("--oneline", is_flag=True, help="Print one line per version.")
@click.option("-p", "--patch", is_flag=True, help="Show what each version changed from the one before.")
@version_options
def command(
    session: Session,
    names: tuple[str, ...],
    max_count: int,
    every: bool,
    oneline: bool,
    patch: bool,
    at: At,
) -> Outcome:
    """List the versions of a prompt, newest first, with labels, dates and messages.

    NAME is a name, a pattern, a file, a directory or an id. The list begins at the version that is specified,
    by default the latest. The commit is the one whose file has the same content. "base" marks the newest
    version that your file includes, "passed over" one that neither your file nor the latest version includes.
    "From" lists the versions that a version was made from, unless that is the one before.

    \b
    promptsync log support/refund --oneline
    promptsync log support/refund:prod -p
    """
    limit = None if every else max_count
    with session.project() as project:
        logs = [
            read_log(project, one.listed, one.at, limit=limit, patches=patch)
            for one in choose(project, session.directory, names, at, by_id=True)
        ]
    if not all(one.is_whole for one in logs) and not session.json:
        session.say("older versions are not listed; --all lists them")
    body = {
        "name": logs[0].name if len(logs) == 1 else None,
        "versions": [_body(log, one) for log in logs for one in log.versions],
    }
    return Outcome([*_lines(logs, oneline)], body)


def _lines(logs: list[Log], oneline: bool) -> Iterator[str]:
    for number, log in enumerate(logs):
        if len(logs) > 1:
            yield from ([""] if number else [])
            yield output.style(output.name(log.name), "strong")
        if oneline:
            yield from _short(log)
            continue
        for place, one in enumerate(log.versions):
            yield from ([""] if place else [])
            yield from _paragraph(one)


def _short(found: Log) -> Iterator[str]:
    rows = [
        (output.style(f"v{one.version}", "remote"), one.abbreviated or "-", f"{_words(one)}{_message(one)}")
        for one in found.versions
    ]
    for one, line in zip(found.versions, output.table(rows, free=True), strict=True):
        yield line
        if one.patch is not None:
            yield from diff.step_lines(one.patch)


def _paragraph(one: LoggedVersion) -> Iterator[str]:
    yield f"{output.style(f'version {one.version}', 'remote')} {_words(one)}".rstrip()
    if one.author:
        yield f"Author: {output.safe(one.author, newlines=False)}"
    if one.created_at:
        yield f"Date:   {output.safe(output.moment(one.created_at), newlines=False)}"
    if one.abbreviated:
        yield f"Commit: {one.abbreviated}"
    if one.version > 1 and one.parents != (one.version - 1,):
        yield f"From:   {', '.join(f'v{parent}' for parent in one.parents) or 'no other version'}"
    yield f"Digest: {one.digest.removeprefix(_SHA256)[:_DIGEST]}"
    if message := _message(one):
        yield output.hanging(f"    {message}", 4)
    if one.patch is not None:
        yield ""
        yield from diff.step_lines(one.patch)


def _words(one: LoggedVersion) -> str:
    words = [output.style(output.name(label), "strong") for label in one.labels or ()]
    words += [output.style("base", "good")] if one.is_base else []
    words += [output.style("passed over", "warn")] if one.is_passed_over else []
    return f"({', '.join(words)}) " if words else ""


def _message(one: LoggedVersion) -> str:
    return output.safe(one.message, newlines=False)


def _body(log: Log, one: LoggedVersion) -> dict[str, Any]:
    body = {
        "name": log.name,
        "version": one.version,
        "labels": None if one.labels is None else list(one.labels),
        "message": one.message,
        "author": one.author,
        "created_at": one.created_at,
        "commit": one.commit,
        "digest": one.digest,
        "base": one.is_base,
        "parents": list(one.parents),
        "passed_over": one.is_passed_over,
    }
    return body if one.patch is None else {**body, **diff.step_body(one.patch)}

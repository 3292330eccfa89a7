"""``promptsync log``: the versions of a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from promptsync.commands.shared.session import Session, verb
from promptsync.inspect.log import Log, LoggedVersion, read_log
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_SHA256, _DIGEST = "sha256:", 12


@verb("log", short_help="List the versions of a prompt.", blank={"versions": []})
@click.argument("name")
@click.option(
    "-n",
    "--max-count",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="The newest N versions.",
)
@click.option("--all", "every", is_flag=True, help="All versions.")
@click.option("--oneline", is_flag=True, help="One line a version.")
def command(session: Session, name: str, max_count: int, every: bool, oneline: bool) -> Outcome:
    """List the versions of a prompt, newest first, with labels, dates and messages.

    The commit is the one whose file holds the same content. "base" marks the newest version that your file
    includes, "passed over" one that the latest version does not. "From" names the versions that one was made
    from, where that is not the version before it.

    \b
    promptsync log support/refund --oneline
    """
    with session.project() as project:
        found = read_log(project, name, limit=None if every else max_count)
    if not found.is_whole and not session.json:
        session.say("older versions are not listed; --all lists them")
    lines = _short(found) if oneline else _long(found)
    return Outcome(lines, {"name": found.name, "versions": [_body(one) for one in found.versions]})


def _short(found: Log) -> list[str]:
    rows = [
        (
            output.style(f"v{one.version}", "remote"),
            one.abbreviated or "-",
            " ".join((*_words(one), _message(one))),
        )
        for one in found.versions
    ]
    return output.table(rows, free=True)


def _long(found: Log) -> list[str]:
    lines: list[str] = []
    for one in found.versions:
        lines += ["", *_paragraph(one)] if lines else _paragraph(one)
    return lines


def _paragraph(one: LoggedVersion) -> Iterator[str]:
    yield " ".join((output.style(f"version {one.version}", "remote"), *_words(one)))
    if one.created_at:
        yield f"Date:   {output.safe(output.moment(one.created_at), newlines=False)}"
    if one.abbreviated:
        yield f"Commit: {one.abbreviated}"
    if one.version > 1 and one.parents != (one.version - 1,):
        yield f"From:   {', '.join(f'v{parent}' for parent in one.parents) or 'no other version'}"
    yield f"Digest: {one.digest.removeprefix(_SHA256)[:_DIGEST]}"
    if message := _message(one):
        yield output.hanging(f"    {message}", 4)


def _words(one: LoggedVersion) -> Iterator[str]:
    labels = [output.style(output.name(label), "strong") for label in one.labels or ()]
    base = [output.style("base", "good")] if one.is_base else []
    passed_over = [output.style("passed over", "warn")] if one.is_passed_over else []
    if words := [*labels, *base, *passed_over]:
        yield f"({', '.join(words)})"


def _message(one: LoggedVersion) -> str:
    return output.safe(one.message, newlines=False)


def _body(one: LoggedVersion) -> dict[str, Any]:
    return {
        "version": one.version,
        "labels": None if one.labels is None else list(one.labels),
        "message": one.message,
        "created_at": one.created_at,
        "commit": one.commit,
        "digest": one.digest,
        "base": one.is_base,
        "parents": list(one.parents),
        "passed_over": one.is_passed_over,
    }

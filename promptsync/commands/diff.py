"""``promptsync diff``: what differs, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from promptsync.commands.shared.options import choose_format, format_option
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.difference import Difference, differences
from promptsync.compare.gather import gather
from promptsync.compare.select import expanded, matching, named_by
from promptsync.compare.state import State
from promptsync.errors import UsageError
from promptsync.show import diff
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.compare.project import Project
    from promptsync.prompt.prompt import Problem

    Problems = Sequence[Problem]


@verb("diff", short_help="Show what differs, field by field.", blank={"changes": []})
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--label", metavar="LABEL", help="Compare with the versions under LABEL, not with the latest.")
@click.option(
    "--since",
    metavar="REF",
    help="Compare the files with a git state instead, offline: origin/main, a commit, or origin/main... for "
    "where this branch left it.",
)
@click.option("--stat", is_flag=True, help="One line a prompt.")
@click.option("--name-only", is_flag=True, help="Only the names.")
@format_option("markdown", "github")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when anything differs.")
def command(
    session: Session,
    names: tuple[str, ...],
    label: str | None,
    since: str | None,
    stat: bool,
    name_only: bool,
    form: str | None,
    exit_code: bool,
) -> Outcome:
    """Show what a push or a pull would change: fields that differ, texts line by line.

    Of a prompt that changed on both sides it shows both changes since they last agreed. Prompts that only
    the registry has are shown when they are named. With --since it shows what changed in git, and asks no
    registry.

    \b
    promptsync diff
    promptsync diff --since origin/main...
    promptsync diff support/refund --label prod
    promptsync diff --format markdown > plan.md
    """
    form = choose_format(session, form)
    if stat and name_only:
        raise UsageError("--stat and --name-only exclude each other", hint="leave one of them out")
    if since is not None and label is not None:
        raise UsageError(
            "--since compares with git and --label with the registry", hint="leave out one of the two"
        )
    with session.project() as project:
        names = named_by(project, session.directory, names)
        found, problems = _since(project, names, since) if since is not None else _now(project, names, label)
    body = {"changes": [_body(one) for one in found]}
    if problems:
        body["problems"] = [
            {"path": one.path, "line": one.line, "column": one.column, "message": one.message}
            for one in problems
        ]
    code = 1 if problems or (exit_code and found) else 0
    lines = _lines(found, form, stat=stat, name_only=name_only)
    lines += [output.safe(f"{one.path}:{one.line}:{one.column}: {one.message}") for one in problems]
    if not lines and not session.quiet:
        lines = ["no differences"] if form == "text" and not name_only else []
    return Outcome(lines, body, code)


def _now(project: Project, names: Sequence[str], label: str | None) -> tuple[list[Difference], Problems]:
    snapshot = gather(project, label=label)
    names = matching(snapshot, names)
    items = [item for item in snapshot.only(names) if names or item.state is not State.REMOTE_ONLY]
    return differences(project, items), snapshot.problems


def _since(project: Project, names: Sequence[str], since: str) -> tuple[list[Difference], Problems]:
    from promptsync.compare.changed import differences_since
    from promptsync.files.worktree import scan

    worktree = scan(project.root, project.config.prompts)
    return differences_since(project, worktree, since, expanded(worktree.files, names)), ()


def _lines(found: list[Difference], form: str, *, stat: bool, name_only: bool) -> list[str]:
    if name_only:
        return [output.name(one.name) for one in found]
    if form == "markdown":
        from promptsync.show.diff_markdown import differences_markdown

        return differences_markdown(found)
    if form == "github":
        from promptsync.show.github import differences_github

        return differences_github(found)
    if stat:
        return [diff.stat(one) for one in found]
    lines: list[str] = []
    for one in found:
        lines += [*diff.difference(one), ""]
    return lines[:-1]


def _body(found: Difference) -> dict[str, object]:
    first = found.steps[0]
    body: dict[str, object] = {
        "name": found.name,
        "state": str(found.state),
        "path": found.path,
        "renamed_from": found.was,
        "renamed_to": found.became,
        "title": first.title,
        "fields": diff.fields_body(first.fields),
        "variables": {"added": list(first.added), "removed": list(first.removed)},
    }
    if len(found.steps) > 1:
        body["remote_fields"] = diff.fields_body(found.steps[1].fields)
        body["remote_title"] = found.steps[1].title
    return body

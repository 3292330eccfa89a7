"""``promptsync diff``: differences field by field."""

from __future__ import annotations

from collections.abc import Sequence

import click

from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import check_apart, format_option, version_options
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.difference import Difference, differences, differences_between, differences_since
from promptsync.compare.gather import gather
from promptsync.compare.snapshot import State, matching
from promptsync.errors import UsageError
from promptsync.files.prompt_file import scan
from promptsync.files.yaml.load import text_of
from promptsync.project.project import Project
from promptsync.project.target import At, may_have_version
from promptsync.prompt.prompt import Problem
from promptsync.show import diff
from promptsync.show.markdown import Page
from promptsync.show.outcome import Outcome, bodies, body
from promptsync.terminal import output


@verb("diff", is_long=True)
@click.argument("names", nargs=-1, metavar="[NAME[@N|:LABEL]]...")
@version_options
@option(
    "--since",
    "REF",
    "Compare the files with a git state instead: origin/main, a commit, or origin/main... for the "
    "commit where this branch began. Sends no request.",
)
@flag("--stat", "Print one line per prompt.")
@flag("--name-only", "Print only the names.")
@format_option("markdown")
@flag("--exit-code", "Exit with 1 if anything differs.")
def command(session: Session, names: tuple[str, ...], at: At, since: str | None, **flags: bool) -> Outcome:
    """Show what a push or a pull would change: the fields that differ, texts line by line.

    For a prompt that changed on both sides, both changes since the last common version are shown. Prompts
    without a file are shown only if you name them.

    A version, as in NAME@N or NAME:LABEL, is compared with the file instead. Two versions of the same prompts
    are compared with each other. NAME is a name, a pattern, a file or a directory.

    \b
    promptsync diff
    promptsync diff support/refund@1 support/refund@3
    promptsync diff support/refund:prod
    promptsync diff 'support/*:staging' 'support/*:prod'
    promptsync diff --since origin/main...
    """
    stat, name_only = flags["stat"], flags["name_only"]
    check_apart(("--stat", stat), ("--name-only", name_only))
    check_apart(("--since", since), ("--label", at.label), ("--version", at.number))
    if at.number is not None and not names:
        raise UsageError("--version requires a NAME", hint=f"promptsync diff NAME@{at.number}")
    with session.project() as project:
        diffs, problems = _differences(project, names, at, since)
    document: dict[str, object] = {"changes": [_body(difference) for difference in diffs]}
    if problems:
        document["problems"] = bodies(problems, diff.PROBLEM)
    code = 1 if problems or (flags["exit_code"] and diffs) else 0
    unread = [output.safe(text_of(problem)) for problem in problems]
    if session.form == "markdown" and not name_only:
        page = Page()
        diff.add_differences(page, diffs)
        if unread:
            page.fence(unread)
        return Outcome(page.lines, document, code)
    lines = [*_lines(diffs, stat=stat, name_only=name_only), *unread]
    if not lines and not name_only:
        lines = [output.aside("no differences")]
    return Outcome(lines, document, code)


def _differences(
    project: Project, names: Sequence[str], at: At, since: str | None
) -> tuple[list[Difference], Sequence[Problem]]:
    if since is not None:
        worktree = scan(project.root, project.config.prompts)
        return differences_since(project, worktree, since, names), ()
    if at or any(map(may_have_version, names)):
        worktree = scan(project.root, project.config.prompts)
        diffs = differences_between(project, worktree, names, at)
        if diffs is not None:
            return diffs, worktree.problems
    snapshot = gather(project)
    wanted = matching(project, snapshot, names)
    # A prompt that only the registry has would show its whole text, so it is shown only on request.
    items = [item for item in snapshot.only(wanted) if wanted or item.state is not State.REMOTE_ONLY]
    return differences(project, items), snapshot.problems


def _lines(diffs: list[Difference], *, stat: bool, name_only: bool) -> list[str]:
    if name_only:
        return [output.name(difference.name) for difference in diffs]
    if stat:
        return [diff.stat(difference) for difference in diffs]
    lines: list[str] = []
    for difference in diffs:
        lines += [*diff.difference(difference), ""]
    return lines[:-1]


def _body(difference: Difference) -> dict[str, object]:
    first, *others = difference.steps
    shown = {**body(difference, "name state path"), "title": first.title, **diff.step_body(first)}
    for step in others:
        shown |= {"remote_fields": bodies(step.fields, diff.FIELD), "remote_title": step.title}
    return shown

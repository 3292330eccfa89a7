"""``promptsync lint``: check prompt files, offline."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from promptsync.commands.shared.options import choose_format, format_option
from promptsync.commands.shared.session import Session, verb
from promptsync.inspect.lint import Checked, check_all, check_files
from promptsync.lint.rules import RULES
from promptsync.prompt.prompt import Problem
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb("lint", short_help="Check prompt files, offline.", blank={"problems": []})
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@format_option("github", "sarif")
@click.option("--strict", is_flag=True, help="Exit with 1 when there are warnings, too.")
@click.option("--rules", is_flag=True, help="List the rules instead.")
def command(
    session: Session, files: tuple[Path, ...], form: str | None, strict: bool, rules: bool
) -> Outcome:
    """Check FILEs, or everything in the prompts directory. Needs no network, no git and no key.

    Exits with 1 when there are errors.

    \b
    promptsync lint
    promptsync lint prompts/support/refund.yaml --strict
    promptsync lint --format github
    """
    form = choose_format(session, form)
    if rules:
        return _rules()
    found = check_files(session.directory, files) if files else check_all(session.directory)
    failed = found.count("error") or (strict and found.count("warning"))
    render = _FORMS.get(form, _text)
    return Outcome(render(session, found), {"problems": _bodies(session, found)}, 1 if failed else 0)


def _rules() -> Outcome:
    rows = [
        (rule.id, output.style(rule.severity, _MEANINGS[rule.severity]), rule.summary)
        for rule in RULES.values()
    ]
    bodies = [{"id": rule.id, "severity": rule.severity, "summary": rule.summary} for rule in RULES.values()]
    return Outcome(output.table(rows), {"rules": bodies})


def _relative(problems: Sequence[Problem], directory: Path) -> list[Problem]:
    return [replace(one, path=Path(os.path.relpath(one.path, directory)).as_posix()) for one in problems]


def _bodies(session: Session, found: Checked) -> list[dict[str, Any]]:
    keys = ("path", "line", "column", "rule", "severity", "message", "hint")
    problems = _relative(found.problems, session.directory)
    return [{key: getattr(problem, key) for key in keys} for problem in problems]


# -- text ----------------------------------------------------------------------------------------------

_MEANINGS = {"error": "bad", "warning": "warn"}


def _text(session: Session, found: Checked) -> list[str]:
    lines: list[str] = []
    for problem in _relative(found.problems, session.directory):
        lines.append(_line(problem))
        if problem.hint:
            lines.append(f"    {output.style('hint:', 'remote')} {output.safe(problem.hint, newlines=False)}")
    return lines if session.quiet else [*lines, _summary(found)]


def _line(problem: Problem) -> str:
    place = output.style(f"{output.name(problem.path)}:{problem.line}:{problem.column}:", "strong")
    severity = output.style(f"{problem.severity}:", _MEANINGS[problem.severity])
    return f"{place} {severity} {output.safe(problem.message, newlines=False)} [{problem.rule}]"


def _summary(found: Checked) -> str:
    files = output.count(found.files, "file")
    counts = [
        output.count(number, severity)
        for severity in ("error", "warning")
        if (number := found.count(severity))
    ]
    if not counts:
        return f"{files} checked, no problems"
    return f"{files} checked, {' and '.join(counts)}"


# -- annotations of GitHub Actions -----------------------------------------------------------------------


def _github(session: Session, found: Checked) -> list[str]:
    """Errors first; what GitHub would not show follows as plain lines, and a notice counts it."""
    from promptsync.show.github import MOST_ANNOTATIONS, annotation

    problems = _relative(found.problems, _checkout(session))
    shown: list[str] = []
    left: list[str] = []
    for severity in ("error", "warning"):
        these = [problem for problem in problems if problem.severity == severity]
        shown += map(_annotation, these[:MOST_ANNOTATIONS])
        left += map(_line, these[MOST_ANNOTATIONS:])
    if left:
        more = output.count(len(left), "more problem")
        shows = f"GitHub shows {MOST_ANNOTATIONS} of a kind"
        left.append(annotation("notice", f"{more} in the log: {shows}", title="promptsync lint"))
    return [*shown, *left, _summary(found)]


def _checkout(session: Session) -> Path:
    """Return the directory that GitHub takes paths to be relative to."""
    workspace = session.environment.variables.get("GITHUB_WORKSPACE")
    if workspace and session.directory.is_relative_to(workspace):
        return Path(workspace)
    return session.directory


def _annotation(problem: Problem) -> str:
    from promptsync.show.github import annotation

    text = f"{problem.message} {problem.hint}".strip()
    return annotation(
        problem.severity,
        text,
        title=f"promptsync {problem.rule}",
        path=problem.path,
        line=problem.line,
        column=problem.column,
    )


def _sarif(session: Session, found: Checked) -> list[str]:
    from promptsync.show.sarif import sarif

    return sarif(_relative(found.problems, _checkout(session)), list(RULES.values()))


_FORMS: Mapping[str, Callable[[Session, Checked], list[str]]] = {
    "text": _text,
    "github": _github,
    "sarif": _sarif,
}

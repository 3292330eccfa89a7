"""``promptsync lint``: check prompt files offline."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
from msgspec.structs import replace

from promptsync import __version__
from promptsync.commands.shared.options import choose_format, format_option
from promptsync.commands.shared.session import Session, verb
from promptsync.inspect.lint import Checked, check_all, check_files
from promptsync.lint.rules import RULES
from promptsync.prompt.prompt import Problem
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_SARIF_HELP: Final = {
    "error": "An error stops a push of the prompt. promptsync lint prints how to fix it.",
    "warning": "A warning stops nothing unless lint runs with --strict.",
}
_MEANINGS: Final = {"error": "bad", "warning": "warn"}
_KEYS: Final = ("path", "line", "column", "rule", "severity", "message", "hint")


@verb("lint", short_help="Check prompt files offline.", blank={"problems": []})
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@format_option("github", "sarif")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@click.option(
    "--deleted", is_flag=True, help="Also check who uses the prompts that were deleted or renamed since HEAD."
)
@click.option("--rules", is_flag=True, help="List the rules instead.")
def command(
    session: Session, files: tuple[Path, ...], form: str | None, strict: bool, deleted: bool, rules: bool
) -> Outcome:
    """Check FILEs, or everything in the prompts directory. Needs no network and no key.

    Exits with 1 when there are errors. A hook passes the files of a commit and --deleted, which reads git: a
    prompt that refers to a deleted one is an error, too, although the commit does not change it.

    \b
    promptsync lint
    promptsync lint prompts/support/refund.yaml --strict
    promptsync lint --format github
    """
    form = choose_format(session, form)
    if rules:
        return _rules()
    directory = session.directory
    found = check_files(directory, files, deleted=deleted) if files or deleted else check_all(directory)
    problems = _relative(found, directory)
    if form in ("github", "sarif"):
        there = _relative(found, session.annotated_directory)
        lines = _github(found, there) if form == "github" else _sarif(there)
    else:
        lines = _text(problems)
        lines += [] if session.quiet else [_summary(found)]
    body = {"problems": [{key: getattr(problem, key) for key in _KEYS} for problem in problems]}
    failed = found.count("error") or (strict and found.count("warning"))
    return Outcome(lines, body, 1 if failed else 0)


def _rules() -> Outcome:
    rules = RULES.values()
    rows = ((rule.id, output.style(rule.severity, _MEANINGS[rule.severity]), rule.summary) for rule in rules)
    body = [{"id": rule.id, "severity": rule.severity, "summary": rule.summary} for rule in rules]
    return Outcome(output.table(rows), {"rules": body})


def _relative(found: Checked, directory: Path) -> list[Problem]:
    return [
        replace(one, path=Path(os.path.relpath(one.path, directory)).as_posix()) for one in found.problems
    ]


def _text(problems: Sequence[Problem]) -> list[str]:
    lines: list[str] = []
    for problem in problems:
        lines.append(_line(problem))
        if problem.hint:
            lines.append(f"    {output.style('hint:', 'remote')} {output.safe(problem.hint, newlines=False)}")
    return lines


def _line(problem: Problem) -> str:
    place = output.style(f"{output.name(problem.path)}:{problem.line}:{problem.column}:", "strong")
    severity = output.style(f"{problem.severity}:", _MEANINGS[problem.severity])
    return f"{place} {severity} {output.safe(problem.message, newlines=False)} [{problem.rule}]"


def _summary(found: Checked) -> str:
    counts = [
        output.count(number, severity)
        for severity in ("error", "warning")
        if (number := found.count(severity))
    ]
    return f"{output.count(found.files, 'file')} checked, {' and '.join(counts) or 'no problems'}"


def _github(found: Checked, problems: Sequence[Problem]) -> list[str]:
    """Errors come first. Problems beyond GitHub's limit follow as plain lines, and a notice counts them."""
    from promptsync.show.github import MOST_ANNOTATIONS, annotation

    shown: list[str] = []
    rest: list[str] = []
    for severity in ("error", "warning"):
        these = [problem for problem in problems if problem.severity == severity]
        for one in these[:MOST_ANNOTATIONS]:
            text, title = f"{one.message} {one.hint}".strip(), f"promptsync {one.rule}"
            shown.append(
                annotation(severity, text, title=title, path=one.path, line=one.line, column=one.column)
            )
        rest += map(_line, these[MOST_ANNOTATIONS:])
    if rest:
        more = output.count(len(rest), "more problem")
        reason = f"GitHub shows {MOST_ANNOTATIONS} of each severity"
        rest.append(annotation("notice", f"{more} in the log: {reason}", title="promptsync lint"))
    return [*shown, *rest, _summary(found)]


def _sarif(problems: Sequence[Problem]) -> list[str]:
    """Return a SARIF 2.1.0 log with what GitHub's code scanning needs beyond the standard."""
    numbers = {rule: number for number, rule in enumerate(RULES)}
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": rule.summary},
            "help": {"text": f"{rule.summary} {_SARIF_HELP[rule.severity]}"},
            "defaultConfiguration": {"level": rule.severity},
        }
        for rule in RULES.values()
    ]
    driver = {"name": "promptsync", "version": __version__, "rules": rules}
    results = [_sarif_result(one, numbers) for one in problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2).split("\n")


def _sarif_result(problem: Problem, numbers: Mapping[str, int]) -> dict[str, Any]:
    artifact = {"uri": quote(problem.path), "uriBaseId": "%SRCROOT%"}
    region = {"startLine": problem.line, "startColumn": problem.column}
    return {
        "ruleId": problem.rule,
        "ruleIndex": numbers[problem.rule],
        "level": problem.severity,
        "message": {"text": f"{problem.message} {problem.hint}".strip()},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
    }

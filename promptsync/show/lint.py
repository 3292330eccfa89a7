"""What lint found, as text, JSON, annotations of GitHub Actions and SARIF."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from promptsync import __version__
from promptsync.inspect.lint import Checked
from promptsync.lint.rules import RULES, Rule
from promptsync.prompt.prompt import Problem
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_HOME: Final = "https://github.com/promptsync/promptsync"
_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_SARIF_HELP: Final = {
    "error": "An error stops a push of the prompt. promptsync lint prints how to fix it.",
    "warning": "A warning stops nothing unless lint runs with --strict.",
}
_MEANINGS: Final = {"error": "bad", "warning": "warn"}


def show_rules() -> Outcome:
    """Return the table of all rules."""
    rules = RULES.values()
    rows = ((rule.id, output.style(rule.severity, _MEANINGS[rule.severity]), rule.summary) for rule in rules)
    body = [{"id": rule.id, "severity": rule.severity, "summary": rule.summary} for rule in rules]
    return Outcome(output.table(rows), {"rules": body})


def show_lint(
    found: Checked,
    form: str,
    *,
    directory: Path,
    checkout: Path | None = None,
    strict: bool = False,
    quiet: bool = False,
) -> Outcome:
    """Return problems in a form: ``text``, ``github`` or ``sarif``.

    Paths are relative to ``directory``; for GitHub they are relative to ``checkout``, if that is given.
    """
    problems = _relative(found.problems, directory)
    if form == "github":
        lines = _github(found, _relative(found.problems, checkout or directory))
    elif form == "sarif":
        lines = _sarif(_relative(found.problems, checkout or directory))
    else:
        lines = _text(found, problems, quiet)
    keys = ("path", "line", "column", "rule", "severity", "message", "hint")
    body = {"problems": [{key: getattr(problem, key) for key in keys} for problem in problems]}
    failed = found.count("error") or (strict and found.count("warning"))
    return Outcome(lines, body, 1 if failed else 0)


def _relative(problems: Sequence[Problem], directory: Path) -> list[Problem]:
    return [replace(one, path=Path(os.path.relpath(one.path, directory)).as_posix()) for one in problems]


def _text(found: Checked, problems: Sequence[Problem], quiet: bool) -> list[str]:
    lines: list[str] = []
    for problem in problems:
        lines.append(_line(problem))
        if problem.hint:
            lines.append(f"    {output.style('hint:', 'remote')} {output.safe(problem.hint, newlines=False)}")
    return lines if quiet else [*lines, _summary(found)]


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
        shown += map(_annotation, these[:MOST_ANNOTATIONS])
        rest += map(_line, these[MOST_ANNOTATIONS:])
    if rest:
        more = output.count(len(rest), "more problem")
        reason = f"GitHub shows {MOST_ANNOTATIONS} of each severity"
        rest.append(annotation("notice", f"{more} in the log: {reason}", title="promptsync lint"))
    return [*shown, *rest, _summary(found)]


def _annotation(problem: Problem) -> str:
    from promptsync.show.github import annotation

    return annotation(
        problem.severity,
        f"{problem.message} {problem.hint}".strip(),
        title=f"promptsync {problem.rule}",
        path=problem.path,
        line=problem.line,
        column=problem.column,
    )


def _sarif(problems: Sequence[Problem]) -> list[str]:
    """Return a SARIF 2.1.0 log with what GitHub's code scanning needs beyond the standard."""
    numbers = {rule: number for number, rule in enumerate(RULES)}
    driver = {
        "name": "promptsync",
        "version": __version__,
        "informationUri": _HOME,
        "rules": [_sarif_rule(rule) for rule in RULES.values()],
    }
    results = [_sarif_result(one, numbers) for one in problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2).split("\n")


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": f"{rule.summary} {_SARIF_HELP[rule.severity]}"},
        "defaultConfiguration": {"level": rule.severity},
    }


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

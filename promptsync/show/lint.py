"""The problems in prompt files, as text and as annotations on GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from promptsync.lint.rules import RULES
from promptsync.prompt.prompt import Problem
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

_MEANINGS: Final = {"error": "bad", "warning": "warn"}
_MOST_ANNOTATIONS: Final = 10
"""Most annotations of one severity that GitHub shows for a step."""


class Checked(Struct, frozen=True):
    """What lint found. The paths of ``problems`` are absolute; ``files`` counts what was checked."""

    problems: tuple[Problem, ...]
    files: int

    def count(self, severity: str) -> int:
        return sum(problem.severity == severity for problem in self.problems)


def rules() -> Outcome:
    """Return the rules and what they are about."""
    body = [
        {"id": rule.id, "severity": str(rule.severity), "summary": rule.summary} for rule in RULES.values()
    ]
    rows = [
        (rule.id, output.style(rule.severity, _MEANINGS[rule.severity]), rule.summary)
        for rule in RULES.values()
    ]
    return Outcome(output.table(rows), {"rules": body})


def text(checked: Checked, problems: Sequence[Problem]) -> list[str]:
    """Return problems as lines, each with its hint, and the counts."""
    lines: list[str] = []
    for problem in problems:
        lines.append(_line(problem))
        if problem.hint:
            lines.append(f"    {output.style('hint:', 'remote')} {output.safe(problem.hint, newlines=False)}")
    return [*lines, output.aside(_summary(checked))]


def _line(problem: Problem) -> str:
    place = output.style(f"{output.name(problem.path)}:{problem.line}:{problem.column}:", "strong")
    severity = output.style(f"{problem.severity}:", _MEANINGS[problem.severity])
    return f"{place} {severity} {output.safe(problem.message, newlines=False)} [{problem.rule}]"


def _summary(checked: Checked) -> str:
    """Return how much was checked and how many problems there are."""
    counts = [output.count(number, severity) for severity in _MEANINGS if (number := checked.count(severity))]
    return f"{output.count(checked.files, 'file')} checked, {' and '.join(counts) or 'no problems'}"


# -- annotations in a GitHub workflow -----------------------------------------------------------------------


def github(checked: Checked, problems: Sequence[Problem]) -> list[str]:
    """Return problems as annotations, errors first; those beyond GitHub's limit follow as plain lines."""
    shown: list[str] = []
    rest: list[str] = []
    for severity in _MEANINGS:
        alike = [problem for problem in problems if problem.severity == severity]
        shown += map(_annotation, alike[:_MOST_ANNOTATIONS])
        rest += map(_line, alike[_MOST_ANNOTATIONS:])
    if rest:
        more = f"{output.count(len(rest), 'more problem')} in the log"
        reason = f"GitHub shows {_MOST_ANNOTATIONS} of each severity"
        rest.append(f"::notice title=promptsync lint::{more}: {reason}")
    return [*shown, *rest, _summary(checked)]


def _annotation(problem: Problem) -> str:
    message = _escaped(output.safe(f"{problem.message} {problem.hint}".strip()))
    path, title = (
        _escaped(output.name(text)).replace(":", "%3A").replace(",", "%2C")
        for text in (problem.path, f"promptsync {problem.rule}")
    )
    place = f"file={path},line={problem.line},col={problem.column}"
    return f"::{problem.severity} {place},title={title}::{message}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

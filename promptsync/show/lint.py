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


def text(problems: Sequence[Problem]) -> list[str]:
    """Return problems as lines, each with its hint."""
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


def summary(checked: Checked) -> str:
    """Return how much was checked and how many problems there are."""
    counts = [
        output.count(number, severity)
        for severity in ("error", "warning")
        if (number := checked.count(severity))
    ]
    return f"{output.count(checked.files, 'file')} checked, {' and '.join(counts) or 'no problems'}"


def github(checked: Checked, problems: Sequence[Problem]) -> list[str]:
    """Return problems as annotations, errors first; those beyond GitHub's limit follow as plain lines."""
    from promptsync.show.github import MOST_ANNOTATIONS, annotation

    shown: list[str] = []
    rest: list[str] = []
    for severity in ("error", "warning"):
        alike = [problem for problem in problems if problem.severity == severity]
        for problem in alike[:MOST_ANNOTATIONS]:
            message, title = f"{problem.message} {problem.hint}".strip(), f"promptsync {problem.rule}"
            shown.append(
                annotation(
                    severity,
                    message,
                    title=title,
                    path=problem.path,
                    line=problem.line,
                    column=problem.column,
                )
            )
        rest += map(_line, alike[MOST_ANNOTATIONS:])
    if rest:
        more = output.count(len(rest), "more problem")
        reason = f"GitHub shows {MOST_ANNOTATIONS} of each severity"
        rest.append(annotation("notice", f"{more} in the log: {reason}", title="promptsync lint"))
    return [*shown, *rest, summary(checked)]

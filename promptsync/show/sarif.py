"""Problems in files as SARIF 2.1.0, with what code scanning on GitHub asks for beyond the standard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from promptsync import __version__

if TYPE_CHECKING:
    from promptsync.lint.rules import Rule
    from promptsync.prompt.prompt import Problem

_HOME: Final = "https://github.com/promptsync/promptsync"
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_HELP: Final = {
    "error": "An error stops a push of the prompt. promptsync lint tells what to do about it.",
    "warning": "A warning stops nothing, unless lint runs with --strict.",
}


def sarif(problems: Sequence[Problem], rules: Sequence[Rule]) -> list[str]:
    """Return the lines of a log; paths are relative to the top of the repository."""
    numbers = {rule.id: number for number, rule in enumerate(rules)}
    driver = {
        "name": "promptsync",
        "version": __version__,
        "informationUri": _HOME,
        "rules": [_rule(rule) for rule in rules],
    }
    results = [_result(one, numbers) for one in problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2).split("\n")


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": f"{rule.summary} {_HELP[rule.severity]}"},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(problem: Problem, numbers: Mapping[str, int]) -> dict[str, Any]:
    artifact = {"uri": quote(problem.path), "uriBaseId": "%SRCROOT%"}
    region = {"startLine": problem.line, "startColumn": problem.column}
    place = {"physicalLocation": {"artifactLocation": artifact, "region": region}}
    return {
        "ruleId": problem.rule,
        "ruleIndex": numbers[problem.rule],
        "level": problem.severity,
        "message": {"text": f"{problem.message} {problem.hint}".strip()},
        "locations": [place],
    }

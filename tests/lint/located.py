"""Prompt files under the rules, for the tests of this room."""

from __future__ import annotations

from promptsync.files.prompt_file import parse
from promptsync.lint.check import check
from promptsync.lint.rules import KnownPrompts
from promptsync.prompt.prompt import Problem


def lint(*texts: str, known: KnownPrompts | None = None, **named: str) -> list[Problem]:
    """Return the problems of texts, which become the files a.yaml, b.yaml and so on."""
    files = {chr(ord("a") + index): text for index, text in enumerate(texts)} | named
    return check([parse(text.encode(), f"{name}.yaml", name) for name, text in files.items()], known)


def found(problems: list[Problem], *without: str) -> list[str]:
    """Return the problems as short lines."""
    return [
        f"{problem.path}:{problem.line}:{problem.column} {problem.severity} {problem.rule}"
        for problem in problems
        if problem.rule not in without
    ]

"""The error of a file that cannot be taken as it is."""

from __future__ import annotations

from collections.abc import Iterable

from promptsync.errors import AnswerIsNo
from promptsync.prompt.prompt import Problem

_ALL = "mend all of them, as the lines above say"


class InvalidFile(AnswerIsNo):
    """A file does not hold what it should. ``problems`` are all reasons, in the order of the file."""

    code = "invalid-file"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        first = self.problems[0]
        others = len(self.problems) - 1
        more = f" (and {others} more)" if others else ""
        super().__init__(
            f"{first.path}:{first.line}:{first.column}: {first.message}{more}",
            hint=_ALL if others else first.hint,
            details=[text_of(problem) for problem in self.problems] if others else (),
        )


def text_of(problem: Problem) -> str:
    """Return a problem as one line: place, message and what to do."""
    hint = f" {problem.hint}" if problem.hint else ""
    return f"{problem.path}:{problem.line}:{problem.column}: {problem.message}{hint}"

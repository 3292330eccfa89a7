"""The error of an invalid file."""

from __future__ import annotations

from collections.abc import Iterable

from promptsync.errors import AnswerIsNo
from promptsync.prompt.prompt import Problem


class InvalidFile(AnswerIsNo):
    """A file is invalid. ``problems`` are all the reasons, in the order of the file."""

    code = "invalid-file"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        first = self.problems[0]
        others = len(self.problems) - 1
        more = f" (and {others} more)" if others else ""
        super().__init__(
            f"{first.path}:{first.line}:{first.column}: {first.message}{more}",
            hint="fix each of the lines listed above" if others else first.hint,
            details=[text_of(problem) for problem in self.problems] if others else (),
        )

    @classmethod
    def at(
        cls, path: str, rule: str, message: str, hint: str = "", place: tuple[int, int] = (1, 1)
    ) -> InvalidFile:
        """Return the error for a single problem; ``place`` is its line and column."""
        return cls([Problem(path, *place, rule, message, hint=hint)])


def text_of(problem: Problem) -> str:
    """Return a problem as one line: the place, the message and the hint."""
    hint = f" {problem.hint}" if problem.hint else ""
    return f"{problem.path}:{problem.line}:{problem.column}: {problem.message}{hint}"

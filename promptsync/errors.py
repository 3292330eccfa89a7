"""Every error that a user can meet, each with its exit code and its machine-readable code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self


class PromptsyncError(Exception):
    """An expected failure; without a class of its own one of the machine, such as missing permissions.

    ``message`` says what happened, where and why. ``hint`` is the command that fixes it, one per line.
    ``details`` are printed below the message. ``str(error)`` is the message alone.
    """

    exit_code = 2
    code = "error"

    def __init__(self, message: str, *, hint: str = "", details: Sequence[str] = (), code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)
        if code:
            self.code = code

    def replaced(self, *, hint: str | None = None, details: Sequence[str] | None = None) -> Self:
        """Return this error with another hint or other details; an error that was raised is not changed."""
        other = type(self).__new__(type(self), *self.args)
        other.__dict__.update(self.__dict__)
        other.hint = self.hint if hint is None else hint
        other.details = self.details if details is None else tuple(details)
        return other


class AnswerIsNo(PromptsyncError):
    """The command worked and the answer is no."""

    exit_code = 1
    code = "no"


class UsageError(PromptsyncError):
    """The options, the arguments or the configuration are wrong."""

    exit_code = 2
    code = "usage"


class Refused(PromptsyncError):
    """Nothing was written because writing could lose work or release something unreviewed."""

    exit_code = 3
    code = "refused"


class RemoteError(PromptsyncError):
    """The registry is unreachable, rejects the request, fails, or lacks an operation."""

    exit_code = 4
    code = "remote"


class Incomplete(PromptsyncError):
    """Something was written and something was not, or the outcome of a write is unknown."""

    exit_code = 5
    code = "incomplete"


class Bug(PromptsyncError):
    """An unexpected exception in promptsync itself."""

    exit_code = 70
    code = "bug"


class Interrupted(PromptsyncError):
    """The user pressed Ctrl-C; what was done until then is recorded."""

    exit_code = 130
    code = "interrupted"

"""Every error that a user can meet, each with the exit code and the machine-readable word it ends in.

PromptsyncError     2   what the machine does not let us do: permissions, a broken repository
├── AnswerIsNo      1   differences under --exit-code, problems in files, a question declined
├── UsageError      2   flags, arguments or promptsync.yaml
├── Refused         3   a conflict, a safety limit, a plan that is no longer true
├── RemoteError     4   the registry cannot be reached, refuses, fails or lacks an operation
├── Incomplete      5   partly done, or done with an unknown outcome
└── Interrupted   130   Ctrl-C
"""

from __future__ import annotations

from collections.abc import Sequence


class PromptsyncError(Exception):
    """An expected failure.

    ``message`` says what, where and why; ``hint`` says what to type next; ``details`` are further lines
    that are printed below the message. ``str(error)`` is the message alone.
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


class AnswerIsNo(PromptsyncError):
    """The tool worked and the answer is no."""

    exit_code = 1
    code = "no"


class UsageError(PromptsyncError):
    """Flags, arguments or the configuration make no sense together."""

    exit_code = 2
    code = "usage"


class Refused(PromptsyncError):
    """Nothing was written because writing could lose work or surprise somebody."""

    exit_code = 3
    code = "refused"


class RemoteError(PromptsyncError):
    """The registry cannot be reached, refuses the key, fails, or lacks an operation."""

    exit_code = 4
    code = "remote"


class Incomplete(PromptsyncError):
    """Something was written and something was not, or the outcome of a write is unknown."""

    exit_code = 5
    code = "incomplete"


class Interrupted(PromptsyncError):
    """Ctrl-C ended it before everything was done."""

    exit_code = 130
    code = "interrupted"

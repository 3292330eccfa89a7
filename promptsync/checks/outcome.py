"""What became of a run, and the errors in which several runs end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from promptsync.errors import AnswerIsNo, Incomplete, PromptsyncError, RemoteError
from promptsync.registry.errors import FateUnknown

INTERRUPTED = 130


class Status(StrEnum):
    """How far a run is. ``FAILED`` has ended without completing; ``TIMED_OUT`` was running when the time was
    up; ``UNREADABLE`` was started, and how far it is the registry did not say.
    """

    NOT_STARTED = "not-started"
    MAYBE_STARTED = "maybe-started"
    RUNNING = "running"
    TIMED_OUT = "timed-out"
    UNREADABLE = "unreadable"
    COMPLETED = "completed"
    FAILED = "failed"


class Interrupted(PromptsyncError):
    """Ctrl-C came while runs were under way; ``runs`` says how far each of them is."""

    exit_code = INTERRUPTED
    code = "interrupted"

    def __init__(self, runs: Sequence[object]) -> None:
        super().__init__("interrupted")
        self.runs = tuple(runs)


def start_failed(error: RemoteError) -> Status:
    """The status of a run whose start ended in ``error``."""
    return Status.MAYBE_STARTED if isinstance(error, FateUnknown) else Status.NOT_STARTED


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a run does not pass: what the registry failed at, or a reason. Neither is for one that does."""

    name: str
    status: Status
    error: RemoteError | None
    reason: str


def failure(faults: Sequence[Fault], what: str) -> PromptsyncError | None:
    """The one error of several runs: what may have been started weighs most, then the registry's failures.

    ``what`` is the word for one of them. ``None`` when all is well.
    """
    errors = [(fault, fault.error) for fault in faults if fault.error is not None]
    reasons = [f"{one.name}: {one.reason}" for one in faults if one.error is None and one.reason]
    unknown = [fault.name for fault, _ in errors if fault.status is Status.MAYBE_STARTED]
    details = [f"{fault.name}: {error.message}" for fault, error in errors] + reasons
    if unknown:
        return Incomplete(
            f"{', '.join(unknown)}: nobody knows whether the {what} was started",
            hint="look in the registry before you run it again",
            details=details,
            code="unknown-outcome",
        )
    if errors:
        _, first = errors[0]
        more = details[1:] if len(details) > 1 else list(first.details)
        return _like(first, more)
    if reasons:
        return AnswerIsNo(
            reasons[0] if len(reasons) == 1 else f"{len(reasons)} {what}s did not pass",
            details=reasons if len(reasons) > 1 else (),
            code="not-passed",
        )
    return None


def _like(error: RemoteError, details: Sequence[str]) -> RemoteError:
    return RemoteError(error.message, hint=error.hint, details=details, code=error.code)

"""What was found: one value for each thing that was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from promptsync.errors import PromptsyncError


class Status(StrEnum):
    """Whether something is as it should be, works less well than it could, or stops the work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """``name`` is a stable word, ``fix`` what to type or to change, ``details`` for who asks for more."""

    name: str
    status: Status
    message: str
    fix: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look. ``variables`` are those of the environment that steer connections or name the branch."""

    directory: Path
    remote: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False


def ok(name: str, message: str, details: Sequence[str] = ()) -> Finding:
    return Finding(name, Status.OK, message, "", tuple(details))


def warning(name: str, message: str, fix: str, details: Sequence[str] = ()) -> Finding:
    return Finding(name, Status.WARNING, message, fix, tuple(details))


def error(name: str, message: str, fix: str, details: Sequence[str] = ()) -> Finding:
    return Finding(name, Status.ERROR, message, fix, tuple(details))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def failed(name: str, problem: PromptsyncError, fix: str = "") -> Finding:
    """What an error of the library means for a set-up."""
    return Finding(name, Status.ERROR, problem.message, problem.hint or fix, problem.details)

"""Findings of doctor: one value for each thing that was checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from promptsync.errors import PromptsyncError

if TYPE_CHECKING:
    from promptsync.registry.timeouts import Timeouts


class FindingStatus(StrEnum):
    """Fine, worth attention, or serious enough to stop all work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(Struct, frozen=True):
    """``name`` is a stable word; ``fix`` is the command or change that fixes it, ``""`` if none is needed."""

    name: str
    status: FindingStatus
    message: str
    fix: str = ""
    details: tuple[str, ...] = ()


class FindingPlace(Struct, frozen=True):
    """What to examine; ``variables`` are those of the environment for connections and for the branch."""

    directory: Path
    remote: str | None = None
    base_url: str | None = None
    api_key: str | None = None
    variables: Mapping[str, str] = {}
    offline: bool = False
    timeouts: Timeouts | None = None
    jobs: int | None = None
    on_wait: Callable[[str], None] | None = None


def ok(name: str, message: str, details: Sequence[str] = ()) -> Finding:
    return Finding(name, FindingStatus.OK, message, "", tuple(details))


def warning(name: str, message: str, fix: str, details: Sequence[str] = ()) -> Finding:
    return Finding(name, FindingStatus.WARNING, message, fix, tuple(details))


def error(name: str, message: str, fix: str, details: Sequence[str] = ()) -> Finding:
    return Finding(name, FindingStatus.ERROR, message, fix, tuple(details))


def failed(name: str, problem: PromptsyncError) -> Finding:
    """Return the finding for an error of the library."""
    return error(name, problem.message, problem.hint, problem.details)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, whose plural ends in s."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

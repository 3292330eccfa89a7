"""What a registry is opened with, what it returns besides prompts and labels, and how to read its objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

_DIGITS: Final = re.compile(r"-?[0-9]{1,18}")
_LARGEST: Final = 10**18


class Timeouts(msgspec.Struct, frozen=True):
    """How long to wait for a registry, in seconds."""

    request: float = 60.0
    """For each attempt of a request in all, from connecting to the last byte of the response."""
    answer: float = 30.0
    """For the first byte of a response, and for each further one."""
    connect: float = 10.0
    connect_loopback: float = 3.0
    """A server on this machine accepts immediately, or something else is listening."""
    attempts: int = 6
    """How often a request is sent at most."""
    first_retry: float = 0.5
    """Before the first retry of a request; doubled for each further one."""
    longest_wait: float = 60.0
    """Before any retry. A longer ``Retry-After`` counts as this much."""
    read_back: float = 1.0
    """Between two attempts to find out whether a publish without a response succeeded."""

    def limited_to(self, request: float) -> Timeouts:
        """Return these, with another time for a whole request; half of it may pass without any byte."""
        return msgspec.structs.replace(self, request=request, answer=request / 2)

    def shortened(self) -> Timeouts:
        """Return shorter ones, for a report on the state of the registry."""
        answer = min(self.answer, 10.0)
        return msgspec.structs.replace(self, answer=answer, attempts=2, longest_wait=10.0)


class SheetId(NamedTuple):
    """The ids of a sheet and of its table."""

    table_id: str
    sheet_id: str


class NewVersion(msgspec.Struct, frozen=True):
    """The version that a publish created."""

    template_id: int
    version: int


class StartedAgent(msgspec.Struct, frozen=True):
    """``execution_id`` is the run to poll, ``None`` if the registry returned the outputs immediately."""

    execution_id: int | None
    raw: Mapping[str, Any]


class Capabilities(msgspec.Struct, frozen=True):
    """Whether a registry returns prompts ``raw``, with unexpanded snippets, and what it does with labels."""

    raw: bool
    lists_all_labels: bool
    changes_labels: bool


def number(raw: Mapping[str, Any], *keys: str) -> int | None:
    """Return the first integer under ``keys``, which may be text or ``7.0``.

    Booleans do not count, and neither do numbers that are too large to be an id or a version.
    """
    return next((value for key in keys if (value := _number(raw.get(key))) is not None), None)


def _number(value: object) -> int | None:
    if isinstance(value, str):
        value = int(value) if _DIGITS.fullmatch(value) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        return None
    return value


def text(raw: Mapping[str, Any], *keys: str) -> str | None:
    """Return the first string under ``keys``."""
    return next((raw[key] for key in keys if isinstance(raw.get(key), str)), None)

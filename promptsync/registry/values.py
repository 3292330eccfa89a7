"""What a registry is opened with, what it returns besides prompts and labels, and how to read its objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_LARGEST: Final = 10**18


class Timeouts(msgspec.Struct, frozen=True):
    """How long to wait for a registry, in seconds."""

    request: float = 60.0
    """For each attempt of a request in all, from connecting to the last byte of the response."""
    answer: float = 30.0
    """For the first byte of a response, and for each further one."""
    connect: float = 10.0
    connect_loopback: float = 3.0
    """A server on this machine accepts at once, or something else is listening."""
    first_retry: float = 0.5
    """Before the first retry of a request; doubled for each further one."""
    read_back: float = 1.0
    """Between two attempts to find out whether a publish without a response succeeded."""

    def limited_to(self, request: float) -> Timeouts:
        """Return these, with another time for a whole request; half of it may pass without any byte."""
        return msgspec.structs.replace(self, request=request, answer=request / 2)


class NewVersion(msgspec.Struct, frozen=True):
    """The version that a publish created."""

    template_id: int
    version: int


class StartedAgent(msgspec.Struct, frozen=True):
    """``execution_id`` is the run to poll, ``None`` if the registry returned the outputs at once."""

    execution_id: int | None
    raw: Mapping[str, Any]


class Capabilities(msgspec.Struct, frozen=True):
    """What a registry supports.

    ``raw`` says whether it returns prompts with unexpanded snippets, ``None`` if there is no prompt to try.
    ``labels`` are the labels of all prompts, or of the first one if there is no list of all; ``None`` if they
    cannot be read. ``changes_labels`` says whether it has operations to change them.
    """

    raw: bool | None
    labels: tuple[str, ...] | None
    lists_all_labels: bool
    changes_labels: bool


def number(raw: Mapping[str, Any], *keys: str) -> int | None:
    """Return the first integer under ``keys``, which may be text or ``7.0``.

    Booleans do not count, and neither do numbers that are too large to be an id or a version.
    """
    return next((value for key in keys if (value := as_number(raw.get(key))) is not None), None)


def as_number(value: object) -> int | None:
    """Return an integer, or what ``number`` takes for one."""
    if isinstance(value, str):
        value = int(value) if _NUMBER.fullmatch(value) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        return None
    return value


def text(raw: Mapping[str, Any], *keys: str) -> str | None:
    """Return the first string under ``keys``."""
    return next((raw[key] for key in keys if isinstance(raw.get(key), str)), None)

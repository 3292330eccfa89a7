"""What the methods of a registry return, besides prompts and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NewVersion:
    """The version that a publish created."""

    template_id: int
    version: int


@dataclass(frozen=True, slots=True)
class StartedAgent:
    """``execution_id`` is the run to poll, ``None`` if the registry returned the outputs at once."""

    execution_id: int | None
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedTurn:
    """One message of a logged request."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A logged request. ``None`` means that the registry does not return the value."""

    id: int | str
    provider: str | None
    model: str | None
    prompt: str | None
    version: int | None
    status: str | None
    failure: str | None
    input_tokens: int | None
    output_tokens: int | None
    price: float | None
    latency_ms: float | None
    started_at: str | None
    tags: tuple[str, ...] | None
    metadata: Mapping[str, str] | None
    scores: Mapping[str, float] | None
    group_id: int | None
    trace_id: str | None
    input: tuple[LoggedTurn, ...]
    output: tuple[LoggedTurn, ...]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a registry supports.

    ``raw`` says whether it returns prompts with unexpanded snippets, ``None`` if there is no prompt to try.
    ``labels`` are the labels of all prompts, or of the first one if there is no list of all; ``None`` if they
    cannot be read. ``changes_labels`` says whether it has operations to change them.
    """

    raw: bool | None
    labels: tuple[str, ...] | None
    lists_all_labels: bool
    changes_labels: bool

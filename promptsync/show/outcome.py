"""The result of a command: one value, which the command line prints as text, JSON or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptsync.errors import PromptsyncError


@dataclass(frozen=True, slots=True)
class Outcome:
    """``lines`` go to stdout, ``body`` into the JSON document.

    ``error`` is set if the result is also a failure; it follows the lines, on stderr. ``summary`` is the
    result as Markdown. ``markdown`` makes it only when it is needed: with ``--format markdown``, or in a
    GitHub workflow. Later steps of a workflow read ``outputs``.
    """

    lines: Sequence[str] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = 0
    error: PromptsyncError | None = None
    summary: Sequence[str] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    markdown: Callable[[], Sequence[str]] | None = None

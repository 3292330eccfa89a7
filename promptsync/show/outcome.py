"""The result of a command: one value, which the command line prints as text, JSON or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from promptsync.errors import PromptsyncError


class Outcome(Struct, frozen=True):
    """``lines`` go to stdout, ``body`` into the JSON document.

    ``error`` is set if the result is also a failure; it follows the lines, on stderr, and sets the exit code
    unless there is another one. ``markdown`` makes the Markdown, which is needed only with ``--format
    markdown`` or in a GitHub workflow; then it is in ``summary``. Later steps of a workflow read ``outputs``.
    """

    lines: Sequence[str] = ()
    body: Mapping[str, Any] = {}
    exit_code: int = 0
    error: PromptsyncError | None = None
    summary: Sequence[str] = ()
    outputs: Mapping[str, str] = {}
    markdown: Callable[[], Sequence[str]] | None = None

    def __post_init__(self) -> None:
        if self.error is not None and not self.exit_code:
            force_setattr(self, "exit_code", self.error.exit_code)

    def replaced(self, **changes: Any) -> Outcome:
        """Return the outcome with these fields changed."""
        return replace(self, **changes)

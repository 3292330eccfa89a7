"""What responds to a rendered prompt in evaluations and agents, and the default: an echo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from promptsync.prompt.snippets import snippet_text


class ModelError(Exception):
    """The model gave no answer; the message says why."""


class Model(Protocol):
    """Answers one rendered template."""

    @property
    def name(self) -> str:
        """The name that results show."""

    @property
    def parallel(self) -> int:
        """How many answers may be requested at once."""

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        """Return the text of the answer; raises ``ModelError``."""


class Echo(msgspec.Struct, frozen=True):
    """Answers with the last rendered message: deterministic and offline, and results name it."""

    name: str = "echo"
    parallel: int = 1

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        parts = template["messages"] if template["type"] == "chat" else [template]
        return snippet_text(parts[-1]) if parts else ""

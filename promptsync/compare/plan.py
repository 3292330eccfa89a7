"""What the plan of every action has in common. A plan is a finished value; only ``apply`` writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from promptsync.errors import Refused


class Plan(Protocol):
    """Everything that an action will do."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""

    @property
    def fingerprint(self) -> str:
        """A short hash of exactly this plan, the same on every machine; ``--expect`` compares it."""

    @property
    def destructive(self) -> Sequence[str]:
        """The options in it that discard something, which must be confirmed even without a terminal."""

    @property
    def refusal(self) -> Refused | None:
        """Why this plan, complete as it is, must not be carried out: a safety limit."""


def fingerprint(facts: object) -> str:
    """Return a short hash of ``facts``; values that JSON cannot represent are converted with ``str``."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True, default=str)
    return sha256(text.encode()).hexdigest()[:16]

"""What the plan of every action has in common. A plan is a finished value; only ``apply`` writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from promptsync.errors import Refused
from promptsync.project.project import Project
from promptsync.registry.address import LOCAL


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
        """What moves a label, discards or removes something: it must be confirmed even without a terminal."""

    @property
    def refusal(self) -> Refused | None:
        """Why this plan, complete as it is, must not be carried out: a safety limit."""


def fingerprint(facts: object) -> str:
    """Return a short hash of ``facts``; values that JSON cannot represent are converted with ``str``."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True, default=str)
    return sha256(text.encode()).hexdigest()[:16]


def workspace_of(project: Project) -> str:
    """Return what identifies a workspace in the fingerprint of a plan."""
    # The path of an embedded registry does not identify it; its workspace id does.
    url = LOCAL if project.url.startswith(LOCAL) else project.registry.url
    return f"{url} {project.registry.workspace_id}"

"""What every route needs besides its request."""

from __future__ import annotations

from dataclasses import dataclass

from promptsync.server.runner import Runner
from promptsync.server.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one running registry."""

    store: Store
    runner: Runner

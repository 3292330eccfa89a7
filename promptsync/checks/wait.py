"""Asking a registry again and again until what was started there has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_GROWTH: Final = 1.5

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are (0: not known yet)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait altogether, and between two looks: more each time. All in seconds."""

    timeout: float = 1800.0
    first: float = 0.1
    longest: float = 5.0


def wait(look: Callable[[], bool], patience: Patience) -> bool:
    """Call ``look`` again and again until it says that all have ended; false when patience ends first."""
    deadline = time.monotonic() + patience.timeout
    pause = patience.first
    while not look():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * _GROWTH, patience.longest)
    return True

"""What earlier processes found that a registry lacks, so this process tries it last.

After a day it is tried as before, because registries are upgraded.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import msgspec

from promptsync.registry.promptlayer.endpoints import Route

if TYPE_CHECKING:
    from promptsync.registry.protocol import Memory

_A_DAY: Final = 24 * 60 * 60


class Facts:
    """The facts about one registry. ``save`` writes them if they changed."""

    def __init__(self, url: str, memory: Memory | None) -> None:
        self._url = url
        self._memory = memory
        self._before = memory.facts(url) if memory is not None else {}
        try:
            self._lacks = msgspec.convert(self._before, dict[str, int])
        except msgspec.ValidationError:  # it was damaged
            self._lacks = {}
        self._changing = threading.Lock()

    def lacks(self, route: Route) -> bool:
        """Whether the registry did not have a route less than a day ago."""
        return 0 <= int(time.time()) - self._lacks.get(_text(route), 0) < _A_DAY

    def keep(self, route: Route, *, exists: bool) -> None:
        """Keep whether the registry has a route."""
        with self._changing:
            if exists:
                self._lacks.pop(_text(route), None)
            elif not self.lacks(route):
                self._lacks[_text(route)] = int(time.time())

    def save(self) -> None:
        with self._changing:
            if self._memory is not None and self._lacks != self._before:
                self._before = dict(self._lacks)
                self._memory.keep_facts(self._url, self._before)


def _text(route: Route) -> str:
    return f"{route.request} {route.form}".strip()

"""Facts about a registry from earlier runs: how many pages its list has, and which operations it lacks.

Missing operations are tried last, and after a day again, because registries are upgraded.
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
_PAGES: Final = "pages"


class Facts:
    """The facts about one registry. ``save`` writes them if they changed."""

    def __init__(self, url: str, memory: Memory | None) -> None:
        self._url = url
        self._memory = memory
        self._before = memory.facts(url) if memory is not None else {}
        try:
            self._kept = msgspec.convert(self._before, dict[str, int])
        except msgspec.ValidationError:  # it was damaged
            self._kept = {}
        self.pages = self._kept.pop(_PAGES, 1)
        """How many pages the list of all prompts had when it was last read."""
        self._changing = threading.Lock()

    def lacks(self, route: Route) -> bool:
        """Whether the registry did not have a route less than a day ago."""
        return 0 <= int(time.time()) - self._kept.get(_text(route), 0) < _A_DAY

    def keep(self, route: Route, *, exists: bool) -> None:
        """Keep whether the registry has a route."""
        with self._changing:
            if exists:
                self._kept.pop(_text(route), None)
            elif not self.lacks(route):
                self._kept[_text(route)] = int(time.time())

    def save(self) -> None:
        with self._changing:
            now = {**self._kept, _PAGES: self.pages}
            if self._memory is not None and now != self._before:
                self._before = now
                self._memory.keep_facts(self._url, self._before)


def _text(route: Route) -> str:
    return f"{route.request} {route.form}".strip()

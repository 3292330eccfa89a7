"""What earlier processes found out about a registry, so this process does not have to.

A fact only decides what is tried first, or which of two ways of reading is taken. What worked is kept until
something else works. What did not work is tried again after a day, because registries are upgraded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from promptsync.registry.promptlayer.endpoints import Operation, Route
from promptsync.registry.promptlayer.paging import MOST_PAGES

if TYPE_CHECKING:
    from promptsync.registry.protocol import RegistryMemory

SORT: Final = "sort"
"""The list of prompts in an order."""

LABEL_LIST: Final = "labels"
"""The list of all release labels."""

_A_DAY: Final = 24 * 60 * 60


class Facts:
    """The facts about one registry. ``save`` writes them if they changed."""

    def __init__(self, url: str, memory: RegistryMemory | None) -> None:
        self._url = url
        self._memory = memory
        before = memory.facts(url) if memory is not None else {}
        self._routes = {
            key: value for key, value in _part(before, "routes").items() if isinstance(value, str)
        }
        self._lacks = {key: value for key, value in _part(before, "lacks").items() if isinstance(value, int)}
        pages = before.get("pages")
        self._pages = pages if isinstance(pages, int) and 0 < pages <= MOST_PAGES else None
        self._before = self._values()
        self._changing = threading.Lock()

    def route(self, operation: Operation) -> Route | None:
        """Return the route that worked last, if the operation still has it."""
        known = self._routes.get(operation.name)
        return next((route for route in operation.routes if _text(route) == known), None)

    def keep_route(self, operation: Operation, route: Route) -> None:
        if len(operation.routes) > 1:
            with self._changing:
                self._routes[operation.name] = _text(route)

    @property
    def pages(self) -> int | None:
        """How many pages the list of all prompts had."""
        return self._pages

    def keep_pages(self, pages: int) -> None:
        self._pages = pages

    def lacks(self, what: str) -> bool:
        """Whether the registry did not have ``what`` less than a day ago."""
        return 0 <= int(time.time()) - self._lacks.get(what, 0) < _A_DAY

    def keep(self, what: str, *, exists: bool) -> None:
        """Keep whether the registry has ``what``."""
        with self._changing:
            if exists:
                self._lacks.pop(what, None)
            elif not self.lacks(what):
                self._lacks[what] = int(time.time())

    def save(self) -> None:
        with self._changing:
            now = self._values()
            if self._memory is not None and now != self._before:
                self._memory.keep_facts(self._url, now)
                self._before = now

    def _values(self) -> dict[str, Any]:
        pages = {"pages": self._pages} if self._pages is not None else {}
        return {"routes": dict(self._routes), "lacks": dict(self._lacks), **pages}


def _part(facts: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = facts.get(key)
    return part if isinstance(part, dict) else {}


def _text(route: Route) -> str:
    return f"{route.method} {route.path} {route.shape}".strip()

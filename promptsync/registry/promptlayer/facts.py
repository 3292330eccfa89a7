"""What earlier processes found out about a registry, so this process does not have to.

A fact only decides what is tried first, or which of two ways of reading is taken. What worked is kept until
something else works. What did not work is tried again after a day, because registries are upgraded.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from promptsync.registry.promptlayer.endpoints import Operation, Route
from promptsync.registry.promptlayer.paging import MOST_PAGES

if TYPE_CHECKING:
    from promptsync.registry.protocol import RegistryMemory

SORT: Final = "sort"
"""The list of prompts in an order."""

LABEL_LIST: Final = "labels"
"""The list of all release labels."""

_A_DAY: Final = 24 * 60 * 60


class _Kept(msgspec.Struct):
    """What is kept in a file: routes that worked, when something was missing, and the pages of the list."""

    routes: dict[str, str] = {}
    lacks: dict[str, int] = {}
    pages: Annotated[int, msgspec.Meta(gt=0, le=MOST_PAGES)] | None = None


class Facts:
    """The facts about one registry. ``save`` writes them if they changed."""

    def __init__(self, url: str, memory: RegistryMemory | None) -> None:
        self._url = url
        self._memory = memory
        self._before = memory.facts(url) if memory is not None else {}
        try:
            self._kept = msgspec.convert(self._before, _Kept)
        except msgspec.ValidationError:  # it was damaged
            self._kept = _Kept()
        self._changing = threading.Lock()

    def route(self, operation: Operation) -> Route | None:
        """Return the route that worked last, if the operation still has it."""
        known = self._kept.routes.get(operation.name)
        return next((route for route in operation.routes if _text(route) == known), None)

    def keep_route(self, operation: Operation, route: Route) -> None:
        if len(operation.routes) > 1:
            with self._changing:
                self._kept.routes[operation.name] = _text(route)

    @property
    def pages(self) -> int | None:
        """How many pages the list of all prompts had."""
        return self._kept.pages

    def keep_pages(self, pages: int) -> None:
        self._kept.pages = pages

    def lacks(self, what: str) -> bool:
        """Whether the registry did not have ``what`` less than a day ago."""
        return 0 <= int(time.time()) - self._kept.lacks.get(what, 0) < _A_DAY

    def keep(self, what: str, *, exists: bool) -> None:
        """Keep whether the registry has ``what``."""
        with self._changing:
            if exists:
                self._kept.lacks.pop(what, None)
            elif not self.lacks(what):
                self._kept.lacks[what] = int(time.time())

    def save(self) -> None:
        with self._changing:
            now = msgspec.to_builtins(self._kept)
            if self._memory is not None and now != self._before:
                self._memory.keep_facts(self._url, now)
                self._before = now


def _text(route: Route) -> str:
    return f"{route.method} {route.path} {route.shape}".strip()

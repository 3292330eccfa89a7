"""The registry's list of prompts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from promptsync.prompt.version import Version
from promptsync.registry.errors import BadAnswer, Rejected
from promptsync.registry.promptlayer import endpoints, parse
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.facts import SORT
from promptsync.registry.promptlayer.paging import PER_PAGE, read_whole
from promptsync.registry.promptlayer.responses import Answer, shown

if TYPE_CHECKING:
    from promptsync.registry.protocol import OnPage

T = TypeVar("T")

RESERVED: Final = frozenset({"labels"})
"""Names that mean something else in the paths of some registries."""

NOT_UNDERSTOOD: Final = frozenset({400, 422})
"""Statuses for a parameter that a registry does not know."""


class PromptList:
    """Reads the list of prompts, and remembers what it shows about how to address a prompt."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._call = connection.call
        self._facts = connection.facts
        self._sorts = not self._facts.lacks(SORT)
        self._pages: dict[frozenset[tuple[str, str]], int] = {}
        self._count = 0
        self._digit_names: set[str] = set()
        self._known: list[Version] | None = None
        self.has_listed = False
        self.first: tuple[int, str] | None = None
        """Id and name of the first prompt that was listed."""
        self.tags: dict[int, tuple[str, ...]] = {}
        """The tags of each prompt, by id, in the last list."""
        self._knowing = threading.Lock()

    def items(self, filters: Mapping[str, str | None], on_page: OnPage | None = None) -> Sequence[Any]:
        """Return the items of all pages."""
        query = without_none(**filters)

        def fetch(page: int) -> Answer:
            return self._list_page({**query, "page": page, "per_page": PER_PAGE})

        asked = frozenset(query.items())
        whole = read_whole(
            fetch,
            ("items",),
            connections=self._connection.connections,
            on_page=on_page,
            expected=self._pages.get(asked, None if query else self._facts.pages),
        )
        items = whole.items
        if whole.pages is not None:
            self._pages[asked] = whole.pages
            if not query:
                self._facts.keep_pages(whole.pages)
        named = self.parsed(parse.identity, items)
        if not query:
            self._count = len(named)
        self._digit_names.update(name for _, name in named if name.isdigit())
        self.has_listed = True
        self.first = self.first or next(iter(named), None)
        return items

    def parsed(self, read: Callable[[Any], T], items: Iterable[Any]) -> list[T]:
        """Return what ``read`` makes of each item. Raises ``BadAnswer`` for an item that it rejects."""
        parsed = []
        for item in items:
            try:
                parsed.append(read(item))
            except ValueError as error:
                excerpt = shown(self._connection.scrub(json.dumps(item, ensure_ascii=False)))
                raise BadAnswer(
                    f"{self._connection.url} cannot {endpoints.LIST.name}: expected a list of prompts "
                    f"({error}), but the registry returned the item {excerpt}",
                    hint="check the remote's url, and that no proxy or login page responds instead",
                ) from None
        return parsed

    def _list_page(self, query: Mapping[str, Any]) -> Answer:
        if not self._sorts:
            return self._call(endpoints.LIST, query=query)
        # Sorted by id, a list that changes while it is read shifts only at its end.
        try:
            answer = self._call(endpoints.LIST, query={**query, "sort_by": "id", "sort_order": "asc"})
            self._facts.keep(SORT, exists=True)
            return answer
        except Rejected as error:
            if error.status not in NOT_UNDERSTOOD:
                raise
            answer = self._call(endpoints.LIST, query=query)
            # The same query worked without the order, so the order was what it rejected.
            self._sorts = False
            self._facts.keep(SORT, exists=False)
            return answer

    def requests(self, *, with_tags: bool) -> int:
        """Return how many requests the list of all active prompts takes, 0 if it was not read yet.

        ``with_tags`` says that each prompt costs another request for its tags.
        """
        return self._pages.get(frozenset(), 0) + (self._count if with_tags else 0)

    def identifier(self, template_id: int, name: str) -> int | str:
        """Return what identifies a prompt in a path: its id, unless that is the name of another prompt."""
        is_taken = str(template_id) in self._digit_names and not name.isdigit()
        return name if is_taken and name not in RESERVED else template_id

    def known(self) -> list[Version]:
        """Return all prompts, archived ones included. Read once, and again after a publish."""
        with self._knowing:
            if self._known is None:
                items = self.items({"status": "all"})
                self._known = self.parsed(parse.listed, filter(parse.is_whole, items))
            return self._known

    def forget(self) -> None:
        self._known = None

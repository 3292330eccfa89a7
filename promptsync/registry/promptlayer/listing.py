"""The list of prompts, as the registry gives it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from promptsync.prompt.prompt import Listed
from promptsync.registry.errors import Rejected
from promptsync.registry.promptlayer import endpoints, parse
from promptsync.registry.promptlayer.answers import Answer
from promptsync.registry.promptlayer.connection import Session
from promptsync.registry.promptlayer.paging import PER_PAGE, OnPage, read_whole

RESERVED: Final = frozenset({"labels"})
"""Names that stand for something else in the paths of some registries."""

NOT_UNDERSTOOD: Final = frozenset({400, 422})
"""Answers to a parameter that a registry does not know."""


class Listing(Session):
    """Reads list items, and remembers what they say about how prompts can be addressed."""

    def __init__(self, *place: Any, **options: Any) -> None:
        super().__init__(*place, **options)
        self._sorts = True
        self._pages: dict[frozenset[tuple[str, str]], int] = {}
        self._digit_names: set[str] = set()
        self._known: list[Listed] | None = None
        self._knowing = threading.Lock()

    def _items(
        self, filters: Mapping[str, str | None], on_page: OnPage | None = None
    ) -> tuple[Answer, Sequence[Any]]:
        """The last answer, for complaints, and the items of all answers."""
        query = {key: value for key, value in filters.items() if value is not None}
        answers: dict[str, Answer] = {}

        def fetch(page: int) -> Answer:
            answers["last"] = answer = self._list_page({**query, "page": page, "per_page": PER_PAGE})
            return answer

        asked = frozenset(query.items())
        whole = read_whole(
            fetch,
            ("items",),
            connections=self._connections,
            on_page=on_page,
            expected=self._pages.get(asked),
        )
        items = whole.items
        if whole.pages is not None:
            self._pages[asked] = whole.pages
        try:
            self._digit_names.update(name for _, name in map(parse.identity, items) if name.isdigit())
        except ValueError as error:
            answers["last"].fail(f"a list of prompts ({error})")
        return answers["last"], items

    def _list_page(self, query: Mapping[str, Any]) -> Answer:
        if not self._sorts:
            return self.call(endpoints.LIST, query=query)
        try:
            return self.call(endpoints.LIST, query={**query, "sort_by": "id", "sort_order": "asc"})
        except Rejected as error:
            if error.status not in NOT_UNDERSTOOD:
                raise
            answer = self.call(endpoints.LIST, query=query)
            self._sorts = False
            return answer

    def _identifier(self, template_id: int, name: str) -> int | str:
        """What to put in a path: the id, unless some prompt is named like it."""
        is_taken = str(template_id) in self._digit_names and not name.isdigit()
        return name if is_taken and name not in RESERVED else template_id

    def _known_prompts(self) -> list[Listed]:
        """The list, archived prompts included, read once until something is published."""
        with self._knowing:
            if self._known is None:
                answer, items = self._items({"status": "all"})
                try:
                    self._known = [parse.listed(item) for item in items if parse.is_whole(item)]
                except ValueError as error:
                    answer.fail(f"a list of prompts ({error})")
            return self._known

    def _forget_prompts(self) -> None:
        self._known = None

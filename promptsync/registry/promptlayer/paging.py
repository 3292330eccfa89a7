"""Reads a list that comes in pages: all of it, or nothing."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from promptsync.parallel import mapped
from promptsync.registry.errors import ListKeptChanging, NotFound, Unsupported
from promptsync.registry.promptlayer.parse import number
from promptsync.registry.promptlayer.responses import Answer, listed_in
from promptsync.registry.protocol import OnPage

PER_PAGE: Final = 100
READINGS: Final = 3
MOST_PAGES: Final = 100_000
"""A higher number of pages counts as an error of the registry."""

Fetch = Callable[[int], Answer]
"""Returns the response for a page number, which starts at 1."""


@dataclass(frozen=True, slots=True)
class _Page:
    """One page. What the registry leaves out is ``None``."""

    items: list[Any]
    pages: int | None
    total: int | None
    has_next: bool | None


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole list, and its number of pages, ``None`` if the registry leaves it out."""

    items: list[Any]
    pages: int | None


def read_whole(
    fetch: Fetch,
    keys: Sequence[str],
    *,
    connections: int,
    on_page: OnPage | None = None,
    expected: int | None = None,
) -> Whole:
    """Return all items, each once. Reads the list again if its pages do not belong together.

    The list is under one of ``keys`` in each response. Its items are objects, or lists (rows). The
    ``expected`` number of pages is requested at once; a wrong number costs further requests.

    Raises ``ListKeptChanging`` if no attempt succeeds, and whatever ``fetch`` raises.
    """
    for reading in range(READINGS):
        pages = None
        # If this attempt fails, the number of pages may be outdated, so the next one reads it again.
        if expected is not None and expected > 1 and reading == 0:
            pages = _as_expected(fetch, keys, expected, connections)
        if pages is None:
            first = _page(fetch(1), keys)
            pages = [first, *_rest(fetch, keys, first, connections, on_page)]
        items = _unless_torn(pages)
        if items is not None:
            return Whole(items, pages[0].pages)
    raise ListKeptChanging(
        f"the list kept changing while it was read, in {READINGS} attempts in a row",
        hint="try again when nobody else is changing the registry",
    )


def _as_expected(fetch: Fetch, keys: Sequence[str], expected: int, connections: int) -> list[_Page] | None:
    """Return all pages, or ``None`` if there are more or fewer than expected."""
    try:
        read = mapped(lambda page: _page(fetch(page), keys), range(1, expected + 1), connections=connections)
    except (NotFound, Unsupported):
        return None  # some registries return 404 beyond the last page
    return read if {page.pages for page in read} == {expected} else None


def _page(answer: Answer, keys: Sequence[str]) -> _Page:
    body = answer.json()
    items = listed_in(body, keys)
    if items is None or not all(isinstance(item, dict | list) for item in items):
        answer.fail(f"a list of objects under {keys[0]!r}")
    envelope: Mapping[str, Any] = body if isinstance(body, dict) else {}
    has_next = envelope.get("has_next")
    return _Page(
        items,
        _count(answer, envelope, "pages"),
        _count(answer, envelope, "total"),
        has_next if isinstance(has_next, bool) else None,
    )


def _count(answer: Answer, envelope: Mapping[str, Any], key: str) -> int | None:
    if envelope.get(key) is None:
        return None
    count = number(envelope, key)
    if count is None or count < 0 or (key == "pages" and count > MOST_PAGES):
        answer.fail(f"a plausible count under {key!r}")
    return count


def _rest(
    fetch: Fetch, keys: Sequence[str], first: _Page, connections: int, on_page: OnPage | None
) -> list[_Page]:
    pages = first.pages
    # Without a number of pages, the total and the size of the first page give it.
    if pages is None and first.total is not None:
        pages = math.ceil(first.total / len(first.items)) if first.items else 1
    if pages is None:
        return _one_by_one(fetch, keys, first, on_page)
    return _at_once(fetch, keys, max(pages, 1), connections, on_page)


def _at_once(
    fetch: Fetch, keys: Sequence[str], pages: int, connections: int, on_page: OnPage | None
) -> list[_Page]:
    lock = threading.Lock()
    done = 0

    def report() -> None:
        nonlocal done
        with lock:
            done += 1
            if on_page is not None:
                on_page(done, pages)

    def read(page: int) -> _Page:
        found = _page(fetch(page), keys)
        report()
        return found

    report()
    return mapped(read, range(2, pages + 1), connections=connections)


def _one_by_one(fetch: Fetch, keys: Sequence[str], first: _Page, on_page: OnPage | None) -> list[_Page]:
    """Return the other pages of a list with an unknown number of pages."""
    read = [first]
    while read[-1].items and read[-1].has_next is not False:
        if on_page is not None:
            on_page(len(read), len(read) + 1)
        try:
            page = _page(fetch(len(read) + 1), keys)
        except (NotFound, Unsupported):
            if read[-1].has_next:
                raise
            break  # some registries return 404 beyond the last page
        ids = _ids(page)
        if page.has_next is None and ids and ids <= {one for other in read for one in _ids(other)}:
            break  # a registry without page numbers returns the same page again
        read.append(page)
    return read[1:]


def _unless_torn(pages: Sequence[_Page]) -> list[Any] | None:
    """Return the items of all pages, or ``None`` if an item is missing or repeated."""
    items = [item for page in pages for item in page.items]
    distinct = {_identity(item) for item in items}
    # A prompt that is created or deleted meanwhile moves others to the next page: they come twice or never.
    totals = {page.total for page in pages if page.total is not None}
    if len(distinct) != len(items) or totals - {len(items)}:
        return None
    return items


def _ids(page: _Page) -> set[object]:
    return {_identity(item) for item in page.items}


def _identity(item: Any) -> object:
    """Return what identifies an item. Items without an id, such as rows, are all different."""
    found = number(item, "id") if isinstance(item, dict) else None
    return id(item) if found is None else found

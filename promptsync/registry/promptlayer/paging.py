"""Reads a list that comes in pages: all of it, or nothing."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from promptsync.errors import RemoteError
from promptsync.parallel import mapped
from promptsync.registry.errors import BadAnswer, ListKeptChanging, Rejected, Unsupported
from promptsync.registry.promptlayer.http import MAX_BYTES
from promptsync.registry.promptlayer.responses import Answer, listed_in
from promptsync.registry.values import number

if TYPE_CHECKING:
    from promptsync.registry.protocol import OnPage

PER_PAGE: Final = 100
READINGS: Final = 3
MOST_PAGES: Final = 10_000
"""A registry that claims more pages is wrong."""

MOST_BYTES: Final = 8 * MAX_BYTES
"""All pages of one list together."""

_NO_SUCH_PAGE: Final = frozenset({400, 404, 416, 422})

Fetch = Callable[[int], Answer]
"""Returns the response for a page number, which starts at 1."""


@dataclass(frozen=True, slots=True)
class _Page:
    """One page. What the registry leaves out is ``None``."""

    items: list[Any]
    pages: int | None = None
    total: int | None = None
    has_next: bool | None = None

    @property
    def claims(self) -> set[int]:
        """The numbers of pages that the registry claims; more than one is a contradiction."""
        size = len(self.items)
        found = {self.pages} if self.pages is not None else set()
        if size and self.total is not None:
            found.add(math.ceil(self.total / size))
        return found | {1} if self.has_next is False else found

    @property
    def has_more(self) -> bool:
        """Whether the registry claims that there are items on other pages."""
        return bool(self.has_next or self.total or (self.pages or 0) > 1)

    @property
    def is_wrong(self) -> bool:
        """Whether what this first page claims contradicts its own items."""
        is_last = self.claims == {1} and self.has_next is True
        return is_last or (self.total is not None and self.total < len(self.items))

    @property
    def is_sure(self) -> bool:
        """Whether two claims agree, so that a page that does not exist is an error."""
        return self.pages is not None and self.total is not None


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
    may_be_empty: bool = True,
) -> Whole:
    """Return all items, each once. Reads the list again if its pages do not belong together.

    The list is under one of ``keys`` in each response. Its items are objects, or lists (rows). The
    ``expected`` number of pages is requested at once. If there are more, only those are requested then.

    At most ``connections`` pages are requested at once.

    If the numbers of items and pages contradict the items twice in the same way, the registry is wrong, and
    the items count. A list that should have items but has none is an error, unless it ``may_be_empty``.

    Raises ``ListKeptChanging`` if no attempt succeeds, and whatever ``fetch`` raises.
    """
    before: list[tuple[list[Any], int | None]] | None = None
    fetch = _limited(fetch)
    for reading in range(READINGS):
        pages = None
        # If this attempt fails, the number of pages may be outdated, so the next one reads it again.
        if expected is not None and expected > 1 and reading == 0:
            pages = _as_expected(fetch, keys, expected, connections, on_page)
        if pages is None:
            answer = fetch(1)
            first = _page(answer, keys)
            pages = [first, *_rest(fetch, keys, first, connections, on_page)]
        items = [item for page in pages for item in page.items]
        is_whole = not {page.total for page in pages} - {None, len(items)}
        if is_whole and (items or not pages[0].has_more) and _are_distinct(items):
            return Whole(items, pages[0].pages)
        outline = [(page.items, page.total) for page in pages]
        if outline == before and _are_distinct(items):
            if not items and not may_be_empty:
                answer.fail("items, because it says that the list has some")
            return Whole(items, None)
        before = outline
    raise ListKeptChanging(
        f"the list kept changing while it was read, in {READINGS} attempts in a row",
        hint="try again when nobody else is changing the registry",
    )


def _limited(fetch: Fetch) -> Fetch:
    """Return ``fetch`` with a limit for what it returns in all."""
    lock = threading.Lock()
    received = 0

    def counted(page: int) -> Answer:
        nonlocal received
        answer = fetch(page)
        with lock:
            received += len(answer.content)
        if received > MOST_BYTES:
            answer.fail(f"a list of at most {MOST_BYTES // 1024**2} MB")
        return answer

    return counted


def _as_expected(
    fetch: Fetch, keys: Sequence[str], expected: int, connections: int, on_page: OnPage | None
) -> list[_Page] | None:
    """Return all pages, the expected ones requested at once; ``None`` if the pages do not say how many."""
    report = _Report(on_page, expected)

    def read(page: int) -> _Page:
        try:
            found = _page_or_end(fetch, keys, page)
        except RemoteError:
            if page == 1:
                raise
            found = _Page([])  # it may have disappeared, and what a registry says then differs
        report.one()
        return found

    pages = _in_batches(read, 1, expected, connections)
    there = pages[0].pages or 0
    if there > expected:
        report = _Report(on_page, there, expected)
        pages += _in_batches(read, expected + 1, there, connections)
    # Pages beyond the last one have no items, or do not exist.
    pages = pages[:there]
    return pages if {page.pages for page in pages} == {there} and len(pages) == there else None


class _Report:
    """Reports pages to ``on_page`` as they come in, from several threads."""

    def __init__(self, on_page: OnPage | None, pages: int, done: int = 0) -> None:
        self._on_page = on_page
        self._pages = pages
        self._done = done
        self._lock = threading.Lock()

    def one(self) -> None:
        with self._lock:
            self._done += 1
            if self._on_page is not None:
                self._on_page(self._done, self._pages)


def _in_batches(read: Callable[[int], _Page], first: int, last: int, connections: int) -> list[_Page]:
    """Return the pages up to ``last``, or up to the first batch that has one without items."""
    found: list[_Page] = []
    for start in range(first, last + 1, connections):
        batch = mapped(read, range(start, min(start + connections, last + 1)), threads=connections)
        found += batch
        is_end = any(page.pages is not None and page.pages <= start for page in batch)
        if is_end or not all(page.items for page in batch):
            break
    return found


def _page(answer: Answer, keys: Sequence[str]) -> _Page:
    body = answer.json(deep=True)
    items = listed_in(body, keys)
    if items is None or not all(isinstance(item, dict | list) for item in items):
        answer.fail(f"a list of objects under {keys[0]!r}")
    envelope: Mapping[str, Any] = body if isinstance(body, dict) else {}
    has_next = envelope.get("has_next")
    return _Page(
        items,
        _count(envelope, "pages"),
        _count(envelope, "total"),
        has_next if isinstance(has_next, bool) else None,
    )


def _page_or_end(fetch: Fetch, keys: Sequence[str], page: int) -> _Page:
    """Return a page, without items if the registry refuses it because it does not exist."""
    try:
        return _page(fetch(page), keys)
    except Unsupported:
        return _Page([])
    except Rejected as error:
        if error.status not in _NO_SUCH_PAGE:
            raise
        return _Page([])


def _count(envelope: Mapping[str, Any], key: str) -> int | None:
    count = number(envelope, key)
    return None if count is None or count < 0 or (key == "pages" and count > MOST_PAGES) else count


def _rest(
    fetch: Fetch, keys: Sequence[str], first: _Page, connections: int, on_page: OnPage | None
) -> Iterator[_Page]:
    """Yield the pages after the first one."""
    claims = first.claims
    if not first.items:
        return
    if len(claims) == 1 and not first.is_wrong:
        yield from _at_once(fetch, keys, claims.pop(), connections, on_page, is_sure=first.is_sure)
    else:
        yield from _one_by_one(fetch, keys, first, on_page, believes=not claims)


def _at_once(
    fetch: Fetch,
    keys: Sequence[str],
    pages: int,
    connections: int,
    on_page: OnPage | None,
    *,
    is_sure: bool,
) -> Iterator[_Page]:
    report = _Report(on_page, pages)

    def read(page: int) -> _Page:
        found = _page(fetch(page), keys) if is_sure else _page_or_end(fetch, keys, page)
        report.one()
        return found

    report.one()
    yield from _in_batches(read, 2, pages, connections)


def _one_by_one(
    fetch: Fetch, keys: Sequence[str], first: _Page, on_page: OnPage | None, *, believes: bool
) -> Iterator[_Page]:
    """Yield the other pages of a list with an unknown number of pages.

    Unless it ``believes`` what the registry says about further pages, it reads up to one without new items.
    """
    page, known = first, _identities(first)
    for following in range(2, MOST_PAGES + 1):
        if not page.items or (believes and page.has_next is False):
            return
        if on_page is not None:
            on_page(following - 1, following)
        is_promised = believes and page.has_next is True
        before = page
        page = _page(fetch(following), keys) if is_promised else _page_or_end(fetch, keys, following)
        found = _identities(page)
        # A registry without page numbers, or with too many, returns the same page again.
        is_same = page.items == before.items or (bool(found) and found <= known)
        if is_same and not (believes and page.has_next is not None):
            return
        yield page
        known |= found
    raise BadAnswer(f"the list does not end: {MOST_PAGES:,} pages were read", hint="check the remote's url")


def _identities(page: _Page) -> set[object]:
    return {_identity(item) for item in page.items}


def _are_distinct(items: Sequence[Any]) -> bool:
    """Whether no item comes twice, which happens while somebody creates or deletes others."""
    return len({_identity(item) for item in items}) == len(items)


def _identity(item: Any) -> object:
    """Return what identifies an item. Items without an id, such as rows, are all different."""
    found = number(item, "id") if isinstance(item, dict) else None
    return id(item) if found is None else found

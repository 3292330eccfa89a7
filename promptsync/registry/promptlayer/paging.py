"""Reads a list that comes in pages: all of it, or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from promptsync.errors import RemoteError
from promptsync.parallel import MOST_REQUESTS, mapped
from promptsync.registry.errors import BadAnswer, Unsupported
from promptsync.registry.promptlayer.endpoints import Operation
from promptsync.registry.promptlayer.responses import MAX_BYTES, Answer, listed_in
from promptsync.registry.protocol import number

if TYPE_CHECKING:
    from promptsync.registry.protocol import OnPage

PER_PAGE: Final = 100
READINGS: Final = 3
MOST_PAGES: Final = 10_000
"""A registry that claims more pages is wrong."""

MOST_BYTES: Final = 8 * MAX_BYTES
"""All pages of one list together."""

_NO_SUCH_PAGE: Final = frozenset({400, 404, 416, 422})


class _Page(msgspec.Struct):
    """One page, and what else the response has, which says something about the list."""

    items: list[Any]
    envelope: Mapping[str, Any] = {}
    size: int = 0
    request: str = ""
    """The registry, what it was asked for and how, for messages."""
    pages: int | None = None
    total: int | None = None
    has_next: bool | None = None


def read_whole(
    call: Callable[..., Answer],
    operation: Operation,
    *,
    query: Mapping[str, Any] | None = None,
    on_page: OnPage | None = None,
    **parameters: Any,
) -> tuple[list[Any], Mapping[str, Any]]:
    """Return all items of a list, each once, and what else the first page has.

    ``call`` is ``Connection.call`` and gets the ``parameters``. The list is read again if its pages do not
    belong together. Raises ``BadAnswer`` if no attempt succeeds, and whatever ``call`` raises.
    """

    def read(page: int) -> _Page:
        try:
            sent = {**(query or {}), "page": page, "per_page": PER_PAGE}
            return _page(call(operation, query=sent, **parameters), operation)
        except RemoteError as error:
            # It may have disappeared, and what a registry says then differs. No list with a hole is whole.
            is_end = isinstance(error, Unsupported) or getattr(error, "status", 0) in _NO_SUCH_PAGE
            if page == 1 or not is_end:
                raise
            return _Page([])

    for _ in range(READINGS):
        pages = _pages(read, on_page)
        items = [item for page in pages for item in page.items]
        if _belong_together(pages, items):
            return items, pages[0].envelope
    raise BadAnswer(
        f"{pages[0].request}: the list kept changing while it was read, in {READINGS} attempts in a row",
        hint="try again; if it keeps happening, the registry reports inconsistent list lengths",
        code="list-kept-changing",
    )


def read_cursored(
    call: Callable[..., Answer],
    operation: Operation,
    *,
    query: Mapping[str, Any] | None = None,
    only_first: bool = False,
    **parameters: Any,
) -> tuple[list[Any], Mapping[str, Any]]:
    """Return all items of a list whose pages name the next one, and what else the first page has.

    With ``only_first``, return those of the first page. ``call`` is ``Connection.call`` and gets the
    ``parameters``. Raises ``BadAnswer`` for a list that does not end, and whatever ``call`` raises.
    """
    pages: list[_Page] = []
    cursors: set[str | int] = set()
    position: dict[str, str | int] = {}
    while True:
        sent = {"limit": PER_PAGE, **(query or {}), **position}
        pages.append(_page(call(operation, query=sent, **parameters), operation))
        _check(pages, len(pages))
        cursor = pages[-1].envelope.get("next_cursor")
        if only_first or cursor is None or pages[-1].envelope.get("has_more") is False:
            break
        if not isinstance(cursor, str | int) or cursor in cursors:
            raise BadAnswer(f"{pages[-1].request}: the list does not end: its pages repeat")
        cursors.add(cursor)
        position = {"cursor": cursor}
    return [item for page in pages for item in page.items], pages[0].envelope


def _belong_together(pages: Sequence[_Page], items: Sequence[Any]) -> bool:
    """Whether pages are one whole list: they say the same about it, and that is true."""
    first = pages[0]
    is_same = all((page.pages, page.total) == (first.pages, first.total) for page in pages)
    is_complete = first.total in (None, len(items)) and not pages[-1].has_next
    is_missing = not items and bool((first.pages or 0) > 1)
    # An item comes twice while others are created or deleted.
    return is_same and is_complete and not is_missing and len(set(map(_identity, items))) == len(items)


def _pages(read: Callable[[int], _Page], on_page: OnPage | None) -> list[_Page]:
    first, known = read(1), set[object]()
    pages, count = [first], None if first.pages is None else max(1, first.pages)
    if first.pages is None and first.total is not None:
        count = math.ceil(first.total / len(first.items)) if first.items else 1
    while True:
        start = len(pages) + 1
        if on_page is not None:
            on_page(len(pages), count or start)
        _check(pages, count or len(pages))
        last = pages[-1]
        if len(pages) == count or not last.items or (count is None and last.has_next is False):
            return pages
        more = mapped(read, range(start, min(start + MOST_REQUESTS, count + 1) if count else start + 1))
        if count is None:
            known |= set(map(_identity, last.items))
            # A registry without page numbers returns the same page again.
            is_known = more[0].items == last.items or known.issuperset(map(_identity, more[0].items))
            if more[0].has_next is None and is_known:
                return pages
        pages += more


def _check(pages: Sequence[_Page], most: int) -> None:
    """Raise ``BadAnswer`` for a list that is too long."""
    if most > MOST_PAGES or sum(page.size for page in pages) > MOST_BYTES:
        raise BadAnswer(
            f"{pages[0].request}: the list does not end, after {MOST_PAGES:,} pages "
            f"or {MOST_BYTES // 1024**2} MB",
            hint="check the remote's url",
        )


def _page(answer: Answer, operation: Operation) -> _Page:
    body = answer.json(deep=True)
    items = listed_in(body, operation.keys)
    if items is None or not all(isinstance(item, operation.holds) for item in items):
        answer.fail(f"a list of objects under {operation.keys[0]!r}")
    envelope = body if isinstance(body, dict) else {}
    has_next = envelope.get("has_next")
    return _Page(
        *(items, envelope, len(answer.content), answer.message_start),
        pages=number(envelope, "pages"),
        total=number(envelope, "total"),
        has_next=has_next if isinstance(has_next, bool) else None,
    )


def _identity(item: Any) -> object:
    """Return what identifies an item. Items without an id, such as rows, are all different."""
    template_id = number(item, "id") if isinstance(item, dict) else None
    return id(item) if template_id is None else template_id

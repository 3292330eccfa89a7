"""List requests: the filters, the order and the pages that the lists share."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from promptsync.server.http import Id, RowIndex
from promptsync.server.store.database import MAX_INTEGER, Database, Row, encoded

MAX_PER_PAGE = 100

HAS_TAGS = (
    "NOT EXISTS (SELECT 1 FROM json_each(:tags) WHERE value NOT IN (SELECT value FROM json_each(i.tags)))"
)
"""SQL: whether ``i`` has all of the tags in a query."""


class PageQuery(Struct, frozen=True):
    """The parameters that choose a page of a list; pages count from 1."""

    page: Id = 1
    per_page: Annotated[int, Meta(ge=1, le=MAX_PER_PAGE)] = 10

    @property
    def size(self) -> int:
        """How many items a full page has."""
        return min(self.per_page, MAX_PER_PAGE)

    @property
    def offset(self) -> int:
        """How many items come before the page."""
        return min((self.page - 1) * self.size, MAX_INTEGER)

    def keys(self, total: int) -> dict[str, Any]:
        """Return the keys that every list of ``total`` items carries; null at the ends, as recorded."""
        pages = -(-total // self.size)
        has_next, has_prev = self.page < pages, self.page > 1
        counts = {"page": self.page, "per_page": self.size, "total": total, "pages": pages}
        after = {"has_next": has_next, "next_num": self.page + 1 if has_next else None}
        return counts | after | {"has_prev": has_prev, "prev_num": self.page - 1 if has_prev else None}


class CursorQuery(Struct, frozen=True):
    """The parameters of a list whose pages are found by the cursor of the page before."""

    cursor: RowIndex | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PER_PAGE)] = 20
    order: Literal["asc", "desc"] = "asc"

    def select(self, db: Database, columns: str, source: str, key: str, **values: Any) -> dict[str, Any]:
        """Return a page as in a response: its rows as ``data``, and where the list goes on.

        ``source`` is the SQL after ``FROM``, which ends with a condition; ``key`` is a number that orders it.
        """
        sign = ">" if self.order == "asc" else "<"
        after = "" if self.cursor is None else f"AND {key} {sign} :after"
        rows = db.execute(
            f"SELECT {columns}, {key} AS page_key FROM {source} {after}"
            f" ORDER BY {key} {self.order} LIMIT :most",
            {**values, "after": self.cursor, "most": self.limit + 1},
        ).fetchall()
        page, more = [dict(row) for row in rows[: self.limit]], len(rows) > self.limit
        keys = [row.pop("page_key") for row in page]
        cursor = str(keys[-1]) if more else None
        # Twice, because the vendor's SDKs and specification differ.
        on = {"next_cursor": cursor, "has_more": more}
        return {"data": page, **on, "pagination": {**on, "prev_cursor": None, "limit": self.limit}}


class ListQuery(PageQuery, frozen=True):
    """The parameters of every list of things with a name and two times, and the list that they select.

    SQL names what it lists ``i``, and a parameter of the query like the field.
    """

    sort_by: Literal["created_at", "updated_at", "name", "id"] = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"
    # Refused, because this registry does not filter by times, and has no users.
    created_after: None = None
    created_before: None = None
    updated_after: None = None
    updated_before: None = None
    created_by_email: None = None

    filters: ClassVar[dict[str, str]] = {}
    """The condition that each field stands for. A field that is null or empty selects everything."""

    def select(self, db: Database, columns: str, source: str, where: str) -> list[Row]:
        """Return everything that is selected from ``source``, in order."""
        selected = self._selected(source, where)
        return db.execute(f"SELECT {columns} {selected} {self._order}", self._values).fetchall()

    def select_page(
        self, db: Database, columns: str, source: str, where: str, *, join: str = ""
    ) -> tuple[dict[str, Any], list[Row]]:
        """Return the keys and the rows of the page. ``join`` adds what only the columns need."""
        selected = self._selected(source, where)
        total = db.execute(f"SELECT count(*) {selected}", self._values).fetchone()[0]
        # In two steps, because SQLite computes the columns of every row that it sorts.
        ids = f"SELECT i.id {selected} {self._order} LIMIT {self.size} OFFSET {self.offset}"
        return self.keys(total), self.select(db, columns, f"{source} {join}", f"i.id IN ({ids})")

    def _selected(self, source: str, where: str) -> str:
        used = [sql for name, sql in self.filters.items() if getattr(self, name) not in (None, [])]
        return f"FROM {source} WHERE ({') AND ('.join([where, *used])})"

    @property
    def _order(self) -> str:
        # The id as the second column keeps the order of equal items the same from page to page.
        return f"ORDER BY i.{self.sort_by} {self.sort_order}, i.id {self.sort_order}"

    @property
    def _values(self) -> dict[str, Any]:
        values = asdict(self).items()
        return {name: encoded(value) if isinstance(value, list) else value for name, value in values}


class ItemQuery(ListQuery, frozen=True):
    """The parameters of a list whose items can be deleted."""

    name: str | None = None
    status: Literal["active", "deleted", "all"] = "active"

    filters: ClassVar = {
        "name": "instr(casefold(i.name), casefold(:name))",
        "status": ":status = 'all' OR i.deleted = (:status = 'deleted')",
    }

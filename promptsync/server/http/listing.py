"""What a list request selects: the filters, the order and the pages that the lists share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from promptsync.server.http.answer import invalid
from promptsync.server.http.fields import Id
from promptsync.server.store import clock
from promptsync.server.store.database import MAX_INTEGER, Database, Row

MAX_PER_PAGE = 100

_STATUS = {"active": "i.deleted = 0", "deleted": "i.deleted = 1", "all": "1"}


class ListPage(Struct, frozen=True):
    """One slice of a list that has ``total`` items; pages count from 1."""

    number: int
    per_page: int
    total: int

    @property
    def offset(self) -> int:
        """How many items come before it."""
        return min((self.number - 1) * self.per_page, MAX_INTEGER)

    @property
    def counts(self) -> dict[str, int]:
        """The keys that every list carries."""
        pages = -(-self.total // self.per_page)
        return {"page": self.number, "per_page": self.per_page, "total": self.total, "pages": pages}

    @property
    def neighbours(self) -> dict[str, Any]:
        """The keys about the pages before and after, null at the ends as recorded."""
        has_next, has_prev = self.number < self.counts["pages"], self.number > 1
        return {
            "has_next": has_next,
            "has_prev": has_prev,
            "next_num": self.number + 1 if has_next else None,
            "prev_num": self.number - 1 if has_prev else None,
        }


class PageQuery(Struct, frozen=True):
    """The parameters that choose a page."""

    page: Id = 1
    per_page: Annotated[int, Meta(ge=1, le=MAX_PER_PAGE)] = 10

    def of(self, total: int) -> ListPage:
        """Return the page of a list with ``total`` items."""
        return ListPage(self.page, min(self.per_page, MAX_PER_PAGE), total)


class ListQuery(PageQuery, frozen=True):
    """The parameters of every list of things with a name and two times."""

    created_after: str | None = None
    created_before: str | None = None
    updated_after: str | None = None
    updated_before: str | None = None
    created_by_email: str | None = None
    sort_by: Literal["created_at", "updated_at", "name", "id"] = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"


class ItemQuery(ListQuery, frozen=True):
    """The parameters of a list whose items can be deleted."""

    name: str | None = None
    status: Literal["active", "deleted", "all"] = "active"


class Listing:
    """Builds the query for a list. SQL names what it lists ``i``."""

    def __init__(self, query: ListQuery) -> None:
        self._query = query
        self._conditions = ["1"]
        self._values: dict[str, Any] = {}
        for column in ("created", "updated"):
            for bound, sign in (("after", ">="), ("before", "<=")):
                name = f"{column}_{bound}"
                if (moment := getattr(query, name)) is not None:
                    self.where(f"i.{column}_at {sign} :{name}", **{name: _stamp(name, moment)})
        if query.created_by_email is not None:
            # This registry has no users.
            self.where("0")

    @classmethod
    def of_kind(cls, query: ItemQuery, kind: str) -> Listing:
        """Select the items of ``kind`` that have the name and the status of the query."""
        listing = cls(query)
        listing.where("i.kind = :kind", kind=kind)
        listing.where(_STATUS[query.status])
        listing.by_name(query.name)
        return listing

    def where(self, condition: str, **values: Any) -> None:
        """Select only what meets ``condition``; ``values`` are the parameters that it names."""
        self._conditions.append(condition)
        self._values |= values

    def by_name(self, part: str | None) -> None:
        """Apply the filter for a part of the name, whatever its case."""
        if part is not None:
            self.where("instr(casefold(i.name), casefold(:name_part))", name_part=part)

    def by_tags(self, tags: list[str]) -> None:
        """Apply the filter for tags: all of them."""
        for index, tag in enumerate(tags):
            condition = f"EXISTS (SELECT 1 FROM json_each(i.tags) WHERE value = :tag{index})"
            self.where(condition, **{f"tag{index}": tag})

    def rows(self, db: Database, columns: str, source: str) -> list[Row]:
        """Return everything that is selected from ``source``, in order."""
        return db.execute(f"SELECT {columns} {self._selected(source)} {self._order}", self._values).fetchall()

    def page(self, db: Database, columns: str, source: str, *, join: str = "") -> tuple[ListPage, list[Row]]:
        """Return the page that the request names, and its rows. ``join`` adds what only the columns need."""
        selected = self._selected(source)
        page = self._query.of(db.execute(f"SELECT count(*) {selected}", self._values).fetchone()[0])
        # In two steps, because SQLite computes the columns of every row that it sorts.
        self.where(
            f"i.id IN (SELECT i.id {selected} {self._order} LIMIT {page.per_page} OFFSET {page.offset})"
        )
        return page, self.rows(db, columns, f"{source} {join}")

    def _selected(self, source: str) -> str:
        return f"FROM {source} WHERE {' AND '.join(self._conditions)}"

    @property
    def _order(self) -> str:
        direction = self._query.sort_order
        # The id as the second column keeps the order of equal items the same from page to page.
        return f"ORDER BY i.{self._query.sort_by} {direction}, i.id {direction}"


def _stamp(name: str, moment: str) -> str:
    """Return a date-time of a query as a timestamp of the database."""
    try:
        # A plus sign that was not encoded arrives as a space.
        return clock.parse(moment.replace(" ", "+") if "T" in moment else moment)
    except ValueError as error:
        raise invalid(f"{name} must be an ISO 8601 date-time.", "query", name) from error

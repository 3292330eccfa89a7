"""What a list request selects: the filters, the order and the pages that the lists share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promptsync.server.http.fields import Query
from promptsync.server.store.database import MAX_INTEGER, Database, Row

MAX_PER_PAGE = 100

_STATUS = {"active": "i.deleted = 0", "deleted": "i.deleted = 1", "all": "1"}


@dataclass(frozen=True, slots=True)
class ListPage:
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


def read_page(query: Query, per_page: int, total: int, *, capped: bool = False) -> ListPage:
    """Return the requested page: ``per_page`` items by default, at most 100.

    Asking for more is an error, or returns 100 if ``capped``.
    """
    size = query.integer("per_page") or per_page
    if size > MAX_PER_PAGE and not capped:
        raise query.fault("per_page", f"must be at most {MAX_PER_PAGE}")
    return ListPage(query.integer("page") or 1, min(size, MAX_PER_PAGE), total)


class Listing:
    """Reads the parameters of a list request; a query names what it lists ``i``.

    ``created_at`` and ``updated_at`` are the columns to filter and sort by where they are not those of ``i``;
    ``key`` is the column of the id, and ``order`` the default of ``sort_by``.
    """

    def __init__(
        self,
        query: Query,
        *,
        created_at: str = "i.created_at",
        updated_at: str = "i.updated_at",
        key: str = "i.id",
        order: str = "created_at",
    ) -> None:
        self.query = query
        self._conditions = ["1"]
        self._values: dict[str, Any] = {}
        moments = {"created": created_at, "updated": updated_at}
        for stem, column in moments.items():
            for bound, sign in (("after", ">="), ("before", "<=")):
                moment = query.moment(f"{stem}_{bound}")
                if moment is not None:
                    self.where(f"{column} {sign} :{stem}_{bound}", **{f"{stem}_{bound}": moment})
        if query.text("created_by_email") is not None:
            # This registry has no users.
            self.where("0")
        columns = {"created_at": created_at, "updated_at": updated_at, "name": "i.name", "id": key}
        column = columns[query.choice("sort_by", columns, order)]
        direction = query.choice("sort_order", ("asc", "desc"), "desc")
        self._key = key
        # The id as the second column keeps the order of equal items the same from page to page.
        self._order = f"ORDER BY {column} {direction}, {key} {direction}"

    def where(self, condition: str, **values: Any) -> None:
        """Select only what meets ``condition``; ``values`` are the parameters that it names."""
        self._conditions.append(condition)
        self._values |= values

    def by_fixture(self) -> None:
        """Apply the filters that the lists of datasets, evaluations and agents share."""
        self.by_status()
        self.by_name()

    def by_status(self) -> None:
        """Apply the filter ``status``, which leaves out deleted items unless the request says otherwise."""
        self.where(_STATUS[self.query.choice("status", _STATUS, "active")])

    def by_name(self, parameter: str = "name") -> None:
        """Apply the filter for a part of the name, whatever its case."""
        part = self.query.text(parameter)
        if part is not None:
            self.where("instr(casefold(i.name), casefold(:name_part))", name_part=part)

    def by_tags(self) -> None:
        """Apply the filter ``tags``: all of them."""
        for index, tag in enumerate(self.query.texts("tags")):
            self.where(
                f"EXISTS (SELECT 1 FROM json_each(i.tags) WHERE value = :tag{index})", **{f"tag{index}": tag}
            )

    def rows(self, db: Database, columns: str, source: str) -> list[Row]:
        """Return everything that is selected from ``source``, in order."""
        sql = f"SELECT {columns} FROM {source} WHERE {' AND '.join(self._conditions)} {self._order}"
        return db.execute(sql, self._values).fetchall()

    def page(
        self, db: Database, columns: str, source: str, *, join: str = "", per_page: int, capped: bool = False
    ) -> tuple[ListPage, list[Row]]:
        """Return the page that the request names, and its rows. ``join`` adds what only the columns need."""
        selected = f"FROM {source} WHERE {' AND '.join(self._conditions)}"
        total: int = db.execute(f"SELECT count(*) {selected}", self._values).fetchone()[0]
        page = read_page(self.query, per_page, total, capped=capped)
        # In two steps, because SQLite computes the columns of every row that it sorts.
        chosen = f"SELECT {self._key} {selected} {self._order} LIMIT {page.per_page} OFFSET {page.offset}"
        self.where(f"{self._key} IN ({chosen})")
        return page, self.rows(db, columns, f"{source} {join}")

"""The lists of datasets, evaluations and agents: the filters, order and pages that they share."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptsync.server import query
from promptsync.server.query import Page, Query
from promptsync.server.records import Row


@dataclass(frozen=True, slots=True)
class Listing:
    """What to list: ``source`` has the item, with ``name`` and ``deleted``, as ``i``."""

    source: str
    columns: str
    key: str = "i.id"
    created_at: str = "i.created_at"
    updated_at: str = "i.updated_at"


def listed(
    db: sqlite3.Connection, asked: Query, listing: Listing, where: Mapping[str, Any], *, per_page: int
) -> tuple[Page, int, list[Row]]:
    """The page asked for, how many there are in all, and the rows.

    ``where`` maps conditions to the value of the one parameter that each names. There are no users and no
    external ids on these items, so filters by them match nothing.
    """
    page = query.page(asked, per_page)
    conditions = list(where)
    values = {_parameter(condition): value for condition, value in where.items() if ":" in condition}
    status = query.choice(asked, "status", ("active", "deleted", "all"), "active")
    conditions += {"active": ["NOT i.deleted"], "deleted": ["i.deleted"], "all": []}[status]
    name = query.text(asked, "name")
    if name is not None:
        conditions.append("instr(casefold(i.name), casefold(:name_part))")
        values["name_part"] = name
    for field in ("created", "updated"):
        for bound, sign in (("after", ">"), ("before", "<")):
            moment = query.moment(asked, f"{field}_{bound}")
            if moment is not None:
                conditions.append(f"{getattr(listing, f'{field}_at')} {sign} :{field}_{bound}")
                values[f"{field}_{bound}"] = moment
    if query.text(asked, "created_by_email") or query.text(asked, "external_id"):
        conditions.append("0")
    source = f"FROM {listing.source} WHERE {' AND '.join(conditions) or '1'}"
    total: int = db.execute(f"SELECT count(*) {source}", values).fetchone()[0]
    limit, offset = page.window
    rows = db.execute(
        f"SELECT {listing.columns} {source} {_order(asked, listing)} LIMIT :limit OFFSET :offset",
        {**values, "limit": limit, "offset": offset},
    ).fetchall()
    return page, total, rows


def _parameter(condition: str) -> str:
    return condition.partition(":")[2].strip(" )")


def _order(asked: Query, listing: Listing) -> str:
    columns = {
        "created_at": listing.created_at,
        "updated_at": listing.updated_at,
        "name": "i.name",
        "id": listing.key,
    }
    column = columns[query.choice(asked, "sort_by", tuple(columns), "created_at")]
    direction = query.choice(asked, "sort_order", ("asc", "desc"), "desc")
    return f"ORDER BY {column} {direction}, {listing.key} {direction}"

"""Searching logged requests, as the vendor documents it: filters, free text, sorting and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from promptsync.server.http.answer import Response, malformed
from promptsync.server.http.fields import Id, checked
from promptsync.server.http.listing import ListPage
from promptsync.server.http.request import Request
from promptsync.server.tracking.facts import words
from promptsync.server.tracking.operators import FIELDS, NESTED
from promptsync.server.tracking.requests import SELECT, summary

MAX_FILTERS = 100
"""Most filters and groups in one search, and most words in its free text."""

MAX_VALUES = 100
"""Most values in one filter."""


class Search(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a search. What it cannot search by is refused, never ignored."""

    filter_group: dict[str, Any] | None = None
    filters: list[dict[str, Any]] | None = None
    q: str | None = None
    sort_by: (
        Literal["request_start_time", "input_tokens", "output_tokens", "cost", "latency_ms", "status"] | None
    ) = None
    sort_order: Literal["asc", "desc"] | None = None
    page: Id | None = None
    per_page: Annotated[int, Meta(ge=1, le=25)] | None = None
    include_prompt_name: bool | None = None


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """Filters, and groups of them, that are combined with ``logic``."""

    filters: list[dict[str, Any]]
    logic: Literal["AND", "OR"] | None = None


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on one field."""

    field: str
    operator: str
    value: Any = None
    nested_key: Annotated[str, Meta(min_length=1)] | None = None


def search_requests(request: Request) -> Response:
    """Return a page of the requests that match every condition, by default the newest first."""
    search = request.read(Search)
    if search.sort_order and not search.sort_by:
        raise malformed("sort_order requires sort_by.")
    conditions = _Conditions()
    where = conditions.of(search)
    order = "r.id DESC"
    if search.sort_by:
        _, column = FIELDS[search.sort_by]
        # A request without the value comes last in either direction.
        order = f"{column} IS NULL, {column} {search.sort_order or 'desc'}, {order}"
    with request.store.read() as db:
        source = "FROM requests r LEFT JOIN versions v ON v.id = r.version_id"
        rows = db.execute(f"SELECT r.id {source} WHERE {where} ORDER BY {order}", conditions.values)
        ids = [row["id"] for row in rows]
        page = ListPage(search.page or 1, search.per_page or 10, len(ids))
        shown = ids[page.offset : page.offset + page.per_page]
        rows = db.execute(f"{SELECT} WHERE r.id IN ({','.join(map(str, shown))})")
        items = sorted(map(summary, rows), key=lambda item: shown.index(item["id"]))
    for item in () if search.include_prompt_name else items:
        del item["prompt_name"]
    return Response({"success": True, "items": items, **page.counts, **page.neighbours})


class _Conditions:
    """Builds the SQL of a search's conditions, and collects the ``values`` of its parameters."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._count = 0

    def of(self, search: Search) -> str:
        conditions = ["1"]
        if search.filter_group is not None:
            conditions.append(self._group(search.filter_group, "filter_group"))
        if search.filters is not None:
            conditions.append(self._group({"filters": search.filters}, ""))
        starts = words(search.q or "")
        if len(starts) > MAX_FILTERS:
            raise malformed(f"q can have at most {MAX_FILTERS} different words.")
        if starts:
            match = self._parameter(" AND ".join(f'"{word}"*' for word in starts))
            conditions.append(f"r.id IN (SELECT rowid FROM request_words WHERE request_words MATCH {match})")
        return " AND ".join(conditions)

    def _group(self, values: Mapping[str, Any], where: str) -> str:
        group = checked(values, Group, where)
        conditions = []
        for index, condition in enumerate(group.filters):
            self._count += 1
            if self._count > MAX_FILTERS:
                raise malformed(f"A search can have at most {MAX_FILTERS} filters.")
            place = f"{where}.filters[{index}]".lstrip(".")
            read = self._group if "filters" in condition else self._filter
            conditions.append(read(condition, place))
        joined = f" {group.logic or 'AND'} ".join(conditions)
        return f"({joined or 1})"

    def _filter(self, values: Mapping[str, Any], where: str) -> str:
        condition = checked(values, Filter, where)
        if condition.field in ("user_intent", "agent_intent"):
            raise malformed(
                f"{where}.field cannot be {condition.field}, because this registry does not classify texts."
            )
        if condition.field not in FIELDS:
            raise malformed(f"{where}.field must be one of {', '.join(FIELDS)}.")
        kind, column = FIELDS[condition.field]
        sql = kind.operators.get(condition.operator)
        if sql is None:
            choices = ", ".join(kind.operators)
            raise malformed(f"{where}.operator must be one of {choices} for {condition.field}.")
        if (kind is NESTED) != (condition.nested_key is not None):
            rule = "is required for" if kind is NESTED else "does not apply to"
            raise malformed(f"{where}.nested_key {rule} {condition.field}.")
        field = column.format(key=self._parameter(condition.nested_key))
        shape: Any = kind.value
        if "{values}" in sql:
            shape = Annotated[list[shape], Meta(max_length=MAX_VALUES)]
        elif "{1}" in sql:
            shape = tuple[shape, shape]
        elif "{0}" not in sql:
            shape = None
        values = checked(condition.value, shape, f"{where}.value")
        try:
            read = [
                kind.compared(item) for item in (values if isinstance(values, list | tuple) else [values])
            ]
        except ValueError as error:
            raise malformed(f"{where}.value must be an ISO 8601 date-time.") from error
        marks = [self._parameter(item) for item in read]
        return sql.format(*marks, values=", ".join(marks), field=field)

    def _parameter(self, value: Any) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f":{name}"

"""Reading logged requests: one by its id, or a search with filters, free text and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from promptsync.server.http.answer import Response, malformed, not_found
from promptsync.server.http.fields import Id, checked
from promptsync.server.http.listing import ListPage
from promptsync.server.http.request import Request
from promptsync.server.store.database import Row
from promptsync.server.tracking.logged import words
from promptsync.server.tracking.operators import FIELDS, NESTED

MAX_FILTERS = 100
"""Most filters and groups in one search, most values in a filter, and most words in a free text."""

_SUMMARY = """SELECT r.id, r.provider_type, r.engine, r.input_tokens, r.output_tokens,
    coalesce(r.input_tokens + r.output_tokens, r.input_tokens, r.output_tokens) AS tokens,
    r.price, r.request_start_time, r.request_end_time, r.latency_ms / 1000.0 AS latency,
    r.status, r.error_type, r.error_message, r.tags AS "tags_array [json]",
    r.metadata AS "metadata [json]", r.scores AS "scores [json]",
    v.item_id AS prompt_id, t.name AS prompt_name, v.number AS prompt_version_number,
    r.prompt_input_variables AS "prompt_input_variables [json]", r.group_id, r.span_id, r.created_at
    FROM requests r LEFT JOIN versions v ON v.id = r.version_id LEFT JOIN items t ON t.id = v.item_id"""

_DETAILS = """SELECT r.id AS request_id, t.blueprint AS "prompt_blueprint [json]",
    r.provider_type AS provider, r.engine AS model, r.latency_ms,
    (SELECT trace_id FROM spans WHERE log_span_id = r.span_id ORDER BY id DESC LIMIT 1) AS trace_id
    FROM requests r JOIN request_texts t USING (id)"""

# What is absent if it is unknown, because the vendor's schema has no null for it.
_NEVER_NULL = {
    *("provider_type", "engine", "provider", "model", "input_tokens", "output_tokens", "tokens", "price"),
    *("request_start_time", "request_end_time", "latency", "latency_ms"),
}


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


def get_request(request: Request) -> Response:
    """Return everything stored about a request."""
    request_id = request.id("request_id")
    with request.store.read() as db:
        rows = [db.execute(f"{sql} WHERE r.id = ?", (request_id,)).fetchone() for sql in (_DETAILS, _SUMMARY)]
    if rows[0] is None:
        raise not_found(f"There is no request with the id {request_id}.")
    return Response({"success": True, **_known(rows[0]), **_summary(rows[1])})


def search_requests(request: Request) -> Response:
    """Return a page of the requests that match every condition, by default the newest first."""
    search = request.read(Search)
    if search.sort_order and not search.sort_by:
        raise malformed("sort_order requires sort_by.")
    conditions = _Conditions()
    where, order = conditions.of(search), "r.id DESC"
    if search.sort_by:
        _, column = FIELDS[search.sort_by]
        # A request without the value comes last in either direction.
        order = f"{column} IS NULL, {column} {search.sort_order or 'desc'}, {order}"
    with request.store.read() as db:
        source = "requests r LEFT JOIN versions v ON v.id = r.version_id"
        rows = db.execute(f"SELECT r.id FROM {source} WHERE {where} ORDER BY {order}", conditions.values)
        ids = [row["id"] for row in rows]
        page = ListPage(search.page or 1, search.per_page or 10, len(ids))
        shown = ids[page.offset : page.offset + page.per_page]
        rows = db.execute(f"{_SUMMARY} WHERE r.id IN ({','.join(map(str, shown))})")
        items = sorted(map(_summary, rows), key=lambda item: shown.index(item["id"]))
    for item in () if search.include_prompt_name else items:
        del item["prompt_name"]
    return Response({"success": True, "items": items, **page.counts, **page.neighbours})


class _Conditions:
    """Builds the SQL of a search's conditions, and collects the ``values`` of its parameters."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._count = 0

    def of(self, search: Search) -> str:
        conditions = [self._group({"filters": search.filters or []}, "")]
        if search.filter_group is not None:
            conditions.append(self._group(search.filter_group, "filter_group"))
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
            read = self._group if "filters" in condition else self._filter
            conditions.append(read(condition, f"{where}.filters[{index}]".lstrip(".")))
        joined = f" {group.logic or 'AND'} ".join(conditions)
        return f"({joined or 1})"

    def _filter(self, values: Mapping[str, Any], where: str) -> str:
        condition = checked(values, Filter, where)
        if condition.field not in FIELDS:
            raise malformed(f"{where}.field must be one of {', '.join(FIELDS)}.")
        kind, column = FIELDS[condition.field]
        if condition.operator not in kind.operators:
            choices = ", ".join(kind.operators)
            raise malformed(f"{where}.operator must be one of {choices} for {condition.field}.")
        if (kind is NESTED) != (condition.nested_key is not None):
            raise malformed(
                f"{where}.nested_key is required for objects, and does not apply to other fields."
            )
        field = column.format(key=self._parameter(condition.nested_key))
        sql = kind.operators[condition.operator]
        shape: Any = kind.value
        if "{values}" in sql:
            shape = Annotated[list[shape], Meta(max_length=MAX_FILTERS)]
        elif "{1}" in sql:
            shape = tuple[shape, shape]
        elif "{0}" not in sql:
            shape = None
        sent = checked(condition.value, shape, f"{where}.value")
        items = [kind.compared(item) for item in (sent if isinstance(sent, list | tuple) else [sent])]
        if sent is not None and None in items:
            raise malformed(f"{where}.value must be an ISO 8601 date-time.")
        marks = [self._parameter(item) for item in items]
        return sql.format(*marks, values=", ".join(marks), field=field)

    def _parameter(self, value: Any) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f":{name}"


def _summary(row: Row) -> dict[str, Any]:
    """Return a request as it is in a list."""
    metadata = [{key: value} for key, value in row["metadata"].items()]
    scores = [{"name": name, "score": score} for name, score in row["scores"].items()]
    return {**_known(row), "metadata": metadata, "scores": scores}


def _known(row: Row) -> dict[str, Any]:
    return {key: row[key] for key in row.keys() if row[key] is not None or key not in _NEVER_NULL}  # noqa: SIM118

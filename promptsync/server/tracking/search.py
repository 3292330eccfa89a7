"""Reading logged requests: one by its id, or a search with filters, free text and pages.

In the test of an operator, ``{field}`` is the SQL of the field, ``{0}`` the value, ``{0}`` and ``{1}`` those
of a range, and ``{values}`` those of a list; a test without them takes no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from promptsync.server.http import Answer, Id, Request, checked, malformed, row_of
from promptsync.server.listing import PageQuery
from promptsync.server.store.database import MAX_INTEGER, Database, Row
from promptsync.server.tracking.log import moment, words, written

MAX_FILTERS = 100
"""Most filters and groups in one search, most values in a filter, and most words in a free text."""

_SUMMARY = """r.id, r.provider_type, r.engine, r.input_tokens, r.output_tokens,
    coalesce(r.input_tokens + r.output_tokens, r.input_tokens, r.output_tokens) AS tokens,
    r.price, r.request_start_time, r.request_end_time, r.latency_ms / 1000.0 AS latency,
    r.status, r.error_type, r.error_message, r.tags AS "tags_array [json]",
    r.metadata AS "metadata [json]", r.scores AS "scores [json]",
    v.item_id AS prompt_id, t.name AS prompt_name, v.number AS prompt_version_number,
    r.prompt_input_variables AS "prompt_input_variables [json]", r.group_id, r.span_id, r.created_at"""

_DETAILS = """r.id AS request_id, r.provider_type AS provider, r.engine AS model, r.latency_ms,
    r.blueprint AS "prompt_blueprint [json]",
    (SELECT trace_id FROM spans WHERE log_span_id = r.span_id ORDER BY id DESC LIMIT 1) AS trace_id"""

_FROM = "FROM requests r LEFT JOIN versions v ON v.id = r.version_id LEFT JOIN items t ON t.id = v.item_id"

# What is absent if it is unknown, because the vendor's schema has no null for it.
_NEVER_NULL = {
    *("provider_type", "engine", "provider", "model", "input_tokens", "output_tokens", "tokens", "price"),
    *("request_start_time", "request_end_time", "latency", "latency_ms"),
}


class Condition(Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on one field, or ``filters`` that are combined with ``logic``."""

    field: str = ""
    operator: str = ""
    value: Any = None
    nested_key: Annotated[str, Meta(min_length=1)] | None = None
    filters: list[Condition] | None = None
    logic: Literal["AND", "OR"] | None = None


class Search(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a search. What it cannot search by is refused, never ignored."""

    filter_group: Condition | None = None
    filters: list[Condition] | None = None
    q: str | None = None
    sort_by: (
        Literal["request_start_time", "input_tokens", "output_tokens", "cost", "latency_ms", "status"] | None
    ) = None
    sort_order: Literal["asc", "desc"] | None = None
    page: Id | None = None
    per_page: Annotated[int, Meta(ge=1, le=25)] | None = None
    include_prompt_name: bool | None = None


def get_request(request: Request, db: Database) -> Answer:
    """Return everything stored about a request."""
    request_id = request.path["request_id"]
    sql = f"SELECT {_SUMMARY}, {_DETAILS} {_FROM} WHERE r.id = ?"
    return _shown(row_of(db, sql, (request_id,), f"There is no request with the id {request_id}."))


def logged(db: Database, request_id: int) -> Answer:
    """Return a request as in a page of a search."""
    return _shown(db.execute(f"SELECT {_SUMMARY} {_FROM} WHERE r.id = ?", (request_id,)).fetchone())


def search_requests(request: Request, db: Database) -> Answer:
    """Return a page of the requests that match every condition, by default the newest first."""
    search = request.read(Search)
    if search.sort_order and not search.sort_by:
        raise malformed("sort_order requires sort_by.")
    values: dict[str, Any] = {}
    where, order = _where(search, values), "r.id DESC"
    if search.sort_by:
        _, column = FIELDS[search.sort_by]
        # A request without the value comes last in either direction.
        order = f"{column} IS NULL, {column} {search.sort_order or 'desc'}, {order}"
    rows = db.execute(f"SELECT r.id {_FROM} WHERE {where} ORDER BY {order}", values)
    ids = [row["id"] for row in rows]
    page = PageQuery(search.page or 1, search.per_page or 10)
    shown = ",".join(map(str, ids[page.offset :][: page.size]))
    rows = db.execute(f"SELECT {_SUMMARY} {_FROM} WHERE r.id IN ({shown}) ORDER BY {order}")
    items = [_shown(row) for row in rows]
    for item in () if search.include_prompt_name else items:
        del item["prompt_name"]
    return {"items": items, **page.keys(len(ids))}


def _where(search: Search, values: dict[str, Any]) -> str:
    """Return the conditions of a search as SQL, and add the values of its parameters to ``values``."""
    filters = [condition for condition in (*(search.filters or ()), search.filter_group) if condition]
    every = Condition(filters=filters)
    if _count(every) > MAX_FILTERS + 1:
        raise malformed(f"A search can have at most {MAX_FILTERS} filters.")
    conditions = [_sql(every, values)]
    starts = words(search.q or "")
    if len(starts) > MAX_FILTERS:
        raise malformed(f"q can have at most {MAX_FILTERS} different words.")
    if starts:
        match = _parameter(" AND ".join(f'"{word}"*' for word in starts), values)
        conditions.append(f"r.id IN (SELECT rowid FROM request_words WHERE request_words MATCH {match})")
    return " AND ".join(conditions)


def _count(condition: Condition) -> int:
    return 1 + sum(map(_count, condition.filters or ()))


def _sql(condition: Condition, values: dict[str, Any]) -> str:
    if condition.filters is not None:
        if condition != Condition(filters=condition.filters, logic=condition.logic):
            raise malformed("A filter has either a field or filters.")
        joined = f" {condition.logic or 'AND'} ".join(_sql(inner, values) for inner in condition.filters)
        return f"({joined or 1})"
    name, operator = condition.field, condition.operator
    if name not in FIELDS:
        raise malformed(f"field must be one of {', '.join(FIELDS)}.")
    kind, column = FIELDS[name]
    if operator not in kind.operators:
        raise malformed(f"{name}: operator must be one of {', '.join(kind.operators)}.")
    if (kind is NESTED) != (condition.nested_key is not None):
        raise malformed(f"{name}: nested_key is required for objects, and does not apply to other fields.")
    sql = kind.operators[operator]
    shape: Any = kind.value
    if "{values}" in sql:
        shape = Annotated[list[shape], Meta(max_length=MAX_FILTERS)]
    elif "{1}" in sql:
        shape = tuple[shape, shape]
    elif "{0}" not in sql:
        shape = None
    sent = checked(condition.value, shape, f"{name}.value")
    compared = [kind.compared(item) for item in (sent if isinstance(sent, list | tuple) else [sent])]
    field = column.format(key=_parameter(condition.nested_key, values))
    marks = [_parameter(value, values) for value in compared]
    return sql.format(*marks, values=", ".join(marks), field=field)


def _parameter(value: Any, values: dict[str, Any]) -> str:
    name = f"p{len(values)}"
    values[name] = value
    return f":{name}"


def _shown(row: Row) -> dict[str, Any]:
    shown = {key: row[key] for key in row.keys() if row[key] is not None or key not in _NEVER_NULL}  # noqa: SIM118
    shown["metadata"] = [{key: value} for key, value in row["metadata"].items()]
    shown["scores"] = [{"name": name, "score": score} for name, score in row["scores"].items()]
    return shown


# -- the fields and their operators -------------------------------------------------------------------------

Number = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)] | float


class FieldType(Struct, frozen=True):
    """A type of field: what its operators test, what their values are in JSON, and how those are compared.

    ``place`` is for a field that is not in the row. An operator may have an opposite, which matches whenever
    it does not, also requests without the field.
    """

    tests: Mapping[str, str]
    value: Any = str
    compared: Callable[[Any], Any] = lambda value: value
    place: str = "{}"

    @property
    def operators(self) -> dict[str, str]:
        """The operators, each with its SQL."""
        operators = {}
        for names, test in self.tests.items():
            name, *opposite = names.split()
            operators[name] = f"ifnull({self.place.replace('{}', test)}, 0)"
            operators |= {other: f"NOT {operators[name]}" for other in opposite}
        return operators


_EQUAL, _AMONG, _KNOWN = "{field} = {0}", "{field} IN ({values})", "{field} NOT NULL"
_BETWEEN = "{field} BETWEEN {0} AND {1}"
_EXACT = {"is is_not": _EQUAL, "in not_in": _AMONG}
_AMOUNT = {
    "eq neq": _EQUAL,
    "gt": "{field} > {0}",
    "gte": "{field} >= {0}",
    "lt": "{field} < {0}",
    "lte": "{field} <= {0}",
    "between": _BETWEEN,
    "is_not_null is_null": _KNOWN,
}
_TEXT = {
    "contains not_contains": "instr({field}, {0})",
    # SQLite has no parts of an empty blob, not even an empty one.
    "starts_with": "ifnull(substr({field}, 1, length({0})), x'') = {0}",
    "ends_with": "ifnull(substr({field}, length({field}) - length({0}) + 1), x'') = {0}",
}
_TIME = {"is is_not": _EQUAL, "before": "{field} < {0}", "after": "{field} > {0}", "between": _BETWEEN}
_ARRAY = {"contains not_contains": _EQUAL, "in not_in": _AMONG, "is_not_empty is_empty": _KNOWN}
_IN_VALUES = "EXISTS (SELECT 1 FROM request_values WHERE request_id = r.id AND {})"

STRING = FieldType(_EXACT)
TEXT = FieldType(_TEXT, str, lambda value: value.casefold().encode())
AMOUNT = FieldType(_AMOUNT, Number)
# The vendor's document does not say which operators ids have.
ID = FieldType(_EXACT | _AMOUNT, Number)
TIME = FieldType(_TIME, str, moment)
FLAG = FieldType({"is_true is_false": "{field}"})
ARRAY = FieldType(_ARRAY, place=_IN_VALUES)
NESTED = FieldType(
    {
        "key_equals key_not_equals": _EQUAL,
        "in not_in": _AMONG,
        "is_not_empty is_empty": _KNOWN,
        "key_contains": "{field} NOT NULL AND instr(casefold(value), casefold({0}))",
    },
    str | int | float | bool,
    written,
    _IN_VALUES,
)
FIELDS: Mapping[str, tuple[FieldType, str]] = {
    "pl_id": (ID, "r.id"),
    "prompt_id": (ID, "v.item_id"),
    "prompt_version_number": (ID, "v.number"),
    "engine": (STRING, "r.engine"),
    "provider_type": (STRING, "r.provider_type"),
    "status": (STRING, "r.status"),
    "input_text": (TEXT, "r.input"),
    "output_text": (TEXT, "r.output"),
    "input_tokens": (AMOUNT, "r.input_tokens"),
    "output_tokens": (AMOUNT, "r.output_tokens"),
    "cost": (AMOUNT, "r.price"),
    "latency_ms": (AMOUNT, "r.latency_ms"),
    "request_start_time": (TIME, "r.request_start_time"),
    "request_end_time": (TIME, "r.request_end_time"),
    "is_json": (FLAG, "r.output_kind = 'json'"),
    "is_tool_call": (FLAG, "r.output_kind = 'tool_call'"),
    "is_plain_text": (FLAG, "r.output_kind = 'plain_text'"),
    "tags": (ARRAY, "field = 'tags' AND value"),
    "tool_names": (ARRAY, "field = 'output' AND key = 'tool_calls.function.name' AND value"),
    "metadata": (NESTED, "field = 'metadata' AND key = {key} AND value"),
    "metadata_keys": (ARRAY, "field = 'metadata' AND key"),
    "output": (NESTED, "field = 'output' AND key = {key} AND value"),
    "output_keys": (ARRAY, "field = 'output' AND key"),
    "input_variables": (NESTED, "field = 'input_variables' AND key = {key} AND value"),
    "input_variable_keys": (ARRAY, "field = 'input_variables' AND key"),
}

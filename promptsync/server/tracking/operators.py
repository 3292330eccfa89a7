"""The filters of a search as SQL: the fields, and the operators of each type of field.

In a condition, ``{field}`` is the SQL of the field, ``{0}`` the value, ``{0}`` and ``{1}`` those of a range,
and ``{values}`` those of a list; a condition without them takes no value. A negated operator matches whenever
its opposite does not, including requests without the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from promptsync.server.store.database import MAX_INTEGER
from promptsync.server.tracking.logged import moment, written

Number = (
    Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
    | Annotated[float, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
)


class FieldType(Struct, frozen=True):
    """A type of field: its operators, what their values are in JSON, and how those are compared."""

    operators: Mapping[str, str]
    value: Any = str
    compared: Callable[[Any], Any] = lambda value: value


_EXACT = {
    "is": "{field} IS {0}",
    "is_not": "{field} IS NOT {0}",
    "in": "{field} IN ({values})",
    "not_in": "ifnull({field} NOT IN ({values}), 1)",
}
_AMOUNT = {
    "eq": "{field} IS {0}",
    "neq": "{field} IS NOT {0}",
    "gt": "{field} > {0}",
    "gte": "{field} >= {0}",
    "lt": "{field} < {0}",
    "lte": "{field} <= {0}",
    "between": "{field} BETWEEN {0} AND {1}",
    "is_null": "{field} IS NULL",
    "is_not_null": "{field} IS NOT NULL",
}
_ANY_TEXT = "r.id IN (SELECT id FROM request_texts WHERE "
_ANY_VALUE = "EXISTS (SELECT 1 FROM request_values WHERE request_id = r.id AND {field} "


def _members(equals: str, differs: str) -> dict[str, str]:
    """Return the operators of a field that has several values."""
    return {
        equals: f"{_ANY_VALUE} = {{0}})",
        differs: f"NOT {_ANY_VALUE} = {{0}})",
        "in": f"{_ANY_VALUE} IN ({{values}}))",
        "not_in": f"NOT {_ANY_VALUE} IN ({{values}}))",
        "is_empty": f"NOT {_ANY_VALUE} NOT NULL)",
        "is_not_empty": f"{_ANY_VALUE} NOT NULL)",
    }


def _part(span: str) -> str:
    # SQLite has no parts of an empty blob, not even an empty one.
    return f"ifnull(substr({{field}}, {span}), x'')"


STRING = FieldType(_EXACT)
TEXT = FieldType(
    {
        "contains": f"{_ANY_TEXT} instr({{field}}, {{0}}))",
        "not_contains": f"NOT {_ANY_TEXT} instr({{field}}, {{0}}))",
        "starts_with": f"{_ANY_TEXT} {_part('1, length({0})')} = {{0}})",
        "ends_with": f"{_ANY_TEXT} {_part('length({field}) - length({0}) + 1')} = {{0}})",
    },
    compared=lambda value: value.casefold().encode(),
)
AMOUNT = FieldType(_AMOUNT, Number)
# The vendor's document does not say which operators ids have.
ID = FieldType(_EXACT | _AMOUNT, Number)
TIME = FieldType(
    {
        "is": "{field} IS {0}",
        "before": "{field} < {0}",
        "after": "{field} > {0}",
        "between": "{field} BETWEEN {0} AND {1}",
    },
    compared=moment,
)
FLAG = FieldType({"is_true": "{field}", "is_false": "NOT {field}"})
ARRAY = FieldType(_members("contains", "not_contains"))
NESTED = FieldType(
    {
        **_members("key_equals", "key_not_equals"),
        "key_contains": f"{_ANY_VALUE} NOT NULL AND instr(casefold(value), casefold({{0}})))",
    },
    str | int | float | bool,
    written,
)
FIELDS: Mapping[str, tuple[FieldType, str]] = {
    "pl_id": (ID, "r.id"),
    "prompt_id": (ID, "v.item_id"),
    "prompt_version_number": (ID, "v.number"),
    "engine": (STRING, "r.engine"),
    "provider_type": (STRING, "r.provider_type"),
    "status": (STRING, "r.status"),
    "input_text": (TEXT, "input"),
    "output_text": (TEXT, "output"),
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

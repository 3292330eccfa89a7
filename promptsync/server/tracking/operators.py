"""The filters of a search as SQL: the fields, and the operators of each type of field.

In a test, ``{field}`` is the SQL of the field, ``{0}`` the value, ``{0}`` and ``{1}`` those of a range, and
``{values}`` those of a list; a test without them takes no value.
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
    value: Any
    compared: Callable[[Any], Any]


# A negated operator matches whenever its opposite does not, also requests without the field.
_OPPOSITES = {
    "is": "is_not",
    "eq": "neq",
    "in": "not_in",
    "contains": "not_contains",
    "key_equals": "key_not_equals",
    "is_not_null": "is_null",
    "is_not_empty": "is_empty",
    "is_true": "is_false",
}


def _type(
    tests: Mapping[str, str],
    value: Any = str,
    compared: Callable[[Any], Any] = lambda value: value,
    place: str = "{}",
) -> FieldType:
    """Return the type whose operators make these tests; ``place`` is for a field that is not in the row."""
    operators = {name: f"ifnull({place.replace('{}', test)}, 0)" for name, test in tests.items()}
    opposites = {_OPPOSITES[name]: f"NOT {operators[name]}" for name in tests if name in _OPPOSITES}
    return FieldType(operators | opposites, value, compared)


_EQUAL, _AMONG, _KNOWN = "{field} = {0}", "{field} IN ({values})", "{field} NOT NULL"
_BETWEEN = "{field} BETWEEN {0} AND {1}"
_EXACT = {"is": _EQUAL, "in": _AMONG}
_AMOUNT = {
    "eq": _EQUAL,
    "gt": "{field} > {0}",
    "gte": "{field} >= {0}",
    "lt": "{field} < {0}",
    "lte": "{field} <= {0}",
    "between": _BETWEEN,
    "is_not_null": _KNOWN,
}
_TEXT = {
    "contains": "instr({field}, {0})",
    # SQLite has no parts of an empty blob, not even an empty one.
    "starts_with": "ifnull(substr({field}, 1, length({0})), x'') = {0}",
    "ends_with": "ifnull(substr({field}, length({field}) - length({0}) + 1), x'') = {0}",
}
_IN_TEXTS = "(r.id IN (SELECT id FROM request_texts WHERE {}))"
_IN_VALUES = "EXISTS (SELECT 1 FROM request_values WHERE request_id = r.id AND {})"

STRING = _type(_EXACT)
TEXT = _type(_TEXT, str, lambda value: value.casefold().encode(), _IN_TEXTS)
AMOUNT = _type(_AMOUNT, Number)
# The vendor's document does not say which operators ids have.
ID = _type(_EXACT | _AMOUNT, Number)
TIME = _type(
    {"is": _EQUAL, "before": "{field} < {0}", "after": "{field} > {0}", "between": _BETWEEN}, str, moment
)
FLAG = _type({"is_true": "{field}"})
ARRAY = _type({"contains": _EQUAL, "in": _AMONG, "is_not_empty": _KNOWN}, place=_IN_VALUES)
NESTED = _type(
    {
        "key_equals": _EQUAL,
        "in": _AMONG,
        "is_not_empty": _KNOWN,
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

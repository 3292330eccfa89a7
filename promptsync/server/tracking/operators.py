"""The operators of a search, by type of field: which value each takes, and which requests match.

A negated operator matches whenever its opposite does not, including requests without the field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from promptsync.server.http.fields import Fields
from promptsync.server.store import clock
from promptsync.server.store.database import encoded

MAX_VALUES = 100
"""Most values in one filter."""

Read = Callable[[Fields, Any], Any]
"""Returns the value of a filter, ready to compare. Raises an error that names the filter."""

Check = Callable[[Any, Any], bool]
"""Whether the value of a request, the first argument, matches the value of the filter."""

Operators = dict[str, tuple[Read, Check]]


def written(value: Any) -> str:
    """Return a nested value as text, for comparisons."""
    return value if isinstance(value, str) else encoded(value)


def _text(one: Fields, value: Any) -> str:
    if not isinstance(value, str):
        raise one.fault("value", "must be a string")
    return value


def _folded(one: Fields, value: Any) -> str:
    return _text(one, value).casefold()


def _number(one: Fields, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise one.fault("value", "must be a number")
    return value


def _moment(one: Fields, value: Any) -> str:
    try:
        return clock.parse(_text(one, value))
    except ValueError as error:
        raise one.fault("value", "must be an ISO 8601 date-time") from error


def _scalar(one: Fields, value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise one.fault("value", "must be a string, a number or a boolean")
    return written(value)


def _nothing(one: Fields, value: Any) -> None:
    if value is not None:
        raise one.fault("value", f"does not apply to {one.get('operator')}")


def _many(read: Read) -> Read:
    def values(one: Fields, value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > MAX_VALUES:
            raise one.fault("value", f"must be a list of at most {MAX_VALUES} values")
        return [read(one, item) for item in value]

    return values


def _range(read: Read) -> Read:
    def bounds(one: Fields, value: Any) -> list[Any]:
        found: list[Any] = _many(read)(one, value)
        if len(found) != 2:
            raise one.fault("value", "must be a list of the lowest and the highest value")
        return found

    return bounds


def _both(name: str, opposite: str, read: Read, check: Check) -> Operators:
    return {name: (read, check), opposite: (read, lambda found, wanted: not check(found, wanted))}


def _exact(read: Read) -> Operators:
    return {
        **_both("is", "is_not", read, lambda found, wanted: bool(found == wanted)),
        **_both("in", "not_in", _many(read), lambda found, wanted: found in wanted),
    }


def _compared(read: Read, check: Check) -> tuple[Read, Check]:
    """Return an operator that never matches a request without the field."""
    return read, lambda found, wanted: found is not None and check(found, wanted)


def _between(read: Read) -> tuple[Read, Check]:
    return _compared(_range(read), lambda found, wanted: bool(wanted[0] <= found <= wanted[1]))


def _members(read: Read, one: str, other: str) -> Operators:
    """Return the operators of a field that has several values."""
    return {
        **_both(one, other, read, lambda found, wanted: wanted in found),
        **_both("in", "not_in", _many(read), lambda found, wanted: any(item in wanted for item in found)),
        **_both("is_empty", "is_not_empty", _nothing, lambda found, _: not found),
    }


STRING = _exact(_text)
TEXT: Operators = {
    **_both("contains", "not_contains", _folded, lambda found, wanted: wanted in found.casefold()),
    "starts_with": (_folded, lambda found, wanted: found.casefold().startswith(wanted)),
    "ends_with": (_folded, lambda found, wanted: found.casefold().endswith(wanted)),
}
AMOUNT: Operators = {
    **_both("eq", "neq", _number, lambda found, wanted: bool(found == wanted)),
    "gt": _compared(_number, lambda found, wanted: bool(found > wanted)),
    "gte": _compared(_number, lambda found, wanted: bool(found >= wanted)),
    "lt": _compared(_number, lambda found, wanted: bool(found < wanted)),
    "lte": _compared(_number, lambda found, wanted: bool(found <= wanted)),
    "between": _between(_number),
    **_both("is_null", "is_not_null", _nothing, lambda found, _: found is None),
}
# The vendor's document does not say which operators ids have.
ID: Operators = _exact(_number) | AMOUNT
TIME: Operators = {
    "is": (_moment, lambda found, wanted: bool(found == wanted)),
    "before": _compared(_moment, lambda found, wanted: bool(found < wanted)),
    "after": _compared(_moment, lambda found, wanted: bool(found > wanted)),
    "between": _between(_moment),
}
FLAG = _both("is_true", "is_false", _nothing, lambda found, _: bool(found))
ARRAY = _members(_text, "contains", "not_contains")
NESTED: Operators = {
    **_members(_scalar, "key_equals", "key_not_equals"),
    "key_contains": (_folded, lambda found, wanted: any(wanted in value.casefold() for value in found)),
}

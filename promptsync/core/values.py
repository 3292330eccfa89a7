"""Plain copies of JSON-like values: dicts and lists, whatever the mappings and sequences were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

SCALARS: Final = frozenset({str, int, bool, type(None)})
"""The types of values that are their own copy; a number with a point may stand for an integer."""


def _copier(last: Callable[[Any], Any], *, nulls: bool) -> Callable[[Any], Any]:
    """Return a function that copies; ``last`` makes what is neither a mapping, a sequence nor a scalar."""

    def copy(value: Any) -> Any:
        if type(value) in SCALARS:
            return value
        if isinstance(value, Mapping):
            return {key: copy(item) for key, item in value.items() if nulls or item is not None}
        if isinstance(value, list | tuple):
            return [copy(item) for item in value]
        return last(value)

    return copy


def _same(value: Any) -> Any:
    return value


def _integral(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


copied: Final = _copier(_same, nulls=True)
"""User JSON as it is, nulls and all."""
without_nulls: Final = _copier(_same, nulls=False)
"""The same without the keys whose value is null."""
plain: Final = _copier(_integral, nulls=True)
"""User JSON with integral floats as integers, to compare."""
clean: Final = _copier(_integral, nulls=False)
"""The same without the keys whose value is null."""

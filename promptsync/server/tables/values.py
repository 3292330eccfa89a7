"""Values of cells as text, JSON and numbers, and what JSON paths such as ``$.items[0].name`` select."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from promptsync.prompt.limits import MAX_BODY_DEPTH, is_deeper

Read = Callable[[str], Any]
"""Returns the value of a column in one row, by its id or title. Raises ``NoResult``."""

Ask = Callable[[str], str]
"""Returns the answer of a model to a text. Raises ``ModelError``."""


class NoResult(Exception):
    """There is no result for this row; the message says why."""


def as_text(value: Any) -> str:
    """Return a value as text."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def as_json(value: Any) -> Any:
    """Return the JSON value that a text has, other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        decoded = msgspec.json.decode(value)
    except (ValueError, RecursionError) as error:
        raise NoResult(f"the value is not JSON ({error})") from None
    # A part of it may become the value of another cell, which must be stored and returned.
    if is_deeper(decoded, MAX_BODY_DEPTH):
        raise NoResult("the value nests too deeply")
    return decoded


def structured(value: Any) -> Any:
    """Return the list or mapping that a text has as JSON, any other value as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        with suppress(NoResult):
            return as_json(value)
    return value


def as_number(value: Any) -> float:
    """Return a value as a number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise NoResult(f"{as_text(value)[:100]!r} is not a number") from None


_STEP = re.compile(r"""\.([^\s.\[\]'"*]+)|\[(?:'([^']*)'|"([^"]*)"|(-?[0-9]{1,9}))\]""")


def path_steps(path: str) -> list[str | int]:
    """Return the keys and indices of a JSON path. Raises ``ValueError``."""
    matches = list(_STEP.finditer(path))
    if "$" + "".join(match[0] for match in matches) != path:
        raise ValueError(f"{path[:100]!r} is not a path of keys and indices, such as $.items[0].name")
    return [int(match[4]) if match[4] else next(filter(None, match.groups()), "") for match in matches]


def select(value: Any, path: str) -> list[Any]:
    """Return what a JSON path selects in ``value``: nothing, or one value."""
    for step in path_steps(path):
        # A text would have characters by index.
        if isinstance(value, str):
            return []
        try:
            value = value[step]
        except (LookupError, TypeError):
            return []
    return [value]

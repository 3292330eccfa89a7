"""Parses the JSON of a response: without NaN and infinity, and with a limit for the number of values."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

MAX_VALUES: Final = 2_000_000
"""Most values in one response. As objects they take far more memory than as text."""

_SMALL: Final = 4 * 1024 * 1024
"""Bytes up to which the values are not worth counting."""


class TooMuch(ValueError):
    """The response has more values than any registry sends."""


def parsed(content: bytes) -> Any:
    """Return the value of a JSON text. Raises ``ValueError``, and ``RecursionError`` for a very deep one."""
    if len(content) > _SMALL and sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise TooMuch(f"JSON with at most {MAX_VALUES:,} values")
    return json.loads(content, parse_constant=_refused, parse_float=_finite)


def _refused(spelling: str) -> NoReturn:
    raise ValueError(f"JSON has no number {spelling}")


def _finite(spelling: str) -> float:
    number = float(spelling)
    if not math.isfinite(number):
        raise ValueError(f"the number {spelling} is too large")
    return number

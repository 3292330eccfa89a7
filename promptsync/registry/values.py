"""Reads values in the registry's own objects, which evaluations, agents and datasets are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_LARGEST: Final = 10**18


def number(raw: Mapping[str, Any], *keys: str) -> int | None:
    """Return the first integer under ``keys``, which may be text or ``7.0``.

    Booleans do not count, and neither do numbers that are too large to be an id or a version.
    """
    return next((value for key in keys if (value := as_number(raw.get(key))) is not None), None)


def as_number(value: object) -> int | None:
    """Return an integer, or what ``number`` takes for one."""
    if isinstance(value, str):
        value = int(value) if _NUMBER.fullmatch(value) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        return None
    return value


def text(raw: Mapping[str, Any], *keys: str) -> str | None:
    """Return the first string under ``keys``."""
    return next((raw[key] for key in keys if isinstance(raw.get(key), str)), None)

"""How much a prompt may use while it renders, so that no template can exhaust the machine.

``rendering`` enforces the time and the memory. The lengths are checked here, while a text is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MAX_TEXT = 5_000_000
"""Longest text, in code points, that a prompt may render to."""
MAX_NUMBER = 100_000
"""Largest width or precision of an f-string field."""
SECONDS = 5.0
"""How long the texts of one prompt may take."""
MEGABYTES = 512
"""How much memory the process that renders may use, Python itself included."""

HINT = (
    f"simplify the template: a prompt may take {SECONDS:g} seconds, {MEGABYTES} MB of memory "
    f"and {MAX_TEXT:,} characters"
)

_DIGITS = re.compile(r"\d+")


class Runaway(Exception):
    """A template needs a longer text or larger numbers than any prompt does."""


def check_size(size: int) -> None:
    """Refuse a text of that many code points."""
    if size > MAX_TEXT:
        raise Runaway(f"it renders to more than {MAX_TEXT:,} characters")


def check_spec(text: str) -> None:
    """Refuse large numbers in the format specification of a field."""
    # Nine digits exceed the limit, and converting thousands of digits would itself take long.
    if any(int(digits[:9]) > MAX_NUMBER for digits in _DIGITS.findall(text)):
        raise Runaway(f"it uses a number over {MAX_NUMBER:,} as a width")


def join(parts: Iterable[Any]) -> str:
    """Return the parts as one text of limited length."""
    joined: list[str] = []
    size = 0
    for part in parts:
        joined.append(str(part))
        size += len(joined[-1])
        check_size(size)
    return "".join(joined)

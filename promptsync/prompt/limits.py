"""How deep the values of a prompt may nest, and how much it may use while it renders.

``rendering`` enforces the time and the memory. The lengths are checked here, while a text is rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

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


class Runaway(Exception):
    """A template needs a longer text or larger numbers than any prompt does."""


def check_size(size: int) -> None:
    """Refuse a text of that many code points."""
    if size > MAX_TEXT:
        raise Runaway(f"it renders to more than {MAX_TEXT:,} characters")


def join(parts: Iterable[Any]) -> str:
    """Return the parts as one text of limited length."""
    joined: list[str] = []
    size = 0
    for part in parts:
        joined.append(str(part))
        size += len(joined[-1])
        check_size(size)
    return "".join(joined)


MAX_DEPTH: Final = 100
"""How deep lists and mappings may nest in a file."""

MAX_BODY_DEPTH: Final = 2 * MAX_DEPTH
"""How deep a request or a response may nest, which contains a prompt deep inside."""


def is_deeper(value: Any, depth: int) -> bool:
    """Whether lists and mappings nest deeper than ``depth`` in a value."""
    level = [value] if isinstance(value, Mapping | list | tuple) else []
    for _ in range(depth):
        items = chain.from_iterable(item.values() if isinstance(item, Mapping) else item for item in level)
        level = [item for item in items if type(item) in (dict, list)]
        if not level:
            return False
    return bool(level)


def checked_depth(value: Any) -> Any:
    """Return a value. Raises ``RecursionError``, as a parser does, if it nests deeper than a file may."""
    if is_deeper(value, MAX_DEPTH):
        raise RecursionError(f"values nest deeper than {MAX_DEPTH} levels")
    return value

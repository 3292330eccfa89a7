"""Prompts without what a registry fills in: for a comparison, and for a file.

For a comparison everything goes that means nothing. In a file the fields that a registry derives stay unless
they are empty, because a file may lose noise, never content, and its keys have an order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from promptsync.prompt.defaults import SHAPES, Shape, block_shape, is_omitted
from promptsync.prompt.prompt import SCALARS, as_text, clean, copied, plain, without_nulls

Use = Literal["comparison", "file", "explicit file"]
COMPARISON: Final = "comparison"
FILE: Final = "file"
EXPLICIT: Final = "explicit file"
"""Keeps the defaults in blocks: not every registry fills them in."""

_LEADING_KEYS: Final = (
    *("type", "role", "id", "provider", "name", "description", "text", "strict"),
    *("function", "arguments", "parameters"),
)
"""The keys that come first in each object of a file."""
_RANKS: Final = {key: rank for rank, key in enumerate(_LEADING_KEYS)}
_LAST: Final = len(_RANKS)


def tidy(value: Mapping[str, Any], shape: Shape, use: Use = COMPARISON) -> dict[str, Any]:
    """Return an object without what a registry fills in."""
    is_file = use is not COMPARISON
    copy, copy_user = (without_nulls, copied) if is_file else (clean, plain)
    form: dict[str, Any] = {}
    for key in sorted(value, key=_rank) if is_file and len(value) > 1 else value:
        item = value[key]
        if item is None:
            continue
        if key in shape.ignored and not (is_file and key != "input_variables" and item not in ([], {})):
            continue
        known = shape.fields.get(key)
        if known is None:
            # Most values are scalars, and calling a function for each would double the time.
            form[key] = item if type(item) in SCALARS else copy(item)
            continue
        if known.of:
            item = (
                tidy_content(item, use) if known.of == "block" else tidy_shaped(item, SHAPES[known.of], use)
            )
        elif type(item) not in SCALARS:
            item = copy_user(item) if known.user_json else copy(item)
        if not is_omitted(item, known) or use is EXPLICIT or (is_file and key == "type"):
            form[key] = item
    return form


def tidy_shaped(value: Any, shape: Shape, use: Use = COMPARISON) -> Any:
    """Return an object, or a list of objects, without what a registry fills in."""
    if isinstance(value, Mapping):
        return tidy(value, shape, use)
    copy = clean if use is COMPARISON else copied
    if isinstance(value, list | tuple):
        return [tidy(item, shape, use) if isinstance(item, Mapping) else copy(item) for item in value]
    return copy(value)


def tidy_content(value: Any, use: Use = COMPARISON) -> Any:
    """Return content as a string if it is one plain text block, otherwise as a list of blocks."""
    if not isinstance(value, list | tuple):
        return clean(value) if use is COMPARISON else value
    return as_text([_block(item, use) for item in value])


def _block(block: Any, use: Use) -> Any:
    if not isinstance(block, Mapping):
        return clean(block) if use is COMPARISON else copied(block)
    # The registry returns the type of a text block that was sent without one.
    if block.get("type") is None and "text" in block:
        block = {**block, "type": "text"}
    # The registry fills in the fields of text blocks, so a pulled file would be full of them.
    is_implicit = use is EXPLICIT and block.get("type") == "text"
    return tidy(block, block_shape(block), FILE if is_implicit else use)


def _rank(key: str) -> int:
    return _RANKS.get(key, _LAST)

"""Objects without what a registry fills in: for a comparison, and for a file, whose keys have an order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from promptsync.prompt.prompt import SCALARS, as_text, clean, copied, plain, without_nulls
from promptsync.prompt.shapes import (
    BLOCK,
    CHAT_COMPLETIONS,
    CHAT_COMPLETIONS_PROVIDERS,
    JSON,
    PLAIN,
    SHAPES,
    TEMPLATE,
    Shape,
    shape_of,
)

Use = Literal["comparison", "file", "explicit file"]
COMPARISON: Final = "comparison"
FILE: Final = "file"
EXPLICIT: Final = "explicit file"
"""Keeps the defaults in blocks: not every registry fills them in."""

_LEADING_KEYS: Final = (
    *("type", "role", "id", "provider", "name", "template_format", "content", "description", "text"),
    *("strict", "function", "arguments", "parameters"),
)
"""The keys that come first in each object of a file."""
_RANKS: Final = {key: rank for rank, key in enumerate(_LEADING_KEYS)}


def tidy(value: Mapping[str, Any], shape: Shape, use: Use = COMPARISON) -> dict[str, Any]:
    """Return an object without what a registry fills in. In a file a ``type`` stays, for people."""
    is_file = use is not COMPARISON
    copy, copy_user = (without_nulls, copied) if is_file else (clean, plain)
    form: dict[str, Any] = {}
    for key in ordered(value) if is_file else value:
        item, known = value[key], shape.get(key, PLAIN)
        if item is None or known.derived:
            continue
        # Most values are scalars, and calling a function for each would double the time.
        if known.of and known.of != JSON:
            item = tidy_inner(item, known.of, use)
        elif type(item) not in SCALARS:
            item = copy_user(item) if known.of else copy(item)
        if known is PLAIN or use is EXPLICIT or (is_file and key == "type") or not known.is_default(item):
            form[key] = item
    if shape is TEMPLATE and form.get("function_call") == "none" and "functions" not in form:
        del form["function_call"]  # without functions it forbids nothing
    is_filled_in = form.get("api_type") == CHAT_COMPLETIONS and shape is SHAPES["model"]
    if is_filled_in and form.get("provider") in CHAT_COMPLETIONS_PROVIDERS:
        del form["api_type"]
    return form


def ordered(keys: Mapping[str, Any]) -> list[str]:
    """Return the keys of an object in the order of a file."""
    return sorted(keys, key=lambda key: _RANKS.get(key, len(_RANKS)))


def tidy_inner(value: Any, of: str, use: Use) -> Any:
    """Return an object, or a list of objects, without what a registry fills in; plain text is a string."""
    if isinstance(value, Mapping):
        return tidy(value, shape_of(value, of), use)
    copy = clean if use is COMPARISON else copied
    if not isinstance(value, list | tuple):
        return copy(value)
    items: list[Any] = []
    for item in value:
        if not isinstance(item, Mapping):
            items.append(copy(item))
            continue
        # The registry returns the type of a text block that was sent without one.
        if of == BLOCK and item.get("type") is None and "text" in item:
            item = {**item, "type": "text"}
        # The registry fills in the fields of text blocks, so a pulled file would be full of them.
        is_text = of == BLOCK and item.get("type") == "text"
        items.append(tidy(item, shape_of(item, of), FILE if is_text and use is EXPLICIT else use))
    return as_text(items) if of == BLOCK else items

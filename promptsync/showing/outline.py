"""Values as lines that a person reads: key by key, item by item, texts as they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def outline(value: Any) -> Iterator[str]:
    """Yield a value key by key and item by item; a text of several lines keeps its lines."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{key}:", item)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _entry("-", item)
    else:
        yield json.dumps(value, ensure_ascii=False, default=str)


def _entry(head: str, item: Any) -> Iterator[str]:
    if isinstance(item, str) and "\n" in item:
        yield f"{head} |" if item.endswith("\n") else f"{head} |-"  # as in YAML
        yield from (f"  {line}" for line in item.removesuffix("\n").split("\n"))
    elif item and isinstance(item, Mapping | list):
        yield head
        yield from (f"  {line}" for line in outline(item))
    else:
        yield f"{head} {json.dumps(item, ensure_ascii=False, default=str)}"

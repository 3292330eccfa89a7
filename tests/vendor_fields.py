"""Fields that a vendor adds: unknown keys at every level of a prompt."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

from promptsync.prompt.prompt import Prompt

VALUES: tuple[Any, ...] = (False, 0, "", "x", 1.5, [], [{"a": None}], {}, {"deep": {"er": [1]}})
USER_JSON = frozenset({"parameters", "arguments", "config", "input", "metadata"})
"""Keys whose objects belong to the user: nobody else adds anything there."""


def grown(prompt: Prompt, seed: int) -> Prompt:
    """Return a prompt as a registry returns it that has learned new fields."""
    template, metadata = copy.deepcopy(dict(prompt.template)), copy.deepcopy(dict(prompt.metadata))
    grow(template, metadata, seed)
    extra = {**prompt.extra, "author_email": f"{seed}@example.org"}
    return Prompt(prompt.name, template, metadata, prompt.tags, extra)


def grow(template: dict[str, Any], metadata: dict[str, Any] | None, seed: int) -> None:
    """Add unknown keys at every level. One seed adds the same to all texts of one structure."""
    random = Random(seed)
    objects = [template, *_objects(template)]
    if metadata and isinstance(metadata.get("model"), dict):
        objects.append(metadata["model"])
    for one in objects:
        if random.random() < 0.4:
            one[f"vendor_{random.randrange(4)}"] = copy.deepcopy(random.choice(VALUES))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        # What is inside of an unknown key, and of shapes that only the vendor knows, is covered below.
        if key in USER_JSON or (isinstance(value, dict) and key not in _WALKED):
            continue
        if isinstance(item, dict):
            yield item
        yield from _objects(item)


_WALKED = frozenset({"messages", "content", "tools", "functions", "function", "tool_calls"})

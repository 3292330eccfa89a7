"""Where the parts of a YAML text stand. Composing it again is only paid for when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from promptsync.files.yaml.syntax import compose

KeyPath = Sequence[str | int]


def position(text: str, keypath: KeyPath) -> tuple[int, int]:
    """Return line and column, from 1, of a key or item, or of the nearest thing around it that there is."""
    node = _root(text)
    place = node
    for part in keypath:
        found = _step(node, part)
        if found is None:
            break
        place, node = found
    return (place.start_mark.line + 1, place.start_mark.column + 1) if place is not None else (1, 1)


def spelling(text: str, keypath: KeyPath) -> str:
    """Return a scalar as it is written without its quotes, ``""`` for anything else."""
    node = _root(text)
    for part in keypath:
        found = _step(node, part)
        if found is None:
            return ""
        node = found[1]
    return str(node.value) if isinstance(node, ScalarNode) else ""


@lru_cache(maxsize=4)
def _root(text: str) -> Node | None:
    return compose(text)


def _step(node: Node | None, part: str | int) -> tuple[Node, Node] | None:
    """Return the node that marks a part, which is its key or the item itself, and the node of its value."""
    if isinstance(node, MappingNode):
        return next((pair for pair in node.value if pair[0].value == part), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
        return node.value[part], node.value[part]
    return None

"""Places in a fixtures file: how they are called, and the line and column that they stand at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A path of keys and indexes; ``str()`` is how messages call it, with the names of what is on the way."""

    path: tuple[str | int, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        return self.text

    def at(self, *keys: str | int) -> Place:
        """The place below this one."""
        text = self.text
        for key in keys:
            text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
        return Place((*self.path, *keys), text)

    def called(self, name: str) -> Place:
        """The same place, with the name of what stands there."""
        return Place(self.path, f"{self.text} ({name})")


@dataclass(slots=True)
class Problems:
    """What is wrong, and where, in the order of finding it."""

    found: list[tuple[Place, str]] = field(default_factory=list)

    def add(self, place: Place, message: str) -> None:
        self.found.append((place, message))

    def placed(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Line and column, from 1, of each problem in the file's ``text``, and its message."""
        import yaml

        root = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for place, message in self.found:
            mark = _mark(root, place.path)
            yield mark.line + 1, mark.column + 1, message


def _mark(node: Any, path: tuple[str | int, ...]) -> Any:
    """Where the key or item stands, or the nearest thing around it that there is."""
    mark = node.start_mark
    for part in path:
        if isinstance(part, int):
            items = node.value if isinstance(node.value, list) else []
            if part >= len(items):
                break
            node = items[part]
            mark = node.start_mark
        else:
            pairs = node.value if node.id == "mapping" else []
            pair = next((pair for pair in pairs if pair[0].value == part), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
    return mark

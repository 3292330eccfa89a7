"""Keys that a registry adds to what was sent. They are not differences, at any level.

A vendor can add a field at any time, and it then appears in all versions, old ones included. Only keys that
promptsync does not know count as added, because a known one may have been removed from the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from promptsync.prompt.canonical import comparable, encode
from promptsync.prompt.defaults import SHAPES, TEMPLATE, UNKNOWN, Field, Shape, block_shape, is_omitted
from promptsync.prompt.prompt import Prompt, clean

Addition = tuple[str, str, str]
"""Where a key was added (``template.messages[].content[]``), its name, and its value as canonical JSON."""

Additions = frozenset[Addition]

NONE: Final[Additions] = frozenset()

_MODEL: Final = Field(of="model")


def content_beside(local: Prompt, stored: Prompt) -> Prompt:
    """Return a stored prompt as far as it can be compared with a local one: see ``comparable``.

    Beside the template and the metadata, only the fields that the local one has are content. The others say
    something about a version, such as who published it, and no publish could set them.
    """
    return comparable(local, without_notes(stored, local))


def without_notes(stored: Prompt, local: Prompt | None = None) -> Prompt:
    """Return a stored prompt without fields beside the content, except for those that the local one has."""
    own = local.extra if local is not None else {}
    if stored.extra.keys() <= own.keys():
        return stored
    return replace(stored, extra={key: value for key, value in stored.extra.items() if key in own})


def without_additions(local: Prompt, stored: Prompt) -> tuple[Prompt, Additions]:
    """Return a stored prompt without the unknown keys that a local one lacks, and these keys."""
    stored = content_beside(local, stored)
    walk = _Walk()
    template = walk.object(stored.template, local.template, TEMPLATE, "template")
    metadata = walk.metadata(stored.metadata, local.metadata)
    if not walk.found:
        return stored, NONE
    return replace(stored, template=template, metadata=metadata), frozenset(walk.found)


def without(stored: Prompt, additions: Additions) -> Prompt:
    """Return a prompt without keys that a registry is known to add, where they have the same value."""
    if not additions:
        return stored
    template = _without(stored.template, additions, "template")
    return replace(stored, template=template, metadata=_without(stored.metadata, additions, "metadata"))


def unknown_fields(pairs: Iterable[tuple[Prompt, Prompt]]) -> list[str]:
    """Return unknown fields that stored prompts have and local ones lack, such as ``messages[].strict``."""
    found: set[str] = set()
    for local, stored in pairs:
        found |= stored.extra.keys() - local.extra.keys()
        _, additions = without_additions(local, stored)
        found |= {f"{place}.{key}".removeprefix("template.") for place, key, _ in additions}
    return sorted(found)


@dataclass(slots=True)
class _Walk:
    """Walks over what was stored and what was sent side by side."""

    found: set[Addition] = field(default_factory=set)

    def metadata(self, stored: Mapping[str, Any], sent: Mapping[str, Any]) -> Mapping[str, Any]:
        """Metadata has any keys that users like, so only those of the model may be unknown."""
        if not isinstance(stored.get("model"), Mapping) or not isinstance(sent.get("model"), Mapping):
            return stored
        return {**stored, "model": self.value(stored["model"], sent["model"], _MODEL, "metadata.model")}

    def object(
        self, stored: Mapping[str, Any], sent: Mapping[str, Any], shape: Shape | None, place: str
    ) -> dict[str, Any]:
        """``shape`` is ``None`` for user JSON, in which every key is known."""
        kept = {}
        for key, value in stored.items():
            known = shape.fields.get(key) if shape is not None else None
            if value is None or sent.get(key) is not None:
                if value is not None:
                    value = self.value(value, sent[key], self._field(shape, key), f"{place}.{key}")
            elif shape is not None and (key in shape.ignored or (known and is_omitted(value, known))):
                pass  # a default means the same as nothing
            elif key != "type" and shape is not None and not shape.knows(key):
                self._add(place, key, value)
                continue
            kept[key] = value
        return kept

    def value(self, stored: Any, sent: Any, known: Field, place: str) -> Any:
        if isinstance(stored, Mapping) and isinstance(sent, Mapping):
            return self.object(stored, sent, _shape(stored, known), place)
        if isinstance(stored, list) and isinstance(sent, list):
            # In lists of different lengths it is unknown which items belong together.
            pairs = zip(stored, sent, strict=True) if len(stored) == len(sent) else None
            union = {} if pairs else _union(sent)
            return [
                self.object(one, other, _shape(one, known), f"{place}[]")
                if isinstance(one, Mapping) and isinstance(other, Mapping)
                else one
                for one, other in pairs or ((one, union) for one in stored)
            ]
        return stored

    def _field(self, shape: Shape | None, key: str) -> Field:
        if shape is None:
            return _USER_JSON
        # The tables do not describe what a known field without a shape contains.
        return shape.fields.get(key, _USER_JSON if shape.knows(key) else _ANYTHING)

    def _add(self, place: str, key: str, value: Any) -> None:
        self.found.add((place, key, encode(clean(value))))


_USER_JSON: Final = Field(user_json=True)
_ANYTHING: Final = Field(of="anything")


def _shape(value: Mapping[str, Any], known: Field) -> Shape | None:
    if known.of == "block":
        return block_shape(value)
    if known.of:
        return SHAPES.get(known.of, UNKNOWN)
    return None


def _union(items: Iterable[Any]) -> dict[str, Any]:
    """Return an object with every key that any of the items has."""
    found: dict[str, Any] = {}
    for item in items:
        if isinstance(item, Mapping):
            found |= {key: value for key, value in item.items() if value is not None}
    return found


def _without(value: Any, additions: Additions, place: str) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without(item, additions, f"{place}.{key}")
            for key, item in value.items()
            if (place, key, encode(clean(item))) not in additions
        }
    if isinstance(value, list):
        return [_without(item, additions, f"{place}[]") for item in value]
    return value

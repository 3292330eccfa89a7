"""Keys that a registry adds to what was sent. They are not differences, at any level.

A vendor can add a field at any time, and it then appears in all versions, old ones included. Only keys that
promptsync does not know count as added, because a known one may have been removed from the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from promptsync.prompt.canonical import comparable, encode
from promptsync.prompt.prompt import Prompt, clean
from promptsync.prompt.shapes import JSON, shape_of

Addition = tuple[str, str, str]
"""Where a key was added (``template.messages[].content[]``), its name, and its value as canonical JSON."""

Additions = frozenset[Addition]

NONE: Final[Additions] = frozenset()


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
    added: set[Addition] = set()
    template = _kept(stored.template, [local.template], "template", "template", added)
    metadata = stored.metadata
    # The other metadata has any keys that users like.
    if isinstance(model := metadata.get("model"), Mapping):
        kept = _kept(model, [local.metadata.get("model")], "model", "metadata.model", added)
        metadata = {**metadata, "model": kept}
    if not added:
        return stored, NONE
    return replace(stored, template=template, metadata=metadata), frozenset(added)


def without(stored: Prompt, additions: Additions) -> Prompt:
    """Return a prompt without keys that a registry is known to add, where they have the same value."""
    if not additions:
        return stored
    template = _without(stored.template, additions, "template")
    return replace(stored, template=template, metadata=_without(stored.metadata, additions, "metadata"))


def unknown_fields(pairs: Iterable[tuple[Prompt, Prompt]]) -> list[str]:
    """Return unknown fields that stored prompts have and local ones lack, such as ``messages[].strict``."""
    fields: set[str] = set()
    for local, stored in pairs:
        fields |= stored.extra.keys() - local.extra.keys()
        _, additions = without_additions(local, stored)
        fields |= {f"{place}.{key}".removeprefix("template.") for place, key, _ in additions}
    return sorted(fields)


def _kept(value: Any, sent: Sequence[Any], of: str, place: str, added: set[Addition]) -> Any:
    """Return a stored value without additions. ``sent`` are the values at its place in a local prompt."""
    if isinstance(value, list):
        lists = [other for other in sent if isinstance(other, list)]
        items = []
        for at, item in enumerate(value) if lists else ():
            # In lists of different lengths it is unknown which items belong together.
            beside = [
                part
                for other in lists
                for part in (other[at : at + 1] if len(other) == len(value) else other)
            ]
            items.append(_kept(item, beside, of, f"{place}[]", added))
        return items if lists else value
    if not isinstance(value, Mapping):
        return value
    shape, kept = shape_of(value, of), {}
    for key, item in value.items():
        known = shape.get(key)
        beside = [other[key] for other in sent if isinstance(other, Mapping) and other.get(key) is not None]
        if beside and item is not None and (known is None or known.of not in ("", JSON)):
            kept[key] = _kept(item, beside, known.of if known else "", f"{place}.{key}", added)
        elif beside or item is None or known is not None or key == "type":
            kept[key] = item
        else:
            added.add((place, key, encode(clean(item))))
    return kept


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

"""Git conflicts in which two branches have different ``synced:`` keys, and nothing else differs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptsync.files.errors import InvalidFile
from promptsync.files.yaml import layout, load

_MARKER = re.compile(r"^([<|=>])\1{6}(?: [^\n]*)?\r?(?:\n|\Z)", re.MULTILINE)
_CONFLICTS = re.compile(r"(?:<\|?=>)+")


def with_both_keys(text: str) -> str | None:
    """Return a text without git's markers and with the keys of both sides, ``None`` if more differs."""
    joined, *rest = _MARKER.split(text)
    signs, pieces = rest[::2], rest[1::2]
    if not _CONFLICTS.fullmatch("".join(signs)):
        return None
    sides: dict[str, str] = {}
    for sign, piece in zip(signs, pieces, strict=True):
        sides[sign] = piece
        if sign == ">":
            ours, theirs = _keys(sides["<"]), _keys(sides["="])
            if ours is None or theirs is None or (ours.keys() != theirs.keys() and "" in (*ours, *theirs)):
                return None
            keys = {remote: _joined(ours, theirs, remote) for remote in (*ours, *theirs)}
            end = "\r\n" if "\r\n" in text else "\n"
            joined += f"synced: {layout.flow(keys.get('', keys))}{end}{piece}"
    return joined


def _joined(ours: Mapping[str, list[str]], theirs: Mapping[str, list[str]], remote: str) -> list[str] | str:
    keys = list(dict.fromkeys([*ours.get(remote, ()), *theirs.get(remote, ())]))
    keys.sort(key=lambda key: -int(re.match(r"\d*", key)[0] or 0))  # type: ignore[index]
    return keys[0] if len(keys) == 1 else keys


def _keys(side: str) -> dict[str, list[str]] | None:
    """Return the keys of one side by remote, ``None`` if it has anything else, even a comment."""
    try:
        value: Any = load.load(side.encode(), "").value or {}
    except InvalidFile:
        return None
    if "#" in side or not isinstance(value, dict) or value.keys() - {"synced"}:
        return None
    synced = value.get("synced") or {}
    by_remote = synced if isinstance(synced, dict) else {"": synced}
    return {
        remote: [keys] if isinstance(keys, str) else [*map(str, keys)] for remote, keys in by_remote.items()
    }

"""Git conflicts in which two branches have different ``synced:`` keys, and nothing else differs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptsync.files.errors import InvalidFile
from promptsync.files.yaml import layout, load
from promptsync.files.yaml.syntax import conflict_after


def with_both_keys(text: str) -> str | None:
    """Return a text without git's markers and with the keys of both sides, ``None`` if more differs."""
    pieces, position = [], 0
    while conflict := conflict_after(text, position):
        ours, theirs = _keys(conflict.ours), _keys(conflict.theirs)
        if ours is None or theirs is None or (ours.keys() != theirs.keys() and "" in (*ours, *theirs)):
            return None
        keys = {remote: _joined(ours, theirs, remote) for remote in (*ours, *theirs)}
        line = f"synced: {layout.flow(keys.get('', keys))}"
        pieces += [text[position : conflict.start], line, "\r\n" if "\r\n" in text else "\n"]
        position = conflict.end
    return "".join([*pieces, text[position:]])


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

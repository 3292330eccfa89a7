"""Prompts whose ``name:`` was changed: a new one that says what one without a file said.

A name is a prompt's identity, so the two stay what they are, ``new`` and ``deleted-locally``; this only tells
somebody who changed a name what the registry will make of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from promptsync.core.compare import State
from promptsync.sync.snapshot import Item


def with_renames(items: Sequence[Item]) -> list[Item]:
    """Return the items with ``was`` and ``became`` filled in. Only the same content counts.

    Of several that say the same, the one in the same file is taken first. No prompt is taken twice.
    """
    gone: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.file is None and item.state in (State.DELETED_LOCALLY, State.DIVERGED):
            for content in _contents(item):
                gone[content].append(item)
    was: dict[str, str] = {}
    new = [item for item in items if item.state is State.NEW and item.digest in gone]
    for same_file in (True, False):
        for item in new:
            for old in gone[item.digest or ""]:
                is_free = item.name not in was and old.name not in was.values()
                if is_free and (item.path == old.last_path or not same_file):
                    was[item.name] = old.name
    became = {old: name for name, old in was.items()}
    return [
        replace(item, was=was.get(item.name), became=became.get(item.name))
        if item.name in was or item.name in became
        else item
        for item in items
    ]


def _contents(item: Item) -> set[str]:
    """What a prompt without a file said: in git, where both sides last agreed, in the registry."""
    base = item.base.digest if item.base is not None else None
    return {one for one in (item.last_digest, base, item.remote_digest) if one}

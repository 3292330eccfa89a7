"""``synced:``, the versions of the project's remote that a file says it includes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from promptsync.core.prompt import Local
from promptsync.history.key import Key, parse_key
from promptsync.sync.project import Project


def keys_in(synced: Mapping[str, Sequence[str]], project: Project) -> tuple[Key, ...]:
    """Return what a file says of the project's remote."""
    plain = synced.get("", ()) if project.is_default_remote else ()
    spelled = synced.get(project.remote, plain)
    return tuple(key for one in spelled if (key := parse_key(one)) is not None)


def with_keys(local: Local, project: Project, keys: Sequence[Key]) -> Local:
    """Return the local part of a file whose text includes versions of the project's remote."""
    synced = dict(local.synced)
    spelled = tuple(str(key) for key in sorted(keys, key=lambda key: -key.version))
    if project.is_default_remote and set(synced) <= {""}:
        return replace(local, synced={"": spelled})
    plain = synced.pop("", None)
    if plain is not None:
        synced.setdefault(project.config.default_remote, plain)
    synced[project.remote] = spelled
    return replace(local, synced=synced)

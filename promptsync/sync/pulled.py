"""``pulled:``, the version of the project's remote that a file says it includes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from promptsync.core.prompt import Local
from promptsync.sync.project import Project


def pulled_from(pulled: Mapping[str, int], project: Project) -> int | None:
    """Return the version that a file says it includes of the project's remote."""
    if project.remote in pulled:
        return pulled[project.remote]
    return pulled.get("") if project.is_default_remote else None


def with_pulled(local: Local, project: Project, version: int) -> Local:
    """Return the local part of a file that now includes ``version`` of the project's remote."""
    pulled = dict(local.pulled)
    if project.is_default_remote and set(pulled) <= {""}:
        return replace(local, pulled={"": version})
    plain = pulled.pop("", None)
    if plain is not None:
        pulled.setdefault(project.config.default_remote, plain)
    pulled[project.remote] = version
    return replace(local, pulled=pulled)

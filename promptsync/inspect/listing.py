"""The prompts of a registry, with or without a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from promptsync.compare.labels import labels_by_prompt, list_labels, with_labels
from promptsync.files.worktree import scan
from promptsync.project.project import Project
from promptsync.project.target import expanded, is_pattern, named_by, no_such_prompt
from promptsync.prompt.version import Version
from promptsync.registry.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Filters:
    """Which prompts to list. ``names`` are names, patterns and paths; without any, all match.

    ``status`` is ``active``, ``deleted`` or ``all``. With ``label`` a prompt must have it, and is listed at
    that label's version. A prompt must have all of ``tags``.
    """

    names: tuple[str, ...] = ()
    label: str | None = None
    status: str = "active"
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedPrompt:
    """One prompt of the registry.

    ``labels`` are names and versions, ``None`` where they were not read. ``has_file`` says whether the
    working copy has a file for it, ``None`` without a working copy.
    """

    listed: Version
    labels: tuple[tuple[str, int], ...] | None
    is_archived: bool = False
    has_file: bool | None = None


def list_remote(
    project: Project, filters: Filters, directory: Path, *, labels_singly: bool = False
) -> list[ListedPrompt]:
    """Return the prompts of the registry, sorted by name. Paths are relative to ``directory``.

    Labels are read as far as ``list_labels`` returns them; ``labels_singly`` allows one request for each
    prompt.
    Raises ``NoSuchPrompt`` for a name that does not exist; a pattern may match nothing.
    """
    active = _listed(project, filters, "active") if filters.status != "deleted" else []
    archived = _listed(project, filters, "deleted") if filters.status != "active" else []
    wanted = _wanted(project, filters, directory, {item.name for item in (*active, *archived)})
    active, archived = ([item for item in items if item.name in wanted] for items in (active, archived))
    labels = _labels(project, active, labels_singly)
    files = scan(project.root, project.config.prompts).files if project.config.path.is_file() else None
    found = []
    for items, known in ((active, labels), (archived, None)):
        for item in items:
            own = known.get(item.name, ()) if known is not None else None
            has_file = item.name in files if files is not None else None
            found.append(ListedPrompt(item, own, items is archived, has_file))
    return sorted(found, key=lambda one: (one.listed.name, one.is_archived))


def _listed(project: Project, filters: Filters, status: str) -> list[Version]:
    on_page = partial(project.progress, "Listing the registry")
    # All registries filter by one tag in the same way, and by several in different ways.
    tag = next(iter(filters.tags), None)
    found = project.registry.prompts.list(status=status, label=filters.label, tag=tag, on_page=on_page)
    return [item for item in found if set(filters.tags) <= set(item.prompt.tags)]


def _wanted(project: Project, filters: Filters, directory: Path, known: set[str]) -> set[str]:
    """Return the names that match. A name that other filters exclude is not an error."""
    if not filters.names:
        return known
    given = named_by(project, directory, filters.names)
    names = set(expanded(sorted(known), given))
    is_filtered = filters.status != "active" or filters.label is not None or bool(filters.tags)
    unknown = sorted(name for name in names - known if not is_pattern(name))
    # With filters, a name that is missing from the list may exist all the same.
    if unknown and not is_filtered:
        raise no_such_prompt(project, unknown[0], sorted(known))
    return names & known


def _labels(
    project: Project, items: Sequence[Version], singly: bool
) -> dict[str, tuple[tuple[str, int], ...]] | None:
    if not items:
        return {}
    if not singly:
        return labels_by_prompt(list_labels(project.registry, project.config.labels.values()), items)
    try:
        found = with_labels(project, items)
    except Unsupported:
        return None
    return {
        one.listed.name: tuple(sorted((label.name, label.version) for label in one.labels.values()))
        for one in found
    }

"""What a registry holds, whether or not it is kept in files here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from promptsync.compare.gather import labels_by_prompt, labels_of
from promptsync.compare.project import Project
from promptsync.files.worktree import scan
from promptsync.prompt.prompt import Listed
from promptsync.registry.errors import Unsupported

LabelsByName = dict[str, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True)
class Filters:
    """``pattern`` is matched with ``*`` crossing ``/``; ``status`` is ``active``, ``deleted`` or ``all``.

    With ``label`` only prompts that have it, each at that label's version; of ``tags`` a prompt has all.
    """

    pattern: str | None = None
    label: str | None = None
    status: str = "active"
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """One prompt of the registry.

    ``labels`` are names and versions, ``None`` where they were not read. ``is_adopted`` tells whether a file
    here holds it, ``None`` where there is no working copy.
    """

    listed: Listed
    labels: tuple[tuple[str, int], ...] | None
    is_archived: bool = False
    is_adopted: bool | None = None


def list_remote(project: Project, filters: Filters, *, labels_singly: bool = False) -> list[Held]:
    """Return the prompts of the registry, sorted by name.

    Labels are read where one request is enough for all; ``labels_singly`` allows one for each prompt.
    """
    active = _listed(project, filters, "active") if filters.status != "deleted" else []
    archived = _listed(project, filters, "deleted") if filters.status != "active" else []
    labels = _labels(project, active, labels_singly)
    names = _names_here(project)

    def held(item: Listed, *, is_archived: bool) -> Held:
        own = None if labels is None or is_archived else labels.get(item.name, ())
        return Held(item, own, is_archived, None if names is None else item.name in names)

    found = [held(item, is_archived=False) for item in active]
    found += [held(item, is_archived=True) for item in archived]
    return sorted(found, key=lambda one: (one.listed.name, one.is_archived))


def _listed(project: Project, filters: Filters, status: str) -> list[Listed]:
    def on_page(done: int, pages: int) -> None:
        project.progress("Listing the registry", done, pages)

    # Registries filter by one tag in the same way, by several in ways of their own.
    tag = next(iter(filters.tags), None)
    found = project.registry.prompts.list(status=status, label=filters.label, tag=tag, on_page=on_page)
    return [item for item in found if _matches(item, filters)]


def _matches(item: Listed, filters: Filters) -> bool:
    is_named = filters.pattern is None or fnmatchcase(item.name, filters.pattern)
    return is_named and set(filters.tags) <= set(item.prompt.tags)


def _labels(project: Project, items: Sequence[Listed], singly: bool) -> LabelsByName | None:
    if not items:
        return {}
    found = labels_by_prompt(project, items)
    if found is not None or not singly:
        return found
    try:
        read = labels_of(project, items)
    except Unsupported:
        return None
    return {name: tuple(sorted((one.name, one.version) for one in labels)) for name, labels in read.items()}


def _names_here(project: Project) -> frozenset[str] | None:
    if not project.config.path.is_file():
        return None
    return frozenset(scan(project.root, project.config.prompts).files)

"""Archived prompts. A registry lists their latest versions and those under labels, and reads no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from promptsync.compare.git_state import too_shallow
from promptsync.compare.history import Histories, histories_of
from promptsync.compare.snapshot import Item
from promptsync.history.decide import Relation
from promptsync.history.graph import Node
from promptsync.parallel import mapped
from promptsync.project.project import Project
from promptsync.project.versions import list_labels
from promptsync.prompt.labels import RELEASED, SUFFIX
from promptsync.prompt.prompt import Version


def archived_by_label(project: Project) -> dict[str, Sequence[Version]]:
    """Return the archived versions under each label."""
    prompts = project.registry.prompts
    names = {label.name for label in list_labels(project.registry, ()) or ()}
    names |= {label + suffix for label in project.guarded_labels for suffix in ("", RELEASED, SUFFIX)}
    labels = sorted(names)
    versions = mapped(lambda label: prompts.list(status="deleted", label=label), labels)
    return dict(zip(labels, versions, strict=True))


def included_in_archive(
    project: Project, items: Iterable[Item], labelled: Mapping[str, Iterable[Version]]
) -> dict[str, tuple[int, ...]]:
    """Return by name the newest versions that a file includes, where the latest archived one differs from it.

    ``labelled`` are the archived versions by label. Raises ``Refused`` if the clone is too shallow to tell.
    """
    wanted = [replace(item, listed=item.archived) for item in items if item.archived is not None]
    histories = histories_of(project, wanted)
    for history in histories.values():
        # No other version of an archived prompt can be read, but those under labels are listed.
        history.graph.versions |= {number: Node(number, None) for number in range(1, history.latest)}
        history.add(history.listed)
    for versions in labelled.values():
        for version in versions:
            if version.name in histories:
                histories[version.name].add(version)
    Histories(project, histories).decide()
    included = {}
    for name, history in histories.items():
        decision = history.decision
        if decision is None or decision.relation is Relation.EQUAL:
            continue
        if not decision.is_included and project.history is not None and project.history.shallow:
            raise too_shallow(f"whether {name!r} includes the archived v{history.latest}")
        included[name] = decision.force
    return included

"""Points labels at versions and reads back whether they point there."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from promptsync.core.plan import Moved
from promptsync.core.prompt import Listed
from promptsync.errors import RemoteError
from promptsync.remote.errors import Rejected, Unsupported
from promptsync.sync.gather import CONNECTIONS
from promptsync.sync.project import Project
from promptsync.sync.publish import Landed

Target = tuple[Landed, int | None]
"""The version to point at, and the version that the label must still be at (``None``: whichever)."""

_REFUSED = (403, 409)


def labels_in_publish(project: Project, listing: Mapping[str, Listed]) -> bool:
    """Whether this registry sets labels only while it publishes: it has no operation for labels alone."""
    if project.registry.all_labels() is not None:
        return False
    some = next(iter(listing.values()), None)
    if some is None:
        return False
    try:
        project.registry.labels(some.template_id, some.name)
    except Unsupported:
        return True
    return False


def point(
    project: Project, targets: Mapping[str, Target], label: str, *, only_check: bool = False
) -> list[Moved]:
    """Point ``label`` of each prompt at its version, never at a lower one, and return what became of it.

    ``only_check`` is for a label that went along with the publish.
    """
    total = len(targets)
    done = 0

    def one(name: str) -> Moved:
        nonlocal done
        moved = _point(project, name, label, targets[name], only_check)
        done += 1
        project.progress(f"Moving {label}", done, total)
        return moved

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(pool.map(one, sorted(targets)))


def _point(project: Project, name: str, label: str, target: Target, only_check: bool) -> Moved:
    landed, expected = target
    registry, version = project.registry, landed.version
    old: int | None = None
    try:
        if only_check:
            now = registry.get(landed.template_id, name, label=label).version
            return Moved(name, label, None, version, now == version, _why(now, version))
        labels = {one.name: one for one in registry.labels(landed.template_id, name)}
        existing = labels.get(label)
        old = existing.version if existing is not None else None
        if old == version:
            return Moved(name, label, old, version, True)
        if old is not None and old > version:
            return Moved(name, label, old, version, False, f"it is at v{old} already, and never moves back")
        if expected is not None and old != expected:
            return Moved(name, label, old, version, False, "somebody else moved it meanwhile")
        registry.set_label(landed.template_id, name, label, version, existing)
        after = {one.name: one.version for one in registry.labels(landed.template_id, name)}.get(label)
    except Rejected as error:
        if error.status in _REFUSED:
            return Moved(name, label, old, version, False, f"the registry refused: {error.reason}")
        return Moved(name, label, old, version, False, error.message)
    except RemoteError as error:
        return Moved(name, label, old, version, False, error.message)
    return Moved(name, label, old, version, after == version, _why(after, version))


def _why(now: int | None, wanted: int) -> str:
    if now == wanted:
        return ""
    where = f"still at v{now}" if now is not None else "not there"
    return f"{where} although the registry said yes: pending approval, or overridden"

"""Points labels at versions that a push published, and reads back whether they point there."""

from __future__ import annotations

from collections.abc import Mapping

from promptsync.core.plan import Moved
from promptsync.core.prompt import Label, Listed
from promptsync.errors import RemoteError
from promptsync.remote.errors import FateUnknown, Rejected, Unsupported
from promptsync.sync.parallel import for_each
from promptsync.sync.project import Project
from promptsync.sync.publish import Landed

_HELD_BACK = (403, 409)


def labels_in_publish(project: Project, listing: Mapping[str, Listed]) -> bool:
    """Whether labels are set while publishing: this registry has no operation for labels alone.

    An empty registry cannot be asked. There it is done so, for there is no label that could be moved back.
    """
    if project.registry.all_labels() is not None:
        return False
    some = next(iter(listing.values()), None)
    if some is None:
        return True
    try:
        project.registry.labels(some.template_id, some.name)
    except Unsupported:
        return True
    return False


def point(project: Project, targets: Mapping[str, Landed], label: str, found: list[Moved]) -> None:
    """Point ``label`` of each prompt at its version, never at a lower one.

    What became of each is added to ``found`` as soon as it is known, so that it is there after Ctrl-C too.
    """

    def one(name: str) -> None:
        found.append(_point(project, name, label, targets[name]))
        project.progress(f"Moving {label}", len(found), len(targets))

    for_each(one, sorted(targets))


def check_pointing(project: Project, targets: Mapping[str, Landed], label: str, found: list[Moved]) -> None:
    """Add to ``found`` whether ``label``, which went along with the publish, is where it should be."""
    try:
        under = {one.name: one.version for one in project.registry.list(label=label)}
    except RemoteError as error:
        found += (
            Moved(
                name, label, None, landed.version, False, f"cannot be read back: {error.message}", failed=True
            )
            for name, landed in sorted(targets.items())
        )
        return
    for name, landed in sorted(targets.items()):
        now = under.get(name)
        found.append(
            Moved(name, label, None, landed.version, now == landed.version, _why(now, landed.version))
        )


def _point(project: Project, name: str, label: str, landed: Landed) -> Moved:
    version, old = landed.version, None
    try:
        existing = _label(project, name, label, landed)
        old = existing.version if existing is not None else None
        if old == version:
            return Moved(name, label, old, version, True)
        if old is not None and old > version:
            return Moved(name, label, old, version, False, f"it is at v{old} already, and never moves back")
        _set(project, name, label, landed, existing)
        after = _label(project, name, label, landed)
    except RemoteError as error:
        held_back = isinstance(error, Rejected) and error.status in _HELD_BACK
        return Moved(
            name, label, old, version, False, error.message, not held_back, isinstance(error, Unsupported)
        )
    now = after.version if after is not None else None
    return Moved(name, label, old, version, now == version, _why(now, version))


def _set(project: Project, name: str, label: str, landed: Landed, existing: Label | None) -> None:
    try:
        project.registry.set_label(landed.template_id, name, label, landed.version, existing)
    except FateUnknown:
        # reading back tells what became of it; where it did not arrive, that is the error
        after = _label(project, name, label, landed)
        if after is None or after.version != landed.version:
            raise


def _label(project: Project, name: str, label: str, landed: Landed) -> Label | None:
    return next((one for one in project.registry.labels(landed.template_id, name) if one.name == label), None)


def _why(now: int | None, wanted: int) -> str:
    if now == wanted:
        return ""
    where = f"still at v{now}" if now is not None else "not there"
    return f"{where} although the registry said yes: pending approval, or overridden"

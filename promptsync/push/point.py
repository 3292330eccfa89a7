"""Points labels at the versions of a push, and reads them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from promptsync.errors import RemoteError
from promptsync.labels.apply import is_held_back
from promptsync.labels.move import relabel_from
from promptsync.labels.plan import LabelChange
from promptsync.project.project import Project
from promptsync.prompt.labels import is_on_hold, released_name
from promptsync.push.publish import Landed
from promptsync.push.receipt import Moved
from promptsync.registry.errors import Unsupported

_ROLLED_BACK = "it was {how}; promptsync deploy NAME --again checks and releases it"


def point(
    project: Project, targets: Mapping[str, Landed], label: str, found: list[Moved], *, is_new: bool
) -> None:
    """Point ``label`` of each prompt at its version, never at a lower one.

    ``is_new`` says that the versions were published just now. One that is not new and that was rolled back
    does not go live again. Each result is added to ``found`` at once, so that Ctrl-C loses none.
    """
    total = len(found) + len(targets)
    project.progress(f"Moving {label}", len(found), total)
    begun: set[str] = set()
    done: set[str] = set()

    def one(name: str) -> None:
        begun.add(name)
        moved = _point(project, name, label, targets[name], is_new=is_new)
        done.add(name)
        found.append(moved)
        project.progress(f"Moving {label}", len(found), total)

    try:
        project.for_each(one, sorted(targets))
    except KeyboardInterrupt:
        found += [
            _interrupted(name, label, targets[name], is_unknown=name in begun)
            for name in sorted(targets.keys() - done)
        ]
        raise


def label_snippet(project: Project, name: str, landed: Landed, label: str, found: list[Moved]) -> None:
    """Give a new snippet the label by which prompts refer to it, unless somebody else already did."""
    found.append(_point(project, name, label, landed, is_new=True, only_create=True))


def check_pointing(project: Project, targets: Mapping[str, Landed], label: str, found: list[Moved]) -> None:
    """Add to ``found`` whether ``label``, which was part of the publish, points where it should."""
    try:
        under = {one.name: one.version for one in project.registry.prompts.list(label=label)}
    except RemoteError as error:
        why = f"cannot be read back: {error.message}"
        for name, landed in sorted(targets.items()):
            found.append(Moved(name, label, None, landed.version, False, why, failed=True))
        return
    for name, landed in sorted(targets.items()):
        now, wanted = under.get(name), landed.version
        where = f"still at v{now}" if now is not None else "missing"
        why = f"{where}, although the registry accepted the change: pending approval, or overridden"
        found.append(Moved(name, label, None, wanted, now == wanted, "" if now == wanted else why))


def _point(
    project: Project, name: str, label: str, landed: Landed, *, is_new: bool, only_create: bool = False
) -> Moved:
    version, old = landed.version, None
    try:
        there = {one.name: one for one in project.registry.labels.of(landed.template_id, name)}
        old = there[label].version if label in there else None
        if old == version or (old is not None and only_create):
            return Moved(name, label, old, old, True)
        if old is not None and old > version:
            reason = f"it is at v{old} already, and a push never moves a label back"
            return Moved(name, label, old, version, False, reason)
        change = LabelChange(name, landed.template_id, label, old, version)
        released = there.get(released_name(label) or "")
        if not is_new and is_on_hold(version, old, released.version if released is not None else None):
            how = f"rolled back to v{old}" if old is not None else "removed"
            return Moved(name, label, old, version, False, _ROLLED_BACK.format(how=how))
        changed = relabel_from(project, change, there)
    except RemoteError as error:
        return _failed(name, label, old, version, error)
    if changed.error is not None and not changed.moved:
        failed = _failed(name, label, old, version, changed.error)
        return replace(failed, unknown=changed.is_unknown)
    moved = changed.moved and not changed.is_overtaken
    return Moved(name, label, old, version, moved, changed.reason or changed.note)


def _interrupted(name: str, label: str, landed: Landed, *, is_unknown: bool) -> Moved:
    reason = "interrupted: it may or may not have moved" if is_unknown else "interrupted before it was moved"
    return Moved(name, label, None, landed.version, False, reason, unknown=is_unknown)


def _failed(name: str, label: str, old: int | None, version: int, error: RemoteError) -> Moved:
    failed, of_registry = not is_held_back(error), isinstance(error, Unsupported)
    return Moved(name, label, old, version, False, error.message, failed, of_registry)

"""The labels of a push: which ones it may set, pointing them at versions, and reading them back."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from promptsync.compare.labels import can_change_labels, check_changeable, deploy_command
from promptsync.compare.project import Project
from promptsync.compare.snapshot import Snapshot
from promptsync.errors import Refused, RemoteError
from promptsync.labels.apply import is_held_back, relabel_from
from promptsync.labels.plan import change_from
from promptsync.parallel import for_each
from promptsync.prompt.labels import unchecked_name, was_rolled_back
from promptsync.prompt.prompt import Listed
from promptsync.prompt.snippets import of_prompt
from promptsync.push.actions import PUBLISHING, Action, Kind, PushOptions
from promptsync.push.publish import Landed
from promptsync.push.receipt import Moved
from promptsync.registry.errors import Unsupported

_ROLLED_BACK = "it was rolled back to v{old}; promptsync deploy --again NAME checks and releases it"


def labels_in_publish(project: Project, listing: Mapping[str, Listed]) -> bool:
    """Whether labels are set while publishing because this registry has no operation for labels alone.

    One that lists all labels, but has no operation for one, takes none while publishing either. An empty
    registry has no prompt to try it with. There it is assumed, which does no harm because no label exists
    yet that could move back.
    """
    some = next(iter(listing.values()), None)
    if some is not None and can_change_labels(project, some):
        return False
    return project.registry.labels.all() is None


def with_referred_labels(actions: Sequence[Action], snapshot: Snapshot) -> list[Action]:
    """Return the actions with the labels by which the prompts of this push refer to new snippets."""
    labels: dict[str, set[str]] = {}
    for action in actions:
        if action.kind in PUBLISHING:
            for reference in of_prompt(snapshot.worktree.files[action.name].prompt.template):
                if reference.label is not None:
                    labels.setdefault(reference.name, set()).add(reference.label)
    return [
        replace(one, referred_labels=tuple(sorted(labels.get(one.name, set()) - set(one.labels))))
        if one.kind is Kind.CREATE
        else one
        for one in actions
    ]


def governed_labels(project: Project, actions: Sequence[Action], options: PushOptions) -> tuple[str, ...]:
    """Return the governed labels that the push would move although no checks for them follow."""
    labels = {label for action in actions for label in action.referred_labels}.union(options.labels)
    labels.discard(options.checked_label or "")
    return tuple(label for label in sorted(labels) if project.config.governs(label))


def governed_refusal(
    project: Project, governed: Sequence[str], actions: Sequence[Action], options: PushOptions
) -> Refused | None:
    if not governed or options.skip_checks:
        return None
    label = governed[0]
    why = f"only promptsync deploy moves {label}, after the checks"
    if label not in options.labels:
        name = next(one.name for one in actions if label in one.referred_labels)
        why = f"prompts refer to the new snippet {name!r} by {label}, and {why}"
    hint = deploy_command(project, label)
    if options.checked_label is not None:
        # Of a deploy to another label, so this one has to be named, even if it is that of the branch.
        hint = f"promptsync deploy --label {shlex.quote(label)}"
    return Refused(f"{why}; nothing was published", hint=hint, code="governed-label")


def check_labels(project: Project, listing: Mapping[str, Listed], actions: Sequence[Action]) -> None:
    """Raise ``Unsupported`` if the registry cannot set the labels of a plan."""
    if not any(action.labels or action.referred_labels for action in actions):
        return
    some = next(iter(listing.values()), None)
    if can_change_labels(project, some):
        return
    if not labels_in_publish(project, listing):
        check_changeable(project, some)
    unchanged = [action for action in actions if action.kind is Kind.LABEL]
    if unchanged:
        names = shlex.join(one.name for one in actions if one.kind in PUBLISHING and one.labels)
        label = shlex.quote(unchanged[0].labels[0])
        more = f" (and {len(unchanged) - 1} more)" if len(unchanged) > 1 else ""
        raise Unsupported(
            f"{project.registry.url} sets labels only while it publishes, because it has no such operation, "
            f"and {unchanged[0].name!r} has nothing to publish{more}",
            hint=f"promptsync push {names} --label {label}" if names else "promptsync doctor",
        )


def point(
    project: Project, targets: Mapping[str, Landed], label: str, found: list[Moved], *, is_new: bool
) -> None:
    """Point ``label`` of each prompt at its version, never at a lower one.

    ``is_new`` says that the versions were published just now. One that is not new and that was rolled back
    does not go live again. Each result is added to ``found`` at once, so that Ctrl-C loses none.
    """
    total = len(found) + len(targets)

    def one(name: str) -> None:
        found.append(_point(project, name, label, targets[name], is_new=is_new))
        project.progress(f"Moving {label}", len(found), total)

    for_each(one, sorted(targets))


def label_snippet(
    project: Project, name: str, landed: Landed, label: str, found: list[Moved], *, is_checked_later: bool
) -> None:
    """Give a new snippet the label by which prompts refer to it, unless somebody else already did.

    If its checks follow, it is marked as unchecked before: if the deploy is killed, the next one checks it.
    What cannot be marked gets no label.
    """
    marks: list[Moved] = []
    if is_checked_later:
        point(project, {name: landed}, unchecked_name(label), marks, is_new=True)
    unmarked = [replace(one, label=label) for one in marks if not one.moved]
    found += unmarked or [_point(project, name, label, landed, is_new=True, only_create=True)]


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
        change = change_from(name, landed.template_id, label, there, version)
        if not is_new and was_rolled_back(version, old, change.previous[0], change.rolled_back[0]):
            return Moved(name, label, old, version, False, _ROLLED_BACK.format(old=old))
        changed = relabel_from(project, change, there)
    except RemoteError as error:
        return _failed(name, label, old, version, error)
    if changed.error is not None and not changed.moved:
        return _failed(name, label, old, version, changed.error)
    return Moved(name, label, old, version, changed.moved, changed.reason or changed.note)


def _failed(name: str, label: str, old: int | None, version: int, error: RemoteError) -> Moved:
    failed, of_registry = not is_held_back(error), isinstance(error, Unsupported)
    return Moved(name, label, old, version, False, error.message, failed, of_registry)

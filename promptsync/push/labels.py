"""The labels of a push: which ones it may set."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from promptsync.compare.labels import can_change_labels, check_changeable, deploy_command
from promptsync.compare.snapshot import Snapshot
from promptsync.errors import Refused
from promptsync.project.project import Project
from promptsync.prompt.snippets import of_prompt
from promptsync.prompt.version import Version
from promptsync.push.actions import PUBLISHING, Action, Kind, PushOptions
from promptsync.registry.errors import Unsupported


def labels_in_publish(project: Project, listing: Mapping[str, Version]) -> bool:
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
    return tuple(label for label in sorted(labels) if project.governs(label))


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


def check_labels(project: Project, listing: Mapping[str, Version], actions: Sequence[Action]) -> None:
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

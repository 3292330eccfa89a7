"""Points a label at what a push published, with the same moves as ``label set`` and ``label move``."""

from __future__ import annotations

from collections.abc import Mapping

from promptsync.errors import RemoteError
from promptsync.labels.apply import Stopped, apply_changes, failure
from promptsync.labels.move import ChangedLabel
from promptsync.labels.plan import LabelChange
from promptsync.project.project import Project
from promptsync.prompt.labels import is_on_hold, released_name
from promptsync.push.receipt import PushReceipt


def point(
    project: Project, label: str, versions: Mapping[str, tuple[int, int]], receipt: PushReceipt
) -> None:
    """Point ``label`` at template ids and versions by prompt, and add the results to ``receipt``.

    A label never moves to a lower version, to one that is on hold, or to one that ``receipt`` doubts.
    """
    prompts = project.registry.prompts
    try:
        old = {listed.name: listed.version for listed in prompts.list(label=label)}
        newest = {listed.name: listed.version for listed in prompts.list(label=released_name(label) or "")}
        changes, stayed = [], []
        for name, (template_id, version) in sorted(versions.items()):
            change = LabelChange(name, template_id, label, old.get(name), version)
            if reason := _doubt(change, newest.get(name), receipt):
                stayed.append(ChangedLabel(change, False, reason))
            else:
                changes.append(change)
        receipt.labels += stayed
        moved = apply_changes(project, changes)
        receipt.labels += moved
        error = failure(project, moved) or failure(project, stayed)
    except Stopped as stopped:
        receipt.labels += stopped.changed
        raise
    except RemoteError as unread:
        error = unread
    receipt.label_error = receipt.label_error or error


def _doubt(change: LabelChange, newest: int | None, receipt: PushReceipt) -> str:
    """Why a label should not move; empty when it should."""
    if change.name in receipt.altered:
        return "the registry returned it differently from what was sent"
    if change.name in receipt.unverified:
        return "the version could not be read back"
    if change.name in receipt.raced:
        return "somebody else published at the same time"
    if change.is_lower:
        return f"it is at v{change.old} already, and a push never moves a label back"
    if is_on_hold(change.new or 0, change.old, newest):
        how = f"rolled back to v{change.old}" if change.old is not None else "removed"
        return f"it was {how}; promptsync deploy NAME --again checks and releases it"
    return ""

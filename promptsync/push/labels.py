"""Points a label at what a push published, with the same move as ``label set``: all of them or none."""

from __future__ import annotations

from collections.abc import Mapping

from promptsync.errors import Interrupted, Refused, RemoteError
from promptsync.labels.apply import apply_labels
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
    prompts, changes = project.registry.prompts, []
    try:
        old = {version.name: version.version for version in prompts.list(label=label)}
        newest = {version.name: version.version for version in prompts.list(label=released_name(label) or "")}
        for name, (template_id, number) in sorted(versions.items()):
            change = LabelChange(name, template_id, label, old.get(name), number)
            if reason := _doubt(change, newest.get(name), receipt):
                receipt.labels.append(ChangedLabel(change, False, reason))
                message = f"{label!r} of {name!r} was not moved: {reason}"
                refused = Refused(message, hint="promptsync label list", code="label-not-moved")
                receipt.label_error = receipt.label_error or refused
            else:
                changes.append(change)
        moved = apply_labels(project, changes)
    except RemoteError as error:
        receipt.label_error = error
        return
    receipt.labels += moved.changed
    if isinstance(moved.error, Interrupted):
        receipt.interrupted = True
    elif moved.error is not None:
        receipt.label_error = moved.error


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

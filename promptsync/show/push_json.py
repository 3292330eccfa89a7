"""The JSON document of a push."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from promptsync.push.actions import Kind, PushPlan
from promptsync.push.receipt import PushReceipt
from promptsync.show.labels import label_body
from promptsync.show.pins import pins_body

if TYPE_CHECKING:
    from promptsync.compare.live_users import LiveUser


def push_body(plan: PushPlan, receipt: PushReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return the body of the JSON document."""
    return {
        "plan": [
            {
                "name": action.name,
                "action": str(action.kind),
                "path": action.path,
                "from": action.current,
                "to": None if action.kind is Kind.ARCHIVE else action.next,
                "message": action.message,
                "labels": list(action.labels),
                "released": dict(action.released),
                "renamed_from": action.was,
            }
            for action in plan.actions
        ],
        "fingerprint": plan.fingerprint,
        "published": [
            {
                "name": one.name,
                "version": one.version,
                "message": one.message,
                "labels": list(one.labels),
                "passed_over": list(one.passed_over),
            }
            for one in receipt.published
        ],
        "already": [{"name": name, "version": one.version} for name, one in receipt.already.items()],
        "failed": [
            {"name": one.name, "reason": one.reason, "unknown": one.unknown} for one in receipt.failed
        ],
        "skipped": [{"name": one.name, "state": one.state, "reason": one.reason} for one in receipt.skipped],
        "altered": [{"name": name, "fields": list(paths)} for name, paths in receipt.altered.items()],
        "raced": [{"name": name, "reason": reason} for name, reason in receipt.raced.items()],
        "unverified": [{"name": name, "reason": why} for name, why in receipt.unverified.items()],
        "synced": list(receipt.synced),
        "backups": {name: str(path) for name, path in receipt.backups.items()},
        "archived": list(receipt.archived),
        "labels": [
            label_body(one.name, one.label, one.old, one.new, one.moved, one.reason) for one in receipt.labels
        ],
        "unchecked": list(plan.unchecked) if dry_run else receipt.unchecked,
        "live": _live_body(plan.live if dry_run else receipt.changed_live),
        "pins": pins_body(plan.pins if dry_run else plan.pins.after(receipt.versions)),
        "dry_run": dry_run,
    }


def _live_body(live: Mapping[str, Sequence[LiveUser]]) -> list[dict[str, Any]]:
    """Return the live prompts that render a snippet at once, by snippet."""
    return [
        {"snippet": name, "users": [{"name": user.name, "label": user.label} for user in users]}
        for name, users in sorted(live.items())
    ]

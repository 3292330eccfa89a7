"""What happened during a push, put into its receipt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from promptsync.compare.snapshot import Snapshot
from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Listed
from promptsync.push.actions import Action, Failed, Kind, Left, Published, PushPlan, PushReceipt
from promptsync.push.publish import Landed, Lost
from promptsync.registry.errors import FateUnknown, NotSent, Rejected, Unsupported

_KEY_REFUSED = (401, 403)


def add_outcomes(
    receipt: PushReceipt,
    plan: PushPlan,
    begun: Collection[str],
    outcomes: Mapping[str, Landed | Lost],
    snapshot: Snapshot,
    alike: Mapping[str, frozenset[int]],
) -> None:
    """Add everything that was to be published: what was, what was not, what nobody knows.

    ``alike`` are the versions that were published meanwhile and say the same.
    """
    told = {left.name for left in receipt.skipped}
    for action in plan.publishing:
        found = outcomes.get(action.name)
        if isinstance(found, Landed):
            others = came_first(action, found) - alike.get(action.name, frozenset())
            receipt.published.append(_published(receipt, action, found, alike.get(action.name, frozenset())))
            if others:
                shown = ", ".join(f"v{number}" for number in sorted(others))
                receipt.raced[action.name] = (
                    f"published as v{found.version}, after somebody else had published {shown}"
                )
        elif isinstance(found, Lost):
            _add_lost(receipt, action, found)
        elif action.name in begun:
            reason = "interrupted before the registry answered"
            receipt.failed.append(Failed(action.name, reason, unknown=True))
        elif action.name not in told:
            item = snapshot.get(action.name)
            state = item.state if item is not None else action.kind
            receipt.skipped.append(Left(action.name, state, "interrupted before it was published"))


def add_archived(
    receipt: PushReceipt, archiving: Mapping[str, RemoteError | None], listing: Mapping[str, Listed] | None
) -> None:
    """Tell what was archived; ``archiving`` holds the error of each, ``listing`` what is active since."""
    for name, error in archiving.items():
        if listing is not None and name not in listing:
            receipt.archived.append(name)
        elif error is not None:
            unknown = listing is None and isinstance(error, FateUnknown)
            receipt.failed.append(Failed(name, error.message, unknown, is_of_registry(error)))
        elif listing is None:
            receipt.failed.append(Failed(name, "archived, but the list cannot be read", unknown=True))
        else:
            receipt.failed.append(Failed(name, "it is still there although the registry said yes"))


def came_first(action: Action, landed: Landed) -> frozenset[int]:
    """Return what somebody else published before us; how registries number what they restore is their own."""
    if action.kind is Kind.RESTORE:
        return frozenset()
    return frozenset(range(action.next or 0, landed.version))


def is_of_registry(error: RemoteError | None) -> bool:
    """Whether an error tells nothing about the prompt: no connection, no key, no such operation."""
    if isinstance(error, Rejected):
        return error.status in _KEY_REFUSED or error.status == 429
    return isinstance(error, NotSent | Unsupported)


def _published(receipt: PushReceipt, action: Action, landed: Landed, alike: frozenset[int]) -> Published:
    labels = (one.label for one in receipt.labels if one.moved and one.name == action.name)
    found = Published(action.name, landed.version, action.message or "", action.path, action.kind)
    return replace(
        found,
        labels=tuple(dict.fromkeys(labels)),
        template_id=landed.template_id,
        passed_over=tuple(one for one in action.passed_over_by(landed.version) if one not in alike),
    )


def _add_lost(receipt: PushReceipt, action: Action, lost: Lost) -> None:
    if lost.raced:
        receipt.skipped.append(Left(action.name, "diverged", lost.reason, blocks=True))
        receipt.raced[action.name] = f"not published: {lost.reason}"
        return
    receipt.failed.append(Failed(action.name, lost.reason, lost.unknown, is_of_registry(lost.error)))

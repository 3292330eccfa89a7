"""The error that a push ends in, and the commands that come next."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from promptsync.compare.state import State
from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.push.actions import SkippedPrompt
from promptsync.registry.errors import UNUSABLE_HINT

if TYPE_CHECKING:
    from promptsync.push.receipt import Failed, Moved, PushReceipt


def push_error(receipt: PushReceipt) -> PromptsyncError | None:
    """Return the error that a push ends in; an unfinished write takes precedence over a refusal."""
    if receipt.interrupted:
        return _interruption(receipt)
    return _unfinished(receipt) or _refused(receipt)


def _interruption(receipt: PushReceipt) -> Interrupted:
    counts = {
        "published": len(receipt.published),
        "archived": len(receipt.archived),
        "unknown": receipt.unknown,
    }
    done = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    hint = "promptsync status\npromptsync push" if receipt.unknown else "promptsync push"
    return Interrupted(f"interrupted: {done or 'nothing published'}", hint=hint)


def _unfinished(receipt: PushReceipt) -> PromptsyncError | None:
    failed: list[Failed | Moved] = [*receipt.failed, *(label for label in receipt.labels if label.failed)]
    if failed and receipt.did_nothing and all(one.of_registry for one in failed):
        return RemoteError(f"nothing was published: {failed[0].reason}", hint="promptsync doctor")
    if receipt.unverified or receipt.unknown:
        return Incomplete(
            "some outcomes are unknown; see above",
            hint="promptsync status\npromptsync push",
            code="unknown-outcome",
        )
    if failed:
        names = [one.name for one in failed]
        return Incomplete(
            f"{_several(names)} failed; first: {names[0]}: {failed[0].reason}",
            hint="promptsync push",
            code="partial",
        )
    if receipt.altered:
        name = next(iter(receipt.altered))
        return Incomplete(
            f"the registry returned {_several(list(receipt.altered))} differently from what was sent",
            hint=f"promptsync diff {shlex.quote(name)}",
            code="altered",
        )
    return None


def _refused(receipt: PushReceipt) -> Refused | None:
    if receipt.raced:
        name = next(iter(receipt.raced))
        # If our version is the latest, theirs was passed over; otherwise theirs is the latest.
        is_on_top = any(one.name == name and one.passed_over for one in receipt.published)
        option = "--passed-over" if is_on_top else "--merge"
        return Refused(
            f"somebody else published {name!r} at the same time",
            hint=f"promptsync pull {option} {shlex.quote(name)}",
            code="raced",
        )
    blocked = [one for one in receipt.skipped if one.blocks]
    if blocked:
        return _blocked(blocked)
    stayed = next((label for label in receipt.labels if not label.moved), None)
    if stayed is None:
        return None
    return Refused(
        f"{stayed.label} of {stayed.name!r} was not moved: {stayed.reason}",
        hint=f"promptsync label list {shlex.quote(stayed.name)}",
        code="label-not-moved",
    )


def _blocked(skipped: Sequence[SkippedPrompt]) -> Refused:
    """Return the error for prompts without which a partial push is incomplete."""
    diverged = [one.name for one in skipped if one.state == State.DIVERGED]
    first = next((one for one in skipped if one.name in diverged), skipped[0])
    message = f"{first.name!r} was skipped: it {first.reason}"
    if len(skipped) > 1:
        message = f"{len(skipped)} prompts were skipped; first: {first.name!r} {first.reason}"
    if diverged:
        return Refused(message, hint=f"promptsync pull --merge {shlex.join(diverged)}", code="diverged")
    if first.state == State.INVALID:
        return Refused(message, hint=UNUSABLE_HINT, code="unusable-prompt")
    if first.state == State.RENAMED_REMOTELY:
        return Refused(message, hint="promptsync status", code="diverged")
    # It has conflict markers, or uses a snippet that has.
    return Refused(message, hint="promptsync lint", code="conflict-markers")


def _several(names: Collection[str]) -> str:
    first = next(iter(names))
    return repr(first) if len(names) == 1 else f"{len(names)} prompts"

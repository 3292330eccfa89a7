"""What a push did, in full, also when it was stopped in between; and the error that it ends in."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from promptsync.compare.snapshot import State
from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.push.actions import SkippedPrompt

if TYPE_CHECKING:
    from promptsync.compare.live_users import LiveUser
    from promptsync.labels.move import ChangedLabel


class Published(Struct, frozen=True):
    """One version that this run published; ``passed_over`` are those right below that it does not include."""

    name: str
    version: int
    message: str
    labels: tuple[str, ...] = ()
    template_id: int = 0
    passed_over: tuple[int, ...] = ()


class Failed(Struct, frozen=True):
    """One prompt that failed, or whose outcome is ``unknown``.

    ``of_registry`` says that the reason has nothing to do with the prompt: the registry is unreachable, it
    rejected the key, or it lacks the operation.
    """

    name: str
    reason: str
    unknown: bool = False
    of_registry: bool = False


@dataclass
class PushReceipt:
    """What a push did.

    Of what was published, ``altered`` names the fields that the registry returned differently, ``raced`` what
    somebody else did at the same time, and ``unverified`` why it could not be read back; all by prompt.
    ``labels`` are the moves of labels and ``label_error`` the error that they ended in. ``governed`` are
    labels that this push moves without checks, ``live`` the prompts that were to render a snippet at once.
    ``synced`` are the files that now name the version that their uncommitted text became, ``unsynced`` says
    why others do not. ``unrecorded`` says why this working copy could not remember what it did.
    """

    published: list[Published] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    skipped: list[SkippedPrompt] = field(default_factory=list)
    altered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    raced: dict[str, str] = field(default_factory=dict)
    unverified: dict[str, str] = field(default_factory=dict)
    labels: list[ChangedLabel] = field(default_factory=list)
    label_error: PromptsyncError | None = None
    governed: tuple[str, ...] = ()
    live: Mapping[str, tuple[LiveUser, ...]] = field(default_factory=dict)
    archived: list[str] = field(default_factory=list)
    synced: list[str] = field(default_factory=list)
    backups: dict[str, Path] = field(default_factory=dict)
    unsynced: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    unrecorded: str = ""

    @property
    def moved(self) -> list[ChangedLabel]:
        """The labels that are elsewhere since this push."""
        return [label for label in self.labels if label.is_move]

    @property
    def unchecked(self) -> list[str]:
        """The prompts whose governed label moved although nothing checked them."""
        return sorted({label.change.name for label in self.moved if label.change.label in self.governed})

    @property
    def changed_live(self) -> dict[str, tuple[LiveUser, ...]]:
        """The live prompts that render another text since this push, by snippet."""
        changed = self.versions.keys() | {label.change.name for label in self.moved}
        return {name: users for name, users in self.live.items() if name in changed}

    @property
    def versions(self) -> dict[str, int]:
        """The numbers that were published, by prompt."""
        return {published.name: published.version for published in self.published}

    @property
    def unknown(self) -> int:
        """How many publishes, label moves and archivings may have happened or not."""
        return sum(prompt.unknown for prompt in self.failed) + sum(label.is_unknown for label in self.labels)

    @property
    def did_nothing(self) -> bool:
        """Whether the registry is certainly as it was before."""
        return not (self.published or self.archived or self.moved or self.unknown)

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error is not None else 0

    @property
    def error(self) -> PromptsyncError | None:
        """The error that the push ends in; an unfinished write takes precedence over a refusal."""
        return _interruption(self) if self.interrupted else _unfinished(self) or _refused(self)


def _interruption(receipt: PushReceipt) -> Interrupted:
    counts = {
        "published": len(receipt.published),
        "archived": len(receipt.archived),
        "unknown": receipt.unknown,
    }
    shown = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    hint = "promptsync status\npromptsync push" if receipt.unknown else "promptsync push"
    return Interrupted(f"interrupted: {shown or 'nothing published'}", hint=hint)


def _unfinished(receipt: PushReceipt) -> PromptsyncError | None:
    failed, label_error = receipt.failed, receipt.label_error
    if failed and receipt.did_nothing and all(prompt.of_registry for prompt in failed):
        return RemoteError(f"nothing was published: {failed[0].reason}", hint="promptsync doctor")
    if receipt.unverified or receipt.unknown:
        return Incomplete(
            "some outcomes are unknown; see above",
            hint="promptsync status\npromptsync push",
            code="unknown-outcome",
        )
    if failed:
        names = [prompt.name for prompt in failed]
        return Incomplete(
            f"{_several(names)} failed; first: {names[0]}: {failed[0].reason}",
            hint="promptsync push",
            code="partial",
        )
    if label_error is not None and not isinstance(label_error, Refused):
        if receipt.did_nothing:
            return label_error
        return Incomplete(label_error.message, hint=label_error.hint, code="partial")
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
        is_on_top = any(published.name == name and published.passed_over for published in receipt.published)
        option = "--passed-over" if is_on_top else "--merge"
        return Refused(
            f"somebody else changed {_several(list(receipt.raced))} at the same time",
            hint=f"promptsync pull {option} {shlex.quote(name)}",
            code="raced",
        )
    blocked = sorted(
        (prompt for prompt in receipt.skipped if prompt.blocks),
        key=lambda prompt: prompt.state != State.DIVERGED,
    )
    if blocked:
        first, names = blocked[0], [prompt.name for prompt in blocked if prompt.state == State.DIVERGED]
        more = f" (and {len(blocked) - 1} more)" if len(blocked) > 1 else ""
        return Refused(
            f"{first.name!r} was skipped: it {first.reason}{more}",
            hint=f"promptsync pull --merge {shlex.join(names)}" if names else "promptsync status",
            code="diverged" if names else "skipped",
        )
    return receipt.label_error if isinstance(receipt.label_error, Refused) else None


def _several(names: Collection[str]) -> str:
    return repr(next(iter(names))) if len(names) == 1 else f"{len(names)} prompts"

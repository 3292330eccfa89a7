"""What a push did, in full, also when it was stopped in between; and the error that it ends in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from promptsync.compare.snapshot import Snapshot
from promptsync.errors import PromptsyncError, RemoteError
from promptsync.prompt.version import Version
from promptsync.push.actions import Action, Kind, PushPlan, SkippedPrompt
from promptsync.push.publish import Landed, Lost
from promptsync.push.receipt_error import push_error
from promptsync.registry.errors import FateUnknown, NotSent, Rejected, Unsupported

if TYPE_CHECKING:
    from promptsync.compare.live_users import LiveUser


@dataclass(frozen=True, slots=True)
class Published:
    """One version that this run published.

    ``passed_over`` are the versions right below it that it does not include. ``live_again`` are the labels
    of a restored prompt, with the versions that they had.
    """

    name: str
    version: int
    message: str
    path: str | None = None
    kind: str = Kind.UPDATE
    labels: tuple[str, ...] = ()
    template_id: int = 0
    passed_over: tuple[int, ...] = ()
    live_again: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """One prompt that failed, or whose outcome is ``unknown``.

    ``of_registry`` says that the reason has nothing to do with the prompt: the registry is unreachable, it
    rejected the key, or it lacks the operation.
    """

    name: str
    reason: str
    unknown: bool = False
    of_registry: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """One label: where it pointed (``None``: nowhere), where it should point, and whether it does.

    ``failed`` distinguishes a label that could not be moved from one that the registry or we did not move on
    purpose. It is ``unknown`` whether it moved if the run was stopped. ``of_registry`` is as in ``Failed``.
    """

    name: str
    label: str
    old: int | None
    new: int
    moved: bool
    reason: str = ""
    failed: bool = False
    of_registry: bool = False
    unknown: bool = False


@dataclass
class PushReceipt:
    """What a push did.

    ``same_text`` are the versions with the very same text that somebody else published at the same time, and
    ``already`` the one of them that counts as published by this push. ``altered`` names the fields that the
    registry returned differently, ``raced`` what else somebody published at the same time, ``unverified`` why
    a published version could not be read back; all by prompt. ``governed`` are labels that this push moves
    without checks, ``live`` the prompts that were to render a snippet at once. ``synced`` are the files that
    now name the version that their uncommitted text became, ``unsynced`` says why others do not.
    ``unrecorded`` says why this working copy could not remember what it did.
    """

    published: list[Published] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    skipped: list[SkippedPrompt] = field(default_factory=list)
    already: dict[str, Landed] = field(default_factory=dict)
    altered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    raced: dict[str, str] = field(default_factory=dict)
    same_text: dict[str, frozenset[int]] = field(default_factory=dict)
    unverified: dict[str, str] = field(default_factory=dict)
    labels: list[Moved] = field(default_factory=list)
    governed: tuple[str, ...] = ()
    live: Mapping[str, tuple[LiveUser, ...]] = field(default_factory=dict)
    archived: list[str] = field(default_factory=list)
    synced: list[str] = field(default_factory=list)
    backups: dict[str, Path] = field(default_factory=dict)
    unsynced: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    unrecorded: str = ""

    def sort(self) -> None:
        """Sort by name what several threads added as it happened."""
        self.labels.sort(key=lambda one: (one.name, one.label))
        self.altered = dict(sorted(self.altered.items()))
        self.raced = dict(sorted(self.raced.items()))
        self.unverified = dict(sorted(self.unverified.items()))

    @property
    def unchecked(self) -> list[str]:
        """The prompts whose governed label moved although nothing checked them."""
        moved = [one for one in self.labels if one.moved and one.old != one.new]
        return sorted({one.name for one in moved if one.label in self.governed})

    @property
    def changed_live(self) -> dict[str, tuple[LiveUser, ...]]:
        """The live prompts that render another text since this push, by snippet."""
        done = self.versions.keys() | {one.name for one in self.labels if one.moved and one.old != one.new}
        return {name: users for name, users in self.live.items() if name in done}

    @property
    def versions(self) -> dict[str, int]:
        """The numbers that were published, by prompt."""
        return {one.name: one.version for one in self.published}

    @property
    def did_nothing(self) -> bool:
        """Whether the registry is certainly as it was before."""
        done = self.published or self.archived or any(label.moved for label in self.labels)
        return not done and not self.unknown

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error is not None else 0

    @property
    def error(self) -> PromptsyncError | None:
        """The error that the push ends in; an unfinished write takes precedence over a refusal."""
        return push_error(self)

    @property
    def unknown(self) -> int:
        """How many publishes, label moves and archivings may have happened or not."""
        return sum(one.unknown for one in self.failed) + sum(one.unknown for one in self.labels)

    # -- filling it in ----------------------------------------------------------------------------------

    def add_outcomes(
        self,
        plan: PushPlan,
        begun: Collection[str],
        outcomes: Mapping[str, Landed | Lost],
        snapshot: Snapshot,
        same: Mapping[str, frozenset[int]],
        already: Mapping[str, Landed],
    ) -> None:
        """Add the result of everything that was to be published.

        ``same`` are the versions, by prompt, that others published meanwhile with the very same text, and
        ``already`` those of them that count as published by this push.
        """
        self.already = dict(sorted(already.items()))
        self.same_text = dict(same)
        skipped = {one.name for one in self.skipped}
        for action in plan.publishing:
            found = outcomes.get(action.name)
            if isinstance(found, Landed):
                self._add_landed(action, found, same.get(action.name, frozenset()))
            elif isinstance(found, Lost) and found.raced:
                self.skipped.append(SkippedPrompt(action.name, "diverged", found.reason, blocks=True))
                self.raced[action.name] = f"not published: {found.reason}"
            elif isinstance(found, Lost):
                of_registry = is_of_registry(found.error)
                self.failed.append(Failed(action.name, found.reason, found.unknown, of_registry))
            elif action.name in begun:
                reason = "interrupted: it may or may not be published"
                self.failed.append(Failed(action.name, reason, unknown=True))
            elif action.name not in skipped and action.name not in already:
                item = snapshot.get(action.name)
                state = item.state if item is not None else action.kind
                self.skipped.append(SkippedPrompt(action.name, state, "interrupted before it was published"))

    def _add_landed(self, action: Action, landed: Landed, same: frozenset[int]) -> None:
        labels = dict.fromkeys(one.label for one in self.labels if one.moved and one.name == action.name)
        self.published.append(
            Published(
                action.name,
                landed.version,
                action.message or "",
                action.path,
                action.kind,
                tuple(labels),
                landed.template_id,
                tuple(one for one in action.passed_over_by(landed.version) if one not in same),
                action.released,
            )
        )
        others = came_first(action, landed) - same
        if others:
            shown = ", ".join(f"v{number}" for number in sorted(others))
            reason = f"published as v{landed.version}, after somebody else had published {shown}"
            self.raced[action.name] = reason

    def add_interrupted(
        self, plan: PushPlan, begun: Collection[str], archiving: Mapping[str, RemoteError | None]
    ) -> None:
        """Add what is known of the prompts that were to be archived when Ctrl-C was pressed."""
        known = {*self.archived, *(one.name for one in self.failed), *(one.name for one in self.skipped)}
        for action in plan.actions:
            if action.kind is not Kind.ARCHIVE or action.name in known:
                continue
            error = archiving.get(action.name)
            if error is not None:
                self.failed.append(Failed(action.name, error.message, isinstance(error, FateUnknown)))
            elif action.name in archiving:
                self.archived.append(action.name)
            elif action.name in begun:
                reason = "interrupted: it may or may not be archived"
                self.failed.append(Failed(action.name, reason, unknown=True))
            else:
                reason = "interrupted before it was archived"
                self.skipped.append(SkippedPrompt(action.name, "deleted-locally", reason))

    def add_archived(
        self, archiving: Mapping[str, RemoteError | None], listing: Mapping[str, Version] | None
    ) -> None:
        """Add what was archived: ``archiving`` has the error of each, ``listing`` what is active since."""
        for name, error in archiving.items():
            if listing is not None and name not in listing:
                self.archived.append(name)
            elif error is not None:
                unknown = listing is None and isinstance(error, FateUnknown)
                self.failed.append(Failed(name, error.message, unknown, is_of_registry(error)))
            elif listing is None:
                self.failed.append(Failed(name, "archived, but the list cannot be read", unknown=True))
            else:
                self.failed.append(Failed(name, "still active, although the registry accepted the request"))


def came_first(action: Action, landed: Landed) -> frozenset[int]:
    """Return the versions that somebody else published between the plan and ours."""
    # What number a restored version gets differs from registry to registry, so nothing follows from it.
    if action.kind is Kind.RESTORE:
        return frozenset()
    return frozenset(range(action.next or 0, landed.version))


def is_of_registry(error: RemoteError | None) -> bool:
    """Whether an error has nothing to do with the prompt: no connection, no key, no such operation."""
    if isinstance(error, Rejected):
        return error.status in (401, 403, 429)
    return isinstance(error, NotSent | Unsupported)

"""What a deploy checks and releases, and what it skips."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from promptsync.compare.decide import TEXT_STATES
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.prompt.labels import Position
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.tags import tag_set


class PassedOverVersion(msgspec.Struct, frozen=True):
    """A version that a release does not include. ``old`` and ``new`` are the texts before it and its own.

    ``in_dashboard`` says that nobody pushed it, so that git does not have its text. ``labels`` point at it.
    """

    version: int
    in_dashboard: bool = True
    origin: str = "saved in the dashboard"
    created_at: str | None = None
    labels: tuple[str, ...] = ()
    old: Prompt | None = None
    new: Prompt | None = None


class Member(msgspec.Struct, frozen=True):
    """One prompt that this deploy checks, and releases unless it is a ``dependant``.

    ``position`` is where its label is, ``latest`` the newest version (``None``: not in the registry).
    ``existing`` is the version that has the text of the file; without one, a version is published first.
    ``forced`` says that the file does not include the latest one: what is published is made from ``parents``.
    ``passed_over`` are the versions that the release does not include. ``through`` are the changed snippets
    that it renders.
    """

    name: str
    path: str | None
    template_id: int | None
    position: Position = Position()
    latest: int | None = None
    existing: int | None = None
    forced: bool = False
    parents: tuple[int, ...] = ()
    passed_over: tuple[PassedOverVersion, ...] = ()
    dependant: bool = False
    through: tuple[str, ...] = ()

    @property
    def released(self) -> int | None:
        """The version under the label, ``None`` without one."""
        return self.position.version

    @property
    def publishes(self) -> bool:
        """Whether a version is published first."""
        return self.existing is None

    @property
    def is_moved(self) -> bool:
        """Whether the label is at that version already: by hand, or because an earlier deploy was stopped."""
        return self.existing is not None and self.released == self.existing

    @property
    def live(self) -> int | None:
        """The version that was live before the deploy; of a stopped deploy, before that one."""
        before = self.position.way_back
        is_stopped = self.is_moved and not self.dependant and (before or 0) < (self.released or 0)
        return before if is_stopped else self.released

    @property
    def version(self) -> int:
        """The version that is checked, and that the label will point at."""
        return self.existing if self.existing is not None else (self.latest or 0) + 1


class OnHold(msgspec.Struct, frozen=True):
    """A prompt that was rolled back: ``version`` has the text of the file and is above ``released``.

    The label is at ``released`` now, ``None`` if it was removed.
    """

    name: str
    version: int
    released: int | None

    @property
    def how(self) -> str:
        """What happened to the label."""
        return "was removed" if self.released is None else f"was rolled back to v{self.released}"


class Skipped(msgspec.Struct, frozen=True):
    """A prompt that is skipped although its label and its file differ, and why."""

    name: str
    state: str
    reason: str


class Survey(msgspec.Struct, frozen=True):
    """The label compared with git.

    ``latest`` compares with the newest versions, ``under`` with those under the label. ``touched`` are the
    names that this push changed: skipping one of them is a refusal, and the release of any other is pending
    from an earlier deploy. ``deleted`` are prompts whose files were deleted in git: they keep their label.
    If prompts were named, ``needed_by`` are the snippets that they need, each with a prompt that renders it.
    """

    label: str
    latest: Snapshot
    under: Snapshot
    touched: frozenset[str] = frozenset()
    releases: tuple[Member, ...] = ()
    dependants: tuple[Member, ...] = ()
    on_hold: tuple[OnHold, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    deleted: tuple[str, ...] = ()
    needed_by: Mapping[str, str] = {}

    @property
    def pending(self) -> tuple[str, ...]:
        """The releases that are pending from an earlier deploy."""
        return tuple(member.name for member in self.releases if member.name not in self.touched)

    @property
    def members(self) -> tuple[Member, ...]:
        """Everything that is checked."""
        return tuple(sorted((*self.releases, *self.dependants), key=lambda member: member.name))


def parents_of(under: Item, item: Item) -> tuple[int, ...]:
    """Return the versions that a release includes if it is not made from the latest one."""
    if under.listed is not None:
        # Without a decision both sides are equal, and the version under the label is the only parent.
        decision = under.history.decision if under.history is not None else None
        return decision.pull if decision is not None else (under.listed.version,)
    decision = item.history.decision if item.history is not None else None
    return decision.force if decision is not None else ()


def without_tags(item: Item) -> Item:
    """Return an item with the state of its text alone: tags belong to a prompt, not to a version."""
    decision = item.history.decision if item.history is not None else None
    if decision is None or item.file is None or item.state is State.IN_SYNC:
        return item
    return replace(item, state=TEXT_STATES[decision.relation])


def has_news(item: Item) -> bool:
    """Whether a file has a text or a tag that the latest version lacks.

    A latest version that the file includes is one that git went back on, for instance because its checks
    failed: readers without a label get it until the file is published. Tags show only there, too.
    """
    if item.state is not State.DIVERGED or item.listed is None:
        return item.state is State.AHEAD
    text = without_tags(item).state
    has_tags = item.merged_tags != tag_set(item.listed.prompt)
    return text is State.AHEAD or (text is State.IN_SYNC and has_tags)

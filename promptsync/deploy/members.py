"""The prompts of a deploy, what happens to each, and the versions that a release passes over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from promptsync.compare.snapshot import Snapshot
from promptsync.history.mark import parse_mark
from promptsync.project.project import Project
from promptsync.project.versions import Labels, RoutedLabel, labelled, read_versions
from promptsync.prompt.additions import without_notes
from promptsync.prompt.labels import Position, is_own
from promptsync.prompt.prompt import Prompt, Version


class Fate(StrEnum):
    """What a deploy does with a prompt, in the order in which a plan lists them.

    ``CHECK`` is one that only renders a released snippet. The last four are skipped, and keep their label.
    """

    RELEASE = "release"
    CHECK = "check"
    HELD = "on hold"
    BEHIND = "behind"
    ALTERED = "altered"
    ROUTED = "routed"
    DELETED = "deleted"


UNRELEASED = (Fate.HELD, Fate.BEHIND, Fate.ALTERED, Fate.ROUTED, Fate.DELETED)
"""The fates of prompts that are mentioned, but neither released nor only checked."""

_REASONS = {
    Fate.BEHIND: "the label is ahead of this commit; run git pull or promptsync pull",
    Fate.ALTERED: "the registry returned it differently from what was sent; run promptsync diff",
}


class PassedOverVersion(msgspec.Struct, frozen=True):
    """A version that a release passes over. ``old`` is its prompt before it, ``new`` in it.

    ``in_dashboard`` says that it was saved there, so that git does not have it. ``labels`` point at it.
    """

    version: int
    in_dashboard: bool = True
    origin: str = "saved in the dashboard"
    created_at: str | None = None
    labels: tuple[str, ...] = ()
    old: Prompt | None = None
    new: Prompt | None = None


class Member(msgspec.Struct, frozen=True):
    """One prompt of a deploy.

    ``position`` is where its label is, ``latest`` the newest version (``None``: not in the registry).
    ``existing`` is the version to check and release; without one, the file is published first.
    ``held`` is the version of the file that was rolled back. ``touched`` says that this push
    changed the prompt: skipping it is a refusal, and its release is not pending from an earlier deploy.
    ``forced`` says that the file does not include the latest one: what is published is made from ``parents``,
    and passes over ``drafts``. ``through`` are the changed snippets that it renders: then it is checked
    whatever its fate is. ``needed_by`` is a named prompt that renders it. ``routed`` is its
    label if an A/B release routes it.
    """

    name: str
    path: str | None
    template_id: int | None
    fate: Fate = Fate.RELEASE
    position: Position = Position()
    latest: int | None = None
    existing: int | None = None
    held: int | None = None
    touched: bool = False
    forced: bool = False
    parents: tuple[int, ...] = ()
    drafts: tuple[PassedOverVersion, ...] = ()
    through: tuple[str, ...] = ()
    needed_by: str | None = None
    routed: RoutedLabel | None = None

    @property
    def is_release(self) -> bool:
        """Whether its label moves."""
        return self.fate is Fate.RELEASE

    @property
    def is_dependant(self) -> bool:
        """Whether it is only checked, because it renders a released snippet."""
        return not self.is_release and bool(self.through)

    @property
    def is_pending(self) -> bool:
        """Whether its release is pending from an earlier deploy."""
        return self.is_release and not self.touched

    @property
    def released(self) -> int | None:
        """The version under the label, ``None`` without one."""
        return self.position.version

    @property
    def publishes(self) -> bool:
        """Whether a version is published first."""
        return self.is_release and self.existing is None

    @property
    def is_moved(self) -> bool:
        """Whether the label is at that version already: by hand, or because an earlier deploy was stopped."""
        return self.existing is not None and self.released == self.existing

    @property
    def live(self) -> int | None:
        """The version that was live before the deploy; of a stopped one, before that, if it is known."""
        before = self.position.way_back if self.is_release and self.is_moved else None
        return self.released if before is None else min(before, self.released or before)

    @property
    def version(self) -> int:
        """The version that is checked, and that the label will point at."""
        return self.existing if self.existing is not None else (self.latest or 0) + 1

    @property
    def reason(self) -> str:
        """Why it is skipped although its label and its file differ."""
        if self.routed is not None:
            return f"{self.routed}; end it in the PromptLayer dashboard"
        return _REASONS.get(self.fate, "")

    @property
    def how(self) -> str:
        """What happened to the label of a prompt that is on hold."""
        return "was removed" if self.released is None else f"was rolled back to v{self.released}"


class Survey(msgspec.Struct, frozen=True):
    """The label compared with git: every prompt for which there is something to do or to say, by name.

    ``latest`` compares with the newest versions, ``under`` with those under the label.
    """

    label: str
    latest: Snapshot
    under: Snapshot
    members: tuple[Member, ...] = ()

    @property
    def releases(self) -> tuple[Member, ...]:
        """The prompts whose label moves."""
        return self.of(Fate.RELEASE)

    @property
    def checked(self) -> tuple[Member, ...]:
        """All prompts to check: the releases, and the prompts that render them."""
        return tuple(member for member in self.members if member.is_release or member.through)

    @property
    def skipped(self) -> tuple[Member, ...]:
        """The prompts that are skipped although their label and their file differ."""
        return self.of(Fate.BEHIND, Fate.ALTERED, Fate.ROUTED)

    def of(self, *fates: Fate) -> tuple[Member, ...]:
        """Return the members with these fates, sorted by fate."""
        return tuple(member for fate in fates for member in self.members if member.fate is fate)


def with_drafts(project: Project, listing: Mapping[str, Version], members: Sequence[Member]) -> list[Member]:
    """Return members with the versions that they pass over: those above the parents of a forced one."""
    forced = [member for member in members if member.forced]
    if not forced:
        return list(members)
    prompts = labelled(project, [listing[member.name] for member in forced])
    labels = {prompt.listed.name: prompt.labels for prompt in prompts}

    def drafts(member: Member) -> tuple[PassedOverVersion, ...]:
        latest = listing[member.name]
        numbers = range(max(member.parents, default=0) + 1, latest.version + 1)
        # Each is compared with the one before it.
        read = {version.version: version for version in read_versions(project, latest, len(numbers) + 1)}
        there = labels[member.name]
        return tuple(_draft(number, read.get(number), read.get(number - 1), there) for number in numbers)

    passed_over = project.mapped("Reading versions", drafts, forced)
    by_name = {member.name: drafts for member, drafts in zip(forced, passed_over, strict=True)}
    return [replace(member, drafts=by_name.get(member.name, ())) for member in members]


def _draft(number: int, version: Version | None, before: Version | None, labels: Labels) -> PassedOverVersion:
    pointing = sorted(name for name, at in labels.items() if at == number and is_own(name))
    if version is None:
        return PassedOverVersion(number, labels=tuple(pointing))
    mark = parse_mark(version.message)
    origin, is_pushed = "saved in the dashboard", mark is not None and mark.version == number
    if mark is not None and is_pushed:
        commit = f" from {mark.commit}" if mark.commit else ""
        origin = f"pushed{commit}{', not committed' if mark.dirty else ''}"
    return PassedOverVersion(
        number,
        in_dashboard=not is_pushed,
        origin=f"{origin} by {version.author}" if version.author else origin,
        created_at=version.created_at,
        labels=tuple(pointing),
        old=without_notes(before.prompt) if before is not None else None,
        new=without_notes(version.prompt),
    )

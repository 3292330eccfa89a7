"""What a push does with each prompt, what became of it, and the plan of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from promptsync.compare.snapshot import Item, Snapshot
from promptsync.compare.snippet_users import LiveUser, Pins
from promptsync.errors import Refused, RemoteError
from promptsync.files.prompt_file import PromptFile
from promptsync.project.plan import fingerprint
from promptsync.prompt.prompt import Prompt, tag_set


class Kind(StrEnum):
    """What a push does with one prompt."""

    CREATE = "create"
    UPDATE = "update"
    FORCE = "force"
    RESTORE = "restore"
    ARCHIVE = "archive"
    LABEL = "label"


PUBLISHING = (Kind.CREATE, Kind.UPDATE, Kind.FORCE, Kind.RESTORE)


class Action(Struct, frozen=True):
    """What is done with one prompt: with its ``item``, which has both sides.

    ``tags`` are those of the new version. ``message`` is its message, with its mark, and ``parents`` are the
    versions that it is made from, ``None`` for the one before it. ``labels`` will point at the result, and
    ``released`` are the labels of a prompt that is archived, with their versions. A new version only renders
    new snippets of a lower ``level``.
    """

    item: Item
    kind: Kind
    tags: frozenset[str] = frozenset()
    message: str | None = None
    labels: tuple[str, ...] = ()
    parents: tuple[int, ...] | None = None
    released: Mapping[str, int] = {}
    level: int = 0

    @property
    def name(self) -> str:
        return self.item.name

    @property
    def participle(self) -> str:
        return "archived" if self.kind is Kind.ARCHIVE else "published"

    @property
    def file(self) -> PromptFile:
        """The file of a prompt that is published."""
        assert self.item.file is not None
        return self.item.file

    @property
    def prompt(self) -> Prompt:
        """What is published."""
        return replace(self.file.prompt, tags=tuple(sorted(self.tags)))

    @property
    def kept_tags(self) -> tuple[str, ...]:
        """The tags of the registry that the file lacks."""
        return tuple(sorted(self.tags - tag_set(self.file.prompt))) if self.tags else ()

    @property
    def current(self) -> int | None:
        """The latest version in the registry, for ``RESTORE`` in its archive: the next number follows it."""
        latest = self.item.archived if self.kind is Kind.RESTORE else self.item.listed
        return latest.version if latest is not None else None

    @property
    def passed_over(self) -> tuple[int, ...]:
        """The versions right below the new one that it does not include."""
        return self.passed_over_by(self.next or 0)

    def passed_over_by(self, version: int) -> tuple[int, ...]:
        """Return what the new one passed over, given the number that it got."""
        if self.kind is Kind.RESTORE:
            # What number it gets differs from registry to registry, and the archive shows the latest alone.
            latest, parents = self.current or 0, self.parents
            return () if parents is None or latest in parents or version <= latest else (latest,)
        if self.kind not in PUBLISHING:
            return ()
        above = max(self.parents, default=0) if self.parents is not None else self.current or 0
        return tuple(range(above + 1, version))

    @property
    def next(self) -> int | None:
        """The number that the latest version will have, ``None`` if the prompt is archived."""
        if self.kind is Kind.ARCHIVE:
            return None
        return (self.current or 0) + 1 if self.kind in PUBLISHING else self.current


class PushOptions(Struct, frozen=True):
    """What was requested. Empty ``names`` mean every prompt in scope.

    ``force`` and ``restore`` are some of the ``names``. ``command`` is what was typed, without
    ``--max-changes``. ``skip_checks`` lets live prompts change unchecked. In a deploy, ``checked_label``
    is the label whose checks follow, and ``parents`` are those of versions that are made from the version
    under it, by prompt. If it ``rehearses``, nothing is live, and new prompts get the label immediately.
    """

    names: tuple[str, ...] = ()
    message: str | None = None
    labels: tuple[str, ...] = ()
    partial: bool = False
    force: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    prune: bool = False
    max_changes: int | None = None
    skip_checks: bool = False
    command: str = "promptsync push"
    checked_label: str | None = None
    rehearses: bool = False
    parents: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class Ending(StrEnum):
    """How the push of one prompt ended."""

    PUBLISHED = "published"
    ARCHIVED = "archived"
    ALTERED = "altered"
    """It is published, and the registry returned it differently from what was sent."""
    RACED = "raced"
    """It is published, and so is a version of another user, at the same time."""
    UNKNOWN = "unknown"
    FAILED = "failed"
    SKIPPED = "skipped"


class Result(Struct, frozen=True):
    """What became of one prompt, and why; with a ``version`` it is published, whatever else became of it.

    ``passed_over`` are the versions right below the new one that it does not include, and ``labels`` those
    that moved to it. ``fields`` are what the registry altered. Of a prompt that was skipped, ``state`` is its
    state, and ``blocks`` says that it stops a push that is not ``--partial``. ``error`` is what failed.
    """

    name: str
    ending: Ending
    reason: str = ""
    version: int | None = None
    template_id: int = 0
    message: str = ""
    labels: tuple[str, ...] = ()
    passed_over: tuple[int, ...] = ()
    fields: tuple[str, ...] = ()
    state: str = ""
    blocks: bool = False
    error: RemoteError | None = None

    @property
    def is_unknown(self) -> bool:
        return self.ending is Ending.UNKNOWN


class PushPlan(Struct, frozen=True):
    """Everything a push will do, in order.

    ``unfinished`` are the prompts whose uncommitted content an earlier push published before it was stopped:
    their files do not say so yet. ``refusal`` says why the plan is shown and not carried out: a safety limit,
    a governed label that only ``deploy`` moves, or a live prompt that would change; with ``--skip-checks``
    those labels are ``governed``. ``live`` are the prompts that render a snippet immediately, by snippet,
    ``pins`` those that stay behind. ``snapshot`` is what the plan was made from.
    """

    actions: tuple[Action, ...]
    skipped: tuple[Result, ...] = ()
    unfinished: tuple[Item, ...] = ()
    options: PushOptions = PushOptions()
    workspace: str = ""
    refusal: Refused | None = None
    governed: tuple[str, ...] = ()
    live: Mapping[str, tuple[LiveUser, ...]] = field(default_factory=dict)
    pins: Pins = ()
    snapshot: Snapshot | None = None

    @property
    def unchecked(self) -> tuple[str, ...]:
        """The prompts whose governed label moves although nothing checks them."""
        return tuple(action.name for action in self.actions if {*action.labels} & {*self.governed})

    @property
    def publishing(self) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.kind in PUBLISHING)

    @property
    def archiving(self) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.kind is Kind.ARCHIVE)

    @property
    def new_texts(self) -> dict[str, int]:
        """The numbers that the new versions will get, by prompt."""
        return {
            action.name: action.next
            for action in self.publishing
            if action.next and action.item.digest != action.item.remote_digest
        }

    @property
    def fingerprint(self) -> str:
        """A short hash of exactly this plan, the same on every machine.

        It covers the workspace, names, latest versions, digests and tags of both sides, labels and options;
        not messages, commits or order, so that a reviewed plan survives a squash.
        """
        facts = [_facts(action) for action in sorted(self.actions, key=lambda action: action.name)]
        skipped = sorted([result.name, result.state] for result in self.skipped if result.blocks)
        live = [[name, user.name, user.label] for name in sorted(self.live) for user in self.live[name]]
        options = self.options
        flags = [options.partial, options.prune, options.skip_checks]
        names = map(sorted, (options.names, options.labels, options.force, options.restore))
        return fingerprint([self.workspace, facts, skipped, flags, *names, *live])

    @property
    def is_empty(self) -> bool:
        return not self.actions and not self.unfinished

    @property
    def destructive(self) -> tuple[str, ...]:
        """The options that move a label, publish over a version, archive, restore, or change live prompts."""
        kinds = {action.kind for action in self.actions}
        options = {Kind.FORCE: "--force", Kind.ARCHIVE: "--prune", Kind.RESTORE: "--restore"}
        labelled = ("--label",) if any(action.labels for action in self.actions) else ()
        unchecked = ("--skip-checks",) if self.live else ()
        return (*labelled, *unchecked, *(option for kind, option in options.items() if kind in kinds))


def _facts(action: Action) -> list[Any]:
    item, labels = action.item, [*sorted(action.labels), *action.released.items()]
    theirs = sorted(tag_set(item.listed.prompt)) if item.listed is not None else []
    sides = [item.digest, sorted(action.tags), item.remote_digest, theirs]
    return [action.name, action.kind, action.current, *sides, labels]

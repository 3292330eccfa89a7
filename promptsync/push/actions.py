"""What a push does with each prompt, the plan of all of them, and what became of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from promptsync.compare.released import LiveUser, Pins
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.files.prompt_file import PromptFile
from promptsync.labels.move import ChangedLabel
from promptsync.project.plan import fingerprint
from promptsync.prompt.prompt import Prompt, tag_set
from promptsync.registry.errors import NotSent, Rejected, Unsupported


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
    ``released`` are the labels of a prompt that is archived or restored, with their versions. A new version
    only renders new snippets of a lower ``level``.
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
    under it, by prompt.
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
    parents: Mapping[str, tuple[int, ...]] = {}


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
    live: Mapping[str, tuple[LiveUser, ...]] = {}
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


# -- what a push did -----------------------------------------------------------------------------------------


class PushReceipt(Struct):
    """The receipt of a push: a result for each prompt, the moves of labels, and the changed files.

    ``label_error`` is the error that the moves of labels ended in. ``synced`` are the files that now name the
    version published from their uncommitted content, ``unsynced`` says why others do not. ``unrecorded``
    says why this working copy could not record the push.
    """

    plan: PushPlan
    results: dict[str, Result] = {}
    labels: list[ChangedLabel] = []
    label_error: PromptsyncError | None = None
    synced: list[str] = []
    backups: dict[str, Path] = {}
    unsynced: dict[str, str] = {}
    interrupted: bool = False
    unrecorded: str = ""

    def __post_init__(self) -> None:
        self.results = {result.name: result for result in self.plan.skipped} | self.results

    def of(self, *endings: Ending) -> list[Result]:
        """Return the results of some kinds."""
        return [result for result in self.results.values() if result.ending in endings]

    @property
    def published(self) -> list[Result]:
        """The prompts with a new version, whatever else became of them."""
        return [result for result in self.results.values() if result.version is not None]

    @property
    def unverified(self) -> list[Result]:
        """The prompts that are published, and that could not be read back."""
        return [result for result in self.published if result.is_unknown]

    @property
    def failed(self) -> list[Result]:
        """The prompts that are not published or archived, or not known to be."""
        return [result for result in self.of(Ending.FAILED, Ending.UNKNOWN) if result.version is None]

    @property
    def moved(self) -> list[ChangedLabel]:
        """The labels that are elsewhere since this push."""
        return [label for label in self.labels if label.is_move]

    @property
    def unchecked(self) -> list[str]:
        """The prompts whose governed label moved although nothing checked them."""
        return sorted({label.change.name for label in self.moved if label.change.label in self.plan.governed})

    @property
    def changed_live(self) -> dict[str, tuple[LiveUser, ...]]:
        """The live prompts that render differently since this push, by snippet."""
        changed = self.versions.keys() | {label.change.name for label in self.moved}
        return {name: users for name, users in self.plan.live.items() if name in changed}

    @property
    def versions(self) -> dict[str, int]:
        """The numbers that were published, by prompt."""
        return {result.name: result.version or 0 for result in self.published}

    @property
    def unknown(self) -> int:
        """How many publishes, label moves and archivings may have happened or not."""
        return sum(result.is_unknown for result in self.failed) + sum(
            label.is_unknown for label in self.labels
        )

    @property
    def did_nothing(self) -> bool:
        """Whether the registry is certainly as it was before."""
        return not (self.published or self.of(Ending.ARCHIVED) or self.moved or self.unknown)

    @property
    def error(self) -> PromptsyncError | None:
        """The error that the push ends in; an unfinished write takes precedence over a refusal."""
        if self.interrupted:
            return self._interruption()
        failed, altered = self.failed, self.of(Ending.ALTERED)
        if failed and self.did_nothing and all(_is_of_registry(result.error) for result in failed):
            return RemoteError(f"nothing was published: {failed[0].reason}", hint="promptsync doctor")
        if self.unverified or self.unknown:
            return Incomplete(
                "some outcomes are unknown; see above", hint=self._again, code="unknown-outcome"
            )
        if failed:
            message = f"{_several(failed)} failed; first: {failed[0].name}: {failed[0].reason}"
            return Incomplete(message, hint=self._again, code="partial")
        if self.label_error is not None and not isinstance(self.label_error, Refused):
            if self.did_nothing:
                return self.label_error
            return Incomplete(self.label_error.message, hint=self.label_error.hint, code="partial")
        if altered:
            message = f"the registry returned {_several(altered)} differently from what was sent"
            return Incomplete(message, hint=f"promptsync diff {shlex.quote(altered[0].name)}", code="altered")
        return _race(self.of(Ending.RACED)) or _block(self.of(Ending.SKIPPED)) or self.label_error

    def _interruption(self) -> Interrupted:
        numbers = [
            (len(self.published), "published"),
            (len(self.of(Ending.ARCHIVED)), "archived"),
            (self.unknown, "unknown"),
        ]
        counts = ", ".join(f"{number} {what}" for number, what in numbers if number)
        return Interrupted(f"interrupted: {counts or 'nothing published'}", hint=self._again)

    @property
    def _again(self) -> str:
        """What continues the push: what was typed, with its labels and message."""
        command = self.plan.options.command
        return f"promptsync status\n{command}" if self.unverified or self.unknown else command


def _is_of_registry(error: RemoteError | None) -> bool:
    """Whether an error has nothing to do with the prompt: no connection, no key, no such operation."""
    if isinstance(error, Rejected):
        return error.status in (401, 403, 429)
    return isinstance(error, NotSent | Unsupported)


def _race(raced: Sequence[Result]) -> Refused | None:
    if not raced:
        return None
    # If our version is the latest, theirs was passed over; otherwise theirs is the latest.
    option = "--passed-over" if raced[0].passed_over else "--merge"
    return Refused(
        f"another user changed {_several(raced)} at the same time",
        hint=f"promptsync pull {option} {shlex.quote(raced[0].name)}",
        code="raced",
    )


def _block(skipped: Sequence[Result]) -> Refused | None:
    """Return the refusal of skipped prompts that leave a push incomplete, diverged ones first."""
    blocked = [result for result in skipped if result.blocks]
    diverged = [result for result in blocked if result.state == State.DIVERGED]
    if not blocked:
        return None
    first, names = [*diverged, *blocked][0], [result.name for result in diverged]
    more = f" (and {len(blocked) - 1} more)" if len(blocked) > 1 else ""
    return Refused(
        f"{first.name!r} was skipped: it {first.reason}{more}",
        hint=f"promptsync pull --merge {shlex.join(names)}" if names else "promptsync status",
        code="diverged" if names else "skipped",
    )


def _several(results: Sequence[Result]) -> str:
    return repr(results[0].name) if len(results) == 1 else f"{len(results)} prompts"

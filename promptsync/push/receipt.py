"""What a push did, in full, even after an interruption, and the error that it ends in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from promptsync.compare.snapshot import State
from promptsync.compare.snippet_users import LiveUser
from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.labels.move import ChangedLabel
from promptsync.push.actions import Ending, PushPlan, Result
from promptsync.registry.errors import NotSent, Rejected, Unsupported


@dataclass
class PushReceipt:
    """The receipt of a push: a result for each prompt, the moves of labels, and the changed files.

    ``label_error`` is the error that the moves of labels ended in. ``synced`` are the files that now name the
    version published from their uncommitted content, ``unsynced`` says why others do not. ``unrecorded``
    says why this working copy could not record the push.
    """

    plan: PushPlan
    results: dict[str, Result] = field(default_factory=dict)
    labels: list[ChangedLabel] = field(default_factory=list)
    label_error: PromptsyncError | None = None
    synced: list[str] = field(default_factory=list)
    backups: dict[str, Path] = field(default_factory=dict)
    unsynced: dict[str, str] = field(default_factory=dict)
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

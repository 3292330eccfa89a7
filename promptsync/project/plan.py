"""What all plans have in common, and how planned files are written: each completely or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct

from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused
from promptsync.files.disk import backup, check_unchanged, delete, present_text, write
from promptsync.parallel import for_each
from promptsync.project.project import Project
from promptsync.registry.address import LOCAL


class Plan(Protocol):
    """Everything that an action will do."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""

    @property
    def fingerprint(self) -> str:
        """A short hash of exactly this plan, the same on every machine; ``--expect`` compares it."""

    @property
    def destructive(self) -> Sequence[str]:
        """What moves a label, discards or removes something: it must be confirmed even without a terminal."""

    @property
    def refusal(self) -> Refused | None:
        """Why this plan, complete as it is, must not be carried out: a safety limit."""


def fingerprint(facts: object) -> str:
    """Return a short hash of ``facts``; values that JSON cannot represent are converted with ``str``."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True, default=str)
    return sha256(text.encode()).hexdigest()[:16]


def workspace_of(project: Project) -> str:
    """Return what identifies a workspace in the fingerprint of a plan."""
    # The path of an embedded registry does not identify it; its workspace id does.
    url = LOCAL if project.url.startswith(LOCAL) else project.registry.url
    return f"{url} {project.registry.workspace_id}"


Planned = TypeVar("Planned", bound="PlannedFile")


class PlannedFile(Struct, frozen=True, kw_only=True):
    """One file to write, or to delete if there is no ``new`` text.

    ``old`` is the text that was read, ``None`` for a new file. ``backup`` keeps a copy first.
    """

    name: str
    path: str
    old: str | None
    new: str | None
    backup: bool = False


class FilesPlan(Struct, frozen=True, kw_only=True):
    """A plan that writes files and nothing else."""

    changes: tuple[PlannedFile, ...] = ()
    destructive: tuple[str, ...] = ()
    refusal: Refused | None = None

    @property
    def is_empty(self) -> bool:
        return not self.changes

    @property
    def fingerprint(self) -> str:
        return fingerprint([[change.name, change.path, change.old, change.new] for change in self.changes])


@dataclass
class FilesReceipt:
    """Which of the planned files were written or deleted, also when that was stopped in between.

    ``command`` continues it, and ``stopped`` is what stopped it after it had begun. ``unrecorded`` says why
    this working copy could not record what it did.
    """

    planned: int = 0
    command: str = ""
    paths: set[str] = field(default_factory=set)
    backups: dict[str, Path] = field(default_factory=dict)
    interrupted: bool = False
    stopped: PromptsyncError | None = None
    unrecorded: str = ""

    def of(self, changes: Sequence[Planned]) -> list[Planned]:
        """Return those of some changes that were made."""
        return [change for change in changes if change.path in self.paths]

    @property
    def error(self) -> PromptsyncError | None:
        """The error of a run that was stopped."""
        counts = f"{len(self.paths)} of {self.planned} files written"
        if self.interrupted:
            return Interrupted(f"interrupted: {counts}", hint=self.command)
        if self.stopped is not None:
            hint = "\n".join(filter(None, [self.stopped.hint, self.command]))
            return Incomplete(f"{self.stopped.message}; {counts}", hint=hint, code=self.stopped.code)
        return None


def all_of(changes: Sequence[PlannedFile]) -> FilesReceipt:
    """Return the receipt of a run in which all changes were made, to show a plan."""
    return FilesReceipt(len(changes), paths={change.path for change in changes})


def write_files(project: Project, changes: Sequence[PlannedFile], command: str) -> FilesReceipt:
    """Make the changes and return the completed ones, even after Ctrl-C or a disk error.

    The caller holds the lock of the working copy. Raises ``Refused`` if a file changed since it was read, and
    ``PromptsyncError`` if a file cannot be written, both only if nothing was written.
    """
    # Check all files before the first write, so that one edited file stops the run while it is still whole.
    for change in changes:
        check_unchanged(project.root, change.path, change.old, command)
    receipt, stamp = FilesReceipt(len(changes), command), time.strftime("%Y%m%dT%H%M%S")

    def make(change: PlannedFile) -> None:
        # Checked again, because the user may save a file while others are written.
        check_unchanged(project.root, change.path, change.old, command)
        if change.backup and change.old is not None:
            receipt.backups[change.name] = backup(project.root, change.path, stamp)
        if change.new is not None:
            write(project.root, change.path, change.new, within=project.config.prompts)
        else:
            delete(project.root, change.path, within=project.config.prompts)
        receipt.paths.add(change.path)
        project.progress("Writing files", len(receipt.paths), len(changes))

    try:
        # Each write waits until the file is safe on the disk, so several run at a time. Deletions come last.
        for_each(make, [change for change in changes if change.new is not None])
        for_each(make, [change for change in changes if change.new is None])
    except KeyboardInterrupt:
        receipt.interrupted = True
        # A second Ctrl-C may come between a write and the line that records it.
        present = {change.path: present_text(project.root, change.path) for change in changes}
        receipt.paths = {change.path for change in changes if present[change.path] == change.new}
    except PromptsyncError as error:
        if not receipt.paths:
            raise
        receipt.stopped = error
    receipt.backups = dict(sorted(receipt.backups.items()))
    return receipt

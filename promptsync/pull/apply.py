"""Carries out the plan of a pull: writes each file completely or not at all, and the record last."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from promptsync.errors import Incomplete, Interrupted, PromptsyncError
from promptsync.files.backups import backup, new_stamp
from promptsync.files.disk import check_unchanged, delete, present_text, write
from promptsync.parallel import for_each
from promptsync.project.project import Project
from promptsync.pull.plan import PullPlan
from promptsync.pull.write import Delete, Write


@dataclass
class PullReceipt:
    """What a pull wrote, also when it was stopped in between.

    ``stopped`` is what stopped it after it had begun. ``unrecorded`` says why this working copy could not
    record what it did.
    """

    plan: PullPlan
    written: list[Write] = field(default_factory=list)
    deleted: list[Delete] = field(default_factory=list)
    backups: dict[str, Path] = field(default_factory=dict)
    interrupted: bool = False
    stopped: PromptsyncError | None = None
    unrecorded: str = ""

    @property
    def error(self) -> PromptsyncError | None:
        """The error that the pull ends in."""
        planned = len(self.plan.writes) + len(self.plan.deletes)
        counts = f"{len(self.written) + len(self.deleted)} of {planned} files written"
        if self.interrupted:
            return Interrupted(f"interrupted: {counts}", hint="promptsync pull")
        if self.stopped is not None:
            hint = "\n".join(filter(None, [self.stopped.hint, "promptsync pull"]))
            return Incomplete(f"{self.stopped.message}; {counts}", hint=hint, code=self.stopped.code)
        return self.plan.error


def apply_pull(project: Project, plan: PullPlan) -> PullReceipt:
    """Write the files of ``plan`` and return what was written, even after Ctrl-C or an error of the disk.

    The caller holds the lock of the working copy. Raises ``Refused`` if a file changed since it was read, and
    ``PromptsyncError`` if a file cannot be written, both only if nothing was written.
    """
    # Check all files before the first write, so that one edited file stops the pull while it is still whole.
    planned: list[Write | Delete] = [*plan.writes, *plan.deletes]
    for file in planned:
        _check_unchanged(project, file)
    receipt = PullReceipt(plan)
    try:
        _write_all(project, plan, receipt)
    except KeyboardInterrupt:
        receipt.interrupted = True
    except PromptsyncError as error:
        if not receipt.written and not receipt.deleted:
            raise
        receipt.stopped = error
    finally:
        _remember(project, receipt)
    return receipt


def _write_all(project: Project, plan: PullPlan, receipt: PullReceipt) -> None:
    stamp = new_stamp()
    total = len(plan.writes) + len(plan.deletes)

    def replace(file: Write) -> None:
        # Checked again, because the user may save a file while others are written.
        _check_unchanged(project, file)
        if file.backup and file.old is not None:
            receipt.backups[file.name] = backup(project.root, file.path, stamp)
        write(project.root, file.path, file.new, within=project.config.prompts)
        receipt.written.append(file)
        project.progress("Writing files", len(receipt.written), total)

    try:
        # Each write waits until the file is safe on the disk, so several run at a time.
        for_each(replace, plan.writes)
    finally:
        receipt.written = sorted(receipt.written, key=lambda file: file.path)
        receipt.backups = dict(sorted(receipt.backups.items()))
    for gone in plan.deletes:
        _check_unchanged(project, gone)
        if gone.backup:
            receipt.backups[gone.name] = backup(project.root, gone.path, stamp)
        try:
            delete(project.root, gone.path, within=project.config.prompts)
            receipt.deleted.append(gone)
        except KeyboardInterrupt:
            # Ctrl-C may come between the deletion and the line that records it.
            if gone not in receipt.deleted and present_text(project.root, gone.path) is None:
                receipt.deleted.append(gone)
            raise


def _check_unchanged(project: Project, file: Write | Delete) -> None:
    check_unchanged(project.root, file.path, file.old, "promptsync pull")


def _remember(project: Project, receipt: PullReceipt) -> None:
    if not receipt.written:
        return
    registry = project.registry
    entries = {file.name: file.entry for file in receipt.written}
    try:
        project.record().update(registry.url, registry.workspace_seen, entries)
    except (OSError, PromptsyncError) as error:
        receipt.unrecorded = str(error)

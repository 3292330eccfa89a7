"""Carries out the plan of a bump: writes each file completely or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from promptsync.bump.plan import BumpPlan, MovedPin
from promptsync.errors import Incomplete, Interrupted, PromptsyncError
from promptsync.files.backups import backup, new_stamp
from promptsync.files.disk import check_unchanged, present_text, write
from promptsync.project.project import Project


@dataclass
class BumpReceipt:
    """What a bump wrote, also when it was stopped in between; ``command`` is what continues it."""

    plan: BumpPlan
    command: str = "promptsync bump"
    written: list[MovedPin] = field(default_factory=list)
    backups: dict[str, Path] = field(default_factory=dict)
    interrupted: bool = False
    stopped: PromptsyncError | None = None

    @property
    def error(self) -> PromptsyncError | None:
        """The error that the bump ends in."""
        counts = f"{len(self.written)} of {len(self.plan.moves)} files written"
        if self.interrupted:
            return Interrupted(f"interrupted: {counts}", hint=self.command)
        if self.stopped is not None:
            hint = "\n".join(filter(None, [self.stopped.hint, self.command]))
            return Incomplete(f"{self.stopped.message}; {counts}", hint=hint, code=self.stopped.code)
        return None


def apply_bump(project: Project, plan: BumpPlan, command: str) -> BumpReceipt:
    """Write the files of ``plan`` and return what was written, even after Ctrl-C or an error of the disk.

    The caller holds the lock of the working copy. Raises ``Refused`` if a file changed since it was read, and
    ``PromptsyncError`` if a file cannot be written, both only if nothing was written.
    """
    # Check all files before the first write, so that one edited file stops the bump while it is still whole.
    for move in plan.moves:
        check_unchanged(project.root, move.path, move.old, command)
    receipt, stamp = BumpReceipt(plan, command), new_stamp()
    try:
        for move in plan.moves:
            check_unchanged(project.root, move.path, move.old, command)
            if move.backup:
                receipt.backups[move.name] = backup(project.root, move.path, stamp)
            write(project.root, move.path, move.new, within=project.config.prompts)
            receipt.written.append(move)
            project.progress("Writing files", len(receipt.written), len(plan.moves))
    except KeyboardInterrupt:
        receipt.interrupted = True
        # Ctrl-C may come between a write and the line that records it.
        receipt.written = [move for move in plan.moves if present_text(project.root, move.path) == move.new]
    except PromptsyncError as error:
        if not receipt.written:
            raise
        receipt.stopped = error
    return receipt

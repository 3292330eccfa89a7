"""Carries out the plan of a pull: writes the files, and the record last."""

from __future__ import annotations

from promptsync.errors import PromptsyncError
from promptsync.project.planned_files import FilesReceipt, write_files
from promptsync.project.project import Project
from promptsync.pull.plan import PullPlan


def apply_pull(project: Project, plan: PullPlan) -> FilesReceipt:
    """Write the files of ``plan``; see ``write_files``."""
    receipt = write_files(project, [*plan.writes, *plan.deletes], "promptsync pull")
    if written := receipt.of(plan.writes):
        registry = project.registry
        entries = {write.name: write.entry for write in written}
        try:
            project.record().update(registry.url, registry.workspace_seen, entries)
        except (OSError, PromptsyncError) as error:
            receipt.unrecorded = str(error)
    return receipt

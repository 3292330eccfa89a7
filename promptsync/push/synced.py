"""Writes into a prompt file which version its uncommitted text became."""

from __future__ import annotations

from pathlib import Path

from promptsync.compare.uncommitted import needs_backup
from promptsync.errors import PromptsyncError
from promptsync.files.backups import backup, new_stamp
from promptsync.files.disk import write
from promptsync.files.prompt_file import PromptFile
from promptsync.files.prompt_text import render_edit
from promptsync.history.synced_key import identity, make_key
from promptsync.project.project import Project
from promptsync.prompt.canonical import digest
from promptsync.push.publish import Landed


def write_key(project: Project, file: PromptFile, landed: Landed, backups: dict[str, Path]) -> None:
    """Add the ``synced:`` key of ``landed`` to a file, unless the user changed the file in the meantime."""
    prompt = identity(project.registry.workspace_id, landed.template_id)
    key = make_key(prompt, landed.version, digest(file.prompt))
    text = render_edit(file, file.prompt, project.with_keys(file.local, [key]))
    # The user may have saved the file in the meantime, and the edit above is of the old text.
    if (project.root / file.path).read_bytes() != file.text.encode():
        raise PromptsyncError(f"{file.path} changed while it was published")
    if needs_backup(project, file.path, file.text, text):
        backups[file.prompt.name] = backup(project.root, file.path, new_stamp())
    write(project.root, file.path, text, within=project.config.prompts)

"""Writes into the files of a push which version their uncommitted text became."""

from __future__ import annotations

from collections.abc import Mapping

from promptsync.compare.origin import with_keys
from promptsync.compare.project import Project
from promptsync.errors import PromptsyncError
from promptsync.files.prompt_file import PromptFile, render_edit
from promptsync.files.state.disk import write
from promptsync.history.synced_key import identity, make_key
from promptsync.prompt.canonical import digest
from promptsync.push.publish import Landed
from promptsync.push.receipt import PushReceipt


def write_keys(
    project: Project, files: Mapping[str, PromptFile], landed: Mapping[str, Landed], receipt: PushReceipt
) -> None:
    """Write ``synced:`` into files; ``receipt`` gets their names, or the reason why it was not written."""
    for name, file in sorted(files.items()):
        try:
            prompt = identity(project.registry.workspace_id, landed[name].template_id)
            key = make_key(prompt, landed[name].version, digest(file.prompt))
            _write(project, file, render_edit(file, file.prompt, with_keys(file.local, project, [key])))
            receipt.synced.append(name)
        except (OSError, PromptsyncError) as error:
            receipt.unsynced[name] = str(error)


def _write(project: Project, file: PromptFile, text: str) -> None:
    if (project.root / file.path).read_bytes() != file.text.encode():
        raise PromptsyncError(f"{file.path} changed while it was published")
    write(project.root, file.path, text, within=project.config.prompts)

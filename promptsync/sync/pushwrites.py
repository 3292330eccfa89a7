"""What a push writes into files: which version a text became that no commit holds."""

from __future__ import annotations

from collections.abc import Mapping

from promptsync.core.canonical import digest
from promptsync.core.plan import PushReceipt
from promptsync.errors import PromptsyncError
from promptsync.files.atomic import write
from promptsync.files.promptfile import PromptFile
from promptsync.files.splice import render_edit
from promptsync.history.key import identity, make_key
from promptsync.sync.project import Project
from promptsync.sync.publish import Landed
from promptsync.sync.synced import with_keys


def write_keys(
    project: Project, files: Mapping[str, PromptFile], landed: Mapping[str, Landed], receipt: PushReceipt
) -> None:
    """Write ``synced:`` into files; ``receipt`` gets the names, and why it could not be done."""
    for name, file in sorted(files.items()):
        prompt = identity(project.registry.workspace_id, landed[name].template_id)
        key = make_key(prompt, landed[name].version, digest(file.prompt))
        try:
            _write(
                project,
                file,
                render_edit(file.text, file.prompt, with_keys(file.local, project, [key]), file.path),
            )
            receipt.synced.append(name)
        except (OSError, PromptsyncError) as error:
            receipt.unsynced[name] = str(error)


def _write(project: Project, file: PromptFile, text: str) -> None:
    if (project.root / file.path).read_bytes() != file.text.encode():
        raise PromptsyncError(f"{file.path} changed while it was published")
    write(project.root, file.path, text, within=project.config.prompts)

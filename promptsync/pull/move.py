"""Moves and renames prompt files. The registry is only read, because its API cannot rename a prompt."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from msgspec import Struct, structs

from promptsync.compare.snapshot import Snapshot, State
from promptsync.errors import Refused
from promptsync.files.prompt_file import PromptFile, render_edit
from promptsync.files.worktree import paths_for_new
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.plan import PlannedFile, fingerprint
from promptsync.project.project import Project
from promptsync.project.target import unknown
from promptsync.prompt.names import name_for
from promptsync.registry.errors import Unsupported


class Move(Struct, frozen=True):
    """One file: the name that it will state, where it was and will be, and the changes that move it."""

    name: str
    old_path: str
    path: str
    changes: tuple[PlannedFile, ...]


class MovePlan(Struct, frozen=True):
    """The files that will be moved, or will state another name."""

    moves: tuple[Move, ...]
    destructive: Sequence[str] = ()
    refusal: Refused | None = None

    @property
    def is_empty(self) -> bool:
        return not self.moves

    @property
    def fingerprint(self) -> str:
        return fingerprint(
            [(move.name, move.old_path, move.path, move.changes[-1].old) for move in self.moves]
        )


def plan_move(project: Project, snapshot: Snapshot, names: Sequence[str], *, keep_name: bool) -> MovePlan:
    """Return the plan that gives the file of a prompt another path and, without ``keep_name``, another name.

    ``names`` are the old and the new name; without any, all files that moved and have no ``name:`` get their
    old names. Raises ``NoSuchPrompt`` without such a file, ``Refused`` if the new name is taken, and
    ``Unsupported`` if the registry would have to rename the prompt.
    """
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    if not names:
        return _keep_names(snapshot)
    (old, new), worktree = names, snapshot.worktree
    # A moved file without name: already is at the new path, maybe edited so that nothing shows the move.
    moved = next((item for item in snapshot.of(State.MOVED) if (item.was, item.name) == (old, new)), None)
    if moved is None and keep_name and (old, new) in snapshot.possible_moves:
        moved = snapshot.get(new)
    file = moved.file if moved is not None else worktree.files.get(old)
    if file is None:
        raise unknown(old, worktree.files, where=project.config.prompts)
    if moved is None and (other := worktree.files.get(new)) is not None:
        raise Refused(f"{other.path} has the prompt {new!r} already", code="exists")
    if not keep_name and old in snapshot.listing:
        if new in snapshot.listing:
            raise Refused(
                f"the registry has both {old!r} and {new!r}",
                hint=f"promptsync diff {shlex.quote(old)}",
                code="exists",
            )
        names = f"{shlex.quote(old)} {shlex.quote(new)}"
        raise Unsupported(
            f"{project.title} cannot rename the prompt {old!r}: its API has no such operation; "
            "nothing was changed",
            hint=f"promptsync mv --keep-name {names}\n"
            f"rename it in the PromptLayer dashboard, then promptsync mv {names}",
        )
    is_default = name_for(file.path.removeprefix(f"{worktree.prompts}/")) == old
    path = paths_for_new(worktree, [new])[new] if moved is None and (keep_name or is_default) else file.path
    return MovePlan((_move(file, old if keep_name else new, path),))


def _keep_names(snapshot: Snapshot) -> MovePlan:
    items = snapshot.of(State.MOVED)
    # Another prompt took the old path, and its file would keep the name that the moved one gets back.
    for item in items:
        if item.file is not None and item.was is None:
            moved = next((other.path for other in items if other.name == item.became), None)
            raise Refused(
                f"{item.path} is now {item.name!r}, and the former {item.name!r} moved to {moved}",
                hint=f"add name: to {item.path} and to {moved}",
                code="moved",
            )
    return MovePlan(
        tuple(_move(item.file, item.was, item.file.path) for item in items if item.file and item.was)
    )


def _move(file: PromptFile, name: str, path: str) -> Move:
    # Even if the old path gives the same name, the file has to state it.
    stated = structs.replace(file, prompt=structs.replace(file.prompt, name=file.own_name))
    text = render_edit(stated, structs.replace(file.prompt, name=name), file.local)
    if path == file.path:
        return Move(name, path, path, (PlannedFile(name=name, path=path, old=file.text, new=text),))
    written = PlannedFile(name=name, path=path, old=None, new=text)
    deleted = PlannedFile(name=name, path=file.path, old=file.text, new=None)
    return Move(name, file.path, path, (written, deleted))

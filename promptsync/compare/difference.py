"""What differs between the two sides of a prompt, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from promptsync.compare.snapshot import Item
from promptsync.compare.state import State
from promptsync.files.prompt_file import PromptFile
from promptsync.project.project import Project
from promptsync.prompt.fields import FieldChange, changes, variables_change
from promptsync.prompt.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Step:
    """What changed from one text to another; ``title`` names the two.

    ``is_from_file`` says that the first of them is the file, ``is_to_file`` that the second one is.
    """

    title: str
    fields: tuple[FieldChange, ...]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    is_from_file: bool = False
    is_to_file: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """How the two sides of a prompt differ: in one step, or in two from the base if both sides changed.

    ``state`` is a ``State``, or how two specified states differ. ``was`` and ``became`` are the old and the
    new name of a prompt that looks renamed, as in ``Item``. ``file`` is the file at ``path``.
    """

    name: str
    state: StrEnum
    path: str | None
    steps: tuple[Step, ...]
    was: str | None = None
    became: str | None = None
    file: PromptFile | None = field(default=None, compare=False)


def differences(project: Project, items: Iterable[Item]) -> list[Difference]:
    """Return how the sides of each item differ, without those in sync and those that cannot be read."""
    wanted = [item for item in items if item.state not in (State.IN_SYNC, State.INVALID)]

    def compared(item: Item) -> Difference:
        steps = tuple(_steps(project, item))
        return Difference(item.name, item.state, item.path, steps, item.was, item.became, item.file)

    return project.mapped("Comparing", compared, wanted)


def step(title: str, old: Prompt | None, new: Prompt | None, *, file: PromptFile | None = None) -> Step:
    """Return the step between two prompts; ``None`` is a prompt that does not exist.

    ``file`` is the file of the prompt, whose text one of the two may be.
    """
    fields = tuple(changes(old, new))
    here = file.prompt if file is not None else None
    is_from, is_to = (here is not None and prompt is here for prompt in (old, new))
    return Step(title, fields, *variables_change(old, new), is_from, is_to)


def _steps(project: Project, item: Item) -> Sequence[Step]:
    file = item.file
    local = file.prompt if file is not None else None
    remote = _tracked(project, item)
    version = f"v{item.version}" if item.version is not None else "nothing"
    here = item.path or "no file"
    if item.state is State.BEHIND:
        return [step(f"{here} -> {version}", local, remote, file=file)]
    if item.state is State.DIVERGED and item.base is not None and local is not None:
        base = item.base_prompt
        if base is not None:
            at = f"v{item.base.version}" if item.base.version is not None else "the text both sides include"
            ours = step(f"{at} -> {here}", base, local, file=file)
            return [ours, step(f"{at} -> {version}", base, remote)]
    if item.state is State.REMOTE_ONLY:
        return [step(f"{here} -> {version}", None, remote)]
    return [step(f"{version} -> {here}", remote, local, file=file)]


def _tracked(project: Project, item: Item) -> Prompt | None:
    if item.listed is None:
        return None
    remote = item.remote
    if remote is None:
        remote = project.registry.prompts.get(item.listed.template_id, item.name, version=item.listed.version)
    return item.content_of(remote)

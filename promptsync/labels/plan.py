"""Where release labels point, and where they should: plans of changes, made before anything is written."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec

from promptsync.compare.snippet_users import direct_users
from promptsync.errors import Refused
from promptsync.project.plan import fingerprint
from promptsync.project.project import Project
from promptsync.project.target import At
from promptsync.project.versions import Labelled, deploy_command, no_such_version
from promptsync.prompt.labels import Position
from promptsync.prompt.prompt import Version


class LabelChange(msgspec.Struct, frozen=True):
    """A label of one prompt that moves from one version to another; ``None`` means that there is no label.

    ``records`` says that the labels that remember its history follow even if it is there already.
    ``restore`` is where they belong if that does not follow from the move, as when one is undone.
    ``is_snippet`` says that other prompts may render what has the label, and ``is_on_hold`` that the label
    was moved back from the version.
    """

    name: str
    template_id: int
    label: str
    old: int | None
    new: int | None
    records: bool = False
    restore: Position | None = None
    is_snippet: bool = False
    is_on_hold: bool = False

    @property
    def is_lower(self) -> bool:
        """Whether the label moves to a lower version, which undoes a release."""
        return self.old is not None and self.new is not None and self.new < self.old


class SkippedLabel(msgspec.Struct, frozen=True):
    """A label that stays at ``version`` although a commit was specified, and why."""

    name: str
    label: str
    version: int
    reason: str


class LabelPlan(msgspec.Struct, frozen=True):
    """Labels to change, all of them or none.

    ``refusal`` is why none of them may be changed.
    ``commit`` is the git commit whose versions the labels move to, as people write it; ``skipped`` are labels
    that cannot move there. ``workspace`` is part of the fingerprint.
    """

    changes: tuple[LabelChange, ...]
    refusal: Refused | None = None
    commit: str = ""
    skipped: tuple[SkippedLabel, ...] = ()
    workspace: str = ""

    @property
    def pending(self) -> tuple[LabelChange, ...]:
        """The changes of labels that are not yet where they should be."""
        return tuple(change for change in self.changes if change.old != change.new)

    @property
    def is_empty(self) -> bool:
        return not self.pending

    @property
    def destructive(self) -> tuple[str, ...]:
        kinds = ("deleting a label" if change.new is None else "moving a label" for change in self.pending)
        return tuple(dict.fromkeys(kinds))

    @property
    def fingerprint(self) -> str:
        changes = [[change.name, change.label, change.old, change.new] for change in self.changes]
        return fingerprint([self.workspace, changes])


def plan_moves(
    project: Project,
    moves: Sequence[tuple[Labelled, int]],
    label: str,
    *,
    force: bool = False,
    creates: bool = False,
) -> LabelPlan:
    """Plan to point a label of prompts at versions: at lower ones only with ``force``.

    With ``creates`` the label must be new.
    """
    changes = tuple(change_to(prompt, label, version) for prompt, version in moves)
    if creates:
        refused = [change for change in changes if change.old is not None and change.old != change.new]
    else:
        refused = [] if force else [change for change in changes if change.is_lower]
    if not refused:
        return LabelPlan(changes)
    first = refused[0]
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    if creates:
        why, code = f"{first.name!r} already has the label {label!r}, at v{first.old}", "label-exists"
        hint = move_command(project, first)
    else:
        why, code = f"{label!r} of {first.name!r} is at v{first.old}; v{first.new} is older", "lower-version"
        hint = f"promptsync rollback {shlex.quote(first.name)} --label {shlex.quote(label)}"
        if not project.governs(label):  # a governed label goes back to the version that was live
            hint += f" --to {first.new}\n{_move_command(first)} --force"
    return LabelPlan(changes, refusal=Refused(f"{why}{more}; no label was changed", hint=hint, code=code))


def move_command(project: Project, change: LabelChange) -> str:
    """Return the command for a move up: ``deploy``, which runs the checks, if the label is governed."""
    return deploy_command(project, change.label) if project.governs(change.label) else _move_command(change)


def _move_command(change: LabelChange) -> str:
    return f"promptsync label move {shlex.join([change.name, change.label])} --to {change.new}"


def change_to(prompt: Labelled, label: str, version: int) -> LabelChange:
    """Return the change that moves a label of a prompt to a version."""
    listed = prompt.listed
    return LabelChange(
        listed.name,
        listed.template_id,
        label,
        prompt.labels.get(label),
        version,
        is_snippet=listed.prompt.template.get("type") == "completion",
        is_on_hold=prompt.position(label).holds(version),
    )


def existing(prompt: Labelled, label: str) -> int:
    """Return the version under a label. Raises ``NoSuchVersion`` for an unknown one."""
    version = prompt.labels.get(label)
    if version is None:
        raise no_such_version(prompt.listed, At(label=label), list(prompt.labels))
    return version


def check_unused(project: Project, listed: Version, label: str) -> None:
    """Raise ``Refused`` if prompts refer to ``label`` of this snippet: without it they cannot be rendered.

    If the registry cannot list those prompts, nothing is raised.
    """
    if users := direct_users(project, listed, label):
        raise Refused(
            f"{', '.join(map(repr, sorted(users)))} refer to {listed.name!r} by its label {label!r} and "
            "cannot be rendered without it",
            hint="publish them with another reference first, or add --force",
            code="label-in-use",
        )

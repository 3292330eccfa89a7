"""Where release labels point, and where they should: plans of changes, made before anything is written."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from promptsync.compare.labels import Labelled, Pointers, deploy_command
from promptsync.compare.versions import find_number, no_such_version
from promptsync.errors import Refused, UsageError
from promptsync.project.plan import fingerprint
from promptsync.project.project import Project
from promptsync.project.target import At
from promptsync.prompt.labels import previous_after, previous_name, released_after, released_name
from promptsync.prompt.version import Version
from promptsync.registry.errors import NotFound, Unsupported

Beside = Mapping[str, int | None]
"""The versions of the labels that remember the history of another one, by name; ``None``: no such label."""


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A label of one prompt that moves from one version to another; ``None`` means that there is no label.

    ``beside`` are the versions of the labels that remember its history after the move, if they do not follow
    from it, as when a move is undone. ``as_good`` are versions with the very same text: if somebody else
    moved the label to one of them, nothing is left to do. ``is_snippet`` says that other prompts may render
    what has the label, and ``is_on_hold`` that the label was moved back from the version.
    """

    name: str
    template_id: int
    label: str
    old: int | None
    new: int | None
    beside: Beside | None = None
    as_good: frozenset[int] = frozenset()
    is_snippet: bool = False
    is_on_hold: bool = False

    @property
    def is_lower(self) -> bool:
        """Whether the label moves to a lower version, which undoes a release."""
        return self.old is not None and self.new is not None and self.new < self.old

    def reversed(self, beside: Beside) -> LabelChange:
        """Return the change that undoes this one, given the labels beside it before it was made."""
        # as_good has the text that is undone.
        return replace(self, old=self.new, new=self.old, beside=beside, as_good=frozenset())

    def beside_after(self, before: Beside) -> Beside:
        """Return where the labels beside this one belong after the move, given where they were before."""
        if self.beside is not None:
            return self.beside
        return beside_after(self.label, self.old, self.new, before)


def beside_before(label: str, there: Pointers) -> dict[str, int | None]:
    """Return where the labels beside ``label`` are, given all labels of the prompt."""
    names = (previous_name(label), released_name(label))
    return {one: there[one].version if one in there else None for one in names if one is not None}


def beside_after(label: str, old: int | None, new: int | None, before: Beside) -> dict[str, int | None]:
    """Return where the labels beside ``label`` belong after a move; they are deleted with it."""
    previous, released = previous_name(label), released_name(label)
    if previous is None or released is None or new is None:
        return dict.fromkeys(before)
    return {
        previous: previous_after(old, new, before.get(previous)),
        released: released_after(old, new, before.get(released)),
    }


@dataclass(frozen=True, slots=True)
class SkippedLabel:
    """A label that stays at ``version`` although a commit was specified, and why.

    ``differs`` says that the commit and the present files do not say the same about the prompt. ``hint`` is
    the command for what a rollback does not do.
    """

    name: str
    label: str
    version: int
    reason: str
    differs: bool = True
    hint: str = ""


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """Labels to change. ``together`` means all of them or none.

    ``refusal`` is why none of them may be changed.
    ``commit`` is the git commit whose texts the labels go to, as people write it; ``skipped`` are those that
    cannot go there. ``workspace`` is part of the fingerprint.
    """

    changes: tuple[LabelChange, ...]
    together: bool = False
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
        return tuple(
            dict.fromkeys("deleting a label" if one.new is None else "moving a label" for one in self.pending)
        )

    @property
    def fingerprint(self) -> str:
        changes = [[one.name, one.label, one.old, one.new] for one in self.changes]
        return fingerprint([self.workspace, changes])


def plan_set(project: Project, one: Labelled, label: str, version: int) -> LabelChange:
    """Plan a new label. Raises ``Refused`` when it exists and points elsewhere."""
    change = change_to(one, label, version)
    if change.old is not None and change.old != change.new:
        raise Refused(
            f"{change.name!r} already has the label {label!r}, at v{change.old}",
            hint=move_command(project, change),
            code="label-exists",
        )
    return change


def plan_move(
    project: Project, one: Labelled, label: str, version: int, *, force: bool = False
) -> LabelChange:
    """Plan to move a label. Raises ``Refused`` for a lower version without ``force``."""
    existing(one, label)
    change = change_to(one, label, version)
    if change.is_lower and not force:
        raise Refused(
            f"{label!r} of {change.name!r} is at v{change.old}; v{change.new} is lower",
            hint=rollback_command(project, change),
            code="lower-version",
        )
    return change


def move_command(project: Project, change: LabelChange) -> str:
    """Return the command to advise for a move up: the one that runs the checks, if the label is governed."""
    if project.governs(change.label):
        return deploy_command(project, change.label)
    return f"promptsync label move {shlex.join([change.name, change.label])} --to {change.new}"


def rollback_command(project: Project, change: LabelChange) -> str:
    """Return the command to advise for a move down; of a governed label, to the version that was live."""
    command = f"promptsync rollback {shlex.quote(change.name)} --label {shlex.quote(change.label)}"
    return command if project.governs(change.label) else f"{command} --to {change.new}"


def plan_delete(one: Labelled, label: str) -> LabelChange:
    """Plan to delete a label, and those beside it."""
    existing(one, label)
    return change_from(one.listed.name, one.listed.template_id, label, one.labels, None)


def plan_promotion(
    project: Project,
    prompts: Sequence[Labelled],
    source: str,
    target: str,
    *,
    named: Collection[str] = (),
    force: bool = False,
) -> LabelPlan:
    """Plan to point ``target`` at what ``source`` points at, for each of the prompts that has ``source``.

    ``named`` are the prompts that must have it. ``force`` allows a lower version. Raises ``NoSuchVersion``
    for one without it, and ``UsageError`` if none has it.
    """
    for one in prompts:
        if one.listed.name in named:
            existing(one, source)
    having = [one for one in prompts if source in one.labels]
    if not having:
        raise UsageError(f"no prompt in scope has the label {source!r}", hint="promptsync label list")
    changes = tuple(change_to(one, target, one.labels[source].version) for one in having)
    return LabelPlan(
        changes,
        together=True,
        refusal=None if force else _lower(project, changes, source, target),
    )


def _lower(project: Project, changes: Sequence[LabelChange], source: str, target: str) -> Refused | None:
    lower = [one for one in changes if one.is_lower]
    if not lower:
        return None
    name = shlex.quote(lower[0].name)
    hints = [f"promptsync rollback {name} --label {shlex.quote(target)}"]
    if not project.governs(target):
        hints.append(f"promptsync promote {shlex.join([source, target])} {name} --force")
    return Refused(
        f"{target!r} would move to a lower version; no label was changed",
        hint="\n".join(hints),
        details=[f"{one.name}  {target}  v{one.old} -> v{one.new}" for one in lower],
        code="lower-version",
    )


def change_to(one: Labelled, label: str, version: int) -> LabelChange:
    """Return the change that moves a label of a prompt to a version."""
    change = change_from(one.listed.name, one.listed.template_id, label, one.labels, version)
    is_snippet = one.listed.prompt.template.get("type") == "completion"
    return replace(change, is_snippet=is_snippet, is_on_hold=one.is_on_hold(label, version))


def change_from(name: str, template_id: int, label: str, there: Pointers, version: int | None) -> LabelChange:
    """Return the change that moves a label to a version, given the labels that the prompt has now.

    Without a version it deletes the label.
    """
    old = there[label].version if label in there else None
    return LabelChange(name, template_id, label, old, version)


def existing(one: Labelled, label: str) -> int:
    """Return the version under a label. Raises ``NoSuchVersion`` for an unknown one."""
    version = one.version(label)
    if version is None:
        raise no_such_version(one.listed, At(label=label), list(one.labels))
    return version


def version_at(project: Project, one: Labelled, at: At) -> int:
    """Return the version that ``at`` means. Raises ``NoSuchVersion``."""
    return find_number(project, one.listed, at, one.labels)


def check_unused(project: Project, listed: Version, label: str) -> None:
    """Raise ``Refused`` if prompts refer to ``label`` of this snippet: without it they cannot be rendered.

    If the registry cannot list those prompts, nothing is raised.
    """
    if listed.prompt.template.get("type") != "completion":  # nothing else can be a snippet
        return
    try:
        usage = project.registry.prompts.snippet_usage(listed.template_id, listed.name)
    except (Unsupported, NotFound):
        return
    found = usage.get("label_usage")
    entries = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    users = sorted({str(one.get("prompt_name")) for one in entries if one.get("label_name") == label})
    if users:
        raise Refused(
            f"{', '.join(map(repr, users))} refer to {listed.name!r} by its label {label!r} and cannot be "
            "rendered without it",
            hint="publish them with another reference first, or add --force",
            code="label-in-use",
        )

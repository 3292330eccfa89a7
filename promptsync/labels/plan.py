"""Where release labels point, and where they should: plans of changes, made before anything is written."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from promptsync.compare.labels import Labelled, Pointers, deploy_command
from promptsync.compare.plan import fingerprint
from promptsync.compare.project import Project
from promptsync.compare.select import At
from promptsync.compare.versions import find_number, no_such_version
from promptsync.errors import Refused, UsageError
from promptsync.prompt.labels import previous_after, previous_name, rolled_back_after, rolled_back_name
from promptsync.prompt.prompt import Listed
from promptsync.registry.errors import NotFound, Unsupported


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A label of one prompt that moves from one version to another; ``None`` means that there is no label.

    ``previous`` are the versions of ``LABEL.previous``, where a rollback goes: before and after the move.
    ``rolled_back`` are those of ``LABEL.rolled-back``. ``as_good`` are versions with the very same text: if
    somebody else moved the label to one of them, nothing is left to do.
    """

    name: str
    template_id: int
    label: str
    old: int | None
    new: int | None
    previous: tuple[int | None, int | None] = (None, None)
    rolled_back: tuple[int | None, int | None] = (None, None)
    as_good: frozenset[int] = frozenset()

    @property
    def beside(self) -> dict[str, tuple[int | None, int | None]]:
        """The labels that remember the history of this one, each with its versions before and after."""
        names = previous_name(self.label), rolled_back_name(self.label)
        ways = zip(names, (self.previous, self.rolled_back), strict=True)
        return {name: way for name, way in ways if name is not None}

    @property
    def is_lower(self) -> bool:
        """Whether the label moves to a lower version, which undoes a release."""
        return self.old is not None and self.new is not None and self.new < self.old

    def reversed(self) -> LabelChange:
        """Return the change that undoes this one."""
        return replace(
            self,
            old=self.new,
            new=self.old,
            previous=self.previous[::-1],
            rolled_back=self.rolled_back[::-1],
            as_good=frozenset(),  # those versions have the text that is undone
        )


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
    cannot go there.
    """

    changes: tuple[LabelChange, ...]
    together: bool = False
    refusal: Refused | None = None
    commit: str = ""
    skipped: tuple[SkippedLabel, ...] = ()

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
        return fingerprint([[one.name, one.label, one.old, one.new] for one in self.changes])


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
    if project.config.governs(change.label):
        return deploy_command(project, change.label)
    return f"promptsync label move {shlex.join([change.name, change.label])} --to {change.new}"


def rollback_command(project: Project, change: LabelChange) -> str:
    """Return the command to advise for a move down; of a governed label, to the version that was live."""
    command = f"promptsync rollback {shlex.quote(change.name)} --label {shlex.quote(change.label)}"
    return command if project.config.governs(change.label) else f"{command} --to {change.new}"


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
    force: Iterable[str] = (),
) -> LabelPlan:
    """Plan to point ``target`` at what ``source`` points at, for each of the prompts that has ``source``.

    ``named`` are the prompts that must have it. ``force`` allows a lower version by name. Raises
    ``NoSuchVersion`` for one without it, ``UsageError`` if none has it, and for a name in ``force`` that is
    not promoted.
    """
    for one in prompts:
        if one.listed.name in named:
            existing(one, source)
    having = [one for one in prompts if source in one.labels]
    if not having:
        raise UsageError(f"no prompt in scope has the label {source!r}", hint="promptsync label list")
    changes = tuple(change_to(one, target, one.labels[source].version) for one in having)
    unknown = sorted(set(force) - {one.name for one in changes})
    if unknown:
        raise UsageError(f"--force {unknown[0]}: that prompt is not part of this promotion")
    return LabelPlan(
        changes,
        together=True,
        refusal=_lower(project, changes, source, target, set(force)),
    )


def _lower(
    project: Project, changes: Sequence[LabelChange], source: str, target: str, forced: set[str]
) -> Refused | None:
    lower = [one for one in changes if one.is_lower and one.name not in forced]
    if not lower:
        return None
    name = shlex.quote(lower[0].name)
    hints = [f"promptsync rollback {name} --label {shlex.quote(target)}"]
    if not project.config.governs(target):
        hints.append(f"promptsync promote {shlex.join([source, target])} --force {name}")
    return Refused(
        f"{target!r} would move to a lower version; no label was changed",
        hint="\n".join(hints),
        details=[f"{one.name}  {target}  v{one.old} -> v{one.new}" for one in lower],
        code="lower-version",
    )


def change_to(one: Labelled, label: str, version: int) -> LabelChange:
    """Return the change that moves a label of a prompt to a version."""
    return change_from(one.listed.name, one.listed.template_id, label, one.labels, version)


def change_from(name: str, template_id: int, label: str, there: Pointers, version: int | None) -> LabelChange:
    """Return the change that moves a label to a version, given the labels that the prompt has now.

    Without a version it deletes the label. The labels beside it change with it.
    """

    def at(one: str | None) -> int | None:
        return there[one].version if one is not None and one in there else None

    old, previous, rolled_back = at(label), at(previous_name(label)), at(rolled_back_name(label))
    after: tuple[int | None, int | None] = None, None
    if version is not None and previous_name(label) is not None:
        after = previous_after(old, version, previous), rolled_back_after(old, version, rolled_back)
    return LabelChange(name, template_id, label, old, version, (previous, after[0]), (rolled_back, after[1]))


def existing(one: Labelled, label: str) -> int:
    """Return the version under a label. Raises ``NoSuchVersion`` for an unknown one."""
    version = one.version(label)
    if version is None:
        raise no_such_version(one.listed, At(label=label), list(one.labels))
    return version


def version_at(project: Project, one: Labelled, at: At) -> int:
    """Return the version that ``at`` means. Raises ``NoSuchVersion``."""
    return find_number(project, one.listed, at, one.labels)


def check_unused(project: Project, listed: Listed, label: str) -> None:
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

"""Where release labels point, and where they should: plans of changes, made before anything is written."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptsync.compare.labels import Labelled
from promptsync.compare.project import Project
from promptsync.compare.versions import read_versions
from promptsync.errors import AnswerIsNo, Refused, UsageError
from promptsync.history.message import without_mark
from promptsync.prompt.labels import previous_after, previous_name
from promptsync.prompt.prompt import Listed
from promptsync.registry.errors import NotFound, Unsupported


@dataclass(frozen=True, slots=True)
class Change:
    """A label of one prompt that goes from one version to another; ``None`` is no version: no label.

    ``previous`` are the two places of the label that remembers the way back, now and afterwards.
    """

    name: str
    template_id: int
    label: str
    old: int | None
    new: int | None
    previous: tuple[int | None, int | None] = (None, None)

    @property
    def is_lower(self) -> bool:
        """Whether a version that is live would be taken back."""
        return self.old is not None and self.new is not None and self.new < self.old

    def reversed(self) -> Change:
        """Return the change that undoes this one."""
        then, now = self.previous
        return Change(self.name, self.template_id, self.label, self.new, self.old, (now, then))


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a promotion would do. ``lower`` would take back what is live; ``without`` were named in vain."""

    changes: tuple[Change, ...]
    lower: tuple[Change, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that are not true already."""
        return tuple(change for change in self.changes if change.old != change.new)


def plan_set(one: Labelled, label: str, version: int | None) -> Change:
    """Plan a label that is not there yet. Raises ``Refused`` when it is, and points elsewhere."""
    change = change_to(one, label, checked_version(one, version))
    if change.old is not None and change.old != change.new:
        raise Refused(
            f"{change.name!r} has the label {label!r} already, at v{change.old}",
            hint=f"promptsync label move {change.name} {label} --version {change.new} moves it",
            code="label-exists",
        )
    return change


def plan_move(one: Labelled, label: str, version: int | None, *, force: bool = False) -> Change:
    """Plan to move a label that is there. Raises ``Refused`` for a lower version without ``force``."""
    existing(one, label)
    change = change_to(one, label, checked_version(one, version))
    if change.is_lower and not force:
        name = change.name
        raise Refused(
            f"{label!r} of {name!r} is at v{change.old}; v{change.new} is lower, and would take that back",
            hint=f"promptsync rollback {name} --label {label} --to {change.new} takes a release back; "
            "--force moves it all the same",
            code="lower-version",
        )
    return change


def plan_delete(one: Labelled, label: str) -> Change:
    """Plan to delete a label, and the one that remembers its way back."""
    old = existing(one, label)
    remembered = previous_name(label)
    kept = one.version(remembered) if remembered else None
    return Change(one.listed.name, one.listed.template_id, label, old, None, (kept, None))


def plan_promotion(
    prompts: Sequence[Labelled], source: str, target: str, *, named: bool, force: Iterable[str] = ()
) -> Promotion:
    """Plan to point ``target`` at what ``source`` points at, for each of the prompts that has ``source``.

    ``named`` says that somebody asked for these very prompts. ``force`` allows a lower version by name.
    """
    having = [one for one in prompts if source in one.labels]
    without = tuple(one.listed.name for one in prompts if source not in one.labels) if named else ()
    changes = tuple(change_to(one, target, one.labels[source].version) for one in having)
    forced = set(force)
    lower = tuple(change for change in changes if change.is_lower and change.name not in forced)
    return Promotion(changes, lower, without)


def change_to(one: Labelled, label: str, version: int) -> Change:
    """Return the change that brings a label to a version, and keeps the way back."""
    old = one.version(label)
    remembered = previous_name(label)
    kept = one.version(remembered) if remembered else None
    after = previous_after(old, version, kept) if remembered else None
    return Change(one.listed.name, one.listed.template_id, label, old, version, (kept, after))


def existing(one: Labelled, label: str) -> int:
    """Return the version under a label. Raises ``AnswerIsNo`` when the prompt does not have it."""
    version = one.version(label)
    if version is None:
        there = ", ".join(sorted(one.labels)) or "none"
        raise AnswerIsNo(
            f"{one.listed.name!r} has no label {label!r}; its labels: {there}",
            hint=f"promptsync label set {shlex.quote(one.listed.name)} {shlex.quote(label)} would create it",
            code="not-found",
        )
    return version


def checked_version(one: Labelled, version: int | None) -> int:
    """Return ``version``, by default the latest. Raises ``UsageError`` for one that was never published."""
    latest = one.listed.version
    if version is not None and not 1 <= version <= latest:
        raise UsageError(
            f"{one.listed.name!r} has no version {version}; its latest is v{latest}",
            hint=f"promptsync log {one.listed.name} lists the versions",
        )
    return latest if version is None else version


def check_unused(project: Project, listed: Listed, label: str) -> None:
    """Raise ``Refused`` when prompts refer to ``label`` of this snippet: without it they cannot be rendered.

    Registries that cannot tell are taken at no word.
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
            f"{', '.join(map(repr, users))} refer to {listed.name!r} by its label {label!r}, and cannot be "
            "rendered without it",
            hint="publish them with another reference first, or add --force",
            code="label-in-use",
        )


_LISTED = 8


def plan_rollback(project: Project, one: Labelled, label: str, to: int | None) -> Change:
    """Plan to take a release back: to ``to``, by default to the version that the label left last.

    Raises ``Refused``, with the versions that there are, when nobody remembers that version or when the label
    is there or below it already; and when ``to`` is no way back.
    """
    now = existing(one, label)
    if to is not None:
        version = checked_version(one, to)
        if version > now:
            raise Refused(
                f"{label!r} of {one.listed.name!r} is at v{now}: v{version} is no way back",
                hint=f"promptsync label move {one.listed.name} {label} --version {version} moves it up",
                code="higher-version",
            )
        return change_to(one, label, version)
    remembered = previous_name(label)
    if remembered is None:
        raise UsageError(
            f"{label!r} remembers the way back of another label, and has none itself",
            hint="give the version with --to N",
        )
    previous = one.version(remembered)
    if previous is None:
        raise _refusal(
            project, one, label, f"there is no {remembered!r}, so nobody knows what was live before"
        )
    if previous >= now:
        raise _refusal(project, one, label, f"{remembered!r} is at v{previous}: that release was taken back")
    return change_to(one, label, previous)


def _refusal(project: Project, one: Labelled, label: str, why: str) -> Refused:
    name = one.listed.name
    return Refused(
        f"{label!r} of {name!r} is at v{one.version(label)}, and {why}",
        hint=f"choose one: promptsync rollback {name} --label {label} --to N",
        details=_versions(project, one),
        code="nothing-to-roll-back",
    )


def _versions(project: Project, one: Labelled) -> list[str]:
    lines = []
    for found in read_versions(project, one.listed, _LISTED):
        labels = " ".join(sorted(name for name, at in one.labels.items() if at.version == found.version))
        message = without_mark(found.message)
        lines.append("  ".join(part for part in (f"v{found.version}", labels, message) if part))
    return lines

"""Where release labels point, and where they should: plans of changes, made before anything is written."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from promptsync.core.labels import previous_after, previous_name
from promptsync.core.prompt import Label, Listed
from promptsync.errors import AnswerIsNo, Refused, UsageError
from promptsync.parallel import mapped
from promptsync.remote.errors import Unsupported
from promptsync.sync.gather import list_all
from promptsync.sync.lookup import find_prompt, in_listing
from promptsync.sync.project import Project

Pointers = Mapping[str, Label]
"""The labels of one prompt, by name."""


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


@dataclass(frozen=True, slots=True)
class Labelled:
    """A prompt and where its labels point."""

    listed: Listed
    labels: Pointers = field(default_factory=dict)

    def version(self, label: str) -> int | None:
        """The version that a label points at, ``None`` without one."""
        return self.labels[label].version if label in self.labels else None


def labelled(project: Project, names: Sequence[str] = ()) -> list[Labelled]:
    """Return prompts with their labels, sorted by name: those of ``names``, else all in scope.

    One name costs few requests; all labels are read in one, where the registry can do that. Raises
    ``NoSuchPrompt``, and ``Unsupported`` where labels cannot be read.
    """
    if len(names) == 1:
        found = find_prompt(project, names[0])
        return [Labelled(found, labels_of_prompt(project, found))]
    listing = {item.name: item for item in list_all(project)}
    wanted = sorted(set(names)) or sorted(name for name in listing if project.config.in_scope(name))
    items = [in_listing(project, name, listing) for name in wanted]
    return _labelled(project, items)


def _labelled(project: Project, items: Sequence[Listed]) -> list[Labelled]:
    everything = project.registry.all_labels()
    if everything is not None:
        return [Labelled(item, _pointers(everything, item)) for item in items]
    done = 0

    def read(item: Listed) -> Labelled:
        nonlocal done
        found = Labelled(item, labels_of_prompt(project, item))
        done += 1
        project.progress("Reading labels", done, len(items))
        return found

    return mapped(read, items)


def labels_of_prompt(project: Project, item: Listed) -> Pointers:
    """Return the labels of one prompt, read anew."""
    registry = project.registry
    try:
        return {one.name: one for one in registry.labels(item.template_id, item.name)}
    except Unsupported:
        everything = registry.all_labels()
        if everything is None:
            raise
        return _pointers(everything, item)


def _pointers(everything: Iterable[Label], item: Listed) -> Pointers:
    return {one.name: one for one in everything if _is_of(one, item)}


def _is_of(label: Label, item: Listed) -> bool:
    if label.template_id is not None:
        return label.template_id == item.template_id
    return label.prompt_name == item.name


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

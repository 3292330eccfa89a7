"""Where release labels point."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field

from promptsync.parallel import mapped
from promptsync.project.project import Project
from promptsync.project.target import find_in, find_prompt
from promptsync.project.versions import list_all
from promptsync.prompt.labels import Position, position_of
from promptsync.prompt.prompt import Label
from promptsync.prompt.version import Version
from promptsync.registry.errors import Unsupported

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

Pointers = Mapping[str, Label]
"""The labels of one prompt, by name."""


class Labelled(Struct, frozen=True):
    """A prompt and where its labels point."""

    listed: Version
    labels: Pointers = field(default_factory=dict)

    def version(self, label: str) -> int | None:
        """The version that a label points at, ``None`` without one."""
        return self.labels[label].version if label in self.labels else None

    def position(self, label: str) -> Position:
        """Where a label points, and the labels beside it that remember its history."""
        return position_of(label, {name: label.version for name, label in self.labels.items()})

    def is_on_hold(self, label: str, version: int) -> bool:
        """Whether a label was moved back from a version, which is not released again by itself."""
        return self.position(label).is_on_hold(version)


def deploy_command(project: Project, label: str) -> str:
    """Return the command that moves a governed label, after the checks, or that goes to a branch for it."""
    branch = project.history.branch if project.history is not None else None
    branches = [name for name, released in project.config.labels.items() if released == label]
    if branch is not None and branches and branch not in branches:
        return f"git switch {shlex.quote(branches[0])}"
    is_default = branch in branches
    return project.on_remote("promptsync deploy" + ("" if is_default else f" --label {shlex.quote(label)}"))


def list_labels(registry: Registry, names: Iterable[str]) -> list[Label] | None:
    """Return the labels of all prompts, in one request where the registry lists them all.

    Other registries return only those with one of ``names``, in one list of prompts for each of these, and
    without ``names`` nothing: ``None``.
    """
    everything = registry.labels.all() if registry.labels.may_list_all else None
    if everything is not None or not (wanted := sorted({*names})):
        return everything
    return labels_named(registry, wanted)


def labels_named(registry: Registry, names: Iterable[str]) -> list[Label]:
    """Return the labels of all prompts that have one of ``names``: one list of prompts for each of these."""

    def pointing(name: str) -> list[Label]:
        listed = registry.prompts.list(label=name)
        return [Label(name, item.version, None, item.template_id, item.name) for item in listed]

    return [label for labels in mapped(pointing, names) for label in labels]


def labelled(project: Project, names: Sequence[str] = (), *, only: Collection[str] = ()) -> list[Labelled]:
    """Return prompts with their labels, sorted by name: those of ``names``, otherwise all in scope.

    One name costs few requests; all labels are read in one, where the registry can do that. If the labels
    ``only`` are all that is needed, the others may be missing. Raises ``NoSuchPrompt``, and ``Unsupported``
    where labels cannot be read.
    """
    if len(names) == 1:
        return with_labels(project, [find_prompt(project, names[0])])
    listing = {item.name: item for item in list_all(project)}
    wanted = sorted(set(names)) or sorted(name for name in listing if project.config.in_scope(name))
    items = [find_in(project, name, listing) for name in wanted]
    return with_labels(project, items, only=only)


def with_labels(project: Project, items: Sequence[Version], *, only: Collection[str] = ()) -> list[Labelled]:
    """Return prompts of the registry with their labels, read now; see ``labelled``."""
    if len(items) == 1:
        return [Labelled(items[0], labels_of_prompt(project, items[0]))]
    everything = list_labels(project.registry, only)
    if everything is not None:
        pointers = pointers_of(everything, items)
        return [Labelled(item, pointers[item.name]) for item in items]

    def read(item: Version) -> Labelled:
        return Labelled(item, labels_of_prompt(project, item))

    return project.mapped("Reading labels", read, items)


def labels_of_prompt(project: Project, item: Version) -> Pointers:
    """Return the labels of one prompt, read again."""
    registry = project.registry
    try:
        return {label.name: label for label in registry.labels.of(item.template_id, item.name)}
    except Unsupported:
        # Some registries list only all labels at once.
        everything = registry.labels.all()
        if everything is None:
            raise
        return pointers_of(everything, [item])[item.name]


def read_labels(project: Project, item: Version) -> Pointers | None:
    """Return the labels of one prompt, read again; ``None`` where the registry cannot list them."""
    try:
        return labels_of_prompt(project, item)
    except Unsupported:
        return None


def can_change_labels(project: Project, some: Version | None) -> bool:
    """Whether the registry can change labels by themselves. ``some`` is one of its prompts, if it has any."""
    labels = project.registry.labels
    if some is not None:
        return labels.can_change(some.template_id, some.name)
    # The response about an unknown prompt may be misread, so without a list of all labels it does not count.
    return labels.can_change(0, "") or labels.all() is None


def check_changeable(project: Project, some: Version | None) -> None:
    """Raise ``Unsupported`` if the registry cannot change labels; see ``can_change_labels``."""
    if not can_change_labels(project, some):
        raise Unsupported(
            f"{project.registry.url} cannot change release labels: it has no such operation",
            hint="promptsync doctor",
        )


def labels_by_prompt(
    everything: Sequence[Label] | None, listing: Sequence[Version]
) -> dict[str, tuple[tuple[str, int], ...]] | None:
    """Return labels with their versions by prompt, ``None`` for ``None``."""
    if everything is None:
        return None
    names = {item.template_id: item.name for item in listing}
    labels: dict[str, list[tuple[str, int]]] = {}
    for label in everything:
        name = label.prompt_name or names.get(label.template_id or 0)
        if name is not None:
            labels.setdefault(name, []).append((label.name, label.version))
    return {name: tuple(sorted(pairs)) for name, pairs in labels.items()}


def pointers_of(everything: Iterable[Label], items: Sequence[Version]) -> dict[str, Pointers]:
    """Return the labels of each prompt by its name, given those of all prompts."""
    pointers: dict[str, dict[str, Label]] = {item.name: {} for item in items}
    names = {item.template_id: item.name for item in items}
    for label in everything:
        name = names.get(label.template_id) if label.template_id is not None else label.prompt_name
        if name in pointers:
            pointers[name][label.name] = label
    return dict(pointers)

"""The prompts of the registry by name, where their labels point, and their versions by number and label."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property

from msgspec import Struct

from promptsync.errors import UsageError
from promptsync.parallel import MOST_REQUESTS, mapped
from promptsync.project.project import Project
from promptsync.project.target import At, PromptAt, close_name
from promptsync.prompt.labels import RELEASED, Position, is_own, position_of
from promptsync.prompt.prompt import Label, Version
from promptsync.registry.errors import NotFound, Rejected, Unsupported, UnusablePrompt
from promptsync.registry.protocol import Registry

Labels = Mapping[str, int]
"""Where the labels of one prompt point, by name."""


class NoSuchVersion(UsageError):
    """A prompt does not have the version or the label that was specified."""

    code = "not-found"


class Labelled(Struct, frozen=True):
    """A prompt and where its labels point."""

    listed: Version
    labels: Labels = {}

    def position(self, label: str) -> Position:
        """Return where a label points, with the labels beside it."""
        return position_of(label, self.labels)


def list_all(project: Project, *, label: str | None = None) -> list[Version]:
    """Return every prompt in the registry's list, with tags if it stores any."""

    def on_page(done: int, pages: int) -> None:
        project.progress("Listing the registry", done, pages)

    return project.registry.prompts.list(label=label, on_page=on_page)


class Catalog(Mapping[str, Version]):
    """The active prompts of the registry by name.

    A name costs one search. Iterating reads the whole list, once.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._searched = cache(self._search)

    def __getitem__(self, name: str) -> Version:
        # What was listed is not searched.
        version = self._listed.get(name) if "_listed" in vars(self) else self._searched(name)
        if version is None:
            raise KeyError(name)
        return version

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    @cached_property
    def _listed(self) -> dict[str, Version]:
        return {item.name: item for item in list_all(self._project)}

    def _search(self, name: str) -> Version | None:
        prompts = self._project.registry.prompts
        version = next((item for item in prompts.list(name=name) if item.name == name), None)
        if version is not None:
            # Requests use the id in the path, where a registry may also find a prompt that is named "71". The
            # client can avoid that only if it has seen such a name.
            prompts.list(name=str(version.template_id))
        return version


# -- labels -------------------------------------------------------------------------------------------------


def deploy_command(project: Project, label: str) -> str:
    """Return the command that moves a governed label, after the checks, or that goes to a branch for it."""
    branch = project.history.branch if project.history is not None else None
    branches = [name for name, released in project.config.labels.items() if released == label]
    if branch is not None and branches and branch not in branches:
        return f"git switch {shlex.quote(branches[0])}"
    return "promptsync deploy" + ("" if branch in branches else f" --label {shlex.quote(label)}")


def list_labels(registry: Registry, names: Iterable[str]) -> list[Label] | None:
    """Return the labels of all prompts, in one request where the registry lists them all.

    Other registries return only those with one of ``names``, in one list of prompts for each of these, and
    without ``names`` nothing: ``None``.
    """
    try:
        everything = registry.labels.all() if registry.labels.may_list_all else None
    except Rejected:
        if not names:
            raise
        everything = None  # the lists of prompts have the same labels
    if everything is not None or not (wanted := sorted({*names})):
        return everything

    def pointing(name: str) -> list[Label]:
        listed = registry.prompts.list(label=name)
        return [Label(name, item.version, None, item.template_id, item.name) for item in listed]

    return [label for labels in mapped(pointing, wanted) for label in labels]


def labelled(
    project: Project, items: Sequence[Version] | None = None, *, only: Collection[str] = ()
) -> list[Labelled]:
    """Return prompts with their labels, read now: these, or all in scope, sorted by name.

    All labels are read in one request, where the registry can do that. If the labels ``only`` are all that is
    needed, the others may be missing. Raises ``Unsupported`` where labels cannot be read.
    """
    if items is None:
        in_scope = (item for item in list_all(project) if project.config.in_scope(item.name))
        items = sorted(in_scope, key=lambda item: item.name)
    labels = list_labels(project.registry, only) if len(items) != 1 else None
    if labels is None:
        by_prompt = project.mapped(
            "Reading labels", lambda item: labels_of_prompt(project, item.template_id, item.name), items
        )
        labels = [label for labels in by_prompt for label in labels]
    there = labels_by_prompt(labels, items)
    return [Labelled(item, there[item.name]) for item in items]


def labels_of_prompt(project: Project, template_id: int, name: str) -> list[Label]:
    """Return the labels of one prompt, read again."""
    registry = project.registry
    try:
        return registry.labels.of(template_id, name)
    except Unsupported:
        # Some registries list only all labels at once.
        everything = registry.labels.all()
        if everything is None:
            raise
        return [
            label
            for label in everything
            if label.template_id == template_id or (label.template_id is None and label.prompt_name == name)
        ]


def read_labels(project: Project, item: Version) -> Labels | None:
    """Return the labels of one prompt, read again; ``None`` where the registry cannot list them."""
    try:
        return labelled(project, [item])[0].labels
    except Unsupported:
        return None


def check_changeable(project: Project, prompts: Iterable[tuple[int, str]]) -> None:
    """Raise ``Unsupported`` if the registry cannot change labels; ``prompts`` are ids and names of some."""
    labels, some = project.registry.labels, next(iter(prompts), None)
    # The response about an unknown prompt may be misread, so without a list of all labels it does not count.
    if not labels.can_change(*(some or (0, ""))) and (some is not None or labels.all() is not None):
        raise Unsupported(
            f"{project.registry.url} cannot change release labels: it has no such operation",
            hint="promptsync doctor",
        )


def labels_by_prompt(labels: Iterable[Label], items: Iterable[Version]) -> dict[str, Labels]:
    """Return the labels of each prompt by its name, given those of all prompts."""
    names = {item.template_id: item.name for item in items}
    by_prompt: dict[str, dict[str, int]] = {name: {} for name in names.values()}
    for label in sorted(labels, key=lambda label: label.name):
        name = names.get(label.template_id) if label.template_id is not None else label.prompt_name
        if name in by_prompt:
            by_prompt[name][label.name] = label.version
    return dict(by_prompt)


class RoutedLabel(Struct, frozen=True):
    """A label that returns the version ``other`` although it points at another: an A/B release routes it."""

    name: str
    label: str
    version: int
    other: int

    def __str__(self) -> str:
        return f"{self.label} returns v{self.version} and v{self.other}: an A/B release routes it"


def routed_labels(
    project: Project, label: str, pointers: Mapping[str, int | None], answers: Iterable[Version]
) -> dict[str, RoutedLabel]:
    """Return by name where a label is routed.

    ``answers`` is a list of the prompts under the label that was read after ``pointers``. Where the two
    differ, the label is read again, because one that moved in between is not routed.
    """
    routed = {}
    for item in answers:
        version = pointers.get(item.name)
        if version not in (None, item.version) and (read_labels(project, item) or {}).get(label) == version:
            routed[item.name] = RoutedLabel(item.name, label, version, item.version)
    return routed


# -- one version --------------------------------------------------------------------------------------------


_BATCH = MOST_REQUESTS
"""How many versions are requested before it is known how many of them exist."""


def read_version(project: Project, listed: Version, number: int, *, fresh: bool = False) -> Version | None:
    """Return a version of a prompt, ``None`` when the registry does not have it.

    ``fresh`` reads it again although the cache has it.
    """
    prompts = project.registry.prompts
    try:
        return prompts.get(listed.template_id, listed.name, version=number, fresh=fresh)
    except NotFound:
        return None


def read_usable(project: Project, listed: Version, number: int, *, fresh: bool = False) -> Version | None:
    """Return a version of a prompt, ``None`` if it does not exist or no file can hold it."""
    try:
        return read_version(project, listed, number, fresh=fresh)
    except UnusablePrompt:
        return None


def read_versions(
    project: Project, listed: Version, limit: int | None = None, *, newest: int | None = None
) -> list[Version]:
    """Return ``limit`` versions of a prompt from ``newest`` (default: the latest) down.

    Versions that the registry has lost are left out.
    """
    versions: list[Version] = []
    number = listed.version if newest is None else newest
    while number > 0 and (limit is None or len(versions) < limit):
        count = _BATCH if limit is None else min(_BATCH, limit - len(versions))
        numbers = range(number, max(number - count, 0), -1)
        read = mapped(lambda number: read_usable(project, listed, number), numbers)
        versions += [version for version in read if version is not None]
        number -= count
        project.progress("Reading versions", len(versions), listed.version if limit is None else limit)
    return versions


FoundVersion = tuple[Version, tuple[str, ...] | None]
"""One version with the labels that point at it, ``None`` where they cannot be read."""


def find_versions(
    project: Project, targets: Sequence[PromptAt], listing: Mapping[str, Version]
) -> list[FoundVersion]:
    """Return the version of each prompt; prompts of a pattern that lack it are left out.

    Raises ``NoSuchVersion`` where a named prompt does not have it, or none of them has.
    """
    missing: dict[str, NoSuchVersion] = {}

    def find(target: PromptAt) -> FoundVersion | None:
        try:
            return find_version(project, listing[target.name], target.at)
        except NoSuchVersion as error:
            if target.is_exact:
                raise
            missing[target.name] = error
            return None

    versions = [version for version in mapped(find, targets) if version is not None]
    if missing and not versions:
        raise missing[min(missing)]
    return versions


def find_version(project: Project, listed: Version, at: At) -> FoundVersion:
    """Return one version of a prompt. Raises ``NoSuchVersion``."""
    labels = read_labels(project, listed)
    number = find_number(project, listed, at, labels)
    version = read_version(project, listed, number)
    if version is None:
        raise no_such_version(listed, At(number))
    return version, labels_at(labels, number)


def find_number(project: Project, listed: Version, at: At, labels: Labels | None) -> int:
    """Return the number of a version, ``labels`` being those of the prompt. Raises ``NoSuchVersion``.

    A number up to the latest one is returned even if the registry no longer has that version.
    """
    if at.label is not None and labels is not None:
        if at.label not in labels:
            raise no_such_version(listed, at, list(labels))
        return labels[at.label]
    if at.label is not None:
        try:
            return project.registry.prompts.get(listed.template_id, listed.name, label=at.label).version
        except NotFound:
            raise no_such_version(listed, at) from None
    if at.number is not None and not 1 <= at.number <= listed.version:
        raise no_such_version(listed, at)
    return listed.version if at.number is None else at.number


def labels_at(labels: Labels | None, version: int) -> tuple[str, ...] | None:
    """Return the names of the labels that point at a version, without the marks of the newest releases."""
    if labels is None:
        return None
    there = (name for name, at in labels.items() if at == version)
    return tuple(sorted(name for name in there if not name.endswith(RELEASED)))


def no_such_version(listed: Version, at: At, labels: Sequence[str] = ()) -> NoSuchVersion:
    """Return the error for a version or a label that a prompt does not have."""
    name = shlex.quote(listed.name)
    if at.label is None:
        return NoSuchVersion(
            f"{listed.name!r} has no version {at.number}; its latest is v{listed.version}",
            hint=f"promptsync log {name}",
        )
    close = close_name(at.label, filter(is_own, labels))
    return NoSuchVersion(
        f"{listed.name!r} has no label {at.label!r}",
        hint=f"did you mean {close!r}?" if close else f"promptsync label list {name}",
    )

"""The versions of prompts in the registry."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from promptsync.errors import UsageError
from promptsync.parallel import mapped
from promptsync.project.pointers import Pointers, read_labels
from promptsync.project.project import Project
from promptsync.project.target import LATEST, At, close_name, select
from promptsync.project.versions import Catalog, read_version
from promptsync.prompt.labels import RELEASED
from promptsync.prompt.version import Version
from promptsync.registry.errors import NotFound


class NoSuchVersion(UsageError):
    """A prompt does not have the version or the label that was specified."""

    code = "not-found"


class Chosen(Struct, frozen=True):
    """One prompt of the registry, and the version of it that was specified.

    ``is_exact`` says that it was named, and did not only match a pattern.
    """

    listed: Version
    at: At = LATEST
    is_exact: bool = True


class FoundVersion(Struct, frozen=True):
    """One version with the labels that point at it, ``None`` where they cannot be read."""

    remote: Version
    labels: tuple[str, ...] | None


def choose(project: Project, directory: Path, arguments: Iterable[str], at: At = LATEST) -> list[Chosen]:
    """Return the prompts of the registry that arguments mean; see ``select``."""
    catalog = Catalog(project)
    selected = select(project, directory, arguments, catalog, at=at)
    return [
        Chosen(catalog[name], selection.at, selection.is_exact)
        for selection in selected
        for name in selection.names
    ]


def find_versions(project: Project, chosen: Sequence[Chosen]) -> list[FoundVersion]:
    """Return the version of each prompt, without those that match a pattern and do not have it.

    Raises ``NoSuchVersion`` where a named prompt does not have it, or none of them has.
    """
    missing: dict[str, NoSuchVersion] = {}

    def find(prompt: Chosen) -> FoundVersion | None:
        try:
            return find_version(project, prompt.listed, prompt.at)
        except NoSuchVersion as error:
            if prompt.is_exact:
                raise
            missing[prompt.listed.name] = error
            return None

    versions = [prompt for prompt in mapped(find, chosen) if prompt is not None]
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
    return FoundVersion(version, labels_at(labels, number))


def find_number(project: Project, listed: Version, at: At, labels: Pointers | None) -> int:
    """Return the number of a version, ``labels`` being those of the prompt. Raises ``NoSuchVersion``.

    A number up to the latest one is returned even if the registry no longer has that version.
    """
    if at.label is not None and labels is not None:
        if at.label not in labels:
            raise no_such_version(listed, at, list(labels))
        return labels[at.label].version
    if at.label is not None:
        try:
            return project.registry.prompts.get(listed.template_id, listed.name, label=at.label).version
        except NotFound:
            raise no_such_version(listed, at) from None
    if at.number is not None and not 1 <= at.number <= listed.version:
        raise no_such_version(listed, at)
    return listed.version if at.number is None else at.number


def labels_at(labels: Pointers | None, version: int) -> tuple[str, ...] | None:
    """Return the names of the labels that point at a version, without the marks of the newest releases."""
    if labels is None:
        return None
    there = (name for name, label in labels.items() if label.version == version)
    return tuple(sorted(name for name in there if not name.endswith(RELEASED)))


def no_such_version(listed: Version, at: At, labels: Sequence[str] = ()) -> NoSuchVersion:
    """Return the error for a version or a label that a prompt does not have."""
    name = shlex.quote(listed.name)
    if at.label is None:
        return NoSuchVersion(
            f"{listed.name!r} has no version {at.number}; its latest is v{listed.version}",
            hint=f"promptsync log {name}",
        )
    close = close_name(at.label, labels)
    return NoSuchVersion(
        f"{listed.name!r} has no label {at.label!r}",
        hint=f"did you mean {close!r}?" if close else f"promptsync label list {name}",
    )

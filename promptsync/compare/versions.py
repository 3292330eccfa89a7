"""The versions of one prompt, as the registry holds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from promptsync.compare.gather import list_all
from promptsync.compare.histories import read_version
from promptsync.compare.labels import Pointers, labels_of_prompt
from promptsync.compare.project import Project
from promptsync.compare.select import close_name, no_such_prompt, peek_prompt
from promptsync.errors import AnswerIsNo
from promptsync.parallel import CONNECTIONS, mapped
from promptsync.prompt.prompt import Listed, RemoteVersion
from promptsync.registry.errors import Unsupported

_BATCH = 4 * CONNECTIONS
"""How many versions are asked for before it is seen how many are gone."""

_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class Shown:
    """One version with the labels that point at it, ``None`` where they cannot be read."""

    remote: RemoteVersion
    labels: tuple[str, ...] | None


def read_versions(project: Project, listed: Listed, limit: int | None = None) -> list[RemoteVersion]:
    """Return the newest ``limit`` versions of a prompt, newest first, without those that are gone."""
    found: list[RemoteVersion] = []
    number = listed.version
    count = _BATCH if limit is None else min(_BATCH, limit)
    while number > 0 and count > 0:
        numbers = range(number, max(number - count, 0), -1)
        read = mapped(lambda number: read_version(project, listed, number), numbers)
        found += [one for one in read if one is not None]
        number -= count
        count = _BATCH if limit is None else min(_BATCH, limit - len(found))
        project.progress("Reading versions", len(found), listed.version if limit is None else limit)
    return found


def read_labels(project: Project, listed: Listed) -> Pointers | None:
    """Return the labels of a prompt, ``None`` where the registry cannot be asked for them."""
    try:
        return labels_of_prompt(project, listed)
    except Unsupported:
        return None


def labels_at(labels: Pointers | None, version: int) -> tuple[str, ...] | None:
    """Return the names of the labels that point at a version."""
    if labels is None:
        return None
    return tuple(sorted(name for name, one in labels.items() if one.version == version))


def show(project: Project, wanted: str) -> Shown:
    """Return the version that ``NAME``, ``NAME@N`` or ``NAME:label`` means; ``NAME`` alone is the latest.

    A name may hold ``@`` and ``:`` itself: a prompt that is named like the whole comes first, then the
    longest name that leaves a version or a label. Raises ``NoSuchPrompt``, and ``AnswerIsNo`` for a version
    or a label that the prompt does not have.
    """
    readings = list(_readings(wanted))
    for name, version, label in readings:
        listed = peek_prompt(project, name)
        if listed is not None:
            return _shown(project, listed, version, label)
    listing = {item.name: item for item in list_all(project)}
    for name, version, label in readings:
        if name in listing:
            return _shown(project, listing[name], version, label)
    names = [name for name, _, _ in reversed(readings)]
    meant = next((name for name in names if close_name(name, listing) is not None), names[0])
    raise no_such_prompt(project, meant, listing)


def _readings(wanted: str) -> Iterator[tuple[str, int | None, str | None]]:
    yield wanted, None, None
    for at in range(len(wanted) - 1, 0, -1):
        rest = wanted[at + 1 :]
        if wanted[at] == "@" and rest.isascii() and rest.isdigit() and len(rest) <= _LONGEST_NUMBER:
            yield wanted[:at], int(rest), None
        elif wanted[at] == ":" and rest:
            yield wanted[:at], None, rest


def _shown(project: Project, listed: Listed, version: int | None, label: str | None) -> Shown:
    labels = read_labels(project, listed)
    if label is not None:
        version = _version_under(project, listed, labels, label)
    number = listed.version if version is None else version
    found = read_version(project, listed, number) if 0 < number <= listed.version else None
    if found is None:
        raise AnswerIsNo(
            f"{listed.name!r} has no version {number}; its latest is v{listed.version}",
            hint=f"promptsync log {listed.name} lists the versions",
            code="not-found",
        )
    return Shown(found, labels_at(labels, number))


def _version_under(project: Project, listed: Listed, labels: Pointers | None, label: str) -> int:
    if labels is None:
        return project.registry.prompts.get(listed.template_id, listed.name, label=label).version
    if label not in labels:
        raise AnswerIsNo(
            f"{listed.name!r} has no label {label!r}",
            hint=f"its labels: {', '.join(sorted(labels)) or 'none'}",
            code="not-found",
        )
    return labels[label].version

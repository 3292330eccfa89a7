"""The versions that a release passes over: who saved them, when, and which labels point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from promptsync.deploy.members import Member, PassedOverVersion
from promptsync.history.mark import parse_mark
from promptsync.project.pointers import Pointers, with_labels
from promptsync.project.project import Project
from promptsync.project.versions import read_usable
from promptsync.prompt.additions import without_notes
from promptsync.prompt.labels import is_own
from promptsync.prompt.version import Version


def described(project: Project, listing: Mapping[str, Version], members: Sequence[Member]) -> list[Member]:
    """Return members with the versions that they pass over: those above what a forced one is made from."""
    numbers = {
        member.name: range(max(member.parents, default=0) + 1, (member.latest or 0) + 1)
        for member in members
        if member.forced
    }
    if not numbers:
        return list(members)
    labels = {
        prompt.listed.name: prompt.labels
        for prompt in with_labels(project, [listing[name] for name in numbers])
    }
    pairs = [(name, number) for name, over in numbers.items() for number in (over.start - 1, *over) if number]

    def read(pair: tuple[str, int]) -> Version | None:
        return read_usable(project, listing[pair[0]], pair[1])

    versions = dict(zip(pairs, project.mapped("Reading versions", read, pairs), strict=True))
    return [
        structs.replace(
            member,
            passed_over=tuple(
                _described(
                    number,
                    versions[member.name, number],
                    versions.get((member.name, number - 1)),
                    labels[member.name],
                )
                for number in numbers.get(member.name, ())
            ),
        )
        for member in members
    ]


def _described(
    number: int, version: Version | None, before: Version | None, labels: Pointers
) -> PassedOverVersion:
    pointing = sorted(name for name, label in labels.items() if label.version == number and is_own(name))
    if version is None:
        return PassedOverVersion(number, labels=tuple(pointing))
    mark = parse_mark(version.message)
    origin, is_pushed = "saved in the dashboard", mark is not None and mark.version == number
    if mark is not None and is_pushed:
        commit = f" from {mark.commit}" if mark.commit else ""
        origin = f"pushed{commit}{', not committed' if mark.dirty else ''}"
    return PassedOverVersion(
        number,
        in_dashboard=not is_pushed,
        origin=f"{origin} by {version.author}" if version.author else origin,
        created_at=version.created_at,
        labels=tuple(pointing),
        old=without_notes(before.prompt) if before is not None else None,
        new=without_notes(version.prompt),
    )

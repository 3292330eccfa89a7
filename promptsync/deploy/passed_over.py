"""The versions that a release passes over: who saved them, when, and which labels point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from promptsync.deploy.members import Member, PassedOverVersion
from promptsync.history.mark import parse_mark
from promptsync.project.pointers import with_labels
from promptsync.project.project import Project
from promptsync.project.versions import read_usable
from promptsync.prompt.additions import without_notes
from promptsync.prompt.labels import is_own
from promptsync.prompt.version import Version


def described(project: Project, listing: Mapping[str, Version], members: Sequence[Member]) -> list[Member]:
    """Return members with all that the registry tells about the versions that they pass over."""
    over = {member.name: member.passed_over for member in members if member.passed_over}
    if not over:
        return list(members)
    labels = {
        prompt.listed.name: prompt.labels for prompt in with_labels(project, [listing[name] for name in over])
    }
    pairs = sorted({(name, one.version - below) for name in over for one in over[name] for below in (0, 1)})

    def read(pair: tuple[str, int]) -> Version | None:
        name, number = pair
        return read_usable(project, listing[name], number) if number else None

    versions = dict(zip(pairs, project.mapped("Reading versions", read, pairs), strict=True))

    def describe(name: str, number: int) -> PassedOverVersion:
        version, before = versions[name, number], versions[name, number - 1]
        pointing = (label.name for label in labels[name].values() if label.version == number)
        own = tuple(sorted(filter(is_own, pointing)))
        if version is None:
            return PassedOverVersion(number, labels=own)
        return _described(version, before, own)

    return [
        msgspec.structs.replace(
            member, passed_over=tuple(describe(member.name, one.version) for one in member.passed_over)
        )
        for member in members
    ]


def _described(version: Version, before: Version | None, labels: tuple[str, ...]) -> PassedOverVersion:
    mark = parse_mark(version.message)
    is_pushed = mark is not None and mark.version == version.version
    origin = "saved in the dashboard"
    if mark is not None and is_pushed:
        commit = f" from {mark.commit}" if mark.commit else ""
        origin = f"pushed{commit}{', not committed' if mark.dirty else ''}"
    return PassedOverVersion(
        version.version,
        in_dashboard=not is_pushed,
        origin=f"{origin} by {version.author}" if version.author else origin,
        created_at=version.created_at,
        labels=labels,
        old=without_notes(before.prompt) if before is not None else None,
        new=without_notes(version.prompt),
    )

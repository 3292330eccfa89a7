"""The versions that a release passes over: who saved them, when, and which labels point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from promptsync.deploy.members import Member, PassedOverVersion
from promptsync.history.mark import parse_mark
from promptsync.project.pointers import Labels, with_labels
from promptsync.project.project import Project
from promptsync.project.versions import read_usable
from promptsync.prompt.additions import without_notes
from promptsync.prompt.labels import is_own
from promptsync.prompt.version import Version


def with_drafts(project: Project, listing: Mapping[str, Version], members: Sequence[Member]) -> list[Member]:
    """Return members with the versions that they pass over: those above the parents of a forced one."""
    first = {member.name: max(member.parents, default=0) + 1 for member in members if member.forced}
    if not first:
        return list(members)
    labels = {
        prompt.listed.name: prompt.labels
        for prompt in with_labels(project, [listing[name] for name in first])
    }

    def read(pair: tuple[str, int]) -> Version | None:
        name, number = pair
        return read_usable(project, listing[name], number) if number else None

    # Each is compared with the one before it.
    pairs = [
        (name, number)
        for name, start in first.items()
        for number in range(start - 1, listing[name].version + 1)
    ]
    versions = dict(zip(pairs, project.mapped("Reading versions", read, pairs), strict=True))

    def described(member: Member) -> Member:
        name = member.name
        numbers = range(first[name], (member.latest or 0) + 1) if name in first else ()
        drafts = (
            _draft(number, versions[name, number], versions[name, number - 1], labels[name])
            for number in numbers
        )
        return replace(member, drafts=tuple(drafts))

    return list(map(described, members))


def _draft(number: int, version: Version | None, before: Version | None, labels: Labels) -> PassedOverVersion:
    pointing = sorted(name for name, at in labels.items() if at == number and is_own(name))
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

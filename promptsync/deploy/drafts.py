"""The versions that a release passes over: who saved them, when, and which labels point at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptsync.compare.histories import read_version
from promptsync.compare.labels import with_labels
from promptsync.compare.live_users import LiveTexts, LiveUser, follows_latest
from promptsync.compare.snapshot import Snapshot
from promptsync.deploy.members import Member, PassedOverVersion
from promptsync.history.message import parse_mark
from promptsync.project.project import Project
from promptsync.prompt.additions import without_notes
from promptsync.prompt.labels import is_own
from promptsync.prompt.version import Version
from promptsync.registry.errors import UnusablePrompt


def with_drafts(project: Project, latest: Snapshot, members: Sequence[Member]) -> list[Member]:
    """Return members with all that the registry tells about the versions that they pass over."""
    listing = latest.listing
    over = {member.name: member.passed_over for member in members if member.passed_over}
    if not over:
        return list(members)
    labels = {one.listed.name: one.labels for one in with_labels(project, [listing[name] for name in over])}
    pairs = sorted({(name, one.version - below) for name in over for one in over[name] for below in (0, 1)})

    def read(pair: tuple[str, int]) -> Version | None:
        name, number = pair
        try:
            return read_version(project, listing[name], number) if number else None
        except UnusablePrompt:
            return None

    versions = dict(zip(pairs, project.mapped("Reading versions", read, pairs), strict=True))
    texts, described = LiveTexts(project, latest), {}
    for name, drafts in over.items():
        pointing = [one for one in labels[name].values() if is_own(one.name)]
        described[name] = tuple(
            replace(
                _described(draft, versions[name, draft.version], versions[name, draft.version - 1]),
                labels=tuple(sorted(one.name for one in pointing if one.version == draft.version)),
            )
            for draft in drafts
        )
        newest = described[name][-1]
        if newest.in_dashboard and listing[name].prompt.template.get("type") == "completion":
            newest = replace(newest, users=_live_users(project, texts, name))
            described[name] = (*described[name][:-1], newest)
    return [replace(member, passed_over=described.get(member.name, ())) for member in members]


def _live_users(project: Project, texts: LiveTexts, snippet: str) -> tuple[LiveUser, ...]:
    """Return the prompts under governed labels that render the newest text of a snippet."""
    return texts.users(snippet, follows_latest) if project.is_guarding else ()


def _described(
    draft: PassedOverVersion, version: Version | None, before: Version | None
) -> PassedOverVersion:
    if version is None:
        return draft
    mark = parse_mark(version.message)
    is_pushed = mark is not None and mark.version == version.version
    origin = "saved in the dashboard"
    if mark is not None and is_pushed:
        commit = f" from {mark.commit}" if mark.commit else ""
        origin = f"pushed{commit}{', not committed' if mark.dirty else ''}"
    return replace(
        draft,
        in_dashboard=not is_pushed,
        origin=f"{origin} by {version.author}" if version.author else origin,
        created_at=version.created_at,
        old=without_notes(before.prompt) if before is not None else None,
        new=without_notes(version.prompt),
    )

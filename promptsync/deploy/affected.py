"""Prompts that say something else because a snippet does: pinned references are what keeps a parent apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptsync.core.affected import Follows, Way, parents
from promptsync.core.snippets import Reference, rendered_in
from promptsync.deploy.members import Member
from promptsync.sync.project import Project
from promptsync.sync.snapshot import Snapshot


def follows_latest(reference: Reference) -> bool:
    """Whether a reference renders the latest version."""
    return reference.version is None and reference.label is None


def follows_label(label: str) -> Follows:
    """Whether a reference renders what ``label`` points at."""
    return lambda reference: reference.label == label


def affected(project: Project, label: str, latest: Snapshot, releases: Sequence[Member]) -> dict[str, Way]:
    """Return the prompts that render a released snippet which says something new, with the way there."""
    texts = {
        name: rendered_in(file.prompt.template)
        for name, file in latest.worktree.files.items()
        if project.config.in_scope(name)
    }
    return parents(texts, {member.name: _rule(label) for member in releases})


def _rule(label: str) -> Follows:
    # What was published by a deploy that was stopped is as unproven as what is published by this one.
    by_label = follows_label(label)
    return lambda reference: by_label(reference) or follows_latest(reference)


def dependants(
    found: Mapping[str, Way], latest: Snapshot, under: Snapshot, releases: Sequence[Member]
) -> tuple[Member, ...]:
    """Return those of the affected that stay as they are: they are proven again, at what is live."""
    known = {member.name for member in releases}
    there = {item.name: item for item in under.items}
    newest = {item.name: item.version for item in latest.items}
    return tuple(
        Member(
            name=name,
            path=item.path,
            template_id=item.listed.template_id,
            released=item.version,
            latest=newest.get(name),
            dependant=True,
            through=found[name],
        )
        for name in sorted(found)
        if name not in known and (item := there.get(name)) is not None and item.listed is not None
    )

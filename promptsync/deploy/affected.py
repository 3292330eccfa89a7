"""Prompts that say something else because a snippet does: pinned references are what keeps a parent apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from promptsync.core.snippets import Reference, rendered_in
from promptsync.deploy.members import Member
from promptsync.sync.project import Project
from promptsync.sync.snapshot import Snapshot

Follows = Callable[[Reference], bool]
"""Whether what is rendered for a reference changes."""

Path = tuple[str, ...]
"""The snippets from a parent down to the one that changed."""


def parents(texts: Mapping[str, Sequence[Reference]], seeds: Mapping[str, Follows]) -> dict[str, Path]:
    """Return everything that renders a changed snippet, directly or through others, with the way there.

    ``texts`` are the references of each prompt. ``seeds`` tell of each changed snippet which references to it
    render something new. Every reference to a snippet that contains it does so: a version pins its own text,
    not what that text refers to.
    """
    found: dict[str, Path] = {}
    waiting: list[tuple[str, Follows, Path]] = [(name, rule, (name,)) for name, rule in sorted(seeds.items())]
    while waiting:
        snippet, follows, path = waiting.pop(0)
        for name, references in sorted(texts.items()):
            if name in found or name in path:
                continue
            if any(one.name == snippet and follows(one) for one in references):
                found[name] = path
                waiting.append((name, lambda reference: True, (name, *path)))
    return found


def follows_latest(reference: Reference) -> bool:
    """Whether a reference renders the latest version."""
    return reference.version is None and reference.label is None


def follows_label(label: str) -> Follows:
    """Whether a reference renders what ``label`` points at."""
    return lambda reference: reference.label == label


def affected(project: Project, label: str, latest: Snapshot, releases: Sequence[Member]) -> dict[str, Path]:
    """Return the prompts that render a released snippet which says something new, with the way there."""
    texts = {
        name: rendered_in(file.prompt.template)
        for name, file in latest.worktree.files.items()
        if project.config.in_scope(name)
    }
    return parents(texts, {member.name: _rule(member, label) for member in releases})


def _rule(member: Member, label: str) -> Follows:
    by_label = follows_label(label)
    return lambda reference: by_label(reference) or (member.publishes and follows_latest(reference))


def dependants(
    found: Mapping[str, Path], latest: Snapshot, under: Snapshot, releases: Sequence[Member]
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

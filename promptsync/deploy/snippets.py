"""Snippets in a deploy: the prompts that render them, and what must be released first.

A checked release needs no timing: a snippet that live prompts would render before their checks is refused,
and so is a prompt whose checks need the label of a snippet that this deploy moves. Tables need neither: they
run the new versions before anything is published.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence

from promptsync.compare.snapshot import Snapshot
from promptsync.compare.snippet_users import LiveTexts, LiveUser, follows, live_refusal
from promptsync.deploy.members import Survey
from promptsync.errors import Refused
from promptsync.files.prompt_file import PromptFile
from promptsync.project.project import Project
from promptsync.prompt.snippets import Reference, parents, rendered_in


def references_in(latest: Snapshot) -> dict[str, Sequence[Reference]]:
    """Return the references of each file."""
    return {name: rendered_in(file.prompt.template) for name, file in latest.worktree.files.items()}


def needed_snippets(files: Mapping[str, PromptFile], names: Collection[str], label: str) -> dict[str, str]:
    """Return the snippets whose new versions some prompts render, each with a prompt that refers to it."""
    renders, needed_by = follows([label], latest=True), dict[str, str]()
    waiting, seen = [*names], {*names}
    while waiting:
        user = waiting.pop()
        for reference in rendered_in(files[user].prompt.template) if user in files else ():
            # A version pins the snippet itself, not the snippets that it refers to.
            if reference.name not in seen:
                seen.add(reference.name)
                waiting.append(reference.name)
            if renders(reference) and reference.name not in names:
                needed_by.setdefault(reference.name, user)
    return needed_by


def together(survey: Survey, names: Collection[str]) -> frozenset[str]:
    """Return prompts with all others that are only released together with them.

    A released snippet and the prompts that render it stand or fall together.
    """
    texts, renders = references_in(survey.latest), follows([survey.label], latest=True)
    groups = [{member.name, *parents(texts, {member.name: renders})} for member in survey.releases]
    kept, before = set(names), 0
    while len(kept) > before:
        before = len(kept)
        kept.update(*(group for group in groups if group & kept))
    return frozenset(kept)


def live_at_once(project: Project, survey: Survey) -> dict[str, tuple[LiveUser, ...]]:
    """Return the live prompts that render released snippets before the label moves onto them, by snippet.

    A reference without a pin renders the newest version as soon as it is published, and one by the label
    renders the new version as soon as the label moves.
    """
    changes = {
        member.name: (() if member.is_moved else (survey.label,), member.publishes)
        for member in survey.releases
    }
    return LiveTexts(project, survey.latest, label=survey.label).at_once(changes)


def check_live(
    survey: Survey, live: Mapping[str, Collection[LiveUser]], checked_before: Collection[str]
) -> None:
    """Raise ``Refused`` for snippets that live prompts would render before any check has run with them.

    ``checked_before`` are the prompts that tables run with the new snippets.
    """
    unchecked = {
        name: left
        for name, users in live.items()
        if (left := [user for user in users if user.name not in checked_before])
    }
    if not unchecked:
        return
    first = next(member for member in survey.releases if member.name == next(iter(unchecked)))
    pinned = first.latest if first.publishes else first.released
    users = shlex.join(dict.fromkeys(user.name for user in unchecked[first.name]))
    hint = f"pin the current version, @@@{first.name}@version_number:{pinned}@@@, and deploy only what pins it: "
    hint += f"promptsync deploy {users}\n"
    hint += f"then deploy the snippet, and move the pins: promptsync bump {shlex.quote(first.name)}"
    what, without = f"the snippet {first.name!r}", "before any check runs with it"
    raise live_refusal(unchecked, what, without, "released", hint)


def check_order(survey: Survey, checked_before: Collection[str]) -> None:
    """Raise ``Refused`` if prompts of this deploy render a snippet by the label that it moves.

    Checks of published versions would run with the version that has the label now. ``checked_before`` are
    the prompts that only tables check, which run before anything is published.
    """
    texts, by_label = references_in(survey.latest), follows([survey.label])
    moving = [member for member in survey.releases if not member.is_moved]
    ways = parents(texts, {member.name: by_label for member in moving})
    # A prompt cannot be published before the label that it refers to exists.
    new = parents(texts, {member.name: by_label for member in moving if member.released is None})
    users = [
        member.name
        for member in survey.releases
        if member.name in new or (member.name in ways and member.name not in checked_before)
    ]
    if not users:
        return
    first = sorted({ways[user][-1] for user in users} - ways.keys()) or sorted({ways[users[0]][-1]})
    raise Refused(
        f"{users[0]!r} renders the snippet {ways[users[0]][-1]!r} at {survey.label}, so its checks need that "
        "release first; nothing was released",
        hint=shlex.join(["promptsync", "deploy", *first]),
        code="snippets-first",
    )

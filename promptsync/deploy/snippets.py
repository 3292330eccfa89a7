"""Snippets in a deploy: who renders what it releases, and what therefore has to be released first.

A checked release needs no timing: a snippet that live prompts would render before their checks is refused,
and so is a prompt whose checks need the label of a snippet that this deploy moves.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence

from promptsync.compare.live_users import LiveTexts, follows_label, follows_latest, named_users
from promptsync.compare.snapshot import Snapshot
from promptsync.deploy.members import Survey
from promptsync.errors import Refused
from promptsync.files.prompt_file import PromptFile
from promptsync.project.project import Project
from promptsync.prompt.snippets import Follows, Reference, parents, rendered_in


def references_in(latest: Snapshot) -> dict[str, Sequence[Reference]]:
    """Return the references of each file."""
    return {name: rendered_in(file.prompt.template) for name, file in latest.worktree.files.items()}


def renders_new(label: str) -> Follows:
    """Whether a reference renders what a deploy to ``label`` releases."""
    by_label = follows_label(label)
    return lambda reference: by_label(reference) or follows_latest(reference)


def needed_snippets(files: Mapping[str, PromptFile], names: Collection[str], label: str) -> dict[str, str]:
    """Return the snippets whose new texts some prompts render, each with a prompt that refers to it."""
    renders, needed_by = renders_new(label), dict[str, str]()
    waiting, seen = [*names], {*names}
    while waiting:
        user = waiting.pop()
        for reference in rendered_in(files[user].prompt.template) if user in files else ():
            # A version pins the snippet's own text, not those that it refers to.
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
    texts, renders = references_in(survey.latest), renders_new(survey.label)
    groups = [{member.name, *parents(texts, {member.name: renders})} for member in survey.releases]
    kept, before = set(names), 0
    while len(kept) > before:
        before = len(kept)
        kept.update(*(group for group in groups if group & kept))
    return frozenset(kept)


def check_live(project: Project, survey: Survey) -> None:
    """Raise ``Refused`` for snippets that live prompts would render before their checks can run.

    A reference without a pin renders the newest version as soon as it is published, and one by the label
    renders the new version as soon as the label moves.
    """
    releases = {member.name: member for member in survey.releases}
    changes = {
        name: (() if member.is_moved else (survey.label,), member.publishes)
        for name, member in releases.items()
    }
    live = LiveTexts(project, survey.latest, label=survey.label).at_once(changes)
    if not live:
        return
    name, users = next(iter(live.items()))
    first = releases[name]
    pinned = first.latest if first.publishes else first.released
    raise Refused(
        f"the snippet {name!r} would be live at once in {named_users(users)}, before any check runs "
        "with it; nothing was released",
        hint=f"pin what renders now, @@@{first.name}@version_number:{pinned}@@@, and deploy that\n"
        f"then deploy the snippet, and move the pins: promptsync bump {shlex.quote(first.name)}",
        details=[f"{snippet}: live at once in {named_users(users)}" for snippet, users in live.items()]
        if len(live) > 1
        else (),
        code="live-snippets",
    )


def check_order(survey: Survey) -> None:
    """Raise ``Refused`` if prompts of this deploy render a snippet by the label that it moves.

    Their checks would run with the version that has the label now.
    """
    moving = [member.name for member in survey.releases if not member.is_moved]
    ways = parents(references_in(survey.latest), dict.fromkeys(moving, follows_label(survey.label)))
    users = [member.name for member in survey.releases if member.name in ways]
    if not users:
        return
    first = sorted({ways[user][-1] for user in users} - ways.keys()) or sorted({ways[users[0]][-1]})
    raise Refused(
        f"{users[0]!r} renders the snippet {ways[users[0]][-1]!r} by {survey.label}, so its checks need the "
        "label there first; nothing was released",
        hint=shlex.join(["promptsync", "deploy", *first]),
        code="snippets-first",
    )

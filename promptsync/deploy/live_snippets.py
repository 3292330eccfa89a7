"""Snippets that cannot be checked before they are live: what renders them, and what must happen first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from promptsync.compare.histories import read_version
from promptsync.compare.live_users import (
    LiveTexts,
    LiveUser,
    direct_users,
    follows_label,
    follows_latest,
    named_users,
)
from promptsync.compare.state import State
from promptsync.deploy.members import Member, Survey
from promptsync.errors import Refused, RemoteError
from promptsync.project.project import Project
from promptsync.prompt.snippet_graph import Follows, parents
from promptsync.prompt.snippets import Reference, rendered_in

_LISTED = 10


@dataclass(frozen=True, slots=True)
class LiveSnippet:
    """A snippet that prompts render as soon as it is published or, ``by_label``, as soon as its label moves.

    ``parents`` are the live prompts that render it; ``before`` is the version that they render until then.
    ``elsewhere`` are those that this deploy does not check: under other governed labels, or without a file
    here. ``already`` says that ``parents`` render the new version already, because of an earlier push or a
    deploy that was stopped; ``before`` is then that new version.
    """

    name: str
    by_label: bool
    parents: tuple[str, ...]
    before: int
    already: bool = False
    elsewhere: tuple[LiveUser, ...] = ()


def live_snippets(project: Project, survey: Survey) -> tuple[LiveSnippet, ...]:
    """Return the snippets that this deploy would make live before their users are checked.

    Also fetches who uses each released snippet in other repositories.
    """
    served = _served(project, survey)
    listed = survey.latest.listing.keys()
    released = {item.name for item in survey.under.items if item.listed is not None}
    by_label = follows_label(survey.label)
    texts = LiveTexts(project, survey.latest)
    found = []
    for member in survey.releases:
        if member.latest is None:
            continue
        foreign = _foreign_references(project, survey, member)
        users = _users(member.name, follows_latest, served, foreign, live=listed)
        governed = _governed(project, texts, member.name, follows_latest)
        found.append(
            _live(survey, member, users, governed, before=member.latest, already=not member.publishes)
        )
        if member.released is None:
            continue
        # The label stays where it is until everything is checked, so these would render the old text.
        users = _users(member.name, by_label, served, foreign, live=released)
        governed = _governed(project, texts, member.name, by_label)
        one = _live(survey, member, users, governed, before=member.released, already=member.is_moved)
        found.append(replace(one, by_label=True))
    return tuple(one for one in found if one.parents or one.elsewhere)


def _governed(project: Project, texts: LiveTexts, snippet: str, follows: Follows) -> Sequence[LiveUser]:
    return texts.users(snippet, follows) if project.is_guarding else ()


def _live(
    survey: Survey,
    member: Member,
    users: Sequence[str],
    governed: Sequence[LiveUser],
    *,
    before: int,
    already: bool,
) -> LiveSnippet:
    parents = {*users, *(user.name for user in governed if user.label == survey.label)}
    if already:
        return LiveSnippet(member.name, False, tuple(sorted(parents)), before, already)
    checked = {one.name for one in survey.members}
    others = {user for user in governed if user.label != survey.label or user.name not in checked}
    others |= {LiveUser(name, "") for name in parents - checked - {user.name for user in others}}
    shown = tuple(sorted(parents & checked))
    return LiveSnippet(member.name, False, shown, before, elsewhere=tuple(sorted(others)))


def beforehand(survey: Survey, live: Sequence[LiveSnippet]) -> tuple[Member, ...]:
    """Return the snippets whose label must exist before prompts that refer to it are published and checked.

    No live prompt renders them by that label yet, so it may move before the checks, and back if those fail.
    """
    files = survey.latest.worktree.files
    wanted = {
        reference.name
        for member in survey.members
        for reference in rendered_in(files[member.name].prompt.template)
        if reference.label == survey.label
    }
    wanted -= {one.name for one in live if one.by_label}
    return tuple(member for member in survey.releases if member.name in wanted and member.latest is not None)


def check_live(live: Sequence[LiveSnippet], command: str) -> None:
    """Raise ``Refused``, with what to add to ``command``, if a snippet would be live before it is checked."""
    live = [one for one in live if not one.already]
    if not live:
        return
    first = live[0]
    how = "as soon as its label moves" if first.by_label else "as soon as it is published"
    raise Refused(
        f"the snippet {first.name!r} {_use(first)} {how}, "
        "so it cannot be checked beforehand; nothing was released",
        hint=f"{command} --live-snippets\n"
        f"pin the version that renders now: @@@{first.name}@version_number:{first.before}@@@",
        details=[
            f"{one.name}, v{one.before}, {'by its label' if one.by_label else 'unpinned'}: {_use(one)}"
            for one in live
        ],
        code="live-snippets",
    )


def _use(live: LiveSnippet) -> str:
    here = f"is rendered by {_named(live.parents)}" if live.parents else ""
    there = f"would be live at once in {named_users(live.elsewhere)}" if live.elsewhere else ""
    return " and ".join(filter(None, [here, there]))


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more


def _served(project: Project, survey: Survey) -> dict[str, Sequence[Reference]]:
    """Return the references in the versions that applications use: under the label, otherwise the latest."""
    files = survey.latest.worktree.files
    under = {item.name: item for item in survey.under.items if item.listed is not None}
    texts: dict[str, Sequence[Reference]] = {}
    for item in survey.latest.items:
        one = under.get(item.name, item)
        if one.state is State.IN_SYNC and item.name in files:
            texts[item.name] = rendered_in(files[item.name].prompt.template)
        elif one.listed is not None and item.file is not None:
            found = one.remote or read_version(project, one.listed, one.listed.version)
            texts[item.name] = rendered_in(found.prompt.template) if found is not None else ()
    return texts


def _users(
    snippet: str,
    follows: Follows,
    served: Mapping[str, Sequence[Reference]],
    foreign: Mapping[str, Sequence[Reference] | None],
    *,
    live: Set[str],
) -> tuple[str, ...]:
    """Return the ``live`` and the foreign prompts that render a snippet through such references."""
    users = set(parents(served, {snippet: follows})) & live
    for name, references in foreign.items():
        if references is None or any(one.name == snippet and follows(one) for one in references):
            users.add(name)
    return tuple(sorted(users))


def _foreign_references(
    project: Project, survey: Survey, member: Member
) -> dict[str, Sequence[Reference] | None]:
    """Return the references of prompts in other repositories that use a snippet, ``None`` if unknown."""
    listing, prompts = survey.latest.listing, project.registry.prompts
    if member.name not in listing:
        return {}
    names = (direct_users(project, listing[member.name]) or set()) & listing.keys()
    references: dict[str, Sequence[Reference] | None] = {}
    for name in sorted(names - {item.name for item in survey.latest.items if item.file is not None}):
        listed = listing[name]
        try:
            found = prompts.get(listed.template_id, name, version=listed.version)
            references[name] = rendered_in(found.prompt.template)
        except RemoteError:
            # A prompt that cannot be read counts as a user of the snippet, to be safe.
            references[name] = None
    return references

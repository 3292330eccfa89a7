"""Snippets that cannot be checked before they are live: what renders them, and what must happen first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from promptsync.compare.histories import read_version
from promptsync.compare.project import Project
from promptsync.compare.state import State
from promptsync.deploy.members import Member, Survey, follows_label, follows_latest
from promptsync.errors import Refused, RemoteError
from promptsync.prompt.snippet_graph import Follows, parents
from promptsync.prompt.snippets import Reference, rendered_in
from promptsync.registry.errors import NotFound, Unsupported

_LISTED = 10


@dataclass(frozen=True, slots=True)
class LiveSnippet:
    """A snippet that prompts render as soon as it is published or, ``by_label``, as soon as its label moves.

    ``parents`` are the live prompts that render it; ``before`` is the version that they render until then.
    ``already`` says that they render the new one since a push, or since a deploy that was stopped: then
    ``before`` is that new one.
    """

    name: str
    by_label: bool
    parents: tuple[str, ...]
    before: int
    already: bool = False


def live_snippets(project: Project, survey: Survey) -> tuple[LiveSnippet, ...]:
    """Return the snippets that this deploy would make live before their users are checked.

    Also fetches who uses each released snippet in other repositories.
    """
    served = _served(project, survey)
    released = {item.name for item in survey.under.items if item.listed is not None}
    by_label = follows_label(survey.label)
    found = []
    for member in survey.releases:
        usage = _Usage(project, survey, member)
        if member.latest is not None:
            users = set(parents(served, {member.name: follows_latest})) & set(survey.latest.listing)
            users |= usage.foreign(follows_latest)
            if users:
                names, already = tuple(sorted(users)), not member.publishes
                found.append(LiveSnippet(member.name, False, names, member.latest, already))
        if member.released is not None:
            # The label stays where it is until everything is checked, so these would render the old text.
            users = (set(parents(served, {member.name: by_label})) & released) | usage.foreign(by_label)
            if users:
                names, already = tuple(sorted(users)), member.is_moved
                found.append(LiveSnippet(member.name, True, names, member.released, already))
    return tuple(found)


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


def check_live(live: Sequence[LiveSnippet]) -> None:
    """Raise ``Refused`` if a snippet would be live before it is checked."""
    live = [one for one in live if not one.already]
    if not live:
        return
    first = live[0]
    how = "as soon as its label moves" if first.by_label else "as soon as it is published"
    raise Refused(
        f"the snippet {first.name!r} is rendered by {_named(first.parents)} {how}, "
        "so it cannot be checked beforehand; nothing was released",
        hint="promptsync deploy --live-snippets  makes it live first, and undoes that if a check fails\n"
        f"pin the version that renders now: @@@{first.name}@version_number:{first.before}@@@",
        details=[
            f"{one.name}, v{one.before}, is referenced {'by its label' if one.by_label else 'unpinned'} "
            f"by {_named(one.parents)}"
            for one in live
        ],
        code="live-snippets",
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more


def _served(project: Project, survey: Survey) -> dict[str, Sequence[Reference]]:
    """Return the references in what applications get: the version under the label, otherwise the latest."""
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


class _Usage:
    """Who uses a snippet in other repositories; that is fetched at most once."""

    def __init__(self, project: Project, survey: Survey, member: Member) -> None:
        self._project = project
        self._survey = survey
        self._member = member

    def foreign(self, follows: Follows) -> set[str]:
        """Return the prompts without a file that refer to the snippet in such a way."""
        return {name for name in self._names if self._renders(name, follows)}

    @cached_property
    def _names(self) -> list[str]:
        member, survey = self._member, self._survey
        files = survey.latest.worktree.files
        if files[member.name].prompt.template.get("type") != "completion" or member.template_id is None:
            return []  # only completion prompts can be snippets
        try:
            usage = self._project.registry.prompts.snippet_usage(member.template_id, member.name)
        except (Unsupported, NotFound):
            return []
        lists = (usage.get("snippet_usage"), usage.get("label_usage"))
        entries = [one for found in lists if isinstance(found, list) for one in found]
        names = {str(one.get("prompt_name")) for one in entries if isinstance(one, dict)}
        ours = {item.name for item in survey.latest.items if item.file is not None}
        return sorted(name for name in names if name in survey.latest.listing and name not in ours)

    def _renders(self, name: str, follows: Follows) -> bool:
        listed = self._survey.latest.listing[name]
        try:
            found = self._project.registry.prompts.get(listed.template_id, name, version=listed.version)
        except RemoteError:
            return True  # it uses the snippet in an unknown way
        references = rendered_in(found.prompt.template)
        return any(one.name == self._member.name and follows(one) for one in references)

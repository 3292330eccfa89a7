"""Snippets that cannot be proven before they are live: what renders them, and what has to be done first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """A snippet that prompts render as soon as it is published, or as soon as its label moves.

    ``by_label`` tells the second from the first. ``parents`` are the prompts that are served with it;
    ``before`` is the version that they render until then. ``already`` says that they render the new one
    since a push, or since a deploy that was stopped: that is ``before`` then.
    """

    name: str
    by_label: bool
    parents: tuple[str, ...]
    before: int
    already: bool = False


def live_snippets(project: Project, survey: Survey) -> tuple[LiveSnippet, ...]:
    """Return the snippets that this deploy would make live before their users are proven.

    Asks the registry who uses each snippet that is released, for prompts of other repositories may.
    """
    served = _served(project, survey)
    released = {item.name for item in survey.under.items if item.listed is not None}
    by_label = follows_label(survey.label)
    found = []
    for member in survey.releases:
        usage = _Usage(project, survey, member)
        if member.latest is not None:
            users = _users(served, member.name, follows_latest) & set(survey.latest.listing)
            users |= usage.foreign(follows_latest)
            if users:
                names, already = tuple(sorted(users)), not member.publishes
                found.append(LiveSnippet(member.name, False, names, member.latest, already))
        if member.released is not None:
            # the label is where it is until all is proven, and so these would be proven with the old text
            users = (_users(served, member.name, by_label) & released) | usage.foreign(by_label)
            if users:
                names, already = tuple(sorted(users)), member.is_moved
                found.append(LiveSnippet(member.name, True, names, member.released, already))
    return tuple(found)


def beforehand(survey: Survey, live: Sequence[LiveSnippet]) -> tuple[Member, ...]:
    """Return the snippets whose label has to be there before what refers to it is published and proven.

    Nobody is served with them by that label today, so it may move before the proof, and back if that fails.
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
    """Raise ``Refused`` when a snippet would be live before it is proven."""
    live = [one for one in live if not one.already]
    if not live:
        return
    first = live[0]
    how = "as soon as its label moves, and not before" if first.by_label else "as soon as it is published"
    raise Refused(
        f"the snippet {first.name!r} is rendered by {_named(first.parents)} {how}: "
        "no gate can prove that beforehand; nothing was released",
        hint="--live-snippets makes it live first, proves its users, and takes it back if they fail\n"
        "or refer to a version: "
        f"@@@{first.name}@version_number:{first.before}@@@ stays as it is until you change it",
        details=[_line(one) for one in live],
        code="live-snippets",
    )


def _line(one: LiveSnippet) -> str:
    word = "by its label" if one.by_label else "unpinned"
    return f"{one.name}, v{one.before}, is referenced {word} by {_named(one.parents)}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more


def _served(project: Project, survey: Survey) -> dict[str, Sequence[Reference]]:
    """Return the references of what applications get: the version under the label, or else the latest."""
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


def _users(texts: Mapping[str, Sequence[Reference]], snippet: str, follows: Follows) -> set[str]:
    return set(parents(texts, {snippet: follows}))


class _Usage:
    """Who uses a snippet in other repositories; the registry is asked at most once."""

    def __init__(self, project: Project, survey: Survey, member: Member) -> None:
        self._project = project
        self._survey = survey
        self._member = member

    def foreign(self, follows: Follows) -> set[str]:
        """Return the prompts without a file here that refer to the snippet in such a way."""
        return {name for name in self._names if self._renders(name, follows)}

    @cached_property
    def _names(self) -> list[str]:
        member, survey = self._member, self._survey
        files = survey.latest.worktree.files
        if files[member.name].prompt.template.get("type") != "completion" or member.template_id is None:
            return []  # nothing else can be a snippet
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
            return True  # it uses the snippet, and nobody can tell how
        references = rendered_in(found.prompt.template)
        return any(one.name == self._member.name and follows(one) for one in references)

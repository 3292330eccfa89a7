"""Compares committed prompts with the versions under a release label. Reads only."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.assignment import rendered_snippets
from promptsync.compare.conflict import Conflict, may_have_moved, reason, unusable, ways_out
from promptsync.compare.content import has_text
from promptsync.compare.gather import gather
from promptsync.compare.released import follows
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.deploy.live import references_in
from promptsync.deploy.members import Fate, Member, Survey, with_drafts
from promptsync.errors import Refused
from promptsync.files.yaml.load import check_valid
from promptsync.project.project import Project
from promptsync.project.versions import RoutedLabel, read_version, routed_labels
from promptsync.prompt.labels import Position, names_of, position_of
from promptsync.prompt.prompt import Version, tag_set
from promptsync.prompt.snippets import parents

_IN_WAY = (State.CONFLICT, State.RENAMED_REMOTELY, State.DELETED_REMOTELY)


def _way_out(item: Item, latest: Item, label: str) -> str:
    """Return how to go on. An item compares with the ``latest`` version, or with the one under the label."""
    name = shlex.quote(item.name)
    if item.state is State.CONFLICT:
        return ways_out([item])[0]
    if item.archived is not None:
        return f"promptsync push {name} --restore\nor delete its file and commit that"
    if item.state is State.RENAMED_REMOTELY:
        return f"{ways_out([item])[0]}\nor rename it back in the PromptLayer dashboard"
    # The live version may be one that the latest version passed over, and the file may equal the latest.
    if latest.state in (State.IN_SYNC, State.AHEAD):
        return f"promptsync pull {name} --passed-over\npromptsync pull {name} --no-passed-over"
    seen = f" --label {shlex.quote(label)}" if item is not latest else ""
    return f"promptsync diff {name}{seen}\npromptsync pull --merge {name}"


def make_survey(
    project: Project, label: str, since: str | None, names: Collection[str] = (), *, again: bool = False
) -> Survey:
    """Return the prompts that a deploy to ``label`` has to release, and those that it skips.

    ``since`` is the git state before this push, ``None`` if unknown. With ``names`` only these prompts and
    the snippets that they need count; ``again`` releases them although they were rolled back.

    Raises ``InvalidFile`` for files that cannot be read, ``NoSuchPrompt`` for unknown names, ``Conflict`` for
    prompts whose release would lose a live version, and ``Refused`` where the visible git history
    does not show who changed what.
    """
    latest = gather(project, labels=names_of(label))
    check_valid(latest.problems)
    there = latest.labels or {}
    positions = {item.name: position_of(label, there.get(item.name, {})) for item in latest.items}
    names = matching(project, latest, names)
    rendered = rendered_snippets(latest.worktree.files, names, label)
    users = (pair for snippets in rendered.values() for pair in snippets.items())
    needed_by = {snippet: user for snippet, user in users if snippet not in names}
    chosen = {*names, *needed_by} or {item.name for item in latest.items}
    _check_chosen(project, latest, chosen, {name for name, target in names.items() if target.is_exact})
    under = gather(project, label=label, latest=latest)
    pointers = {name: position.version for name, position in positions.items()}
    decider = _Decider(
        project,
        label,
        {item.name: item for item in latest.items},
        {item.name: _without_tags(item) for item in under.items},
        positions,
        names if again else (),
        routed_labels(project, label, pointers, under.listing.values()),
    )
    members = {member.name: member for member in decider.members(chosen, latest.listing)}
    touched = _touched(project, latest, since if members else None)
    files = {name: refs for name, refs in references_in(latest).items() if project.config.in_scope(name)}
    releases = [member.name for member in members.values() if member.is_release]
    ways = parents(files, dict.fromkeys(releases, follows([label], latest=True)))
    # A prompt that renders a released snippet is checked again at its live version.
    for item in under.of(State.IN_SYNC):
        if item.name in ways and item.name not in releases:
            member = members.get(item.name) or decider.member(item.name, Fate.CHECK)
            members[item.name] = replace(member, existing=item.version)

    def completed(name: str, member: Member) -> Member:
        # The label of a prompt that the registry altered may be where it should be.
        is_settled = member.fate is Fate.ALTERED and member.released == member.latest
        return replace(
            member,
            touched=name in touched and not is_settled,
            through=ways.get(name, ()) if member.is_release or member.existing is not None else (),
            needed_by=needed_by.get(name),
        )

    return Survey(label, latest, under, tuple(completed(name, members[name]) for name in sorted(members)))


def _check_chosen(
    project: Project, latest: Snapshot, chosen: Collection[str], named: Collection[str]
) -> None:
    """Raise ``Refused`` for prompts that cannot be used, and for new ones that are perhaps none."""
    if stuck := [item for item in latest.unusable if item.file and item.name in chosen]:
        raise unusable(stuck, "deploy")
    unnamed = [item for item in latest.items if item.name in chosen and item.name not in named]
    if moved := may_have_moved(project, latest.items, unnamed, "; nothing was released"):
        raise moved


def _touched(project: Project, latest: Snapshot, since: str | None) -> set[str]:
    """Return the prompts that this push changed: all of them if there is no state to compare with."""
    if since is None:
        return {item.name for item in latest.items}
    from promptsync.compare.difference import changed_since

    return {change.name for change in changed_since(project, latest.worktree, since).prompts}


class _Decider(Struct, frozen=True):
    """Decides what happens to each prompt; what must not be lost is in the way.

    ``latest`` compares with the newest versions, ``under`` with those under the label, without tags.
    ``routed`` has the prompts whose label an A/B release routes.
    """

    project: Project
    label: str
    latest: Mapping[str, Item]
    under: Mapping[str, Item]
    positions: Mapping[str, Position]
    again: Collection[str]
    routed: Mapping[str, RoutedLabel]

    def members(self, chosen: set[str], listing: Mapping[str, Version]) -> list[Member]:
        """Return what happens to the chosen prompts. Raises ``Conflict``."""
        decisions = [self._decide(name) for name in sorted(chosen & self.latest.keys() & self.under.keys())]
        self._check([decision for decision in decisions if isinstance(decision, tuple)])
        members = [decision for decision in decisions if isinstance(decision, Member)]
        members = with_drafts(self.project, listing, members)
        self._check(
            [(self.latest[member.name], why) for member in members if (why := self._passes_over(member))]
        )
        return members

    def member(self, name: str, fate: Fate, **facts: Any) -> Member:
        """Return a member; its label is at the version that is compared, whatever the list of labels says."""
        item, under = self.latest[name], self.under[name]
        template_id = item.listed.template_id if item.listed is not None else None
        position = replace(self.positions[name], version=under.version)
        return Member(name, item.path, template_id, fate, position, item.version, **facts)

    def _check(self, in_way: Sequence[tuple[Item, str]]) -> None:
        if in_way:
            first = in_way[0][0]
            raise Conflict(in_way, "released", _way_out(first, self.latest[first.name], self.label))

    def _decide(self, name: str) -> Member | tuple[Item, str] | None:
        """Return what happens to a prompt, or the side whose changes a release would lose, and why.

        ``None`` if there is nothing to do.
        """
        item, under = self.latest[name], self.under[name]
        if routed := self.routed.get(name):
            return self.member(name, Fate.ROUTED, routed=routed)
        if item.file is None:
            is_deleted = under.state in (State.DELETED_LOCALLY, State.DIVERGED)
            return self.member(name, Fate.DELETED) if is_deleted else None
        is_latest = item.state is State.IN_SYNC and item.version == under.version
        is_recorded = not is_latest or self.positions[name].is_recorded
        if under.state is State.IN_SYNC and not _has_news(item) and is_recorded:
            return None
        if item.version is not None and (under.version or 0) > item.version:
            raise Refused(
                f"the registry changed while it was read ({name}: v{item.version} was the latest, and "
                f"then the label was at v{under.version}); nothing was released",
                hint="promptsync deploy",
                code="remote-moved",
            )
        if item.state in _IN_WAY:
            is_archived = item.state is State.DELETED_REMOTELY  # a deploy has no --restore
            return item, "was archived in the registry" if is_archived else reason(item)
        if under.listed is None and item.state is State.DIVERGED and item.base is None:
            return item, "changed in your files and in the registry, and no common version is known"
        if under.listed is not None and under.state is State.DIVERGED:
            return under, "changed in your files and in the version under the label"
        if under.listed is not None and under.state in (State.BEHIND, State.ALTERED):
            return self.member(name, Fate(under.state.value))
        return self.member(name, Fate.ALTERED) if item.state is State.ALTERED else self._released(name)

    def _released(self, name: str) -> Member:
        """Return a release, on hold if it was released before, and rolled back or removed."""
        item, under = self.latest[name], self.under[name]
        is_latest = _without_tags(item).state is State.IN_SYNC and not _has_news(item)
        forced = item.state in (State.BEHIND, State.DIVERGED) and not is_latest
        released = self.positions[name].released
        if released is not None and name not in self.again:
            # Without the label, only the newest release is known to have been live.
            below = under.version if under.version is not None else released - 1
            for number in range(min(item.version or 0, released), below, -1):
                if (is_latest and number == item.version) or self._has_text(item, number):
                    return self.member(name, Fate.HELD, held=number)
        return self.member(
            name,
            Fate.RELEASE,
            existing=item.version if is_latest else None,
            forced=forced,
            parents=_parents_of(under, item) if forced else (),
        )

    def _has_text(self, item: Item, number: int) -> bool:
        """Whether a version of a prompt has the content of its file."""
        assert item.listed is not None and item.file is not None
        return has_text(self.project, read_version(self.project, item.listed, number), item.file.prompt)

    def _passes_over(self, member: Member) -> str:
        """Return which dashboard edit a release must not pass over: it is in use, or the team refuses."""
        for draft in member.drafts:
            used = f" and labelled {' and '.join(draft.labels)}" if draft.labels else ""
            if draft.in_dashboard and (used or self.project.config.refuses_dashboard_edits):
                return f"would be released without v{draft.version}, {draft.origin}{used}"
        return ""


def _parents_of(under: Item, item: Item) -> tuple[int, ...]:
    """Return the versions that a release includes if it is not made from the latest one."""
    if under.listed is not None:
        # Without a decision both sides are equal, and the version under the label is the only parent.
        decision = under.history.decision if under.history is not None else None
        return decision.pull if decision is not None else (under.listed.version,)
    decision = item.history.decision if item.history is not None else None
    return decision.force if decision is not None else ()


def _without_tags(item: Item) -> Item:
    """Return an item with the state of its content alone: tags belong to a prompt, not to a version."""
    decision = item.history.decision if item.history is not None else None
    if decision is None or item.file is None or item.state is State.IN_SYNC:
        return item
    return replace(item, state=decision.relation)


def _has_news(item: Item) -> bool:
    """Whether a file has content or a tag that the latest version lacks.

    A latest version that the file includes is one that git went back on, for instance because its checks
    failed: readers without a label get it until the file is published. Tags show only there, too.
    """
    if item.state is not State.DIVERGED or item.listed is None:
        return item.state is State.AHEAD
    text = _without_tags(item).state
    has_tags = item.merged_tags != tag_set(item.listed.prompt)
    return text is State.AHEAD or (text is State.IN_SYNC and has_tags)

"""Compares what is committed with what a release label points at. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from promptsync.checks.assignment import select_checks
from promptsync.compare.conflict import reason, unusable
from promptsync.compare.decide import TEXT_STATES
from promptsync.compare.gather import gather
from promptsync.compare.histories import has_text, read_version
from promptsync.compare.live_users import named_users
from promptsync.compare.snapshot import Item, Snapshot, matching
from promptsync.compare.state import State
from promptsync.deploy.drafts import with_drafts
from promptsync.deploy.in_the_way import in_the_way
from promptsync.deploy.members import (
    Member,
    OnHold,
    PassedOverVersion,
    Skipped,
    Survey,
    affected,
    dependants,
    needed_snippets,
    parents_of,
)
from promptsync.deploy.nothing_to_release import gather_with_labels, is_released, unfinished_moves
from promptsync.errors import Refused
from promptsync.files.errors import InvalidFile
from promptsync.project.project import Project
from promptsync.prompt.labels import is_on_hold, previous_name, released_name, unchecked_name
from promptsync.prompt.tags import tag_set

_IN_WAY = {
    State.DIVERGED: "changed in your files and in the version under the label",
    State.RENAMED_REMOTELY: "has another name in the registry",
    State.DELETED_REMOTELY: "was archived in the registry",
}
_SKIPPED = {
    State.BEHIND: "the label is at a version that this commit does not include; "
    "git pull or promptsync pull brings it",
    State.ALTERED: "the registry returned it differently from what was sent; promptsync diff shows how",
}


def survey(
    project: Project,
    label: str,
    touched: Collection[str] | None,
    *,
    names: Collection[str] = (),
    again: Collection[str] = (),
) -> Survey:
    """Return what a deploy to ``label`` has to do, and what it skips.

    ``touched`` are the names that this push changed, ``None`` if unknown; ``again`` those that are released
    although they were rolled back. With ``names`` only these prompts and the snippets that they need count.
    Raises ``InvalidFile`` for files that cannot be read, ``NoSuchPrompt`` for unknown names, ``InTheWay`` for
    prompts whose release would lose a version that is live, and ``Refused`` where the visible git history
    does not show who changed what.
    """
    latest, pointers = gather_with_labels(project, label)
    if latest.problems:
        raise InvalidFile(latest.problems)
    names, again = matching(latest, names), matching(latest, again)
    needed_by = needed_snippets(latest.worktree.files, names, label)
    chosen = {*names, *needed_by}
    if stuck := [one for one in latest.unusable if one.file and (not names or one.name in chosen)]:
        raise unusable(stuck, "deploy")
    unfinished = unfinished_moves(label, latest, pointers)
    if not unfinished and is_released(label, latest, pointers):
        return Survey(label, latest, replace(latest, label=label))
    under = gather(project, label=label, latest=latest.listing)
    found = _Survey(project, label, latest, under, touched, again, unfinished)
    found.look(chosen)
    ways = affected(project, label, latest, found.releases)
    return Survey(
        label,
        latest,
        under,
        tuple(replace(member, through=ways.get(member.name, ())) for member in found.releases),
        dependants(ways, latest, under, found.releases),
        tuple(found.on_hold),
        tuple(found.skipped),
        tuple(found.deleted),
        tuple(name for name in found.deleted if touched is None or name in touched),
        needed_by,
    )


class _Survey:
    def __init__(
        self,
        project: Project,
        label: str,
        latest: Snapshot,
        under: Snapshot,
        touched: Collection[str] | None,
        again: Collection[str],
        unfinished: Collection[str],
    ) -> None:
        self._project = project
        self._label = label
        self._under = {item.name: _without_tags(item) for item in under.items}
        self._latest = {item.name: item for item in latest.items}
        self._files = latest.worktree.files
        self._snapshot = latest
        self._touched = touched
        self._again = again
        self._unchecked = {
            one.name
            for one in project.registry.prompts.list(label=unchecked_name(label))
            if (item := self._under.get(one.name)) is not None and item.version == one.version
        }
        self._unfinished = unfinished
        self._in_way: list[tuple[Item, str]] = []
        self.releases: list[Member] = []
        self.on_hold: list[OnHold] = []
        self.skipped: list[Skipped] = []
        self.deleted: list[str] = []

    def look(self, chosen: Collection[str]) -> None:
        """Fill the lists with the chosen prompts, or with all. Raises ``InTheWay``."""
        for name, item in self._latest.items():
            under = self._under.get(name)
            if under is None or (chosen and name not in chosen):
                continue
            if item.file is None:
                if item.state is State.DIVERGED and item.became is not None:
                    self._in_way.append((item, reason(item)))
                if under.state in (State.DELETED_LOCALLY, State.DIVERGED):
                    self.deleted.append(name)
                continue
            is_latest = item.state is State.IN_SYNC and item.version == under.version
            is_stopped = name in self._unchecked or (name in self._unfinished and is_latest)
            if under.state is not State.IN_SYNC or _has_news(item) or is_stopped:
                self._place(under, item)
        self._check_in_way()
        self._put_on_hold()
        self.releases = with_drafts(self._project, self._snapshot, self.releases)
        for member in self.releases:
            self._check_drafts(member)
        self._check_in_way()

    def _place(self, under: Item, item: Item) -> None:
        """Decide about a prompt whose file differs from the version under its label."""
        has_label = under.listed is not None
        if has_label and (under.version or 0) > (item.version or 0) and item.listed is not None:
            raise Refused(
                f"the registry changed while it was read ({item.name}: v{item.version} was the latest, and "
                f"then the label was at v{under.version}); nothing was released",
                hint="promptsync deploy",
                code="remote-moved",
            )
        if item.state is State.CONFLICT:
            self._in_way.append((item, reason(item)))
        elif item.state in (State.RENAMED_REMOTELY, State.DELETED_REMOTELY):
            self._in_way.append((item, _IN_WAY[item.state]))
        elif has_label and under.state is State.DIVERGED:
            self._in_way.append((under, _IN_WAY[State.DIVERGED]))
        elif not has_label and item.state is State.DIVERGED and item.base is None:
            self._in_way.append(
                (item, "changed in your files and in the registry, and no common text is known")
            )
        elif has_label and under.state in _SKIPPED:
            self._skip(item.name, under.state)
        elif item.state is State.ALTERED:
            self._skip(item.name, item.state)
        else:
            self.releases.append(self._member(under, item))

    def _skip(self, name: str, state: State) -> None:
        self.skipped.append(Skipped(name, str(state), _SKIPPED[state], self._is_touched(name)))

    def _member(self, under: Item, item: Item) -> Member:
        is_latest = _without_tags(item).state is State.IN_SYNC and not _has_news(item)
        forced = item.state in (State.BEHIND, State.DIVERGED) and not is_latest
        parents = parents_of(under, item) if forced else ()
        released = under.version if under.listed is not None else None
        existing = item.version if is_latest else None
        if forced:
            existing = self._existing(item, released)
        included = existing if existing is not None else max(parents, default=0)
        above = range(included + 1, (item.version or 0) + 1)
        return Member(
            name=item.name,
            path=item.path,
            template_id=item.listed.template_id if item.listed is not None else None,
            released=released,
            latest=item.version,
            existing=existing,
            forced=forced,
            parents=parents,
            passed_over=tuple(map(PassedOverVersion, above)) if forced else (),
            pending=self._touched is not None and item.name not in self._touched,
        )

    def _existing(self, item: Item, released: int | None) -> int | None:
        """Return the newest version above the label that has the text of the file.

        There is none for a prompt with checks: the registry runs them on the latest version, so the text must
        be published again to be checked. The same holds for snippets, which the checks of their users run.
        """
        is_checked = not select_checks([item.name], self._files, self._project.config).unchecked
        if is_checked or item.file is None or item.file.prompt.template.get("type") == "completion":
            return None
        numbers = range((item.version or 0) - 1, released or 0, -1)
        return next((number for number in numbers if _has_text(self._project, item, number)), None)

    def _is_touched(self, name: str) -> bool:
        # If it is unknown what this push changed, every prompt counts as touched.
        return self._touched is None or name in self._touched

    def _check_drafts(self, member: Member) -> None:
        """Add a release that passes over a dashboard edit that is in use, or one that the team refuses."""
        for draft in member.passed_over:
            used = " and ".join(draft.labels) if member.publishes else ""
            used = f" and labelled {used}" if used else ""
            used += f" and live in {named_users(draft.users)}" if draft.users else ""
            if draft.in_dashboard and (used or self._project.config.refuses_dashboard_edits):
                why = f"would be released without v{draft.version}, {draft.origin}{used}"
                self._in_way.append((self._latest[member.name], why))
                return

    def _check_in_way(self) -> None:
        if self._in_way:
            raise in_the_way(self._in_way, self._latest, self._label)

    # -- on hold -----------------------------------------------------------------------------------------

    def _put_on_hold(self) -> None:
        """Put on hold what was released before, and rolled back or removed, here or in the dashboard."""
        # What the registry does not have was never released.
        if not any(member.latest is not None for member in self.releases):
            return
        newest = self._pointing(released_name)
        # Where a stopped deploy moved the label, the version before it was live.
        is_stopped = any(member.is_moved for member in self.releases)
        previous = self._pointing(previous_name) if is_stopped else {}
        releases = []
        for member in self.releases:
            name = member.name
            version = self._version_on_hold(member, newest.get(name)) if name not in self._again else None
            if version is None:
                releases.append(replace(member, previous=previous.get(name), newest=newest.get(name)))
            else:
                self.on_hold.append(OnHold(name, version, member.released, self._is_touched(name)))
        self.releases = releases

    def _pointing(self, name_of: Callable[[str], str | None]) -> dict[str, int]:
        """Return the versions under a label that remembers the history of this one."""
        listed = self._project.registry.prompts.list(label=name_of(self._label))
        return {one.name: one.version for one in listed}

    def _version_on_hold(self, member: Member, newest: int | None) -> int | None:
        """Return the newest version that is on hold and has the text of the file."""
        item = self._latest[member.name]
        if newest is None:
            return None
        # Without the label, only the newest release is known to have been live.
        below = member.released if member.released is not None else newest - 1
        for number in range(min(member.latest or 0, newest), below, -1):
            is_it = number == member.existing or _has_text(self._project, item, number)
            if is_it and is_on_hold(number, member.released, newest):
                return number
        return None


def _has_text(project: Project, item: Item, number: int) -> bool:
    """Whether a version has the text of the file."""
    if item.listed is None or item.file is None:
        return False
    return has_text(project, item.file, item.listed, read_version(project, item.listed, number))


def _without_tags(item: Item) -> Item:
    """Return an item with the state of its text alone: tags belong to a prompt, not to a version."""
    decision = item.history.decision if item.history is not None else None
    if decision is None or item.file is None or item.state is State.IN_SYNC:
        return item
    return replace(item, state=TEXT_STATES[decision.relation])


def _has_news(item: Item) -> bool:
    """Whether a file has a text or a tag that the latest version lacks.

    A latest version that the file includes is one that git went back on, for instance because its checks
    failed: readers without a label get it until the file is published. Tags show only there, too.
    """
    if item.state is not State.DIVERGED or item.listed is None:
        return item.state is State.AHEAD
    text = _without_tags(item).state
    has_tags = item.merged_tags != tag_set(item.listed.prompt)
    return text is State.AHEAD or (text is State.IN_SYNC and has_tags)

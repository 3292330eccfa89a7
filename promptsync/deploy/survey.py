"""Compares what is committed with what a release label points at. Reads only."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from promptsync.compare.conflict import edit, reason, unusable, ways_to_rename, where
from promptsync.compare.content import has_text_of
from promptsync.compare.gather import gather
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.deploy.members import (
    Member,
    OnHold,
    Skipped,
    Survey,
    has_news,
    parents_of,
    without_tags,
)
from promptsync.deploy.passed_over import described
from promptsync.deploy.snippets import needed_snippets, references_in, renders_new
from promptsync.errors import Refused, RemoteError
from promptsync.files.errors import InvalidFile
from promptsync.parallel import together
from promptsync.project.pointers import labels_named, list_labels, pointers_of
from promptsync.project.project import Project
from promptsync.project.versions import read_version
from promptsync.prompt.labels import Position, position_of, previous_name, released_name
from promptsync.prompt.prompt import Label
from promptsync.prompt.snippet_graph import parents

_DIVERGED = "changed in your files and in the version under the label"
_IN_WAY = {
    State.RENAMED_REMOTELY: "has another name in the registry",
    State.DELETED_REMOTELY: "was archived in the registry",
}
_SKIPPED = {
    State.BEHIND: "the label is at a version that this commit does not include; "
    "git pull or promptsync pull brings it",
    State.ALTERED: "the registry returned it differently from what was sent; promptsync diff shows how",
}


class InTheWay(Refused):
    """Prompts whose release would lose a version; ``items`` has one for each."""

    code = "diverged"

    def __init__(self, ways: Sequence[tuple[Item, str]], latest: Mapping[str, Item], label: str) -> None:
        (item, why), *others = ways
        more = f" (and {len(others)} more)" if others else ""
        super().__init__(
            f"{item.name!r} {why}{more}; nothing was released",
            hint=_way_out(item, latest[item.name], label),
            details=[f"{other.name}: {why}" for other, why in ways] if others else (),
        )
        self.items = tuple(item for item, _ in ways)


def _way_out(item: Item, latest: Item, label: str) -> str:
    """Return how to go on. An item compares with the ``latest`` version, or with the one under the label."""
    name = shlex.quote(item.name)
    if item.state is State.CONFLICT:
        return edit(where(item))
    if item.state is State.DELETED_REMOTELY:
        return f"promptsync push {name} --restore\nor delete its file and commit that"
    if item.state is State.RENAMED_REMOTELY:
        rename = f"promptsync mv {shlex.join([item.name, item.renamed_to or ''])}"
        return f"{rename}\nor rename it back in the PromptLayer dashboard"
    if item.became is not None:
        return "\n".join(ways_to_rename(item))
    seen = f" --label {shlex.quote(label)}" if item is not latest else ""
    # The live version may be one that the latest version passed over, and the file may equal the latest.
    how = "--passed-over" if latest.state in (State.IN_SYNC, State.AHEAD) else "--merge"
    return f"promptsync diff {name}{seen}\npromptsync pull {how} {name}"


def make_survey(
    project: Project,
    label: str,
    since: str | None,
    *,
    names: Collection[str] = (),
    again: Collection[str] = (),
) -> Survey:
    """Return what a deploy to ``label`` has to do, and what it skips.

    ``since`` is the git state before this push, ``None`` if unknown; ``again`` are the names that are
    released although they were rolled back. With ``names`` only these prompts and the snippets that they
    need count.
    Raises ``InvalidFile`` for files that cannot be read, ``NoSuchPrompt`` for unknown names, ``InTheWay`` for
    prompts whose release would lose a version that is live, and ``Refused`` where the visible git history
    does not show who changed what.
    """
    latest, positions = _read(project, label)
    if latest.problems:
        raise InvalidFile(latest.problems)
    names, again = matching(project, latest, names), matching(project, latest, again)
    needed_by = needed_snippets(latest.worktree.files, names, label)
    chosen = {*names, *needed_by} or {item.name for item in latest.items}
    if stuck := [item for item in latest.unusable if item.file and item.name in chosen]:
        raise unusable(stuck, "deploy")
    if _is_released(latest, positions):
        return Survey(label, latest, replace(latest, label=label))
    # Without a state to compare with it is unknown what this push changed, and everything counts.
    touched = frozenset(item.name for item in latest.items)
    if since is not None:
        from promptsync.compare.changes_since import changed_since  # most deploys have nothing to release

        touched = frozenset(change.name for change in changed_since(project, latest.worktree, since).prompts)
    under = gather(project, label=label, latest=latest)
    view = _Survey(project, label, latest, under, positions, again)
    view.look(chosen)
    files = {name: refs for name, refs in references_in(latest).items() if project.config.in_scope(name)}
    ways = parents(files, dict.fromkeys((member.name for member in view.releases), renders_new(label)))
    releases = tuple(replace(member, through=ways.get(member.name, ())) for member in view.releases)
    others = ways.keys() - {member.name for member in releases}
    # A prompt that renders a released snippet is checked again at its live version.
    dependants = tuple(
        view.member(item, existing=item.version, dependant=True, through=ways[item.name])
        for item in under.of(State.IN_SYNC)
        if item.name in others
    )
    return Survey(
        label,
        latest,
        under,
        touched - view.settled,
        releases,
        dependants,
        tuple(view.on_hold),
        tuple(view.skipped),
        tuple(view.deleted),
        needed_by,
    )


def _read(project: Project, label: str) -> tuple[Snapshot, dict[str, Position]]:
    """Return both sides, and where the label of each prompt is."""
    names = [name for name in (label, previous_name(label), released_name(label)) if name is not None]
    registry = project.registry  # opened before two threads need it

    def read() -> list[Label]:
        try:
            return list_labels(registry, names) or []
        except RemoteError:  # the lists of prompts have the same labels
            return labels_named(registry, names)

    latest, labels = together(lambda: gather(project), read)
    listed = [item.listed for item in latest.items if item.listed is not None]
    pointers = pointers_of(labels, listed)
    positions = {
        name: position_of(label, {pointer.name: pointer.version for pointer in labels.values()})
        for name, labels in pointers.items()
    }
    return latest, {item.name: positions.get(item.name, Position()) for item in latest.items}


def _is_released(latest: Snapshot, positions: Mapping[str, Position]) -> bool:
    """Whether every prompt is in sync, and has the label at its latest version, which a deploy recorded.

    The list of the prompts under the label would then have the same versions again. A label that moves while
    both lists are read is at another version in one of them, or counts as it was before.
    """
    return bool(latest.items) and all(
        item.state is State.IN_SYNC and position.version == item.version and position.is_recorded
        for item in latest.items
        for position in (positions[item.name],)
    )


class _Survey:
    def __init__(
        self,
        project: Project,
        label: str,
        latest: Snapshot,
        under: Snapshot,
        positions: Mapping[str, Position],
        again: Collection[str],
    ) -> None:
        self._project = project
        self._label = label
        self._under = {item.name: without_tags(item) for item in under.items}
        self._latest = {item.name: item for item in latest.items}
        self._listing = latest.listing
        self._positions = positions
        self._again = again
        self._in_way: list[tuple[Item, str]] = []
        self.releases: list[Member] = []
        self.on_hold: list[OnHold] = []
        self.skipped: list[Skipped] = []
        self.deleted: list[str] = []
        self.settled: set[str] = set()
        """The skipped prompts whose label is where it should be."""

    def look(self, chosen: set[str]) -> None:
        """Fill the lists with the chosen prompts. Raises ``InTheWay``."""
        for name in sorted(chosen & self._latest.keys() & self._under.keys()):
            item, under = self._latest[name], self._under[name]
            if item.file is None:
                if item.state is State.DIVERGED and item.became is not None:
                    self._in_way.append((item, reason(item)))
                if under.state in (State.DELETED_LOCALLY, State.DIVERGED):
                    self.deleted.append(name)
                continue
            is_latest = item.state is State.IN_SYNC and item.version == under.version
            is_recorded = not is_latest or self._positions[name].is_recorded
            if under.state is not State.IN_SYNC or has_news(item) or not is_recorded:
                self._place(under, item)
        self._check_in_way()
        self.releases = described(self._project, self._listing, self.releases)
        for member in self.releases:
            self._check_passed_over(member)
        self._check_in_way()

    def member(self, under: Item, **facts: Any) -> Member:
        """Return a member; its label is at the version that is compared, whatever the list of labels says."""
        item = self._latest[under.name]
        return Member(
            item.name,
            item.path,
            item.listed.template_id if item.listed is not None else None,
            replace(self._positions[item.name], version=under.version),
            item.version,
            **facts,
        )

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
        elif item.state in _IN_WAY:
            self._in_way.append((item, _IN_WAY[item.state]))
        elif has_label and under.state is State.DIVERGED:
            self._in_way.append((under, _DIVERGED))
        elif not has_label and item.state is State.DIVERGED and item.base is None:
            why = "changed in your files and in the registry, and no common text is known"
            self._in_way.append((item, why))
        elif (has_label and under.state in _SKIPPED) or item.state is State.ALTERED:
            state = under.state if has_label and under.state in _SKIPPED else item.state
            self.skipped.append(Skipped(item.name, str(state), _SKIPPED[state]))
            if state is State.ALTERED and under.version == item.version:
                self.settled.add(item.name)
        else:
            self._release(under, item)

    def _release(self, under: Item, item: Item) -> None:
        """Add a release, or put it on hold if it was released before, and rolled back or removed."""
        is_latest = without_tags(item).state is State.IN_SYNC and not has_news(item)
        forced = item.state in (State.BEHIND, State.DIVERGED) and not is_latest
        member = self.member(
            under,
            existing=item.version if is_latest else None,
            forced=forced,
            parents=parents_of(under, item) if forced else (),
        )
        position = member.position
        if position.released is not None and member.name not in self._again:
            # Without the label, only the newest release is known to have been live.
            below = position.version if position.version is not None else position.released - 1
            for number in range(min(member.latest or 0, position.released), below, -1):
                if number == member.existing or _has_text(self._project, item, number):
                    self.on_hold.append(OnHold(member.name, number, position.version))
                    return
        self.releases.append(member)

    def _check_passed_over(self, member: Member) -> None:
        """Add a release that passes over a dashboard edit that is in use, or one that the team refuses."""
        for version in member.passed_over:
            used = f" and labelled {' and '.join(version.labels)}" if version.labels else ""
            if version.in_dashboard and (used or self._project.config.refuses_dashboard_edits):
                why = f"would be released without v{version.version}, {version.origin}{used}"
                self._in_way.append((self._latest[member.name], why))
                return

    def _check_in_way(self) -> None:
        if self._in_way:
            raise InTheWay(self._in_way, self._latest, self._label)


def _has_text(project: Project, item: Item, number: int) -> bool:
    """Whether a version has the text of the file."""
    if item.listed is None or item.file is None:
        return False
    return has_text_of(project, read_version(project, item.listed, number), item.file.prompt)

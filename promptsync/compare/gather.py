"""Gathers both sides and decides the state of each prompt. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import chain
from typing import Any

from msgspec import structs

from promptsync.compare.conflict import has_conflict
from promptsync.compare.content import content_of, needs_below, read_content
from promptsync.compare.git_state import origin_of, too_shallow
from promptsync.compare.snapshot import Item, PromptHistory, Snapshot, State, run, with_tags
from promptsync.files.cache import Cache
from promptsync.files.prompt_file import PromptFile, scan
from promptsync.history.graph import Lineage, decide
from promptsync.history.mark import Key, identity, parse_mark
from promptsync.parallel import mapped
from promptsync.project.project import Project
from promptsync.project.versions import labels_by_prompt, list_all, list_labels, read_usable
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Version, tag_set
from promptsync.prompt.snippets import rendered_in


def gather(
    project: Project,
    *,
    label: str | None = None,
    labels: Collection[str] | None = None,
    latest: Snapshot | None = None,
    merge_keys: bool = False,
) -> Snapshot:
    """Return both sides, and the state of every prompt in scope.

    ``label`` tracks the versions under that label; ``latest`` is the snapshot without it, if there is one,
    whose files and list are not read again. ``labels`` are those to read, ``None`` for none; where the
    registry can list all, all are read. ``merge_keys`` reads files in which git could not merge ``synced:``
    alone, with the keys of both sides. Raises ``RemoteError`` if any part of the registry cannot be read,
    and ``Refused`` if the visible git history cannot settle who changed what.
    """
    registry, prompts = project.registry, project.config.prompts  # opened before several threads ask for it
    # If several fail, the error of the first is raised: what the registry says comes before the files.
    reads: tuple[Callable[[], Any], ...] = (
        lambda: list_all(project, label=label),
        lambda: list_labels(registry, labels) if labels is not None else None,
        lambda: latest.worktree if latest else scan(project.root, prompts, merge_keys=merge_keys),
    )
    listed, everything, worktree = mapped(lambda read: read(), reads)
    files, listing = worktree.files, {version.name: version for version in listed}
    sides = BothSides(project, files, listing, label, latest)
    there = labels_by_prompt(everything, listed) if everything is not None else None
    if label is None:  # for shell completion, which sends no request
        numbers = {version.name: version.version for version in listed}
        names = None if there is None else {name for own in there.values() for name in own}
        Cache(project.root).keep_names(project.record_url, numbers, names)
    broken = {*worktree.broken.values()}
    items, undecided = [], []
    for name in sorted({*files, *listing, *broken}):
        file, version = files.get(name), listing.get(name)
        content = digest(file.prompt) if file is not None and version is not None else ""
        # An unreadable file must never look like a deletion or like a prompt to pull.
        if name in broken or (version is not None and version.problem and project.config.in_scope(name)):
            items.append(Item(name, State.INVALID, None if name in broken else file, version))
        elif not project.config.in_scope(name):
            continue
        elif file is not None and version is not None and sides.equal(file, content, version):
            items.append(Item(name, State.IN_SYNC, file, version, digest=content))
        else:
            undecided.append(name)
    if undecided:  # a tree in sync needs neither git nor a base
        items += sides.decide(undecided)
    return Snapshot(
        items=tuple(sorted(items, key=lambda item: item.name)),
        worktree=worktree,
        listing=listing,
        label=label,
        labels=there,
    )


def offline_snapshot(project: Project) -> Snapshot:
    """Return a snapshot that compares the files with the record of the last pushes and pulls.

    A prompt without an entry is ``new`` if the registry's last list lacked it, and otherwise ``unknown``.
    """
    worktree = scan(project.root, project.config.prompts)
    entries = project.record().entries(project.record_url, None)
    seen = {*entries, *Cache(project.root).names(project.record_url).versions}
    items = []
    broken = {*worktree.broken.values()}
    for name in sorted({*worktree.files, *entries, *broken}):
        if not project.config.in_scope(name):
            continue
        file, entry = worktree.files.get(name), entries.get(name)
        if name in broken:
            items.append(Item(name, State.INVALID))
            continue
        if file is None:
            items.append(Item(name, State.DELETED_LOCALLY))
            continue
        content = digest(file.prompt)
        if entry is None:
            state = State.NEW if seen and name not in seen else State.UNKNOWN
        elif (content, tag_set(file.prompt)) == (entry.digest, entry.tags):
            state = State.IN_SYNC
        else:
            state = State.AHEAD
        if has_conflict(file, state):
            state = State.CONFLICT
        items.append(Item(name, state, file, digest=content))
    return Snapshot(tuple(items), worktree, {})


_CERTAIN = (
    *(State.IN_SYNC, State.NEW, State.CONFLICT, State.REMOTE_ONLY),
    *(State.DELETED_REMOTELY, State.RENAMED_REMOTELY),
)
"""States that stay the same whatever the missing history of a shallow clone holds."""


class BothSides:
    """Both sides by name, and what decides the states of prompts.

    ``latest`` is the snapshot of the latest versions, if there is one, where ``listing`` holds those under a
    ``label``. ``lineages`` are the git revisions of the files that differ.
    """

    def __init__(
        self,
        project: Project,
        files: Mapping[str, PromptFile],
        listing: Mapping[str, Version],
        label: str | None,
        latest: Snapshot | None,
    ) -> None:
        self.project, self.files, self.listing = project, files, listing
        self.label, self.latest = label, latest
        self.newest: Mapping[str, Version] = {}
        self.lineages: Mapping[str, Lineage] = {}
        self._entries = cache(lambda workspace: project.record().entries(project.registry.url, workspace))

    def equal(self, file: PromptFile, content: str, listed: Version) -> bool:
        """Whether the list alone is enough to be sure that a file equals the tracked version.

        ``content`` is the digest of the file.
        """
        if tag_set(file.prompt) != tag_set(listed.prompt):
            return False
        is_same = digest(listed.prompt) == content  # as most are, and a closer look takes longer
        # A key that only the registry has may be an edit, unless this working copy has read it before.
        if not is_same and needs_below(listed, file.prompt):
            return self.recorded(listed, content)
        # Equal bodies are not enough: the file may contain the rendered text of a reference.
        is_source = self.is_raw or self.recorded(listed, content)
        return is_source and (is_same or digest(content_of(listed, file.prompt)) == content)

    def recorded(self, listed: Version, content: str) -> bool:
        """Whether this working copy has read or written this version with this content itself."""
        # Until the first raw read the workspace is unknown, and the last one at this URL is assumed.
        entry = self._entries(self.project.registry.workspace_seen).get(listed.name)
        return (
            entry is not None
            and (entry.template_id, entry.version) == (listed.template_id, listed.version)
            and entry.digest == content
        )

    @cached_property
    def is_raw(self) -> bool:
        """Whether no body of this list can have an expanded snippet.

        Only completion prompts can be snippets. A list that has a single reference does not expand them.
        """
        listed = self.listing.values()
        if self.label is None and not any(item.prompt.may_be_snippet for item in listed):
            return True
        return any(rendered_in(item.prompt.template) for item in listed)

    # -- what the list leaves open --------------------------------------------------------------------------

    def decide(self, names: Sequence[str]) -> list[Item]:
        """Return an item for each name, in any order.

        A prompt that was renamed in the registry has one item, under the name in the files.
        """
        # The versions under a label say nothing about what was published after them.
        if self.label is not None:
            listed = self.latest.listing.values() if self.latest is not None else list_all(self.project)
            self.newest = {version.name: version for version in listed}
        if self.project.revisions is not None:
            self.lineages = self.project.revisions.of(names)
        both = [
            name
            for name in names
            if name in self.listing and (name in self.files or self._lineage(name).head is not None)
        ]
        read = self.project.mapped("Reading versions", self._history, both)
        histories = {history.name: history for history in read}
        for name, decision in run(self.project, read, decide).items():
            histories[name].decision = decision
        absent = [name for name in names if name in self.files and name not in self.listing]
        archived: dict[str, Version] = {}
        # Under a label the list lacks every prompt without that label; it says nothing about archived ones.
        if absent and self.label is None:
            deleted = self.project.registry.prompts.list(status="deleted")
            archived = {version.name: version for version in deleted if version.name in absent}
        renamed = self._renamed([name for name in absent if name not in archived])
        return [
            self._item(name, histories.get(name), archived.get(name), renamed)
            for name in names
            # Pulled as a new prompt, the new name would leave the file with a copy of it behind.
            if name in self.files or name not in renamed.values()
        ]

    def _lineage(self, name: str) -> Lineage:
        return self.lineages.get(name) or Lineage()

    def _history(self, name: str) -> PromptHistory:
        """Return a prompt that both sides have or had, with its tracked version."""
        listed, file = self.listing[name], self.files.get(name)
        latest = self.newest.get(name, listed).version
        history = PromptHistory(self.project, name, file, listed, self._lineage(name), latest=latest)
        if file is not None:
            content = content_of(listed, file.prompt)
            is_raw = self.is_raw and digest(content) == digest(file.prompt)
            if is_raw or self.recorded(listed, digest(content)):
                history.set(listed, content)
                return history
        version = self.project.registry.prompts.get(listed.template_id, name, version=listed.version)
        prompt = file.prompt if file is not None else None
        history.add(version, read_content(self.project, version, prompt))
        return history

    def _renamed(self, absent: Sequence[str]) -> dict[str, str]:
        """Return the new names of prompts that were renamed in the registry.

        Such a prompt has the id that this working copy recorded, or a version that comes from our file.
        """
        others = [listed for name, listed in self.listing.items() if name not in self.files]
        if not absent or not others:
            return {}
        registry = self.project.registry
        # ids of another workspace mean other prompts
        known = self.project.record().entries(registry.url, registry.workspace_id)
        ids = {known[name].template_id: name for name in absent if name in known}
        renamed = {ids[other.template_id]: other.name for other in others if other.template_id in ids}
        # If the files had that name, they renamed it.
        others = [
            version
            for version in others
            if version.name not in known and self._lineage(version.name).head is None
        ]
        unknown = {name for name in absent if name not in known}
        for version in chain(others, self._earlier(unknown, others)):
            renamed |= {name: version.name for name in unknown if self._is_of_file(name, version)}
            unknown -= renamed.keys()
            if not unknown:
                break
        return renamed

    def _earlier(self, names: Collection[str], others: Sequence[Version]) -> Iterator[Version]:
        """Yield the first versions, and those that files include: the latest ones may be edits."""
        numbers = {key.version for name in names for key in self._keys(name)}
        numbers |= {1 for name in names if self._lineage(name).newest is not None}
        # The versions under a label say nothing about a prompt without that label.
        wanted = [(other, number) for other in others for number in numbers if number < other.version]
        for other, version in self.project.mapped(
            "Reading versions",
            lambda pair: (pair[0], read_usable(self.project, *pair)),
            wanted if self.label is None else (),
        ):
            if version is not None:
                yield structs.replace(version, prompt=structs.replace(version.prompt, name=other.name))

    def _is_of_file(self, name: str, version: Version) -> bool:
        """Whether a version was published from one of our revisions of a file, or pulled into it."""
        file = self.files[name]
        content = digest(content_of(version, file.prompt))
        prompt = identity(self.project.registry.workspace_id, version.template_id)
        if any(key.version == version.version and key.names(prompt, content) for key in self._keys(name)):
            return True
        mark = parse_mark(version.message)
        commit = mark.commit if mark is not None and mark.version == version.version else None
        revisions = self._lineage(name).back()
        return any(
            commit and revision.commit.startswith(commit) and revision.digest == content
            for revision in revisions
        )

    def _keys(self, name: str) -> list[Key]:
        """Return the keys that the file of a prompt has or had."""
        keys = self.project.keys_in(self.files[name].local.synced)
        return [*keys, *(key for revision in self._lineage(name).back() for key in revision.keys)]

    def _item(
        self,
        name: str,
        history: PromptHistory | None,
        archived: Version | None,
        renamed: Mapping[str, str],
    ) -> Item:
        file = self.files.get(name)
        lineage = history.lineage if history is not None else self._lineage(name)
        state = self._state(name, history, is_archived=archived is not None)
        if name in renamed:
            state = State.RENAMED_REMOTELY
        elif file is not None and has_conflict(file, state):
            state = State.CONFLICT
        decision = history.decision if history is not None else None
        is_included = decision is not None and decision.is_included
        git = self.project.history
        if state not in _CERTAIN and not is_included and git is not None and git.shallow:
            raise too_shallow(f"who changed {name!r}")
        content = digest(file.prompt) if file is not None else None
        commit, is_committed = origin_of(self.project, file, content, lineage)
        return Item(
            name=name,
            state=state,
            file=file,
            listed=self.listing.get(name),
            history=history,
            digest=content,
            commit=commit,
            is_committed=is_committed,
            lineage=lineage,
            renamed_to=renamed.get(name),
            archived=archived,
        )

    def _state(self, name: str, history: PromptHistory | None, *, is_archived: bool) -> State:
        file, listed = self.files.get(name), self.listing.get(name)
        if listed is None:
            return State.DELETED_REMOTELY if is_archived else State.NEW
        decision = history.decision if history is not None else None
        if file is None or history is None or decision is None:
            if self._lineage(name).head is None:
                return State.REMOTE_ONLY
            is_included = decision is not None and decision.is_included
            return State.DELETED_LOCALLY if is_included else State.DIVERGED
        text = decision.relation
        ours, theirs = tag_set(file.prompt), tag_set(listed.prompt)
        if not self.project.registry.prompts.stores_tags:
            return State.ALTERED if text is State.IN_SYNC and ours else text
        base = decision.base.tags if decision.base is not None else None
        newest = history.lineage.newest
        if base is None and newest is not None and newest.tags == theirs:
            base = theirs
        return with_tags(text, base, ours, theirs)

"""Decides the states of prompts that the list leaves open, by raw reads, git history and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from promptsync.compare.conflict import has_conflict
from promptsync.compare.content import ListComparison, content_of, read_content
from promptsync.compare.git_state import origin_of, too_shallow
from promptsync.compare.history import Histories, PromptHistory
from promptsync.compare.snapshot import Item, Snapshot, State, with_tags
from promptsync.files.prompt_file import PromptFile
from promptsync.history.graph import Lineage
from promptsync.project.project import Project
from promptsync.project.versions import list_all
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Version, tag_set

_CERTAIN = (
    *(State.IN_SYNC, State.NEW, State.CONFLICT, State.REMOTE_ONLY),
    *(State.DELETED_REMOTELY, State.RENAMED_REMOTELY),
)
"""States that stay the same whatever the missing history of a shallow clone holds."""


class Undecided(Struct):
    """The prompts that differ, or that only one side has, with what decides their states.

    ``latest`` is the snapshot of the latest versions, if there is one, where ``listing`` holds those under a
    ``label``. ``lineages`` are the git revisions of the files.
    """

    project: Project
    files: Mapping[str, PromptFile]
    listing: Mapping[str, Version]
    comparison: ListComparison
    label: str | None
    latest: Snapshot | None
    newest: Mapping[str, Version] = {}
    lineages: Mapping[str, Lineage] = {}

    def decide(self, names: Sequence[str]) -> list[Item]:
        """Return an item for each name, in any order.

        A prompt that was renamed in the registry has one item, under the name in the files.
        """
        # The versions under a label say nothing about what was published after them.
        if self.label is not None:
            listed = self.latest.listing.values() if self.latest is not None else list_all(self.project)
            self.newest = {version.name: version for version in listed}
        if (revisions := self.project.revisions()) is not None:
            self.lineages = revisions.of(names)
        both = [
            name
            for name in names
            if name in self.listing and (name in self.files or self._lineage(name).head is not None)
        ]
        read = self.project.mapped("Reading versions", self._history, both)
        histories = Histories(self.project, {history.name: history for history in read})
        histories.decide()
        absent = [name for name in names if name in self.files and name not in self.listing]
        archived: dict[str, Version] = {}
        # Under a label the list lacks every prompt without that label; it says nothing about archived ones.
        if absent and self.label is None:
            deleted = self.project.registry.prompts.list(status="deleted")
            archived = {version.name: version for version in deleted if version.name in absent}
        renamed = self._renamed([name for name in absent if name not in archived])
        return [
            self._item(name, histories.by_name.get(name), archived.get(name), renamed)
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
            is_raw = self.comparison.is_raw and digest(content) == digest(file.prompt)
            if is_raw or self.comparison.recorded(listed, digest(content)):
                history.set(listed, content)
                return history
        version = self.project.registry.prompts.get(listed.template_id, name, version=listed.version)
        prompt = file.prompt if file is not None else None
        history.add(version, read_content(self.project, version, prompt))
        return history

    def _renamed(self, absent: Sequence[str]) -> dict[str, str]:
        """Return the new names of prompts that were renamed in the registry: it has their ids.

        Only the record has these, so a clone that never pushed or pulled a prompt sees a new one.
        """
        if not absent:
            return {}
        registry = self.project.registry
        # ids of another workspace mean other prompts
        known = self.project.record().entries(registry.url, registry.workspace_id)
        names = {known[name].template_id: name for name in absent if name in known}
        return {
            names[listed.template_id]: name
            for name, listed in self.listing.items()
            if name not in self.files and listed.template_id in names
        }

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
        return Item(
            name=name,
            state=state,
            file=file,
            listed=self.listing.get(name),
            history=history,
            digest=content,
            origin=origin_of(self.project, file, content, lineage),
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
        text = State(decision.relation)
        ours, theirs = tag_set(file.prompt), tag_set(listed.prompt)
        if not self.project.registry.prompts.stores_tags:
            return State.ALTERED if text is State.IN_SYNC and ours else text
        base = decision.base.tags if decision.base is not None else None
        newest = history.lineage.newest
        if base is None and newest is not None and newest.tags == theirs:
            base = theirs
        return with_tags(text, base, ours, theirs)

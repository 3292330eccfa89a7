"""Decides the states of prompts that the list does not show to be equal: raw reads, git history, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptsync.compare.conflict import has_conflict
from promptsync.compare.histories import Histories, read_usable
from promptsync.compare.history import History
from promptsync.compare.list_equality import ListComparison, digest_beside
from promptsync.compare.origin import keys_in, origin_of
from promptsync.compare.snapshot import Item
from promptsync.compare.state import State, Tags, state_in_files, state_in_registry, with_tags
from promptsync.errors import Refused
from promptsync.files.git.revisions import Lineage
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import Worktree
from promptsync.history.decide import Relation
from promptsync.history.message import parse_mark
from promptsync.history.synced_key import Key, identity
from promptsync.project.project import Project
from promptsync.prompt.tags import tag_set
from promptsync.prompt.version import Version

TEXT_STATES = {
    Relation.EQUAL: State.IN_SYNC,
    Relation.AHEAD: State.AHEAD,
    Relation.BEHIND: State.BEHIND,
    Relation.DIVERGED: State.DIVERGED,
    Relation.ALTERED: State.ALTERED,
}
_CERTAIN = (
    *(State.IN_SYNC, State.NEW, State.CONFLICT, State.REMOTE_ONLY),
    *(State.DELETED_REMOTELY, State.RENAMED_REMOTELY),
)
"""States that stay the same whatever the missing history of a shallow clone holds."""


class Decider:
    """Finds the state of each prompt that differs, or that only one side has.

    ``latest`` are the newest versions where ``listing`` holds those under a label.
    """

    def __init__(
        self,
        project: Project,
        worktree: Worktree,
        listing: Mapping[str, Version],
        comparison: ListComparison,
        *,
        label: str | None,
        latest: Mapping[str, int],
    ) -> None:
        self._project = project
        self._files = worktree.files
        self._listing = listing
        self._comparison = comparison
        self._label = label
        self._latest = latest
        self._lineages: dict[str, Lineage] = {}
        """The git revisions of each prompt's file; empty outside of git."""
        self.has_git = False

    def decide(self, names: Sequence[str]) -> list[Item]:
        """Return an item for each name, in any order.

        A prompt that was renamed in the registry has one item, under the name in the files.
        """
        self._read_lineages(names)
        remote = self._read_remote(names)
        histories = Histories(
            self._project,
            {name: self._history(name, remote.get(name)) for name in names if self._has_both(name)},
        )
        histories.decide()
        absent = [name for name in names if name in self._files and name not in self._listing]
        archived = {}
        # Under a label the list lacks every prompt without that label; it says nothing about archived ones.
        if absent and self._label is None:
            found = self._project.registry.prompts.list(status="deleted")
            archived = {one.name: one.template_id for one in found if one.name not in self._listing}
        renamed = self._renamed([name for name in absent if name not in archived])
        return [
            self._item(name, remote.get(name), histories.by_name.get(name), archived, renamed)
            for name in names
            # Pulled as a new prompt, the new name would leave the file with a copy of it behind.
            if name in self._files or name not in renamed.values()
        ]

    def _read_lineages(self, names: Sequence[str]) -> None:
        revisions = self._project.revisions()
        history = self._project.history
        if revisions is None or history is None:
            return
        self.has_git = True
        # A deleted file may have had any path, so its name is searched for in the whole history. Where all
        # files exist, their paths are enough.
        if any(name not in self._files for name in names):
            self._lineages = revisions.of_names({*names})
        else:
            both = {name: self._files[name].path for name in names if name in self._listing}
            only_in_files = {name: self._files[name].path for name in names if name not in self._listing}
            self._lineages = revisions.of(both)
            # A file that moved since the last commit has no revision at its path.
            moved = {name for name in both if not self._lineages[name].revisions}
            self._lineages |= revisions.of_names(moved) if moved else {}
            if only_in_files:
                self._lineages |= revisions.of(only_in_files)
        revisions.save()

    def _read_remote(self, names: Sequence[str]) -> dict[str, Version]:
        """Read the tracked versions raw, except those whose digest is known already."""
        wanted = [name for name in names if self._has_both(name) and self._known_digest(name) is None]

        def read(name: str) -> tuple[str, Version]:
            listed = self._listing[name]
            prompts = self._project.registry.prompts
            return name, prompts.get(listed.template_id, name, version=listed.version)

        return dict(self._project.mapped("Reading versions", read, wanted))

    def _has_both(self, name: str) -> bool:
        """Whether the registry has the prompt, and the working tree or ``HEAD`` has its file."""
        return name in self._listing and (name in self._files or self._lineage(name).head is not None)

    def _lineage(self, name: str) -> Lineage:
        return self._lineages.get(name) or Lineage()

    def _known_digest(self, name: str) -> str | None:
        """Return the digest of the tracked version if its body in the list is certainly not rendered."""
        listed, file = self._listing[name], self._files.get(name)
        if file is None:
            return None
        body = digest_beside(file.prompt, listed.prompt)
        if self._comparison.is_raw and body == self._comparison.digest(file):
            return body
        return body if self._comparison.recorded(listed, body) else None

    def _history(self, name: str, remote: Version | None) -> History:
        """Return what is known so far about a prompt that exists on both sides."""
        listed = self._listing[name]
        latest = max(self._latest.get(name, 0), listed.version)
        file = self._files.get(name)
        content = self._comparison.digest(file) if file is not None else None
        history = History(name, file, content, listed, latest, self._lineage(name))
        if remote is not None:
            history.add(listed.version, remote)
        else:
            history.add_listed()
        return history

    def _renamed(self, absent: Sequence[str]) -> dict[str, str]:
        """Return the new names of prompts that were renamed in the registry.

        Such a prompt has the id that this working copy recorded, or a version that comes from our file.
        """
        others = [one for one in self._listing.values() if one.name not in self._files] if absent else []
        registry = self._project.registry
        # ids of another workspace mean other prompts
        known = self._project.record().entries(registry.url, registry.workspace_id) if others else {}
        ids = {name: known[name].template_id for name in absent if name in known}
        found = {name: other.name for name in ids for other in others if other.template_id == ids[name]}
        # If the files had that name, they renamed it.
        others = [one for one in others if one.name not in known and self._lineage(one.name).head is None]
        unknown = [name for name in absent if name not in known]
        found |= {name: other.name for name in unknown for other in others if self._is_of_file(name, other)}
        unknown = [name for name in unknown if name not in found]
        # The versions under a label say nothing about a prompt without that label.
        return found | (self._renamed_and_edited(unknown, others) if self._label is None else {})

    def _renamed_and_edited(self, names: Sequence[str], others: Sequence[Version]) -> dict[str, str]:
        """Look at the first version, and at those that the file includes: the latest may be an edit."""
        numbers = {key.version for name in names for key in self._keys(name)}
        if any(self._lineage(name).newest is not None for name in names):
            numbers.add(1)
        wanted = [(other, number) for other in others for number in sorted(numbers) if number < other.version]

        def read(pair: tuple[Version, int]) -> Version | None:
            return read_usable(self._project, *pair)

        found = self._project.mapped("Reading versions", read, wanted)
        versions = [
            (other.name, one) for (other, _), one in zip(wanted, found, strict=True) if one is not None
        ]
        return {name: other for name in names for other, one in versions if self._is_of_file(name, one)}

    def _is_of_file(self, name: str, version: Version) -> bool:
        """Whether a version was published from one of our revisions of a file, or pulled into it."""
        keys = [key for key in self._keys(name) if key.version == version.version]
        mark = parse_mark(version.message)
        commit = mark.commit if mark is not None and mark.version == version.version else None
        published = [one for one in self._lineage(name).back() if commit and one.commit.startswith(commit)]
        if not keys and not published:
            return False
        content = digest_beside(self._files[name].prompt, version.prompt)
        prompt = identity(self._project.registry.workspace_id, version.template_id)
        return any(key.names(prompt, content) for key in keys) or any(
            one.digest == content for one in published
        )

    def _keys(self, name: str) -> list[Key]:
        """Return the keys that the file of a prompt has or had."""
        synced = (self._files[name].local.synced, *(one.synced for one in self._lineage(name).back()))
        return [key for one in synced for key in keys_in(one, self._project)]

    def _item(
        self,
        name: str,
        remote: Version | None,
        history: History | None,
        archived: Mapping[str, int],
        renamed: Mapping[str, str],
    ) -> Item:
        file, listed = self._files.get(name), self._listing.get(name)
        lineage = history.lineage if history is not None else self._lineage(name)
        decision = history.decision if history is not None else None
        state = self._state(name, history, archived)
        if name in renamed:
            state = State.RENAMED_REMOTELY
        elif file is not None and has_conflict(file, state):
            state = State.CONFLICT
        included = decision is not None and decision.is_included
        self._check_settled(name, state, included)
        content = self._comparison.digest(file) if file is not None else None
        last = next((one for one in lineage.back() if one.digest is not None), None) if file is None else None
        return Item(
            name=name,
            state=state,
            file=file,
            listed=listed,
            remote=remote,
            history=history,
            digest=content,
            remote_digest=history.versions[history.listed.version].digest if history is not None else None,
            origin=origin_of(self._project, file, content, lineage),
            newest=lineage.newest.commit if lineage.newest is not None else None,
            deletion_committed=lineage.newest is not None and lineage.newest.digest is None,
            last_path=last.path if last is not None else None,
            last_digest=last.digest if last is not None else None,
            last_blob=last.blob if last is not None else None,
            renamed_to=renamed.get(name),
        )

    def _state(self, name: str, history: History | None, archived: Mapping[str, int]) -> State:
        file, listed = self._files.get(name), self._listing.get(name)
        if listed is None:
            return state_in_files(archived=name in archived)
        decision = history.decision if history is not None else None
        if file is None or history is None or decision is None:
            known = self._lineage(name).head is not None
            return state_in_registry(known=known, included=decision is not None and decision.is_included)
        stores_tags = self._project.registry.prompts.stores_tags
        ours, theirs = tag_set(file.prompt), tag_set(listed.prompt) if stores_tags else None
        return with_tags(TEXT_STATES[decision.relation], self._base_tags(file, history, theirs), ours, theirs)

    def _base_tags(self, file: PromptFile, history: History, theirs: Tags | None) -> Tags | None:
        base = history.decision.base if history.decision is not None else None
        if base is not None and base.tags is not None:
            return base.tags
        newest = history.lineage.newest
        return theirs if newest is not None and newest.tags == theirs else None

    def _check_settled(self, name: str, state: State, included: bool) -> None:
        history = self._project.history
        if state not in _CERTAIN and not included and history is not None and history.shallow:
            raise too_shallow(f"who changed {name!r}")


def too_shallow(question: str) -> Refused:
    """Return the error for a question that the history in this clone cannot decide."""
    return Refused(
        f"this clone is too shallow to find out {question}",
        hint="git fetch --unshallow\nin GitHub Actions, set fetch-depth: 0 for actions/checkout",
        code="shallow-clone",
    )

"""Both sides at one moment, prompt by prompt, and who changed what."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from promptsync.compare.content import content_of, read_content
from promptsync.compare.git_state import too_shallow
from promptsync.files.prompt_file import PromptFile, Worktree
from promptsync.history.graph import (
    Base,
    Decision,
    Graph,
    Lineage,
    Missing,
    Node,
    PassedOver,
    Revision,
    passed_over,
)
from promptsync.history.mark import Key, identity, make_key
from promptsync.project.project import Project
from promptsync.project.target import NoSuchPrompt, PromptAt, archived, is_pattern, resolve, unknown
from promptsync.project.versions import read_usable
from promptsync.prompt.canonical import digest
from promptsync.prompt.merge import merge
from promptsync.prompt.prompt import Problem, Prompt, Version, merged_tags, tag_set
from promptsync.prompt.prompt import State as State  # as a name of this module, too

Tags = frozenset[str]


def with_tags(text: State, base: Tags | None, ours: Tags, theirs: Tags) -> State:
    """Return the state of a prompt whose content alone is in the state ``text``.

    Tags belong to the prompt and have no versions. ``base`` are those of the base, ``None`` if they are
    unknown: then tags that differ count as changed on both sides.
    """
    if ours == theirs or text is State.DIVERGED:
        return text
    # Text and tags must have changed on the same side; otherwise each side lacks a change of the other.
    merged = merged_tags(base, ours, theirs) if base is not None else None
    if merged == ours and text in (State.IN_SYNC, State.AHEAD, State.ALTERED):
        return State.AHEAD
    if merged == theirs and text in (State.IN_SYNC, State.BEHIND, State.ALTERED):
        return State.BEHIND
    return State.DIVERGED


class Item(Struct, frozen=True):
    """One prompt; ``listed`` is its tracked version.

    ``history`` is set for a prompt that both sides have or had, and that differs. ``lineage`` are the git
    revisions of its file, and ``digest`` is that of its content, if they were needed. ``commit`` is the one
    that wrote the content, or the newest one below it. ``archived`` is the latest version of a prompt that
    the registry archived.
    """

    name: str
    state: State
    file: PromptFile | None = None
    listed: Version | None = None
    history: PromptHistory | None = None
    digest: str | None = None
    commit: str | None = None
    is_committed: bool = False
    lineage: Lineage = Lineage()
    renamed_to: str | None = None
    archived: Version | None = None

    @property
    def version(self) -> int | None:
        """The tracked version, ``None`` if the registry has none."""
        return self.listed.version if self.listed is not None else None

    @property
    def remote_digest(self) -> str | None:
        """The digest of the tracked version, ``None`` if its content was not read."""
        if self.history is not None:
            return self.history.versions[self.history.listed.version].digest
        return self.digest if self.state is State.IN_SYNC else None

    @property
    def is_in_git(self) -> bool:
        """Whether the commits that ``HEAD`` reaches have, or had, a file of the prompt."""
        return self.lineage.newest is not None

    @property
    def deletion_committed(self) -> bool:
        """Whether ``HEAD`` has no file of the prompt any more."""
        newest = self.lineage.newest
        return newest is not None and newest.digest is None

    @property
    def last(self) -> Revision | None:
        """The last revision with content, of a prompt without a file."""
        revisions = self.lineage.back() if self.file is None else ()
        return next((revision for revision in revisions if revision.digest is not None), None)

    @property
    def base(self) -> Base | None:
        """The newest version that both sides include."""
        decision = self.history.decision if self.history is not None else None
        return decision.base if decision is not None else None

    @property
    def base_prompt(self) -> Prompt | None:
        """The content of the base with its tags; if those are unknown, none counts as removed."""
        base = self.history.contents.get(self.base.digest) if self.history and self.base else None
        if base is None or self.base is None:
            return None
        tags = self.base.tags
        if tags is None and self.file is not None and self.listed is not None:
            tags = tag_set(self.file.prompt) & tag_set(self.listed.prompt)
        return replace(base, tags=tuple(sorted(tags or ())))

    @property
    def merged_tags(self) -> frozenset[str]:
        """The tags to publish. They have no versions, so a forced push keeps those of the registry, too."""
        assert self.file is not None
        ours = tag_set(self.file.prompt)
        if self.listed is None or self.state not in (State.BEHIND, State.DIVERGED):
            return ours
        theirs = tag_set(self.listed.prompt)
        base = self.base.tags if self.base is not None else None
        return merged_tags(ours & theirs if base is None else base, ours, theirs)

    @property
    def problem(self) -> str:
        """Why the version in the registry cannot be used, empty if it can."""
        return self.listed.problem if self.state is State.INVALID and self.listed is not None else ""

    @property
    def path(self) -> str | None:
        return self.file.path if self.file is not None else None

    def content_of(self, version: Version) -> Prompt:
        """Return the content of a version without the additions of the registry."""
        if self.history is not None and (content := self.history.content(version.version)) is not None:
            return replace(content, name=version.name, tags=version.prompt.tags)
        if self.file is not None and self.state is State.IN_SYNC and version.version == self.version:
            return replace(self.file.prompt, tags=version.prompt.tags)
        return content_of(version, self.file.prompt if self.file is not None else None)


class Snapshot(Struct, frozen=True):
    """All prompts in scope, sorted by name. ``label`` is the label that was tracked, if any.

    ``listing`` is everything that the registry listed, in scope or not. ``labels`` are those of each prompt,
    only the governed ones if the registry lists labels by name only, ``None`` if they were not read.
    """

    items: tuple[Item, ...]
    worktree: Worktree
    listing: dict[str, Version]
    label: str | None = None
    labels: Mapping[str, Mapping[str, int]] | None = None

    @property
    def unusable(self) -> tuple[Item, ...]:
        """The prompts whose version in the registry cannot be used; ``listed.problem`` says why."""
        return tuple(item for item in self.items if item.problem)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems of unreadable files."""
        return self.worktree.problems

    def of(self, *states: State) -> tuple[Item, ...]:
        """Return the items in one of these states."""
        return tuple(item for item in self.items if item.state in states)

    def get(self, name: str) -> Item | None:
        """Return the item with a name."""
        return next((item for item in self.items if item.name == name), None)

    def only(self, names: Iterable[str]) -> tuple[Item, ...]:
        """Return the items with these names, or all without any names."""
        wanted = set(names)
        return tuple(item for item in self.items if not wanted or item.name in wanted)


def matching(project: Project, snapshot: Snapshot, arguments: Iterable[str]) -> dict[str, PromptAt]:
    """Return the prompts that arguments mean, by name. Raises ``NoSuchPrompt`` for one that means nothing."""
    names = [item.name for item in snapshot.items]
    renamed = {item.renamed_to: item.name for item in snapshot.items}

    def missing(name: str, known: Collection[str]) -> NoSuchPrompt:
        if name in renamed:
            return NoSuchPrompt(
                f"{renamed[name]!r} was renamed to {name!r} in the registry, and its file has the old name",
                hint=f"promptsync mv {shlex.join([renamed[name], name])}",
            )
        if name in snapshot.worktree.files:
            return NoSuchPrompt(
                f"{name!r} is not published, because include in promptsync.yaml does not match it",
                hint=f"add {name} to include in promptsync.yaml",
            )
        is_online = bool(snapshot.listing) and not is_pattern(name)
        return (is_online and archived(project, name)) or unknown(name, known, snapshot.worktree.prompts)

    targets = resolve(project, arguments, names, with_versions=False, missing=missing)
    return {target.name: target for target in targets}


# -- who changed what ---------------------------------------------------------------------------------------

# The rules of ``promptsync.history`` read nothing: they raise ``Missing`` for what they still need. That is
# then read for all prompts at once, and the rules run again, until nothing is missing.
_Result = TypeVar("_Result")
_UNSETTLED = (State.INVALID, State.CONFLICT, State.RENAMED_REMOTELY)
Rule = Callable[[Graph], _Result]


class PromptHistory(Graph):
    """The graph of one prompt, with its file and what was read of its versions.

    ``listed`` is the tracked version, and ``remote`` are the versions as they were read: ``contents`` has
    them beside the file.
    """

    contents: dict[str, Prompt]

    def __init__(
        self,
        project: Project,
        name: str,
        file: PromptFile | None,
        listed: Version,
        lineage: Lineage,
        *,
        latest: int = 0,
    ) -> None:
        self.name = name
        self.listed = listed
        self.prompt = file.prompt if file is not None else None
        self.decision: Decision | None = None
        self.remote: dict[int, Version] = {}
        text = None
        if file is not None:
            keys = project.keys_in(file.local.synced)
            text = Revision("", (), digest(file.prompt), tag_set(file.prompt), keys, file.path, file)
        super().__init__(_merged, text, lineage, tracked=listed.version, latest=latest)
        git = project.history
        self.has_twin = bool(git and lineage.revisions and git.is_shared)

    def add(self, version: Version, content: Prompt | None = None) -> None:
        """Add a version that was read, with its content beside the file if that took more reading."""
        self.remote[version.version] = version
        self.set(version, content or content_of(version, self.prompt))

    def set(self, version: Version, content: Prompt) -> None:
        """Set the content of a version."""
        text = digest(content)
        self.contents.setdefault(text, content)
        self.versions[version.version] = Node(version.version, text, version.message)

    def content(self, number: int) -> Prompt | None:
        """Return the content of a version, ``None`` if it was not read or is gone."""
        node = self.versions.get(number)
        return self.contents.get(node.digest or "") if node is not None else None

    def keys(self, numbers: Iterable[int], workspace_id: int | None) -> tuple[Key, ...]:
        """Return the keys of those of the versions that were read."""
        prompt = identity(workspace_id, self.listed.template_id)
        known = [self.versions[number] for number in numbers if number in self.versions]
        return tuple(make_key(prompt, node.number, node.digest) for node in known if node.digest)


def run(project: Project, histories: Iterable[PromptHistory], rule: Rule[_Result]) -> dict[str, _Result]:
    """Run a rule for each prompt until nothing is missing, and return the results by name."""
    registry, waiting = project.registry, list(histories)
    results: dict[str, _Result] = {}
    while waiting:
        missing: list[tuple[PromptHistory, Missing]] = []
        for history in waiting:
            texts = (history.file, *history.lineage.revisions)
            # A key in ``synced:`` contains the workspace id, and finding that out may cost a request.
            has_keys = any(text.keys for text in texts if text is not None)
            workspace = registry.workspace_id if has_keys else registry.workspace_seen
            history.identity = identity(workspace, history.listed.template_id)
            try:
                results[history.name] = rule(history)
            except Missing as needs:
                missing.append((history, needs))
        _read_versions(
            project, [(history, number) for history, needs in missing for number in needs.versions]
        )
        _find_commits(project, {history: needs.commits for history, needs in missing if needs.commits})
        waiting = [history for history, _ in missing]
    return results


def _read_versions(project: Project, wanted: Iterable[tuple[PromptHistory, int]]) -> None:
    def read(pair: tuple[PromptHistory, int]) -> None:
        history, number = pair
        version = read_usable(project, history.listed, number)
        if version is None:
            history.versions[number] = Node(number, None)
        else:
            history.add(version, read_content(project, version, history.prompt))

    project.mapped("Reading versions", read, wanted)


def _find_commits(project: Project, wanted: Mapping[PromptHistory, Iterable[str]]) -> None:
    """Find the commits that marks name, maybe on other branches, and the revisions that they reach."""
    if wanted and project.revisions is not None:
        commits = {commit for some in wanted.values() for commit in some}
        lineages = project.revisions.of([history.name for history in wanted], commits)
        for history in wanted:
            history.look_at(lineages[history.name])


def histories_of(project: Project, items: Sequence[Item]) -> dict[str, PromptHistory]:
    """Return the histories of prompts that have a file and a listed version, by name."""
    histories = {item.name: item.history for item in items if item.history is not None}
    # An item in sync has no history, because git was not read for it.
    others = [item for item in items if item.history is None]
    revisions = project.revisions if others else None
    lineages = revisions.of([item.name for item in others]) if revisions is not None else {}
    for item in others:
        assert item.listed is not None
        lineage = lineages.get(item.name) or Lineage()
        histories[item.name] = PromptHistory(project, item.name, item.file, item.listed, lineage)
    return histories


class PassedOverVersions(Struct, frozen=True):
    """The passed-over versions of one prompt; ``heads`` are those that no other includes, oldest first."""

    heads: tuple[PassedOver, ...]
    history: PromptHistory

    @property
    def read(self) -> tuple[Version, ...]:
        """All of them that the registry still has, oldest first."""
        numbers = sorted(number for head in self.heads for number in head.numbers)
        return tuple(self.history.remote[number] for number in numbers if number in self.history.remote)

    @property
    def included(self) -> tuple[int, ...]:
        """The versions that a file includes once all of them are merged into it, newest first."""
        graph = self.history
        numbers = (number for head in self.heads for number in head.numbers)
        return graph.heads(graph.of_file | graph.includes(graph.latest) | {*numbers})


def find_passed_over(project: Project, items: Iterable[Item]) -> dict[str, PassedOverVersions]:
    """Return by name what neither the latest version nor the file includes, of prompts that have a file.

    Reads the message of each version, once. Raises ``RemoteError``, and ``Refused`` if the clone is too
    shallow to show what the files include.
    """
    histories = histories_of(
        project,
        [item for item in items if item.file and item.listed and item.state not in _UNSETTLED],
    )
    by_name = run(project, histories.values(), passed_over)
    passed = {name: PassedOverVersions(heads, histories[name]) for name, heads in by_name.items() if heads}
    # In a shallow clone the file may include a version through a commit that is not there.
    if passed and project.history is not None and project.history.shallow:
        raise too_shallow(f"which versions of {next(iter(passed))!r} its file includes")
    return passed


def _merged(base: Any, ours: Any, theirs: Any) -> tuple[str, Any] | None:
    merged = merge(base, ours, theirs)
    return None if merged.conflicts else (digest(merged.prompt), replace(merged.prompt, tags=()))

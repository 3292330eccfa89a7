"""Both sides at one moment, prompt by prompt, and who changed what."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from promptsync.compare.content import content_of
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import Worktree
from promptsync.history.decide import Base
from promptsync.history.graph import Lineage, Revision
from promptsync.project.project import Project
from promptsync.project.target import NoSuchPrompt, PromptAt, archived, is_pattern, resolve, unknown
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


if TYPE_CHECKING:
    from promptsync.compare.history import PromptHistory


class Origin(Struct, frozen=True):
    """The git commit that a prompt comes from; ``dirty`` if its content is not committed."""

    commit: str | None = None
    dirty: bool = True


class Item(Struct, frozen=True):
    """One prompt; ``listed`` is its tracked version.

    ``history`` is set for a prompt that both sides have or had, and that differs. ``lineage`` are the git
    revisions of its file, and ``digest`` is that of its content, if they were needed. ``archived`` is the
    latest version of a prompt that the registry archived.
    """

    name: str
    state: State
    file: PromptFile | None = None
    listed: Version | None = None
    history: PromptHistory | None = None
    digest: str | None = None
    origin: Origin = field(default_factory=Origin)
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

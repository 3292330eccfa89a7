"""Runs the rules of ``promptsync.history`` for many prompts.

Those rules read nothing: they raise ``Missing`` for what they still need. It is then read for all prompts at
once, and the rules run again, until nothing is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from promptsync.compare.content import content_of, read_content
from promptsync.compare.git_state import too_shallow
from promptsync.compare.snapshot import Item, State
from promptsync.files.prompt_file import PromptFile
from promptsync.history.decide import Decision, PassedOver, decide, passed_over
from promptsync.history.graph import Graph, Lineage, Missing, Node, Revision
from promptsync.history.mark import Key, identity, make_key
from promptsync.project.project import Project
from promptsync.project.versions import read_usable
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt, Version, tag_set

_Result = TypeVar("_Result")
_UNSETTLED = (State.INVALID, State.CONFLICT, State.RENAMED_REMOTELY)
Rule = Callable[[Graph], _Result]


class PromptHistory:
    """One prompt with its graph: its file, its revisions, and its versions as far as they were read.

    ``listed`` is the tracked version. ``prompts`` are the
    contents of the versions beside the file, ``remote`` the same as they were read.
    """

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
        self.file = file
        self.listed = listed
        self.decision: Decision | None = None
        self.remote: dict[int, Version] = {}
        self.prompts: dict[int, Prompt] = {}
        self.marked: dict[str, str | None] = {}
        """The full ids of the commits that marks name and ``HEAD`` does not reach, ``None`` without one."""
        text = None
        if file is not None:
            keys = project.keys_in(file.local.synced)
            text = Revision("", (), digest(file.prompt), tag_set(file.prompt), keys, file.path)
        self.graph = Graph(_merged, text, lineage, tracked=listed.version, latest=latest)
        self.graph.has_twin = bool(lineage.revisions) and project.shares_repository
        if file is not None and text is not None:
            self.graph.contents[text.digest or ""] = file.prompt

    @property
    def lineage(self) -> Lineage:
        return self.graph.lineage

    def add(self, version: Version, content: Prompt | None = None) -> None:
        """Add a version that was read, with its content beside the file if that took more reading."""
        self.remote[version.version] = version
        self.set(version, content or content_of(version, self.file.prompt if self.file else None))

    def set(self, version: Version, content: Prompt) -> None:
        """Set the content of a version."""
        text = digest(content)
        self.graph.contents.setdefault(text, content)
        self.prompts[version.version] = content
        self.graph.versions[version.version] = Node(version.version, text, version.message)

    def keys(self, numbers: Iterable[int], workspace_id: int | None) -> tuple[Key, ...]:
        """Return the keys of those of the versions that were read."""
        prompt = identity(workspace_id, self.listed.template_id)
        known = {number: self.graph.versions[number] for number in numbers if number in self.graph.versions}
        return tuple(make_key(prompt, node.number, node.digest) for node in known.values() if node.digest)

    def text(self, content: str) -> Prompt | None:
        """Return the prompt with this digest, ``None`` if it was not read."""
        prompt: Prompt | None = self.graph.contents.get(content)
        return prompt


class Histories:
    """The histories of the prompts that both sides have or had."""

    def __init__(self, project: Project, histories: Mapping[str, PromptHistory]) -> None:
        self._project = project
        self.by_name = histories

    def decide(self) -> None:
        """Decide who changed what; each history gets its decision."""
        for name, decision in self.run(dict.fromkeys(self.by_name, _decision)).items():
            self.by_name[name].decision = decision

    def run(self, rules: Mapping[str, Rule[_Result]]) -> dict[str, _Result]:
        """Run the rule of each prompt until nothing is missing, and return the results by name."""
        registry = self._project.registry
        results: dict[str, _Result] = {}
        waiting = list(rules)
        while waiting:
            missing: dict[str, Missing] = {}
            for name in waiting:
                history = self.by_name[name]
                texts = (history.graph.file, *history.lineage.revisions)
                # A key in ``synced:`` contains the workspace id, and finding that out may cost a request.
                has_keys = any(text.keys for text in texts if text is not None)
                workspace = registry.workspace_id if has_keys else registry.workspace_seen
                history.graph.identity = identity(workspace, history.listed.template_id)
                try:
                    results[name] = rules[name](history.graph)
                except Missing as needs:
                    missing[name] = needs
            self._read_versions({name: needs.versions for name, needs in missing.items()})
            self._find_commits({name: needs.commits for name, needs in missing.items() if needs.commits})
            self._read_texts([name for name, needs in missing.items() if needs.texts])
            waiting = list(missing)
        return results

    def _read_versions(self, wanted: Mapping[str, Iterable[int]]) -> None:
        pairs = [(self.by_name[name], number) for name, numbers in wanted.items() for number in numbers]

        def read(pair: tuple[PromptHistory, int]) -> None:
            history, number = pair
            version = read_usable(self._project, history.listed, number)
            if version is None:
                history.graph.versions[number] = Node(number, None)
            else:
                file = history.file.prompt if history.file is not None else None
                history.add(version, read_content(self._project, version, file))

        self._project.mapped("Reading versions", read, pairs)

    def _find_commits(self, wanted: Mapping[str, Iterable[str]]) -> None:
        """Find the commits that marks name, maybe on other branches, and the revisions that they reach."""
        git = self._project.history
        full = git.existing({commit for commits in wanted.values() for commit in commits}) if git else {}
        marked: dict[str, str | None] = {}
        for name, commits in wanted.items():
            history = self.by_name[name]
            history.marked |= {short: full.get(short) for short in commits}
            # Those of earlier rounds are passed again, because all places are indexes into one list.
            marked |= history.marked
        lineages: Mapping[str, Lineage] = {}
        if git is not None and any(marked.values()):
            revisions = self._project.revisions(marked)
            assert revisions is not None
            lineages = revisions.of(wanted)
        for name in wanted:
            history = self.by_name[name]
            old = history.lineage
            history.graph.lineage = lineages.get(name) or Lineage(
                old.revisions, old.head, dict.fromkeys(history.marked)
            )

    def _read_texts(self, names: Sequence[str]) -> None:
        """Read all revisions of some prompts."""
        revisions = self._project.revisions() if names else None
        if revisions is None:
            return
        for name in names:
            graph = self.by_name[name].graph
            graph.contents = {**revisions.prompts(graph.lineage), **graph.contents}


def histories_of(project: Project, items: Sequence[Item]) -> dict[str, PromptHistory]:
    """Return the histories of prompts that have a file and a listed version, by name."""
    histories = {item.name: item.history for item in items if item.history is not None}
    # An item in sync has no history, because git was not read for it.
    others = [item for item in items if item.history is None]
    revisions = project.revisions() if others else None
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
    def has_edits(self) -> bool:
        """Whether one was saved in the dashboard; the others come with the branch that pushed them."""
        return any(head.edits for head in self.heads)

    @property
    def included(self) -> tuple[int, ...]:
        """The versions that a file includes once all of them are merged into it, newest first."""
        graph = self.history.graph
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
    heads_by_name = Histories(project, histories).run(dict.fromkeys(histories, passed_over))
    passed = {
        name: PassedOverVersions(heads, histories[name]) for name, heads in heads_by_name.items() if heads
    }
    # In a shallow clone the file may include a version through a commit that is not there.
    if passed and project.history is not None and project.history.shallow:
        raise too_shallow(f"which versions of {next(iter(passed))!r} its file includes")
    return passed


def _decision(graph: Graph) -> Decision:
    decision = decide(graph)
    if decision.base is not None and decision.base.digest and decision.base.digest not in graph.contents:
        raise Missing(texts=[decision.base.digest])
    return decision


def _merged(base: Any, ours: Any, theirs: Any) -> tuple[str, Any] | None:
    from promptsync.prompt.merge import merge

    merged = merge(base, ours, theirs)
    return None if merged.conflicts else (digest(merged.prompt), replace(merged.prompt, tags=()))

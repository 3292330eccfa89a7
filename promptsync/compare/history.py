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
from promptsync.prompt.merge import merge
from promptsync.prompt.prompt import Prompt, Version, tag_set

_Result = TypeVar("_Result")
_UNSETTLED = (State.INVALID, State.CONFLICT, State.RENAMED_REMOTELY)
Rule = Callable[[Graph], _Result]


class PromptHistory(Graph):
    """The graph of one prompt, with its file and what was read of its versions.

    ``listed`` is the tracked version, and ``remote`` are the versions as they were read: ``contents`` has
    them beside the file. ``marked`` are the full ids of the commits that marks name and ``HEAD`` does not
    reach, ``None`` without one.
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
        self.marked: dict[str, str | None] = {}
        text = None
        if file is not None:
            keys = project.keys_in(file.local.synced)
            text = Revision("", (), digest(file.prompt), tag_set(file.prompt), keys, file.path)
        super().__init__(_merged, text, lineage, tracked=listed.version, latest=latest)
        git = project.history
        self.has_twin = bool(git and lineage.revisions and git.is_shared)
        if file is not None and text is not None:
            self.contents[text.digest or ""] = file.prompt

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


def decide_all(project: Project, histories: Iterable[PromptHistory]) -> dict[str, PromptHistory]:
    """Decide who changed what, and return the histories, with their decisions, by name."""
    by_name = {history.name: history for history in histories}
    for name, decision in run(project, by_name.values(), _decision).items():
        by_name[name].decision = decision
    return by_name


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
        _read_texts(project, [history for history, needs in missing if needs.texts])
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
    git = project.history
    full = git.existing({commit for commits in wanted.values() for commit in commits}) if git else {}
    marked: dict[str, str | None] = {}
    for history, commits in wanted.items():
        history.marked |= {short: full.get(short) for short in commits}
        # Those of earlier rounds are passed again, because all places are indexes into one list.
        marked |= history.marked
    lineages: Mapping[str, Lineage] = {}
    if any(marked.values()) and (revisions := project.revisions(marked)) is not None:
        lineages = revisions.of([history.name for history in wanted])
    for history in wanted:
        old = history.lineage
        unknown = Lineage(old.revisions, old.head, dict.fromkeys(history.marked))
        history.lineage = lineages.get(history.name) or unknown


def _read_texts(project: Project, histories: Sequence[PromptHistory]) -> None:
    """Read all revisions of some prompts."""
    if histories and (revisions := project.revisions()) is not None:
        for history in histories:
            history.contents = {**revisions.prompts(history.lineage), **history.contents}


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


def _decision(graph: Graph) -> Decision:
    decision = decide(graph)
    if decision.base is not None and decision.base.digest and decision.base.digest not in graph.contents:
        raise Missing(texts=[decision.base.digest])
    return decision


def _merged(base: Any, ours: Any, theirs: Any) -> tuple[str, Any] | None:
    merged = merge(base, ours, theirs)
    return None if merged.conflicts else (digest(merged.prompt), replace(merged.prompt, tags=()))

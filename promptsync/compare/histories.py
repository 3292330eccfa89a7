"""Runs the rules of ``promptsync.history`` for many prompts.

Those rules do no I/O: they raise ``Missing`` for what they still need. It is then read for all prompts at
once, and the rules run again, until nothing is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from promptsync.compare.history import History
from promptsync.compare.list_equality import came_back
from promptsync.compare.origin import keys_in
from promptsync.files.git.revisions import Lineage, Revisions
from promptsync.files.prompt_file import PromptFile
from promptsync.history.decide import Decision, decide
from promptsync.history.graph import Contents, Includes, Missing, Node
from promptsync.history.includes import LocalSide, RemoteSide, file_includes, left_out
from promptsync.history.message import parse_mark
from promptsync.history.passed_over import Outline, PassedOver, listed_as_passed_over, outline, passed_over
from promptsync.history.revisions import Revision, RevisionGraph
from promptsync.history.synced_key import Key, identity
from promptsync.project.project import Project
from promptsync.prompt.additions import content_beside, has_additions
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.tags import tag_set
from promptsync.prompt.version import Version
from promptsync.registry.errors import NotFound, UnusablePrompt

if TYPE_CHECKING:
    from promptsync.compare.snapshot import Item

_Result = TypeVar("_Result")
_Rule = Callable[[LocalSide, RemoteSide, Contents], _Result]


class Histories:
    """The histories of the prompts that both sides have or had."""

    def __init__(self, project: Project, found: Mapping[str, History]) -> None:
        self._project = project
        self.by_name = found

    def decide(self) -> None:
        """Decide who changed what; each history gets its decision."""
        for name, decision in self._run(dict.fromkeys(self.by_name, _decision)).items():
            self.by_name[name].decision = decision

    def passed_over(self, names: Sequence[str]) -> dict[str, tuple[tuple[PassedOver, ...], tuple[int, ...]]]:
        """Return by name what the latest version and the file passed over, if anything."""
        found = self._run(dict.fromkeys(names, passed_over))
        return {name: result for name, result in found.items() if result[0]}

    def outline(self, name: str, lowest: int) -> Outline:
        """Return how the versions of a prompt from ``lowest`` up depend on one another."""
        return self._run({name: lambda _, remote, texts: outline(remote, texts, lowest)})[name]

    def left_out(self, wanted: Mapping[str, Iterable[int]]) -> dict[str, dict[int, bool]]:
        """Return by name which of some versions a file does not include; ``True`` for a dashboard edit."""
        return self._run({name: partial(left_out, sorted(numbers)) for name, numbers in wanted.items()})

    def included(self, wanted: Mapping[str, Sequence[int]]) -> dict[str, Includes]:
        """Return by name the versions that a file includes, some of them among others."""
        return self._run({name: partial(file_includes, numbers) for name, numbers in wanted.items()})

    # -- rounds -----------------------------------------------------------------------------------------

    def _run(self, rules: Mapping[str, _Rule[_Result]]) -> dict[str, _Result]:
        """Run the rule of each prompt until nothing is missing, and return the results by name."""
        results: dict[str, _Result] = {}
        waiting = list(rules)
        while waiting:
            self.leave_out_additions(waiting)
            missing: dict[str, Missing] = {}
            for name in waiting:
                one = self.by_name[name]
                remote = RemoteSide(one.listed.version, one.latest, one.versions)
                try:
                    results[name] = rules[name](self._local(one), remote, one.texts)
                except Missing as needs:
                    missing[name] = needs
            self._read_versions({name: needs.versions for name, needs in missing.items()})
            self._find_commits({name: needs.commits for name, needs in missing.items() if needs.commits})
            self._read_texts([name for name, needs in missing.items() if needs.texts])
            waiting = list(missing)
        return results

    def leave_out_additions(self, names: Iterable[str]) -> None:
        for one in map(self.by_name.__getitem__, names):
            keys = self._keys(one)
            if not one.may_have_additions and not one.is_named(keys):
                continue
            workspace = self._project.registry.workspace_id if keys else None
            prompt = identity(workspace, one.listed.template_id)
            has_twin = self._has_twin(one, self._graph(one))
            one.leave_out_additions(keys, prompt, partial(self._read_texts, [one.name]), has_twin=has_twin)

    def _read_versions(self, wanted: Mapping[str, Iterable[int]]) -> None:
        pairs = [(self.by_name[name], number) for name, numbers in wanted.items() for number in numbers]

        def read(pair: tuple[History, int]) -> None:
            history, number = pair
            # The cached version may be older than the keys that the registry adds now.
            fresh = history.has_additions
            history.add(number, read_usable(self._project, history.listed, number, fresh=fresh))

        self._project.mapped("Reading versions", read, pairs)

    def _find_commits(self, wanted: Mapping[str, Iterable[str]]) -> None:
        """Find the commits that marks name, maybe on other branches, and the revisions that they reach."""
        history = self._project.history
        full = history.existing({one for commits in wanted.values() for one in commits}) if history else {}
        for name, commits in wanted.items():
            self.by_name[name].commits |= {short: full.get(short) for short in commits}
        # The tips of earlier rounds are passed again, because places are indexes into one list of revisions.
        found = {one for name in wanted for one in self.by_name[name].commits.values() if one is not None}
        if history is None or not found:
            return
        paths = {}
        for name in wanted:
            file, newest = self.by_name[name].file, self.by_name[name].lineage.newest
            paths[name] = newest.path if newest is not None else file.path if file is not None else ""
        revisions = Revisions(history, self._project.root, self._project.config.prompts, sorted(found))
        lineages = revisions.of(paths)
        revisions.save()
        for name, lineage in lineages.items():
            self.by_name[name].lineage = lineage

    def _read_texts(self, names: Sequence[str]) -> None:
        """Read the texts of all revisions of some prompts."""
        revisions = self._project.revisions() if names else None
        if revisions is None:
            return
        for one in map(self.by_name.__getitem__, names):
            one.texts.contents = {**revisions.prompts(one.lineage), **one.texts.contents}

    # -- the local side ---------------------------------------------------------------------------------

    def _graph(self, one: History) -> RevisionGraph:
        revisions = tuple(
            Revision(each.commit, each.parents, each.digest, each.tags, keys_in(each.synced, self._project))
            for each in one.lineage.revisions
        )
        tips = {short: one.lineage.tips.get(full or "") for short, full in one.commits.items()}
        return RevisionGraph(revisions, one.lineage.head, tips)

    def _local(self, one: History) -> LocalSide:
        graph = self._graph(one)
        has_keys = any(revision.keys for revision in graph.all) or bool(self._keys(one))
        # A key in ``synced:`` contains the workspace id, and finding that out may cost a request.
        registry = self._project.registry
        workspace = registry.workspace_id if has_keys else registry.workspace_seen
        prompt = identity(workspace, one.listed.template_id)
        has_twin = self._has_twin(one, graph)
        if one.file is None or one.digest is None:
            return LocalSide(None, identity=prompt, revisions=graph, has_twin=has_twin)
        content = one.digest
        one.texts.contents.setdefault(content, one.file.prompt)
        keys, tags = self._keys(one), tag_set(one.file.prompt)
        head = graph.all[graph.head] if graph.head is not None else None
        committed = head is not None and (head.digest, head.tags, head.keys) == (content, tags, keys)
        return LocalSide(content, keys, tags, committed, prompt, graph, has_twin)

    def _has_twin(self, one: History, graph: RevisionGraph) -> bool:
        """Whether another ``promptsync.yaml`` has a file for it, at ``HEAD`` or at a marked commit."""
        names = self._project.names_elsewhere
        return one.name in names() or any(one.name in names(commit) for commit in one.unlike_marks(graph))

    def _keys(self, one: History) -> tuple[Key, ...]:
        return keys_in(one.file.local.synced, self._project) if one.file is not None else ()


def histories_of(project: Project, items: Sequence[Item]) -> dict[str, History]:
    """Return the histories of prompts that have a file and a listed version, by name."""
    found = {item.name: item.history for item in items if item.history is not None}
    # An item in sync has no history, because git was not read for it.
    others = [item for item in items if item.history is None]
    revisions = project.revisions() if others else None
    paths = {item.name: item.file.path for item in others if item.file is not None}
    lineages = revisions.of(paths) if revisions is not None else {}
    for item in others:
        assert item.listed is not None
        lineage = lineages.get(item.name) or Lineage()
        found[item.name] = History(
            item.name, item.file, item.digest, item.listed, item.listed.version, lineage
        )
    return found


def content_beside_file(project: Project, file: PromptFile, listed: Version, found: Version) -> Prompt:
    """Return the content of one version, without what the registry added to what was sent."""
    if not has_additions(file.prompt, found.prompt):
        return content_beside(file.prompt, found.prompt)
    history = History(listed.name, file, digest(file.prompt), listed, listed.version, _lineage(project, file))
    history.add(found.version, found)
    if found.version > 1 and parse_mark(found.message) is None:
        # What a dashboard edit added is only known beside the version before it.
        history.add(found.version - 1, read_usable(project, listed, found.version - 1, fresh=True))
    Histories(project, {listed.name: history}).leave_out_additions([listed.name])
    return history.prompts[found.version]


def _lineage(project: Project, file: PromptFile) -> Lineage:
    revisions, name = project.revisions(), file.prompt.name
    if revisions is None:
        return Lineage()
    found = revisions.of({name: file.path})[name]
    if not found.revisions:
        # The path of a file in an old commit is not the one that it has now.
        found = revisions.of_names([name]).get(name) or found
        revisions.save()
    return found


def has_text(project: Project, file: PromptFile, listed: Version, found: Version | None) -> bool:
    """Whether a version has the text of a file. What the registry added by itself does not count."""
    if found is None or not came_back(file.prompt, found.prompt):
        return False
    return digest(content_beside_file(project, file, listed, found)) == digest(file.prompt)


def read_version(project: Project, listed: Version, number: int, *, fresh: bool = False) -> Version | None:
    """Return an older version of a prompt, ``None`` when the registry does not have it.

    ``fresh`` reads it again although the cache has it.
    """
    prompts = project.registry.prompts
    try:
        return prompts.get(listed.template_id, listed.name, version=number, fresh=fresh)
    except NotFound:
        return None


def read_usable(project: Project, listed: Version, number: int, *, fresh: bool = False) -> Version | None:
    """Return an older version of a prompt, ``None`` if there is none, or no file can hold it."""
    try:
        return read_version(project, listed, number, fresh=fresh)
    except UnusablePrompt:
        return None


def _decision(local: LocalSide, remote: RemoteSide, texts: Contents) -> Decision:
    found = decide(local, remote, texts)
    if found.base is not None and found.base.digest not in texts.contents and found.base.digest:
        raise Missing(texts=[found.base.digest])
    return found


def passed_over_by_latest(project: Project, items: Iterable[Item]) -> dict[str, tuple[int, ...]]:
    """Return by name the versions that neither the latest one, by its own message, nor the file includes.

    Reads git and versions only where the latest one passed over others. Raises ``RemoteError``.
    """
    found = {
        item.name: (item, numbers)
        for item in items
        if item.listed is not None and (numbers := _passed_over_by(project, item.listed))
    }
    histories = Histories(project, histories_of(project, [item for item, _ in found.values()]))
    included = histories.included({name: numbers for name, (_, numbers) in found.items()})
    left = {
        name: tuple(number for number in numbers if number not in included[name])
        for name, (_, numbers) in found.items()
    }
    return {name: numbers for name, numbers in left.items() if numbers}


def _passed_over_by(project: Project, listed: Version) -> tuple[int, ...]:
    latest = Node(listed.version, digest(listed.prompt), listed.message)
    versions: dict[int, Node] = {}
    while True:
        try:
            numbers = listed_as_passed_over(latest, versions)
            break
        except Missing as needs:
            for number in needs.versions:
                found = read_version(project, listed, number)
                if found is None:
                    versions[number] = Node(number, None)
                else:
                    versions[number] = Node(number, digest(found.prompt), found.message)
    # A version with the very same text was not passed over.
    return tuple(
        one for one in sorted(numbers) if one not in versions or versions[one].digest != latest.digest
    )

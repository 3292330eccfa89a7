"""Drafts that a release passed over and that the files do not answer for yet. Reads only.

What counts as superseded is written down in ``core.drafts``. The files answer for a draft by ``pulled:`` with
its number or a higher one, in the working file or in a revision that ``HEAD`` reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from promptsync.core.compare import State
from promptsync.core.drafts import Run, own_mark, superseded_runs
from promptsync.core.prompt import Listed, RemoteVersion
from promptsync.files.cache import FileCache
from promptsync.parallel import mapped
from promptsync.sync.decide import read_version, too_shallow
from promptsync.sync.project import Project
from promptsync.sync.pulled import pulled_from
from promptsync.sync.snapshot import Item, Snapshot

_UNSETTLED = (State.INVALID, State.RENAMED_REMOTELY)

Key = tuple[str, int]
"""A prompt's name and the number of one of its versions."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """Drafts of one prompt, directly above one another, lowest first.

    ``base`` is the version below the first of them, ``None`` when the registry has none. ``covered_by`` is
    the version that was published over them, ``latest`` the newest one.
    """

    name: str
    drafts: tuple[RemoteVersion, ...]
    base: RemoteVersion | None
    covered_by: int
    latest: int

    @property
    def last(self) -> RemoteVersion:
        """The draft that says what the registry said before it was passed over."""
        return self.drafts[-1]


def superseded(
    project: Project, snapshot: Snapshot, names: Iterable[str] | None = None
) -> tuple[Superseded, ...]:
    """Return the superseded drafts of the prompts that have a file, by name and then lowest first.

    ``names`` are the prompts to look at, all in scope if ``None``. ``snapshot`` must track the latest
    versions. Each version above the last one that the files answer for is read, once: what was read before
    comes from the cache. Raises ``Refused`` where a clone is too shallow to tell, ``RemoteError``.
    """
    if snapshot.label is not None:
        raise ValueError("drafts are found below the latest versions, not below those of a label")
    wanted = set(names) if names is not None else None
    items = [item for item in snapshot.items if _may_have(item) and (wanted is None or item.name in wanted)]
    answered = answered_for(project, items)
    listed = {item.name: item.listed for item in items if item.listed is not None}
    found = _Versions(project, listed)
    runs = found.runs(answered)
    history = project.history if runs else None
    if history is not None and history.shallow:
        raise too_shallow(f"which drafts of {next(iter(runs))!r} were brought back already")
    return found.superseded(runs)


def passed_over(project: Project, listed: Listed, above: int) -> tuple[int, ...]:
    """Return the drafts that a publish passes over which includes the versions up to ``above`` only.

    They are those above it that carry no mark of their own, up to the latest. Each is read once.
    """
    found = _Versions(project, {listed.name: listed})
    found.read((listed.name, number) for number in range(above + 1, listed.version + 1))
    messages = found.messages[listed.name]
    return tuple(
        number for number in sorted(messages) if number > above and not own_mark(number, messages[number])
    )


def seen_superseded(project: Project, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the prompts that have superseded drafts as far as versions that were read before tell.

    Asks the registry nothing, and git only where the latest version was published over a draft.
    """
    covered = [item for item in snapshot.items if _may_have(item) and _is_covered(project, item)]
    answered = answered_for(project, covered)
    return tuple(item.name for item in covered if answered[item.name] < (item.version or 0) - 1)


def _is_covered(project: Project, item: Item) -> bool:
    """Whether the latest version is known to have been published over a draft that the file does not name."""
    if item.file is None or item.listed is None:
        return False
    latest = item.listed.version
    mark, pulled = own_mark(latest, item.listed.message), pulled_from(item.file.local.pulled, project)
    if mark is None or not mark.dirty or pulled in (latest - 1, latest):
        return False
    workspace = project.record().workspace(project.record_url)
    if workspace is None:
        return False
    raw = FileCache(project.root).get(project.record_url, workspace, item.listed.template_id, latest - 1)
    if raw is None or raw.get("prompt_name") != item.name:
        return False
    message = raw.get("commit_message")
    return own_mark(latest - 1, message if isinstance(message, str) else None) is None


def _may_have(item: Item) -> bool:
    """Whether a prompt may have such drafts: one that was never here is taken over as it is."""
    return item.file is not None and item.listed is not None and item.state not in _UNSETTLED


def answered_for(project: Project, items: Sequence[Item]) -> dict[str, int]:
    """Return by name the newest version that the files answer for, 0 for none.

    ``items`` are prompts as compared with their latest versions. A number above the latest is none: it speaks
    of another prompt that had the name.
    """
    files = {item.name: item.file for item in items if item.file is not None}
    latest = {item.name: item.version or 0 for item in items}
    told = {name: [pulled_from(file.local.pulled, project)] for name, file in files.items()}
    # one version has none below it, and what the file says of the latest needs no history
    open_names = [name for name in files if latest[name] > 1 and told[name] != [latest[name]]]
    revisions = project.revisions() if open_names else None
    if revisions is not None:
        for name, found in revisions.of({name: files[name].path for name in open_names}).items():
            told[name] += [pulled_from(one.pulled or {}, project) for one in found]
        revisions.save()
    return {
        name: max((number for number in numbers if number is not None and number <= latest[name]), default=0)
        for name, numbers in told.items()
    }


class _Versions:
    """The messages of versions, read as far as they are needed."""

    def __init__(self, project: Project, listed: Mapping[str, Listed]) -> None:
        self._project = project
        self._listed = listed
        self.messages: dict[str, dict[int, str | None]] = {name: {} for name in listed}
        for name, one in listed.items():
            if one.message is not None:
                self.messages[name][one.version] = one.message

    def runs(self, answered: Mapping[str, int]) -> dict[str, list[Run]]:
        """Return the superseded drafts above what is answered for, by prompt, where there are any."""
        # The lowest counts only as a draft right below a ``+``: most prompts need not be read for that.
        self.read(
            (name, number)
            for name, one in self._listed.items()
            for number in range(answered[name] + 2, one.version + 1)
        )
        self.read(
            (name, answered[name] + 1)
            for name, one in self._listed.items()
            if one.version > answered[name] + 1 and self._may_cover(name, answered[name] + 1)
        )
        runs = {name: superseded_runs(self.messages[name], answered[name]) for name in sorted(self._listed)}
        return {name: found for name, found in runs.items() if found}

    def _may_cover(self, name: str, number: int) -> bool:
        """Whether the next marked version above a number is one with ``+``."""
        messages = self.messages[name]
        marks = (own_mark(one, messages[one]) for one in sorted(messages) if one > number)
        mark = next((mark for mark in marks if mark is not None), None)
        return mark is not None and mark.dirty

    def read(self, keys: Iterable[Key]) -> None:
        """Read the messages of versions that are not known yet, several at a time; some may be gone."""
        wanted = [(name, number) for name, number in keys if number not in self.messages[name]]
        if not wanted:
            return
        done = 0

        def read(key: Key) -> None:
            nonlocal done
            name, number = key
            found = read_version(self._project, self._listed[name], number)
            if found is not None:
                self.messages[name][number] = found.message
            done += 1
            self._project.progress("Reading versions", done, len(wanted))

        if self._project.registry.workspace_id is None:
            # the first answer tells the workspace, after which the cache may be asked for the others
            read(wanted.pop(0))
        mapped(read, wanted)

    def superseded(self, runs: Mapping[str, Sequence[Run]]) -> tuple[Superseded, ...]:
        """Return the runs with what their versions say; all of it is in the cache."""
        return tuple(self._superseded(name, run) for name, found in runs.items() for run in found)

    def _superseded(self, name: str, run: Run) -> Superseded:
        listed = self._listed[name]
        read = [read_version(self._project, listed, number) for number in run.drafts]
        # tags belong to the prompt, and a version read earlier carries those of that day
        tags = listed.prompt.tags
        drafts = tuple(replace(one, prompt=replace(one.prompt, tags=tags)) for one in read if one is not None)
        base = self._existing(listed, run.below)
        if base is not None:
            base = replace(base, prompt=replace(base.prompt, tags=tags))
        return Superseded(name, drafts, base, run.covered_by, listed.version)

    def _existing(self, listed: Listed, number: int | None) -> RemoteVersion | None:
        """Return a version, or the next one below it that the registry still has."""
        for lower in range(number or 0, 0, -1):
            found = read_version(self._project, listed, lower)
            if found is not None:
                return found
        return None

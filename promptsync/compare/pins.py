"""Who pins which version of a snippet, and which of these pins are older than the snippet's text.

A pin such as ``@@@house-tone@version_number:1@@@`` keeps the old text of a snippet until somebody moves it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from promptsync.compare.not_released import rolled_back_from
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.errors import RemoteError
from promptsync.files.worktree import pins_in
from promptsync.project.project import Project

_UNKNOWN = (
    *(State.INVALID, State.CONFLICT, State.MOVED),
    *(State.RENAMED_REMOTELY, State.DELETED_REMOTELY),
)


class PinnedAt(Struct, frozen=True):
    """A prompt that pins a version of a snippet."""

    name: str
    version: int


class OutdatedPins(Struct, frozen=True):
    """The prompts that pin older versions of a snippet than ``version``, which has the text of its file.

    ``is_published`` says that this version exists; otherwise it is the number that the text will get.
    """

    snippet: str
    version: int
    is_published: bool
    users: tuple[PinnedAt, ...]


class LeftOutPins(Struct, frozen=True):
    """The prompts that pin a version of a snippet which the snippet's file does not include.

    ``is_edit`` says that the version was made in the dashboard; ``state`` is that of the snippet.
    """

    snippet: str
    version: int
    is_edit: bool
    state: State
    users: tuple[str, ...]


class PinReport(Struct, frozen=True):
    """What is unusual about the pins of a repository."""

    outdated: tuple[OutdatedPins, ...] = ()
    left_out: tuple[LeftOutPins, ...] = ()

    def about(self, names: Collection[str]) -> PinReport:
        """Return what is about these prompts, as snippets or as users."""
        return PinReport(
            tuple(
                snippet for snippet in self.outdated if snippet.snippet in names or _users(snippet) & {*names}
            ),
            tuple(
                snippet
                for snippet in self.left_out
                if snippet.snippet in names or {*snippet.users} & {*names}
            ),
        )

    def changed_by(self, names: Collection[str]) -> PinReport:
        """Return what an action on these prompts leads to: snippets that change, and users that pin."""
        return PinReport(
            tuple(snippet for snippet in self.outdated if snippet.snippet in names),
            tuple(snippet for snippet in self.left_out if {*snippet.users} & {*names}),
        )

    def after(self, published: Mapping[str, int]) -> PinReport:
        """Return the report once these versions are published, and no others."""
        outdated = (
            replace(snippet, version=published.get(snippet.snippet, snippet.version), is_published=True)
            for snippet in self.outdated
            if snippet.is_published or snippet.snippet in published
        )
        return PinReport(tuple(outdated), self.left_out)


NO_PINS = PinReport()


def published_version(item: Item) -> int | None:
    """Return the version that has the text of a file, ``None`` if that is not published."""
    if item.file is None or item.listed is None or item.state in _UNKNOWN:
        return None
    if item.state in (State.IN_SYNC, State.ALTERED) or item.digest == item.remote_digest:
        return item.version
    if item.state is not State.BEHIND or item.history is None:
        return None
    versions = item.history.graph.versions.values()
    return max((node.number for node in versions if node.digest == item.digest), default=None)


def find_pins(
    project: Project, snapshot: Snapshot, publishing: Mapping[str, int] = MappingProxyType({})
) -> PinReport:
    """Return which pins of the files are outdated, and which mean a version that no file includes.

    ``publishing`` are the numbers that an action is about to publish. The snapshot must be of the latest
    versions. A text that was rolled back is nothing to move to, where its labels are known. Reads versions
    only of snippets of which others pin another version than the latest. If they cannot be read, these pins
    are not reported.
    """
    in_scope = {name: file for name, file in snapshot.worktree.files.items() if project.config.in_scope(name)}
    pinned = pins_in(in_scope)
    snippets = {item.name: item for item in snapshot.items if item.name in pinned}
    outdated = [_outdated(item, pinned[name], publishing) for name, item in snippets.items()]
    return PinReport(
        tuple(
            snippet
            for snippet in outdated
            if snippet is not None
            and snippet.users
            and not rolled_back_from(project, snapshot, snippet.snippet, snippet.version)
        ),
        _left_out(project, snippets, pinned),
    )


def _outdated(
    item: Item, users: Mapping[str, Collection[int]], publishing: Mapping[str, int]
) -> OutdatedPins | None:
    if item.file is None or item.listed is None or item.state in _UNKNOWN:
        return None
    version = None if item.name in publishing else published_version(item)
    if version is None and item.state is State.BEHIND:
        return None  # a pull comes before the next push
    current = publishing.get(item.name, item.listed.version + 1) if version is None else version
    pins = [PinnedAt(user, pin) for user in sorted(users) for pin in sorted(users[user]) if pin < current]
    return OutdatedPins(item.name, current, version is not None, tuple(pins))


def _left_out(
    project: Project, snippets: Mapping[str, Item], pinned: Mapping[str, Mapping[str, Collection[int]]]
) -> tuple[LeftOutPins, ...]:
    """Return the pins that mean versions which the files of the snippets do not include."""
    wanted: dict[str, set[int]] = {}
    for name, item in snippets.items():
        if item.file is None or item.listed is None or item.state in _UNKNOWN:
            continue
        # The latest version is that of the file if both are in sync.
        known = item.version if item.state is State.IN_SYNC else None
        latest = item.listed.version
        numbers = {pin for pins in pinned[name].values() for pin in pins if pin <= latest and pin != known}
        if numbers:
            wanted[name] = numbers
    # In a shallow clone the file may include a version through a commit that is not there.
    if not wanted or (project.history is not None and project.history.shallow):
        return ()
    from promptsync.compare.history import Histories, histories_of

    try:
        histories = Histories(project, histories_of(project, [snippets[name] for name in wanted]))
        included = histories.included(wanted)
    except RemoteError:
        return ()
    left_out: dict[str, dict[int, bool]] = {}
    for name, numbers in wanted.items():
        # A file that nothing ties to any version says nothing about them.
        missing = sorted(numbers - included[name]) if included[name] - {0} else ()
        graph = histories.by_name[name].graph
        left_out[name] = {number: graph.own_mark(number) is None for number in missing}
    return tuple(
        LeftOutPins(name, number, is_edit, snippets[name].state, _pinning(pinned[name], number))
        for name, numbers in left_out.items()
        for number, is_edit in sorted(numbers.items())
    )


def _pinning(users: Mapping[str, Collection[int]], version: int) -> tuple[str, ...]:
    return tuple(sorted(user for user, versions in users.items() if version in versions))


def _users(snippet: OutdatedPins) -> set[str]:
    return {user.name for user in snippet.users}

"""Which prompts pin which version of a snippet, and which of these pins are outdated.

A pin such as ``@@@house-tone@version_number:1@@@`` keeps an old version of a snippet until it is moved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from promptsync.compare.not_released import rolled_back_from
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.errors import RemoteError
from promptsync.files.worktree import pins_in
from promptsync.project.project import Project

_Users = Mapping[str, Collection[int]]
_UNKNOWN = (
    *(State.INVALID, State.CONFLICT, State.MOVED),
    *(State.RENAMED_REMOTELY, State.DELETED_REMOTELY),
)


class Pin(Struct, frozen=True):
    """A prompt that pins another version of a snippet than that of the snippet's file.

    ``newest`` is that version, or the number that the file will get, unless it ``is_published``. It is
    ``None`` for a pin of a version that the file does not include: ``is_edit`` says that this one was made
    in the dashboard, and ``state`` is that of the snippet.
    """

    user: str
    snippet: str
    version: int
    newest: int | None = None
    is_published: bool = True
    is_edit: bool = False
    state: State = State.IN_SYNC


Pins = tuple[Pin, ...]


def changed_by(pins: Iterable[Pin], names: Collection[str]) -> Pins:
    """Return what an action on some prompts leads to: pins of snippets that change, and users that pin."""
    return tuple(pin for pin in pins if (pin.user if pin.newest is None else pin.snippet) in names)


def after(pins: Iterable[Pin], published: Mapping[str, int]) -> Pins:
    """Return the pins once these versions are published, and no others."""
    return tuple(
        replace(pin, newest=published.get(pin.snippet, pin.newest), is_published=True)
        if pin.newest is not None
        else pin
        for pin in pins
        if pin.is_published or pin.snippet in published
    )


def published_version(item: Item) -> int | None:
    """Return the version with the content of a file, ``None`` if that is not published."""
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
) -> Pins:
    """Return which pins of the files are outdated, and which mean a version that no file includes.

    ``publishing`` are the numbers that an action is about to publish. The snapshot must be of the latest
    versions. A version that was rolled back is nothing to move to, where its labels are known. Reads versions
    only of snippets of which others pin another version than the latest. If they cannot be read, these pins
    are not reported.
    """
    in_scope = {name: file for name, file in snapshot.worktree.files.items() if project.config.in_scope(name)}
    pinned = pins_in(in_scope)
    snippets = {
        item.name: item
        for item in snapshot.items
        if item.name in pinned and item.file and item.listed and item.state not in _UNKNOWN
    }
    outdated = [pin for item in snippets.values() for pin in _outdated(item, pinned[item.name], publishing)]
    rolled_back = {
        pin.snippet
        for pin in {pin.snippet: pin for pin in outdated}.values()
        if rolled_back_from(project, snapshot, pin.snippet, pin.newest or 0)
    }
    left_out = _left_out(project, snippets, pinned)
    return (*(pin for pin in outdated if pin.snippet not in rolled_back), *left_out)


def _outdated(item: Item, users: _Users, publishing: Mapping[str, int]) -> Iterator[Pin]:
    version = None if item.name in publishing else published_version(item)
    if version is None and item.state is State.BEHIND:
        return  # a pull comes before the next push
    newest = publishing.get(item.name, (item.version or 0) + 1) if version is None else version
    for user in sorted(users):
        for pinned in sorted(users[user]):
            if pinned < newest:
                yield Pin(user, item.name, pinned, newest, is_published=version is not None)


def _left_out(project: Project, snippets: Mapping[str, Item], pinned: Mapping[str, _Users]) -> list[Pin]:
    """Return the pins that mean versions which the files of the snippets do not include."""
    wanted: dict[str, set[int]] = {}
    for name, item in snippets.items():
        # The latest version is that of the file if both are in sync.
        known, latest = item.version if item.state is State.IN_SYNC else None, item.version or 0
        numbers = {pin for pins in pinned[name].values() for pin in pins if pin <= latest and pin != known}
        if numbers:
            wanted[name] = numbers
    # In a shallow clone the file may include a version through a commit that is not there.
    if not wanted or (project.history is not None and project.history.shallow):
        return []
    from promptsync.compare.history import Histories, histories_of

    try:
        histories = Histories(project, histories_of(project, [snippets[name] for name in wanted]))
        included = histories.included(wanted)
    except RemoteError:
        return []
    return [
        Pin(
            user,
            name,
            number,
            is_edit=histories.by_name[name].graph.own_mark(number) is None,
            state=snippets[name].state,
        )
        for name, numbers in wanted.items()
        if included[name] - {0}  # a file that nothing ties to any version says nothing about them
        for number in sorted(numbers - included[name])
        for user in sorted(pinned[name])
        if number in pinned[name][user]
    ]

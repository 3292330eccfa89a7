"""Which versions a file, its commits and the registry's versions include."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from promptsync.history.graph import Contents, Graph, Includes, Missing, Node
from promptsync.history.message import Mark
from promptsync.history.revisions import Revision, RevisionGraph, Tags
from promptsync.history.synced_key import Key

_ROUNDS = (1, 2, 4, 8, 16)
"""How many versions each round reads until a common one is found. The last number repeats."""
_FAR = 64
"""A key further below than this is no hint about where to read on."""


@dataclass(frozen=True, slots=True)
class LocalSide:
    """Your files' side. ``digest`` is that of the working file, ``None`` if there is none.

    ``committed`` says that ``HEAD`` has the same text, tags and keys. ``identity`` identifies the prompt in
    this registry, and binds keys to it. ``has_twin`` says that another ``promptsync.yaml`` of the repository
    has or had a file for the same prompt, so that a commit in a mark may mean that file.
    """

    digest: str | None
    keys: tuple[Key, ...] = ()
    tags: Tags = frozenset()
    committed: bool = False
    identity: str = ""
    revisions: RevisionGraph = field(default_factory=RevisionGraph)
    has_twin: bool = False


@dataclass(frozen=True, slots=True)
class RemoteSide:
    """The registry's side. ``tracked`` is the version that counts, ``versions`` are those read so far."""

    tracked: int
    latest: int
    versions: Mapping[int, Node]


def compare_sides(local: LocalSide, remote: RemoteSide, texts: Contents) -> Sides:
    """Return the two sides over a window of versions that is large enough to compare them.

    The window reaches from the latest version down to the newest one that both sides include, and covers all
    versions that this one or a later one passed over. Raises ``Missing`` until these are read.
    """
    top = max(remote.latest, remote.tracked)
    floor = top
    if top not in remote.versions:
        raise Missing(versions=[top])
    # The window is everything that was read so far without a gap.
    while floor > 1 and floor - 1 in remote.versions:
        floor -= 1
    sides = Sides(local, remote, texts, floor)
    # Without a key and without a commit, no further version can turn out to be common.
    if not sides.can_have_common:
        return sides
    common = max(sides.of_file & sides.of_tracked, default=0)
    if common == 0 and floor > 1:
        raise Missing(versions=_next_to_read(local, top, floor))
    # A version passed over those between itself and its newest parent.
    passed_over = min([sides.graph.parents(one)[0] + 1 for one in range(max(common, 1), top + 1)], default=1)
    lowest = max(min(passed_over, common, remote.tracked), 1)
    if lowest < floor:
        raise Missing(versions=range(lowest, floor))
    return sides


def left_out(
    numbers: Sequence[int], local: LocalSide, remote: RemoteSide, texts: Contents
) -> dict[int, bool]:
    """Return those of some versions that the file does not include, and whether each is a dashboard edit.

    Returns none of them if nothing ties the file to any version. Raises ``Missing``, see ``file_includes``.
    """
    included = file_includes(numbers, local, remote, texts)
    graph = Graph(remote.versions, min(numbers), remote.latest, texts)
    found = {number: graph.own_mark(number) is None for number in numbers if number not in included}
    return found if included - {0} else {}


def file_includes(numbers: Sequence[int], local: LocalSide, remote: RemoteSide, texts: Contents) -> Includes:
    """Return which of some versions the file includes, and others.

    Raises ``Missing`` until the versions from the lowest one up are read, or all if one of them seems to be
    left out.
    """
    included: Includes = frozenset()
    for floor in (min(numbers), 1):
        sides = Sides(local, remote, texts, floor)
        included = sides.of_file
        if local.digest == sides.graph.digest(remote.latest):
            included |= sides.of_latest
        if included.issuperset(numbers):
            break
    return included


def _next_to_read(local: LocalSide, top: int, floor: int) -> range:
    """Return the versions to read next if none from ``floor`` up is common to both sides."""
    head = local.revisions.all[local.revisions.head] if local.revisions.head is not None else None
    # A key that the revision before had too is where the file was then, and much may be published since.
    before = {key for parent in head.parents for key in local.revisions.all[parent].keys} if head else set()
    fresh = [key.version for key in (*local.keys, *(head.keys if head else ())) if key not in before]
    hints = [number for number in fresh if floor - _FAR <= number < floor]
    if hints:
        return range(min(hints), floor)
    # Steps grow, so that the usual case reads few versions and a long search takes few rounds.
    read = top - floor
    for size in _ROUNDS:
        if read < size:
            break
        read -= size
    return range(max(floor - size, 1), floor)


class Sides:
    """What the file, the tracked version and the latest version include, over one window of versions."""

    def __init__(self, local: LocalSide, remote: RemoteSide, texts: Contents, floor: int) -> None:
        self.local = local
        self.remote = remote
        self.revisions = local.revisions
        self._at: dict[int, Includes] = {}
        self.texts = texts
        self.graph = Graph(remote.versions, floor, max(remote.latest, remote.tracked), texts)

    @property
    def can_have_common(self) -> bool:
        """Whether anything can tie the file to a version: a key, or a commit that was published."""
        return bool(self.local.keys or self.revisions.all)

    @cached_property
    def of_latest(self) -> Includes:
        """What the latest version includes."""
        return self.graph.includes(self.remote.latest)

    @cached_property
    def of_tracked(self) -> Includes:
        """What the tracked version includes, and what its commit includes."""
        tracked = self.remote.tracked
        found = self.graph.includes(tracked)
        mark = self.graph.own_mark(tracked)
        if mark is None or mark.commit is None:
            return found
        # A version that was checked out to look at and forced over HEAD names its parents itself.
        if not (mark.dirty and mark.parents):
            place = self._own(self.place(mark.commit), tracked)
            # Versions that were published from the same commit later are not part of this one.
            found |= frozenset(one for one in self.at(place) if one <= tracked)
        return found

    @cached_property
    def of_file(self) -> Includes:
        """What the file includes: everything that ``HEAD`` includes and everything that its keys name."""
        head = self.at(self.revisions.head)
        if self.local.committed or self.local.digest is None:
            return head
        keys = self._of_keys(self.local.keys, self.local.digest)
        return keys if self.shows_old_version else self.graph.grow(head | keys, self.local.digest)

    @property
    def shows_old_version(self) -> bool:
        """Whether an old version was put into the file, to look at it."""
        keys = self._of_keys(self.local.keys, self.local.digest)
        if self.local.committed or not keys or not keys <= self.at(self.revisions.head):
            return False
        newest = self.revisions.all[self.revisions.head] if self.revisions.head is not None else None
        if newest is None or newest.keys != self.local.keys:
            return True
        # The key's digits show that the text is the version's, so the version need not be read.
        text, prompt = self.local.digest or "", self.local.identity
        return text != newest.digest and any(key.names(prompt, text) for key in self.local.keys)

    def at(self, place: int | None) -> Includes:
        """Return what the revision at a place includes."""
        if place is None:
            return frozenset()
        if place not in self._at:
            # Parents have lower places than their children, so they are done first.
            for one in sorted(self.revisions.reached(place)):
                if one not in self._at:
                    self._at[one] = self._at_revision(one)
        return self._at[place]

    def _at_revision(self, place: int) -> Includes:
        revision = self.revisions.all[place]
        own = self._of_keys(revision.keys, revision.digest).union(
            *(self.graph.includes(number) for number in self._marked.get(place, ()))
        )
        if place in self._first:
            own |= self.graph.includes(self._first[place])
        found = own.union(*(self._at[parent] for parent in revision.parents))
        # Most revisions have one parent, and keep its text if they change only tags or keys.
        parent = revision.parents[0] if len(revision.parents) == 1 else None
        same = parent is not None and self.revisions.all[parent].digest == revision.digest
        if parent is not None and same and found == self._at[parent]:
            return found  # the parent has the same text and was grown already
        return self.graph.grow(found, revision.digest)

    @cached_property
    def _marked(self) -> Mapping[int, Sequence[int]]:
        """The versions that were published from each revision."""
        found: dict[int, list[int]] = {}
        for number in self.graph.window:
            place = self.published_from(number)
            if place is not None:
                found.setdefault(place, []).append(number)
        return found

    @cached_property
    def _first(self) -> Mapping[int, int]:
        """The versions with the text of a first revision, if nothing else ties the two histories together.

        That happens after the prompts directory was moved: the published commits have the file elsewhere.
        """
        tied = self._marked or any(self._of_keys(one.keys, one.digest) for one in self.revisions.all)
        if self.graph.floor > 1 or tied:
            return {}
        texts = {self.graph.digest(number): number for number in self.graph.window}
        return {
            place: texts[one.digest]
            for place, one in enumerate(self.revisions.all)
            if not one.parents and one.digest is not None and one.digest in texts
        }

    def _of_keys(self, keys: Iterable[Key], digest: str | None) -> Includes:
        """Return what valid keys name. A key is valid for the text that was sent, whatever was stored."""
        found: Includes = frozenset()
        for key in keys:
            if key.version > self.graph.latest:
                continue
            # Below the window everything counts as included, so the key need not be checked there.
            if key.version >= self.graph.floor:
                own = (self.graph.digest(key.version), digest)
                if not any(one is not None and key.names(self.local.identity, one) for one in own):
                    continue
            found |= self.graph.includes(key.version)
        return found

    def published_from(self, number: int) -> int | None:
        """Return the place of the revision that a version was published from, if it was committed."""
        mark = self.graph.own_mark(number)
        if mark is None or mark.commit is None or mark.dirty:
            return None
        return self._own(self.revisions.place(mark.commit), number)

    def _own(self, place: int | None, number: int) -> int | None:
        """Return a place, ``None`` if the version comes from the other file for the same prompt."""
        if place is None or not self.local.has_twin:
            return place
        return place if self.revisions.all[place].digest == self.graph.digest(number) else None

    def place(self, commit: str) -> int | None:
        """Return the place of the file's revision at a commit, whether ``HEAD`` reaches it or not."""
        if not self.revisions.has_looked_up(commit):
            raise Missing(commits=[commit])
        return self.revisions.place(commit)

    def shared_in_git(self, mark: Mark, common: Includes) -> Revision | None:
        """Return the newest revision that ``HEAD`` and a mark's commit share, if it includes ``common``.

        The marked version was made on top of it. ``None`` if ``HEAD`` reaches the commit itself.
        """
        if mark.commit is None or self.local.has_twin:
            return None
        place = self.place(mark.commit)
        if place is None or (not mark.dirty and place in self.revisions.of_head):
            return None
        shared = self.revisions.shared(self.revisions.head, place)
        return self.revisions.all[shared] if shared is not None and common <= self.at(shared) else None

    def merged_versions(self, common: Sequence[int]) -> str | None:
        """Return the digest of several versions merged, ``None`` if they clash or one is gone."""
        text = self.graph.digest(common[0])
        seen = self.graph.includes(common[0])
        # Each further version is merged over the newest one that it shares with those merged so far.
        for other in common[1:]:
            shared = self.graph.heads(seen & self.graph.includes(other))
            base, theirs = self.graph.digest(shared[0]) if shared else None, self.graph.digest(other)
            if text is None or base is None or theirs is None:
                return None
            text = self.texts.merged(base, text, theirs)
            seen |= self.graph.includes(other)
        return text

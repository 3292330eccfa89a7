"""Who changed a prompt: the state of its two sides, the base, and what a push or a pull writes down.

Pure: what it needs is read before. ``decide`` raises ``Missing`` with what to read next, as often as the
graph of the versions makes that necessary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from promptsync.history.graph import Graph, Includes, Missing, Texts, Version
from promptsync.history.key import Key
from promptsync.history.revisions import Revision, Revisions, Tags

_ROUNDS = (1, 2, 4, 8, 16)
"""How many versions are read in each round while nothing in common is found; the last one is repeated."""
_FAR = 64
"""A key that is further below than this is not taken as a hint of where to read on."""


class Relation(StrEnum):
    """How the texts of the two sides are related."""

    EQUAL = "equal"
    AHEAD = "ahead"
    BEHIND = "behind"
    DIVERGED = "diverged"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Local:
    """The local side. ``digest`` is that of the working file, ``None`` without one.

    ``committed`` says that ``HEAD`` has the very same text, tags and keys. ``identity`` is that of the prompt
    in this registry, to which keys are bound.
    """

    digest: str | None
    keys: tuple[Key, ...] = ()
    tags: Tags = frozenset()
    committed: bool = False
    identity: str = ""
    revisions: Revisions = field(default_factory=Revisions)


@dataclass(frozen=True, slots=True)
class Remote:
    """The registry's side. ``tracked`` is the version that stands for it, ``versions`` are those known."""

    tracked: int
    latest: int
    versions: Mapping[int, Version]


@dataclass(frozen=True, slots=True)
class Base:
    """The newest text that both sides include.

    ``version`` is the newest version that has it, or ``None`` for a text that only git has. ``tags`` are
    ``None`` where nobody knows those of then.
    """

    digest: str
    version: int | None
    tags: Tags | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Who changed what. The numbers are those of versions, newest first.

    ``push`` are the parents of a version published now, ``force`` those of one that is forced over the
    latest, ``pull`` what a text includes that takes the tracked version in. ``is_included`` says that the
    file includes the tracked version. ``passed_over`` are versions that the latest does not include, as far
    as they were read.
    """

    relation: Relation
    base: Base | None
    push: tuple[int, ...]
    force: tuple[int, ...]
    pull: tuple[int, ...]
    is_included: bool
    passed_over: tuple[int, ...]


def decide(local: Local, remote: Remote, texts: Texts) -> Decision:
    """Return who changed what. Raises ``Missing`` with what has to be read before that can be told."""
    return _settled(local, remote, texts).decision()


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A version that neither the latest nor the files include, with all of its kind that it includes.

    ``base`` is the digest of the text over which its changes are merged into the file, ``None`` where
    nothing is in common. ``includes`` is what the file includes afterwards.
    """

    version: int
    numbers: tuple[int, ...]
    base: str | None


def passed_over(local: Local, remote: Remote, texts: Texts) -> tuple[tuple[PassedOver, ...], tuple[int, ...]]:
    """Return the heads of what was passed over, oldest first, and what a file includes that takes them in.

    Every version down to the first is needed. Raises ``Missing`` until they are read.
    """
    side = _Sides(local, remote, texts, floor=1)
    graph, answered = side.graph, side.local | side.latest
    lost = frozenset(graph.window) - answered
    found = []
    for head in sorted(graph.heads(lost)):
        common = graph.heads(graph.includes(head) & answered)
        base = side.merged_versions(common) if common else None
        found.append(PassedOver(head, tuple(sorted(graph.includes(head) & lost)), base))
    return tuple(found), graph.heads(answered | lost)


@dataclass(frozen=True, slots=True)
class Outline:
    """The parents of each version from a lowest one up, and those that the latest does not include."""

    parents: Mapping[int, tuple[int, ...]]
    passed_over: frozenset[int]


def outline(remote: Remote, texts: Texts, lowest: int) -> Outline:
    """Return how the versions from ``lowest`` up depend on one another. Raises ``Missing``."""
    graph = Graph(remote.versions, lowest, remote.latest, texts)
    lost = frozenset(graph.window) - graph.includes(remote.latest)
    return Outline({number: graph.parents(number) for number in graph.window}, lost)


def listed_as_passed_over(version: Version, versions: Mapping[int, Version]) -> tuple[int, ...]:
    """Return what a version passed over as far as its own message tells: those right below it.

    Raises ``Missing`` where its mark is another version's number, which a restored message would have too.
    """
    mark = version.mark
    if mark is None or (mark.version == version.number and not mark.parents):
        return ()
    graph = Graph({**versions, version.number: version}, version.number, version.number, Texts(_no_merge))
    return tuple(range(version.number - 1, max(graph.parents(version.number)), -1))


def _no_merge(*_: object) -> None:
    raise AssertionError("messages alone are looked at")


def _settled(local: Local, remote: Remote, texts: Texts) -> _Sides:
    """Return the sides over the window that settles the question.

    It reaches from the latest version down to the newest one that both sides include, and over all that this
    one or a later one passed over.
    """
    top = max(remote.latest, remote.tracked)
    floor = top
    if top not in remote.versions:
        raise Missing(versions=[top])
    while floor > 1 and floor - 1 in remote.versions:
        floor -= 1
    while True:
        side = _Sides(local, remote, texts, floor)
        common = max(side.local & side.remote, default=0) if side.can_have_common else None
        if common is None:
            return side
        if common == 0 and floor > 1:
            raise Missing(versions=_further(local, top, floor))
        lowest = min([side.graph.parents(one)[0] + 1 for one in range(max(common, 1), top + 1)], default=1)
        needed = max(min(lowest, common, remote.tracked), 1)
        if needed >= floor:
            return side
        raise Missing(versions=range(needed, floor))


def _further(local: Local, top: int, floor: int) -> range:
    """Return the versions to read next while those from ``floor`` up hold nothing in common."""
    head = local.revisions.all[local.revisions.head] if local.revisions.head is not None else None
    before = {key for parent in head.parents for key in local.revisions.all[parent].keys} if head else set()
    fresh = [key.version for key in (*local.keys, *(head.keys if head else ())) if key not in before]
    hints = [number for number in fresh if floor - _FAR <= number < floor]
    if hints:
        return range(min(hints), floor)
    read, rounds = top - floor, iter(_ROUNDS)
    size = next(rounds)
    while read >= size and size < _ROUNDS[-1]:
        read -= size
        size = next(rounds)
    return range(max(floor - size, 1), floor)


class _Sides:
    """What the file, the tracked version and the latest one include, over one window of versions."""

    def __init__(self, local: Local, remote: Remote, texts: Texts, floor: int) -> None:
        self._local = local
        self._remote = remote
        self._revisions = local.revisions
        self._at: dict[int, Includes] = {}
        self.texts = texts
        self.graph = Graph(remote.versions, floor, max(remote.latest, remote.tracked), texts)

    # -- what includes what -----------------------------------------------------------------------------

    @property
    def can_have_common(self) -> bool:
        """Whether anything ties the file to some version: a key, or a commit that one may be made from."""
        return bool(self._local.keys or self._revisions.all)

    @cached_property
    def latest(self) -> Includes:
        return self.graph.includes(self._remote.latest)

    @cached_property
    def remote(self) -> Includes:
        """What the tracked version includes, with what its commit does."""
        tracked = self._remote.tracked
        found = self.graph.includes(tracked)
        mark = self.graph.own_mark(tracked)
        if mark is not None and mark.commit is not None:
            place = self._place(mark.commit)
            found |= frozenset(one for one in self.at(place) if one <= tracked)
        return found

    @cached_property
    def local(self) -> Includes:
        """What the file includes: what ``HEAD`` does, and what its keys say."""
        head = self.at(self._revisions.head)
        if self._local.committed or self._local.digest is None:
            return head
        keys = self._of_keys(self._local.keys, self._local.digest)
        if self._is_put_back(keys, head):
            return keys
        return self.graph.grow(head | keys, self._local.digest)

    @property
    def is_put_back(self) -> bool:
        """Whether an old version was put into the file to look at it."""
        keys = self._of_keys(self._local.keys, self._local.digest)
        return not self._local.committed and self._is_put_back(keys, self.at(self._revisions.head))

    def _is_put_back(self, keys: Includes, head: Includes) -> bool:
        if not keys or not keys <= head:
            return False
        newest = self._revisions.all[self._revisions.head] if self._revisions.head is not None else None
        if newest is None or newest.keys != self._local.keys:
            return True
        # the digits tell that the text is the version's, which need not be read for it
        text, prompt = self._local.digest or "", self._local.identity
        return text != newest.digest and any(key.names(prompt, text) for key in self._local.keys)

    def at(self, place: int | None) -> Includes:
        """Return what a revision includes."""
        if place is None:
            return frozenset()
        if place not in self._at:
            for one in sorted(self._revisions.reached(place)):
                if one not in self._at:
                    self._at[one] = self._at_revision(one)
        return self._at[place]

    def _at_revision(self, place: int) -> Includes:
        revision = self._revisions.all[place]
        own = self._of_keys(revision.keys, revision.digest).union(
            *(self.graph.includes(number) for number in self._marked.get(place, ()))
        )
        if place in self._first:
            own |= self.graph.includes(self._first[place])
        found = own.union(*(self._at[parent] for parent in revision.parents))
        parent = revision.parents[0] if len(revision.parents) == 1 else None
        same = parent is not None and self._revisions.all[parent].digest == revision.digest
        if parent is not None and same and found == self._at[parent]:
            return found  # grown already
        return self.graph.grow(found, revision.digest)

    @cached_property
    def _marked(self) -> Mapping[int, Sequence[int]]:
        """The versions that were published from each revision."""
        found: dict[int, list[int]] = {}
        for number in self.graph.window:
            mark = self.graph.own_mark(number)
            if mark is None or mark.commit is None or mark.dirty:
                continue
            place = self._revisions.place(mark.commit)
            if place is not None:
                found.setdefault(place, []).append(number)
        return found

    @cached_property
    def _first(self) -> Mapping[int, int]:
        """The versions that the first revisions say, where nothing else ties the two histories together.

        So it is after the directory was moved: the commits that were published have the file elsewhere.
        """
        tied = self._marked or any(self._of_keys(one.keys, one.digest) for one in self._revisions.all)
        if self.graph.floor > 1 or tied:
            return {}
        texts = {self.graph.digest(number): number for number in self.graph.window}
        return {
            place: texts[one.digest]
            for place, one in enumerate(self._revisions.all)
            if not one.parents and one.digest is not None and one.digest in texts
        }

    def _of_keys(self, keys: Iterable[Key], digest: str | None) -> Includes:
        """Return what the valid ones of some keys say. One made before the registry altered it counts too."""
        found: Includes = frozenset()
        for key in keys:
            if key.version > self.graph.latest:
                continue
            if key.version >= self.graph.floor:
                own = (self.graph.digest(key.version), digest)
                if not any(one is not None and key.names(self._local.identity, one) for one in own):
                    continue
            found |= self.graph.includes(key.version)
        return found

    def _place(self, commit: str) -> int | None:
        """Return the revision that a commit has, whether ``HEAD`` reaches it or not."""
        if not self._revisions.knows(commit):
            raise Missing(commits=[commit])
        return self._revisions.place(commit)

    # -- the state --------------------------------------------------------------------------------------

    def decision(self) -> Decision:
        """Return who changed what."""
        relation, base = self._relation()
        return Decision(
            relation,
            base,
            push=self.graph.heads(self.local | self.latest),
            force=self.graph.heads(self.local),
            pull=self.graph.heads(self.local | self.remote),
            is_included=self._remote.tracked in self.local,
            passed_over=tuple(sorted(frozenset(self.graph.window) - self.latest)),
        )

    def _relation(self) -> tuple[Relation, Base | None]:
        ours, theirs = self._local.digest, self.graph.digest(self._remote.tracked)
        if ours == theirs:
            return Relation.EQUAL, self._base_at(self._remote.tracked)
        common = self.graph.heads(self.local & self.remote)
        if self._remote.tracked in self.local:
            altered = self._was_sent_as(ours, self._remote.tracked)
            return (Relation.ALTERED if altered else Relation.AHEAD), self._base_at(self._remote.tracked)
        if not common or ours is None or theirs is None:
            return Relation.DIVERGED, self._base_at(common[0]) if common else None
        base = self._base(common)
        if base is None:
            return Relation.DIVERGED, self._base_at(common[0])
        is_unchanged = len(common) == 1 and self._was_sent_as(ours, common[0])
        return self._merged(base, ours, theirs, is_unchanged=is_unchanged), base

    def _merged(self, base: Base, ours: str, theirs: str, *, is_unchanged: bool) -> Relation:
        """Let the merge decide; a text that is as it was sent counts as the base, whatever came of it."""
        fork = bool(frozenset(self.graph.window) & self.local - self.remote)
        if fork and theirs == base.digest:
            return Relation.DIVERGED  # it was taken back on purpose
        if is_unchanged and theirs != base.digest:
            return Relation.DIVERGED if fork else Relation.BEHIND
        found = self.texts.merged(base.digest, ours, theirs)
        if found == ours:
            return Relation.AHEAD
        if found == theirs and not fork:
            return Relation.BEHIND
        return Relation.DIVERGED

    def _was_sent_as(self, text: str | None, version: int) -> bool:
        """Whether this very text was published as a version that says something else."""
        if text is None or text == self.graph.digest(version):
            return False
        mark = self.graph.own_mark(version)
        if mark is not None and mark.commit is not None and not mark.dirty:
            place = self._revisions.place(mark.commit)
            if place is not None and self._revisions.all[place].digest == text:
                return True
        keys = (key for key in self._local.keys if key.version == version)
        return any(key.names(self._local.identity, text) for key in keys)

    # -- the base ---------------------------------------------------------------------------------------

    def _base(self, common: Sequence[int]) -> Base | None:
        """Return the newest text that both sides include, ``None`` where several of them clash."""
        newer = self._base_in_git(frozenset(common))
        if newer is not None:
            return newer
        digest = self.merged_versions(common)
        return replace(self._base_at(common[0]), digest=digest) if digest is not None else None

    def _base_in_git(self, common: Includes) -> Base | None:
        """Return a newer common text that git may know: the tracked text was made on top of its commit."""
        if self.is_put_back:
            return None
        above = sorted(frozenset(self.graph.window) & self.remote - self.local, reverse=True)
        marks = [mark for one in above if (mark := self.graph.own_mark(one)) and mark.commit]
        unknown = [mark.commit for mark in marks if mark.commit and not self._revisions.knows(mark.commit)]
        if unknown:
            raise Missing(commits=unknown)
        for mark in marks:
            place = self._revisions.place(mark.commit or "")
            if place is None:
                continue
            if not mark.dirty and place in self._revisions.of_head:
                return None
            shared = self._revisions.shared(self._revisions.head, place)
            if shared is None or not common <= self.at(shared):
                return None
            revision: Revision = self._revisions.all[shared]
            return Base(revision.digest, None, revision.tags) if revision.digest is not None else None
        return None

    def merged_versions(self, common: Sequence[int]) -> str | None:
        """Return the text of several versions merged, ``None`` where they clash or are gone."""
        text = self.graph.digest(common[0])
        seen = self.graph.includes(common[0])
        for other in common[1:]:
            shared = self.graph.heads(seen & self.graph.includes(other))
            base, theirs = self.graph.digest(shared[0]) if shared else None, self.graph.digest(other)
            if text is None or base is None or theirs is None:
                return None
            text = self.texts.merged(base, text, theirs)
            seen |= self.graph.includes(other)
        return text

    def _base_at(self, version: int) -> Base:
        return Base(self.graph.digest(version) or "", version, self._tags_at(version))

    def _tags_at(self, version: int) -> Tags | None:
        """Return the tags when a version was published, or came into the file."""
        mark = self.graph.own_mark(version)
        if mark is not None and mark.commit is not None and not mark.dirty:
            place = self._revisions.place(mark.commit)
            if place is not None:
                return self._revisions.all[place].tags
        for place in sorted(self._revisions.of_head):
            revision = self._revisions.all[place]
            if any(key.version == version for key in revision.keys):
                return revision.tags
        return None

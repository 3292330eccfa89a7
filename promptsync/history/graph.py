"""The versions of one prompt and the revisions of its file as one graph: what each of them includes.

A higher number does not mean that a version includes the lower ones: a release of main lands above a
colleague's push without including it. So each version names its parents in its mark, as a commit does, and a
text is tied to a version by the commit in the mark or by ``synced:``. Texts are compared by digest. Merging
shows what a text contains without naming it.

Nothing is read here. Every rule raises ``Missing`` with what it needs: read that, add it, and ask again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from promptsync.history.mark import Key, Mark, parse_mark
from promptsync.prompt.prompt import State

Includes = frozenset[int]
"""Numbers of included versions. 0 stands for all versions below the window that was read."""

Tags = frozenset[str]

Merge = Callable[[Any, Any, Any], "tuple[str, Any] | None"]
"""Merges base, ours and theirs. Returns the digest of the result and the result, ``None`` for a conflict."""


class Missing(Exception):
    """The versions, or commits in marks, that must be read before there is an answer."""

    def __init__(self, *, versions: Iterable[int] = (), commits: Iterable[str] = ()) -> None:
        super().__init__("not read yet")
        self.versions = frozenset(versions)
        self.commits = frozenset(commits)


class Node(msgspec.Struct, frozen=True):
    """One version. ``digest`` is that of its content, ``None`` if the registry no longer has it."""

    number: int
    digest: str | None
    message: str | None = None


class Revision(msgspec.Struct, frozen=True):
    """The file after one commit. ``digest`` is ``None`` if the commit deleted or renamed it.

    ``parents`` are the places of the revisions before it in their ``Lineage``, which are lower than its own.
    A merge that changed nothing is a revision too, if its parents have different revisions. ``file`` is what
    was read, with its ``prompt``.
    """

    commit: str
    parents: tuple[int, ...]
    digest: str | None
    tags: Tags = frozenset()
    keys: tuple[Key, ...] = ()
    path: str = ""
    file: Any = None

    @property
    def text(self) -> tuple[str | None, Tags, tuple[Key, ...]]:
        """What of the file counts: its content, tags and keys."""
        return self.digest, self.tags, self.keys


class Lineage(msgspec.Struct, frozen=True, dict=True):
    """All revisions that some commits reach, oldest first. ``head`` is the place of the one at ``HEAD``.

    ``commits`` maps commits that are not revisions, abbreviated as in a mark, to the place of the file's
    revision there: ``None`` if it has none, or if git does not have the commit.
    """

    revisions: Sequence[Revision] = ()
    head: int | None = None
    commits: Mapping[str, int | None] = {}

    @property
    def texts(self) -> dict[str, Any]:
        """The contents of the revisions by digest."""
        return {one.digest: one.file.prompt for one in self.revisions if one.digest and one.file}

    @property
    def newest(self) -> Revision | None:
        """The revision at ``HEAD``."""
        return self.revisions[self.head] if self.head is not None else None

    def back(self) -> Iterator[Revision]:
        """Yield the revisions that ``HEAD`` reaches, newest first."""
        return (self.revisions[place] for place in sorted(self.of_head, reverse=True))

    def place_of(self, commit: str) -> int | None:
        """Return the place of the revision that a commit made, given by an abbreviation of its id."""
        places = [
            place for place, revision in enumerate(self.revisions) if revision.commit.startswith(commit)
        ]
        return places[0] if len(places) == 1 else None

    def reached(self, place: int | None) -> frozenset[int]:
        """Return the places of a revision and of all revisions before it."""
        reached: set[int] = set()
        queue = [place] if place is not None else []
        while queue:
            next_place = queue.pop()
            if next_place not in reached:
                reached.add(next_place)
                queue += self.revisions[next_place].parents
        return frozenset(reached)

    @cached_property
    def of_head(self) -> frozenset[int]:
        """The places that ``HEAD`` reaches."""
        return self.reached(self.head)


class Graph:
    """One prompt: its file, the revisions of the file, and its versions up to ``latest``.

    ``file`` is the working file, as a revision that is not committed; ``None`` if there is none. ``identity``
    identifies the prompt in this registry, and binds keys to it. ``tracked`` is the version that counts.
    ``contents`` are texts by digest. ``versions`` are those read so far; all below the ``floor`` count as
    version 0, which all include. With ``has_twin``, the commit in a mark may mean another file for the same
    prompt, so it counts only where the texts are equal.
    """

    def __init__(
        self,
        merge: Merge,
        file: Revision | None,
        lineage: Lineage,
        *,
        identity: str = "",
        tracked: int,
        latest: int,
    ) -> None:
        self.file = file
        self.contents: dict[str, Any] = Lineage([file] if file is not None else ()).texts
        self.look_at(lineage)
        self.identity = identity
        self.has_twin = False
        self.tracked = tracked
        self.latest = max(latest, tracked)
        self.versions: dict[int, Node] = {}
        self.floor = 1
        self._merge = merge
        self._merged: dict[tuple[str, str, str], str | None] = {}
        self._parents: dict[int, tuple[int, ...]] = {}
        self._includes: dict[int, Includes] = {}
        self._at: dict[int, Includes] = {}

    def look_at(self, lineage: Lineage) -> None:
        """Look at these revisions of the file."""
        self.lineage = lineage
        self.contents = {**lineage.texts, **self.contents}

    def look_from(self, floor: int) -> None:
        """Look at the versions from ``floor`` up, and at all revisions and texts that were added."""
        self.floor = floor
        self._includes.clear()
        self._at.clear()

    @property
    def window(self) -> range:
        """The numbers of all versions that are looked at, lowest first."""
        return range(self.floor, self.latest + 1)

    # -- versions -------------------------------------------------------------------------------------------

    def version(self, number: int) -> Node:
        """Return a version."""
        if number not in self.versions:
            raise Missing(versions=[number])
        return self.versions[number]

    def digest(self, number: int) -> str | None:
        """Return the digest of a version, ``None`` if it is gone or below the window."""
        return self.version(number).digest if number >= self.floor else None

    def own_mark(self, number: int) -> Mark | None:
        """Return the mark that a version was published with.

        ``None`` if the version was saved in the dashboard, or restored there with a lower version's message.
        If another push came first, a version's own mark has a lower number than the version.
        """
        version = self.version(number)
        mark = parse_mark(version.message)
        if mark is None or mark.version > number:
            return None
        for other in map(self.version, range(mark.version, number)):
            # Two pushes of uncommitted text may have the same message. Then the content decides.
            if other.message == version.message and (not mark.dirty or other.digest == version.digest):
                return None
        return mark

    def parents(self, number: int) -> tuple[int, ...]:
        """Return the versions that one was made from, newest first."""
        if number not in self._parents:
            mark = self.own_mark(number)
            # A push that came second was made from the version before the number that it expected to get.
            before = (mark.version if mark is not None else number) - 1
            named = mark.parents if mark is not None else ()
            # Anybody can type a mark in the dashboard. One that names a later version would make a cycle.
            self._parents[number] = tuple(parent for parent in named if parent < number) or (before,)
        return self._parents[number]

    def includes(self, number: int) -> Includes:
        """Return all versions that a version includes, itself among them."""
        if number < self.floor:
            return frozenset((0,))
        # From the lowest up, because a chain may be longer than calls can nest.
        for lower in range(self.floor, number + 1) if number not in self._includes else ():
            if lower not in self._includes:
                parents = (self.includes(parent) for parent in self.parents(lower))
                self._includes[lower] = self.grow(
                    frozenset((lower, 0)).union(*parents), self.digest(lower), upto=lower
                )
        return self._includes[number]

    def grow(self, included: Includes, text: str | None, *, upto: int | None = None) -> Includes:
        """Return ``included``, the further versions that ``text`` contains, and all that these include.

        A text contains a version if the version's changes, since the newest included version before it, merge
        into the text without changing it.
        """
        if text is None:
            return included
        for number in range(self.floor, (self.latest if upto is None else upto - 1) + 1):
            if number not in included and self._contains(number, included, text):
                included |= self.includes(number)
        return included

    def _contains(self, number: int, included: Includes, text: str) -> bool:
        content = self.digest(number)
        # The change of a version is measured from the newest version that both it and the text include.
        before = max(self.includes(number) & included, default=0)
        # Version 0 stands for many versions, so it has no text to compare with.
        known = self.digest(before) if before else None
        if content is None or known is None:
            return False
        if content == known or (content == text and self.own_mark(number) is None):
            # A text that was restored, or that somebody else saved, shows nothing of the versions in between.
            return text == content and included.issuperset(self.parents(number))
        return self.merged(known, text, content) == text

    def heads(self, included: Includes) -> tuple[int, ...]:
        """Return the versions that no other version of the set includes, newest first."""
        heads: list[int] = []
        covered: set[int] = set()
        # A version can only include lower ones, so the highest of the rest is always a head.
        for number in sorted((number for number in included if number >= self.floor), reverse=True):
            if number not in covered:
                heads.append(number)
                covered |= self.includes(number)
        return tuple(heads)

    def merged(self, base: str, ours: str, theirs: str) -> str | None:
        """Return the digest of the merge of three texts, ``None`` for a conflict."""
        # A side that changed nothing takes the other side's text, and no content has to be read for that.
        if ours in (base, theirs):
            return theirs
        if theirs == base:
            return ours
        key = (base, ours, theirs)
        if key not in self._merged:
            result = self._merge(*(self.contents[digest] for digest in key))
            if result is not None:
                # The result may be a base or a side of the next merge.
                self.contents.setdefault(*result)
            self._merged[key] = result[0] if result is not None else None
        return self._merged[key]

    # -- the file and its revisions -------------------------------------------------------------------------

    @property
    def is_committed(self) -> bool:
        """Whether ``HEAD`` has the text, tags and keys of the file."""
        file, head = self.file, self.lineage.newest
        return file is not None and head is not None and file.text == head.text

    @property
    def of_file(self) -> Includes:
        """What the file includes: everything that ``HEAD`` includes and everything that its keys name."""
        head, file = self.at(self.lineage.head), self.file
        if file is None or self.is_committed:
            return head
        keys = self._of_keys(file)
        return keys if self.shows_old_version else self.grow(head | keys, file.digest)

    @property
    def shows_old_version(self) -> bool:
        """Whether an old version was put into the file, to look at it."""
        file, newest = self.file, self.lineage.newest
        if file is None or newest is None or self.is_committed:
            return False
        keys = self._of_keys(file)
        if not keys or not keys <= self.at(self.lineage.head):
            return False
        return newest.keys != file.keys or (file.digest != newest.digest and self.names_text(file))

    def names_text(self, revision: Revision, version: int | None = None) -> bool:
        """Whether a key of a revision was made for exactly its text, as ``version`` if that is specified."""
        text = revision.digest or ""
        return any(key.names(self.identity, text) for key in revision.keys if version in (None, key.version))

    def at(self, place: int | None) -> Includes:
        """Return what the revision at a place includes."""
        if place is None:
            return frozenset()
        if place not in self._at:
            published: dict[int, list[int]] = {}
            for number in self.window:
                if (origin := self.published_from(number)) is not None:
                    published.setdefault(origin, []).append(number)
            # Parents have lower places than their children, so they are done first.
            for lower in sorted(self.lineage.reached(place)):
                if lower not in self._at:
                    self._at[lower] = self._at_revision(lower, published.get(lower, ()))
        return self._at[place]

    def _at_revision(self, place: int, published: Iterable[int]) -> Includes:
        revision = self.lineage.revisions[place]
        own = self._of_keys(revision).union(*map(self.includes, published))
        if not own and not revision.parents and self.floor == 1:
            # After a move of the prompts directory, the published commits have the file elsewhere.
            texts = (number for number in self.window if revision.digest == self.digest(number))
            own = self.includes(next(texts, 0))
        included = own.union(*(self._at[parent] for parent in revision.parents))
        return self.grow(included, revision.digest)

    def _of_keys(self, revision: Revision) -> Includes:
        """Return what the valid keys of a revision name. A key is valid for the text that was sent, too."""
        included: Includes = frozenset()
        for key in revision.keys:
            if key.version > self.latest:
                continue
            # Below the window everything counts as included, so the key need not be checked there.
            texts = (self.digest(key.version), revision.digest) if key.version >= self.floor else ()
            if not texts or any(text is not None and key.names(self.identity, text) for text in texts):
                included |= self.includes(key.version)
        return included

    def place(self, commit: str) -> int | None:
        """Return the place of the file's revision at a commit in a mark, ``None`` if git has neither.

        Nothing counts of the history of another branch if ``HEAD`` has none of the file.
        """
        place = self.lineage.place_of(commit)
        if place is not None or self.lineage.head is None:
            return place
        if commit not in self.lineage.commits:
            raise Missing(commits=[commit])
        return self.lineage.commits[commit]

    def published_from(self, number: int) -> int | None:
        """Return the place of the revision that a version was published from, if it was committed."""
        mark = self.own_mark(number)
        if mark is None or mark.commit is None or mark.dirty:
            return None
        place = self.lineage.place_of(mark.commit)
        if place is None or not self.has_twin or self.lineage.revisions[place].digest == self.digest(number):
            return place
        return None

    def was_sent_as(self, revision: Revision, number: int) -> bool:
        """Whether exactly this text was published as a version that the registry shows with another one."""
        if revision.digest == self.digest(number):
            return False
        place = self.published_from(number)
        sent = self.lineage.revisions[place].digest if place is not None else None
        return sent == revision.digest or self.names_text(revision, number)


# -- who changed what; versions that neither the latest one nor your files include ------------------------

_MOST_AT_ONCE = 16
"""How many versions each round reads at most, until a common one is found."""


class Base(msgspec.Struct, frozen=True):
    """The newest text that both sides include.

    ``version`` is the newest version with this text, ``None`` if only git has it. ``tags`` are the prompt's
    tags at that time, ``None`` if they are unknown.
    """

    digest: str
    version: int | None
    tags: Tags | None


class Decision(msgspec.Struct, frozen=True):
    """Which side changed what. All numbers are version numbers, newest first.

    ``push`` are the parents of a version published now, ``force`` those of a version forced over the latest.
    ``pull`` are the versions that a text includes once the tracked version is pulled into it. ``is_included``
    says that the file already includes the tracked version.
    """

    relation: State
    base: Base | None
    push: tuple[int, ...]
    force: tuple[int, ...]
    pull: tuple[int, ...]
    is_included: bool


class PassedOver(msgspec.Struct, frozen=True):
    """A version that neither the latest version nor your files include.

    ``numbers`` are itself and the other passed-over versions that it includes. ``base`` is the digest of the
    text from which its changes are merged into the file, ``None`` if there is no common text. ``edits`` are
    those of the ``numbers`` that nobody pushed: they were saved in the dashboard.
    """

    version: int
    numbers: tuple[int, ...]
    base: str | None
    edits: tuple[int, ...]


def decide(graph: Graph) -> Decision:
    """Return which side changed what. Raises ``Missing`` with what must be read first."""
    common = _find_common(graph)
    of_file, of_tracked = graph.of_file, graph.includes(graph.tracked)
    relation, base = _relation(graph, graph.heads(common), of_file, of_tracked)
    return Decision(
        relation,
        base,
        push=graph.heads(of_file | graph.includes(graph.latest)),
        force=graph.heads(of_file),
        pull=graph.heads(of_file | of_tracked),
        is_included=graph.tracked in of_file,
    )


def passed_over(graph: Graph) -> tuple[PassedOver, ...]:
    """Return the heads of the passed-over versions, oldest first.

    Every version down to the first is needed: raises ``Missing`` until they are read.
    """
    graph.look_from(1)
    included = graph.of_file | graph.includes(graph.latest)
    not_included = frozenset(graph.window) - included
    heads = []
    for head in sorted(graph.heads(not_included)):
        common = graph.heads(graph.includes(head) & included)
        revision = shared_in_git(graph, head, frozenset(common)) if common else None
        base = revision.digest if revision is not None else None
        # Of several common versions none has all that both sides have.
        if base is None and len(common) == 1 and not _is_undone(graph, common[0], included, head):
            base = graph.digest(common[0])
        numbers = graph.includes(head) & not_included
        edits = tuple(number for number in sorted(numbers) if graph.own_mark(number) is None)
        heads.append(PassedOver(head, tuple(sorted(numbers)), base, edits))
    return tuple(heads)


def _find_common(graph: Graph) -> Includes:
    """Return the versions that both sides include, of a window that is large enough to compare them.

    The window reaches from the latest version down to the newest common one, and covers all versions that
    this one or a later one passed over. Raises ``Missing`` until these are read.
    """
    floor = graph.latest
    graph.version(floor)
    # The window is everything that was read so far without a gap.
    while floor > 1 and floor - 1 in graph.versions:
        floor -= 1
    graph.look_from(floor)
    included = graph.of_file & graph.includes(graph.tracked)
    # Without a key and without a commit, no further version can turn out to be common.
    if not graph.lineage.revisions and (graph.file is None or not graph.file.keys):
        return included
    newest = max(included, default=0)
    if newest == 0 and floor > 1:
        # Steps grow, so that the usual case reads few versions and a long search takes few rounds.
        step = min(graph.latest - floor + 1, _MOST_AT_ONCE)
        raise Missing(versions=range(max(floor - step, 1), floor))
    # A version passed over those between itself and its newest parent.
    passed_over = min(
        (graph.parents(number)[0] + 1 for number in graph.window if number >= newest), default=1
    )
    lowest = max(min(passed_over, newest, graph.tracked), 1)
    if lowest < floor:
        raise Missing(versions=range(lowest, floor))
    return included


def _relation(
    graph: Graph, common: tuple[int, ...], of_file: Includes, of_tracked: Includes
) -> tuple[State, Base | None]:
    tracked, theirs = graph.tracked, graph.digest(graph.tracked)
    ours = graph.file.digest if graph.file is not None else None
    if ours == theirs:
        return State.IN_SYNC, _base_at(graph, tracked, of_file)
    if graph.file is not None and graph.was_sent_as(graph.file, tracked):
        return State.ALTERED, _base_at(graph, tracked, of_file)
    # The registry's side has nothing new.
    if tracked in of_file:
        return State.AHEAD, _base_at(graph, tracked, of_file)
    # Without a common version or one of the texts there is nothing to merge.
    if not common or ours is None or theirs is None:
        return State.DIVERGED, _base_at(graph, common[0], of_file) if common else None
    base = _base_in_git(graph, frozenset(common), of_tracked - of_file)
    if base is None:
        if _is_undone(graph, common[0], of_file, tracked):
            return State.DIVERGED, None
        base = _base_at(graph, common[0], of_file)
        if len(common) > 1:
            return State.DIVERGED, base
    # The file includes a version that the tracked one does not, so neither side builds on the other.
    fork = bool(of_file - of_tracked)
    if fork and theirs == base.digest:
        # The registry's side reverted the file's version on purpose, so the file must not simply win.
        return State.DIVERGED, base
    result = graph.merged(base.digest, ours, theirs)
    if result == ours:
        return State.AHEAD, base
    if result == theirs and not fork:
        return State.BEHIND, base
    return State.DIVERGED, base


def _is_undone(graph: Graph, base: int, included: Includes, number: int) -> bool:
    """Whether the file includes a version that undid ``base``, and ``number`` was published over that one.

    A merge over the base would undo it in ``number`` as well, although its author kept it on purpose.
    """
    parent, others = graph.parents(base)[0], included - graph.includes(number)
    over = [other for other in others if other < number and base in graph.includes(other)]
    before = graph.version(parent).digest if over and parent else None
    changed = graph.digest(base)
    if not before or not changed or before == changed:
        return False
    return any(text and graph.merged(changed, text, before) == text for text in map(graph.digest, over))


def _base_in_git(graph: Graph, common: Includes, above: Includes) -> Base | None:
    """Return a newer common text from git: the tracked version was made on top of the commit in its mark."""
    # A file that shows an old version does not build on what HEAD has.
    if graph.shows_old_version:
        return None
    for number in sorted(above - {0}, reverse=True):
        mark = graph.own_mark(number)
        if mark is not None and mark.commit and graph.place(mark.commit) is not None:
            revision = shared_in_git(graph, number, common)
            if revision is None or revision.digest is None:
                return None
            same = (head for head in graph.heads(common) if graph.digest(head) == revision.digest)
            return Base(revision.digest, next(same, None), revision.tags)
    return None


def shared_in_git(graph: Graph, number: int, common: Includes) -> Revision | None:
    """Return the newest revision that ``HEAD`` and a version's commit share, if it includes ``common``.

    The version was made on top of it. ``None`` if ``HEAD`` reaches the commit itself.
    """
    mark, lineage = graph.own_mark(number), graph.lineage
    place = graph.place(mark.commit) if mark is not None and mark.commit else None
    if mark is None or place is None or (not mark.dirty and place in lineage.of_head):
        return None
    # The newest one that both reach, like git's merge base.
    shared = max(lineage.of_head & lineage.reached(place), default=None)
    return lineage.revisions[shared] if shared is not None and common <= graph.at(shared) else None


def _base_at(graph: Graph, version: int, of_file: Includes) -> Base:
    """Return a version with its tags, or those of the newest version before it whose tags are known."""
    before = sorted((graph.includes(version) & of_file) - {0, version}, reverse=True)
    known = (_tags_at(graph, number) for number in (version, *before))
    tags = next((tags for tags in known if tags is not None), None)
    return Base(graph.digest(version) or "", version, tags)


def _tags_at(graph: Graph, version: int) -> Tags | None:
    """Return the tags that came into the file with the key of a version, or that it was published with.

    Tags have no versions, so a pull may bring tags that were changed since the version was published.
    """
    revisions, of_head = graph.lineage.revisions, graph.lineage.of_head
    with_key = [place for place in of_head if any(key.version == version for key in revisions[place].keys)]
    # Later revisions keep the key, whatever tags they add.
    place = min(with_key) if with_key else graph.published_from(version)
    return revisions[place].tags if place is not None else None

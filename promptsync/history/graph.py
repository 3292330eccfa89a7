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

Includes = frozenset[int]
"""Numbers of included versions. 0 stands for all versions below the window that was read."""

Tags = frozenset[str]

Merge = Callable[[Any, Any, Any], "tuple[str, Any] | None"]
"""Merges base, ours and theirs. Returns the digest of the result and the result, ``None`` for a conflict."""


class Missing(Exception):
    """The versions, commits in marks, or texts (by digest) that must be read before there is an answer."""

    def __init__(
        self, *, versions: Iterable[int] = (), commits: Iterable[str] = (), texts: Iterable[str] = ()
    ) -> None:
        super().__init__("not read yet")
        self.versions = frozenset(versions)
        self.commits = frozenset(commits)
        self.texts = frozenset(texts)


class Node(msgspec.Struct, frozen=True):
    """One version. ``digest`` is that of its content, ``None`` if the registry no longer has it."""

    number: int
    digest: str | None
    message: str | None = None


class Revision(msgspec.Struct, frozen=True):
    """The file after one commit. ``digest`` is ``None`` if the commit deleted or renamed it.

    ``parents`` are the places of the revisions before it in their ``Lineage``, which are lower than its own.
    A merge that changed nothing is a revision too, if its parents have different revisions.
    """

    commit: str
    parents: tuple[int, ...]
    digest: str | None
    tags: Tags = frozenset()
    keys: tuple[Key, ...] = ()
    path: str = ""
    blob: str | None = None
    own_name: str = ""

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
        self.lineage = lineage
        self.identity = identity
        self.has_twin = False
        self.tracked = tracked
        self.latest = max(latest, tracked)
        self.versions: dict[int, Node] = {}
        self.contents: dict[str, Any] = {}
        self.floor = 1
        self._merge = merge
        self._merged: dict[tuple[str, str, str], str | None] = {}
        self._parents: dict[int, tuple[int, ...]] = {}
        self._includes: dict[int, Includes] = {}
        self._at: dict[int, Includes] = {}

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
        if content == known:
            # A restored text shows nothing of the versions in between.
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
            unknown = [digest for digest in key if digest not in self.contents]
            if unknown:
                raise Missing(texts=unknown)
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
        """Return the place of the file's revision at a commit in a mark, ``None`` if git has neither."""
        place = self.lineage.place_of(commit)
        if place is None and commit not in self.lineage.commits:
            raise Missing(commits=[commit])
        return self.lineage.commits[commit] if place is None else place

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

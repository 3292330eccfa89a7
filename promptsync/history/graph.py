"""The versions of one prompt as a graph: what each was made from, and what it includes.

A higher number does not mean that a version includes the lower ones: a release of main lands above a
colleague's push without including it. So each version names its parents in its mark, as a commit does. Texts
are compared by digest. Merging shows what a text contains without naming it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptsync.history.message import Mark, parse_mark

Includes = frozenset[int]
"""Numbers of included versions. 0 stands for all versions below the window that was read."""

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


@dataclass(frozen=True, slots=True)
class Node:
    """One version. ``digest`` is that of its content, ``None`` if the registry no longer has it."""

    number: int
    digest: str | None
    message: str | None = None

    @property
    def mark(self) -> Mark | None:
        """The mark in its message. It may be another version's, if this one was restored with its message."""
        return parse_mark(self.message)


@dataclass(slots=True)
class Contents:
    """Contents by digest, and their merges, each of which is made once."""

    merge: Merge
    contents: dict[str, Any] = field(default_factory=dict)
    _merged: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    def merged(self, base: str, ours: str, theirs: str) -> str | None:
        """Return the digest of the merge of three texts, ``None`` for a conflict.

        Raises ``Missing`` while the content of one of them is not known.
        """
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
            found = self.merge(*(self.contents[digest] for digest in key))
            if found is not None:
                # The result may be a base or a side of the next merge.
                self.contents.setdefault(*found)
            self._merged[key] = found[0] if found is not None else None
        return self._merged[key]


class Graph:
    """The versions from ``floor`` up to ``latest``. All lower ones count as version 0, which all include.

    Every method raises ``Missing`` if it needs a version that is not among ``versions``.
    """

    def __init__(self, versions: Mapping[int, Node], floor: int, latest: int, texts: Contents) -> None:
        self._versions = versions
        self.floor = floor
        self.latest = latest
        self.texts = texts
        self._parents: dict[int, tuple[int, ...]] = {}
        self._includes: dict[int, Includes] = {}

    @property
    def window(self) -> range:
        """The numbers of all versions in this graph, lowest first."""
        return range(self.floor, self.latest + 1)

    def version(self, number: int) -> Node:
        """Return a version."""
        if number not in self._versions:
            raise Missing(versions=[number])
        return self._versions[number]

    def digest(self, number: int) -> str | None:
        """Return the digest of a version, ``None`` if it is gone or below the window."""
        return self.version(number).digest if number >= self.floor else None

    def own_mark(self, number: int) -> Mark | None:
        """Return the mark that a version was published with.

        ``None`` if the version was saved in the dashboard, or restored there with a lower version's message.
        If another push came first, a version's own mark has a lower number than the version.
        """
        version = self.version(number)
        mark = version.mark
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
            self._parents[number] = tuple(one for one in named if one < number) or (before,)
        return self._parents[number]

    def includes(self, number: int) -> Includes:
        """Return all versions that a version includes, itself among them."""
        if number < self.floor:
            return frozenset((0,))
        # From the lowest up, because a chain may be longer than calls can nest.
        for one in range(self.floor, number + 1) if number not in self._includes else ():
            if one not in self._includes:
                parents = (self.includes(parent) for parent in self.parents(one))
                self._includes[one] = self.grow(
                    frozenset((one, 0)).union(*parents), self.digest(one), upto=one
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
        return self.texts.merged(known, text, content) == text

    def heads(self, included: Includes) -> tuple[int, ...]:
        """Return the versions that no other version of the set includes, newest first."""
        numbers = sorted((number for number in included if number >= self.floor), reverse=True)
        included_by_heads: set[int] = set()
        found = []
        # A version can only include lower ones, so the highest of the rest is always a head.
        for number in numbers:
            if number not in included_by_heads:
                found.append(number)
                included_by_heads |= self.includes(number)
        return tuple(found)

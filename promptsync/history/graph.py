"""The versions of one prompt as a graph: what each was made from, and what it includes.

A higher number says nothing about what a version includes: a release of main lands above a colleague's push
without holding it. So each version names its parents in its mark, as a commit does. Texts are compared by
digest; what a text *holds* without saying so is found by merging.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptsync.history.message import Mark, parse_mark

Includes = frozenset[int]
"""Numbers of versions that somebody includes. 0 stands for all versions below the window that was read."""

Merge = Callable[[Any, Any, Any], "tuple[str, Any] | None"]
"""Merges base, ours and theirs: the digest of the result and the result, ``None`` for a conflict."""


class Missing(Exception):
    """What has to be read before the question can be answered: versions, commits of marks, or texts."""

    def __init__(
        self, *, versions: Iterable[int] = (), commits: Iterable[str] = (), texts: Iterable[str] = ()
    ) -> None:
        super().__init__("not read yet")
        self.versions = frozenset(versions)
        self.commits = frozenset(commits)
        self.texts = frozenset(texts)


@dataclass(frozen=True, slots=True)
class Version:
    """One version. ``digest`` is that of its content, ``None`` where the registry no longer has it."""

    number: int
    digest: str | None
    message: str | None = None

    @property
    def mark(self) -> Mark | None:
        """The mark of its message, which may have been restored with it from another version."""
        return parse_mark(self.message)


@dataclass(slots=True)
class Texts:
    """Contents by digest, and their merges, each made once."""

    merge: Merge
    contents: dict[str, Any] = field(default_factory=dict)
    _merged: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    def merged(self, base: str, ours: str, theirs: str) -> str | None:
        """Return the digest of the merge of three texts, ``None`` for a conflict.

        Raises ``Missing`` while the content of one of them is not known.
        """
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
                self.contents.setdefault(*found)
            self._merged[key] = found[0] if found is not None else None
        return self._merged[key]


class Graph:
    """The versions from ``floor`` up to ``latest``. All below count as one, number 0, that all include.

    Raises ``Missing`` from every method while a version that it needs is not among ``versions``.
    """

    def __init__(self, versions: Mapping[int, Version], floor: int, latest: int, texts: Texts) -> None:
        self._versions = versions
        self.floor = floor
        self.latest = latest
        self.texts = texts
        self._parents: dict[int, tuple[int, ...]] = {}
        self._includes: dict[int, Includes] = {}

    @property
    def window(self) -> range:
        """The numbers that are looked at, lowest first."""
        return range(self.floor, self.latest + 1)

    def version(self, number: int) -> Version:
        """Return a version."""
        if number not in self._versions:
            raise Missing(versions=[number])
        return self._versions[number]

    def digest(self, number: int) -> str | None:
        """Return the digest of a version, ``None`` for one that is gone or below the window."""
        return self.version(number).digest if number >= self.floor else None

    def own_mark(self, number: int) -> Mark | None:
        """Return the mark that a version was published with.

        ``None`` where it was saved in the dashboard, or restored there with the message of a lower one. The
        mark of a version that another push came before has a lower number, too.
        """
        mark = self.version(number).mark
        if mark is None or mark.version > number:
            return None
        if mark.version < number and self._is_restored(number, mark):
            return None
        return mark

    def _is_restored(self, number: int, mark: Mark) -> bool:
        """Whether a version has the very message of a lower one.

        Two pushes of uncommitted text may have the same message: the content tells.
        """
        version = self.version(number)
        for other in map(self.version, range(mark.version, number)):
            if other.message == version.message and (not mark.dirty or other.digest == version.digest):
                return True
        return False

    def parents(self, number: int) -> tuple[int, ...]:
        """Return the versions that one was made from, newest first."""
        if number not in self._parents:
            mark = self.own_mark(number)
            before = (mark.version if mark is not None else number) - 1
            named = mark.parents if mark is not None else ()
            self._parents[number] = tuple(one for one in named if one < number) or (before,)
        return self._parents[number]

    def includes(self, number: int) -> Includes:
        """Return all versions that one includes, itself among them."""
        if number < self.floor:
            return frozenset((0,))
        # from the lowest up, for a chain may be longer than calls can nest
        for one in range(self.floor, number + 1) if number not in self._includes else ():
            if one not in self._includes:
                parents = (self.includes(parent) for parent in self.parents(one))
                self._includes[one] = self.grow(
                    frozenset((one, 0)).union(*parents), self.digest(one), upto=one
                )
        return self._includes[number]

    def grow(self, included: Includes, text: str | None, *, upto: int | None = None) -> Includes:
        """Return ``included`` and the versions that ``text`` holds besides, with all that these include.

        A version is held where merging what it changed, since the newest version before it that is included,
        leaves the text as it is.
        """
        if text is None:
            return included
        for number in range(self.floor, (self.latest if upto is None else upto - 1) + 1):
            if number not in included and self._is_held(number, included, text):
                included |= self.includes(number)
        return included

    def _is_held(self, number: int, included: Includes, text: str) -> bool:
        content = self.digest(number)
        before = max(self.includes(number) & included, default=0)
        known = self.digest(before) if before else None
        if content is None or known is None:
            return False
        if content == known:
            # a text that was restored says nothing of what was in between
            return text == content and included.issuperset(self.parents(number))
        return self.texts.merged(known, text, content) == text

    def heads(self, included: Includes) -> tuple[int, ...]:
        """Return those versions that no other one of the set includes, newest first."""
        numbers = sorted((number for number in included if number >= self.floor), reverse=True)
        covered: set[int] = set()
        found = []
        for number in numbers:
            if number not in covered:
                found.append(number)
                covered |= self.includes(number)
        return tuple(found)

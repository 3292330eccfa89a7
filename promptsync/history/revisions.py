"""The revisions of one prompt file in git, with git's own parents."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from promptsync.history.key import Key

Tags = frozenset[str]


@dataclass(frozen=True, slots=True)
class Revision:
    """What one commit made of the file. ``digest`` is ``None`` where there is no file after it.

    ``parents`` are the places of the revisions before it, which are lower than its own. A merge that changed
    nothing is a revision too, where its sides brought different ones.
    """

    commit: str
    parents: tuple[int, ...]
    digest: str | None
    tags: Tags = frozenset()
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Revisions:
    """All revisions that some commits reach, oldest first. ``head`` is the place of ``HEAD``'s.

    ``commits`` tells of commits that are no revision themselves, by the abbreviation in a mark, which
    revision the file has there; ``None`` where it has none, or where git does not have the commit.
    """

    all: Sequence[Revision] = ()
    head: int | None = None
    commits: Mapping[str, int | None] = field(default_factory=dict)

    def place(self, commit: str) -> int | None:
        """Return the place of the revision that a commit made or has, by an abbreviation of its id."""
        if commit in self.commits:
            return self.commits[commit]
        at = bisect_left(self._sorted, (commit,))
        found = [place for name, place in self._sorted[at : at + 2] if name.startswith(commit)]
        return found[0] if len(found) == 1 else None

    def knows(self, commit: str) -> bool:
        """Whether ``place`` can tell: ``None`` is final then."""
        return commit in self.commits or self.place(commit) is not None

    def reached(self, place: int | None) -> frozenset[int]:
        """Return the places of a revision and of all before it."""
        found: set[int] = set()
        queue = [place] if place is not None else []
        while queue:
            one = queue.pop()
            if one not in found:
                found.add(one)
                queue += self.all[one].parents
        return frozenset(found)

    def shared(self, one: int | None, other: int | None) -> int | None:
        """Return the newest revision that two have in common, as git's merge base does."""
        return max(self.reached(one) & self.reached(other), default=None)

    @cached_property
    def of_head(self) -> frozenset[int]:
        """The places that ``HEAD`` reaches."""
        return self.reached(self.head)

    @cached_property
    def _sorted(self) -> Sequence[tuple[str, int]]:
        return sorted((revision.commit, place) for place, revision in enumerate(self.all))

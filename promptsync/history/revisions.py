"""The revisions of one prompt file in git, with the parents that git gives them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from promptsync.history.synced_key import Key

Tags = frozenset[str]


@dataclass(frozen=True, slots=True)
class Revision:
    """The file after one commit. ``digest`` is ``None`` if the commit deleted it.

    ``parents`` are the places of the revisions before it, which are lower than its own. A merge that changed
    nothing is a revision too, if its parents have different revisions.
    """

    commit: str
    parents: tuple[int, ...]
    digest: str | None
    tags: Tags = frozenset()
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class RevisionGraph:
    """All revisions that some commits reach, oldest first. ``head`` is the place of the one at ``HEAD``.

    ``commits`` maps commits that are not revisions, abbreviated as in a mark, to the place of the file's
    revision there: ``None`` if it has none, or if git does not have the commit.
    """

    all: Sequence[Revision] = ()
    head: int | None = None
    commits: Mapping[str, int | None] = field(default_factory=dict)

    def place(self, commit: str) -> int | None:
        """Return the place of the file's revision at a commit, given by an abbreviation of its id."""
        if commit in self.commits:
            return self.commits[commit]
        # Ids that start with the abbreviation are neighbors. A second one makes it ambiguous.
        at = bisect_left(self._sorted, (commit,))
        found = [place for name, place in self._sorted[at : at + 2] if name.startswith(commit)]
        return found[0] if len(found) == 1 else None

    def has_looked_up(self, commit: str) -> bool:
        """Whether the commit was looked up: only then a ``None`` from ``place`` means no revision."""
        return commit in self.commits or self.place(commit) is not None

    def reached(self, place: int | None) -> frozenset[int]:
        """Return the places of a revision and of all revisions before it."""
        found: set[int] = set()
        queue = [place] if place is not None else []
        while queue:
            one = queue.pop()
            if one not in found:
                found.add(one)
                queue += self.all[one].parents
        return frozenset(found)

    def shared(self, one: int | None, other: int | None) -> int | None:
        """Return the place of the newest revision that two have in common, like git's merge base."""
        return max(self.reached(one) & self.reached(other), default=None)

    @cached_property
    def of_head(self) -> frozenset[int]:
        """The places that ``HEAD`` reaches."""
        return self.reached(self.head)

    @cached_property
    def _sorted(self) -> Sequence[tuple[str, int]]:
        return sorted((revision.commit, place) for place, revision in enumerate(self.all))

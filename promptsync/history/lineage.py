"""The revisions of one prompt file in git, with the parents that git gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from promptsync.history.synced_key import Key

Tags = frozenset[str]


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


class Lineage:
    """All revisions that some commits reach, oldest first. ``head`` is the place of the one at ``HEAD``.

    ``commits`` maps commits that are not revisions, abbreviated as in a mark, to the place of the file's
    revision there: ``None`` if it has none, or if git does not have the commit.
    """

    def __init__(
        self,
        revisions: Sequence[Revision] = (),
        head: int | None = None,
        commits: Mapping[str, int | None] | None = None,
    ) -> None:
        self.revisions = revisions
        self.head = head
        self.commits = commits or {}

    @property
    def newest(self) -> Revision | None:
        """The revision at ``HEAD``."""
        return self.revisions[self.head] if self.head is not None else None

    def back(self) -> Iterator[Revision]:
        """Yield the revisions that ``HEAD`` reaches, newest first."""
        return (self.revisions[place] for place in sorted(self.of_head, reverse=True))

    def place(self, commit: str) -> int | None:
        """Return the place of the file's revision at a commit, given by an abbreviation of its id."""
        return self.commits[commit] if commit in self.commits else self.place_of(commit)

    def place_of(self, commit: str) -> int | None:
        """Return the place of the revision that a commit made, given by an abbreviation of its id."""
        places = [
            place for place, revision in enumerate(self.revisions) if revision.commit.startswith(commit)
        ]
        return places[0] if len(places) == 1 else None

    def has_looked_up(self, commit: str) -> bool:
        """Whether the commit was looked up: only then a ``None`` from ``place`` means no revision."""
        return self.place(commit) is not None or commit in self.commits

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

    def shared(self, place: int | None, other: int | None) -> int | None:
        """Return the place of the newest revision that two have in common, like git's merge base."""
        return max(self.reached(place) & self.reached(other), default=None)

    @cached_property
    def of_head(self) -> frozenset[int]:
        """The places that ``HEAD`` reaches."""
        return self.reached(self.head)

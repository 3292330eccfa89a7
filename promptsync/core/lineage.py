"""What is known of a prompt's two histories: the file's in git and the versions in the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptsync.core.message import Mark, parse_mark

Tags = frozenset[str]


@dataclass(frozen=True, slots=True)
class Text:
    """The working file: what it says, and the version that it says it includes."""

    digest: str
    tags: Tags = frozenset()
    pulled: int | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """What one commit that ``HEAD`` reaches made of the file. ``digest`` is ``None`` when it deleted it.

    ``made`` tells of a commit that was made in this very working copy, from the text that stood in it, which
    move of ``HEAD`` that was, counted from the first. ``replaced`` are the commits whose place it took there
    by amending, newest first.
    """

    commit: str
    digest: str | None
    tags: Tags = frozenset()
    pulled: int | None = None
    made: int | None = None
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pushed:
    """The record of the last version that this working copy published or pulled.

    ``pulled`` is what the file said then, ``commit`` the newest revision that the file had then. ``tags`` are
    those of the text, ``kept_tags`` those that the registry showed afterwards. ``moves`` counts the moves
    that ``HEAD`` had made in this working copy.
    """

    version: int
    digest: str
    tags: Tags = frozenset()
    kept_tags: Tags = frozenset()
    pulled: int | None = None
    commit: str | None = None
    moves: int | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the registry as far as a base is concerned."""

    number: int
    digest: str
    message: str | None = None

    @property
    def mark(self) -> Mark | None:
        """The mark that ends the message, ``None`` where it was copied from another version's."""
        mark = parse_mark(self.message)
        return mark if mark is not None and mark.version == self.number else None


Read = Callable[[int], Version | None]
"""Returns a version by its number, ``None`` when the registry no longer has it."""


@dataclass(frozen=True, slots=True)
class LocalHistory:
    """Everything the local side knows of one prompt. ``revisions`` are newest first.

    ``git`` is false in a directory without a repository. ``committed`` says that the working text is that of
    ``HEAD``. ``working`` is ``None`` when there is no file.
    """

    working: Text | None
    revisions: Sequence[Revision] = ()
    record: Pushed | None = None
    git: bool = True
    committed: bool = False


@dataclass(frozen=True, slots=True)
class Tie:
    """What ties a version to a text. ``position`` is the revision's index, -1 the working file.

    ``digest`` is that of the text where it is known to agree with the version, ``tags`` those beside it.
    ``seen_tags`` are those of a commit that the text came in with, which somebody may have edited before.
    """

    version: int
    position: int
    how: str
    digest: str | None = None
    tags: Tags | None = None
    seen_tags: Tags | None = None

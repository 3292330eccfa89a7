"""Which prompts differ between two git states, and which others say something else because of that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from promptsync.files.worktree import Worktree
from promptsync.sync.project import Project


class Kind(StrEnum):
    """How a prompt differs."""

    ADDED = "added"
    CHANGED = "changed"
    RENAMED = "renamed"
    DELETED = "deleted"
    DEPENDANT = "dependant"


@dataclass(frozen=True, slots=True)
class ChangedPrompt:
    """One prompt that differs. ``path`` is its file now, ``None`` when it was deleted.

    ``old_name`` is what a renamed prompt was called before. ``through`` are the snippets from a dependant down
    to the one that changed.
    """

    name: str
    kind: Kind
    path: str | None
    old_name: str | None = None
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """What differs from ``since``, sorted by name. ``commit`` is the full id of what it names.

    It is ``None`` for the state before the first commit.
    """

    since: str
    commit: str | None
    prompts: tuple[ChangedPrompt, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that exist now, sorted: all but the deleted ones."""
        return tuple(sorted(one.name for one in self.prompts if one.kind is not Kind.DELETED))


def changed_since(project: Project, worktree: Worktree, since: str | None) -> Changed:
    """Return what differs between ``since`` and the working tree; ``None`` stands for ``HEAD``.

    ``since`` is what git takes for a commit, or ``REF...`` for the last commit that REF and ``HEAD`` share.
    Asks the registry nothing. Raises ``PromptsyncError`` when the state cannot be found, never takes it for an
    empty one, and ``InvalidFile`` when a file cannot be read now.
    """
    raise NotImplementedError

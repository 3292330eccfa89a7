"""Release labels: their names, and the two labels beside each that remember its history.

The registry keeps no history of its labels. So two labels are kept beside ``prod``: ``prod.previous`` at the
version that was live before, and ``prod.released`` at the newest version that was released. If ``prod`` is
below ``prod.released``, a release was taken back, and versions up to it are on hold.
"""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Mapping

import msgspec

from promptsync.errors import UsageError

SUFFIX = ".previous"

RELEASED = ".released"
"""Suffix of the label that marks the newest version that was released, also after a rollback."""

MAX_LABEL = 255
"""Longest label, in code points, that promptsync creates; the registry's own limit is not documented."""


def is_own(label: str) -> bool:
    """Whether a label is a release label of its own, and not one beside another one."""
    return not label.endswith((SUFFIX, RELEASED))


def names_of(label: str) -> tuple[str, ...]:
    """Return a label, and the two beside it; a label beside another one has none."""
    return (label, label + SUFFIX, label + RELEASED) if is_own(label) else (label,)


class Position(msgspec.Struct, frozen=True):
    """Where a label of one prompt points, and the two labels beside it; ``None`` where there is no label."""

    version: int | None = None
    previous: int | None = None
    released: int | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether ``LABEL.released`` knows of the version under the label.

        If not, the label was moved in the dashboard, or a release was stopped right after its move.
        """
        return self.version is None or (self.released is not None and self.released >= self.version)

    @property
    def way_back(self) -> int | None:
        """The version that a rollback goes to, ``None`` if it is unknown."""
        now, previous, released = self.version or 0, self.previous, self.released
        if released is None:
            return previous
        if now < released:
            return now  # its last release was taken back already
        if previous is not None and previous >= released:
            return None  # it was taken back and is up again, and nothing says from where
        return previous if now == released else released

    def holds(self, version: int) -> bool:
        """Whether a version is on hold, so that it is not released again by itself: the label was moved back.

        That may have happened in the dashboard, where the label may also have been removed. Nothing says
        which versions below the newest release were live, so all above the label count.
        """
        return self.released is not None and (self.version or 0) < version <= self.released

    def moved_to(self, version: int | None) -> Position:
        """Return where the three belong once the label is at ``version``; without one, all are deleted.

        ``LABEL.previous`` is what was live before, or, below the newest release, that release, which says
        that it was taken back. ``LABEL.released`` never goes down.
        """
        if version is None:
            return Position()
        now, previous = self.version, self.previous
        released = max(self.released or 0, now or 0, version)
        if version < released:
            previous = released
        elif now == version:
            previous = self.way_back
        elif now is not None:
            previous = now
        return Position(version, previous, released)


def position_of(label: str, versions: Mapping[str, int]) -> Position:
    """Return the position of a label, given the versions of all labels of the prompt."""
    return Position(*map(versions.get, names_of(label)))


def check_label(label: str) -> None:
    """Raise ``UsageError`` for a label that cannot be seen or typed."""
    # Control, format, surrogate, private-use and separator characters do not show on a screen.
    unseen = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    if not label or label != label.strip() or any(unicodedata.category(char) in unseen for char in label):
        raise UsageError(
            f"{label!r} cannot be a label: it is empty, or has surrounding spaces or unprintable characters",
            hint="use a word, such as prod",
        )
    if len(label) + len(RELEASED) > MAX_LABEL:
        raise UsageError(f"a label of {len(label)} characters is too long", hint="use a word, such as prod")


def check_release_label(label: str, command: str) -> None:
    """Raise ``UsageError`` for a label that ``command`` cannot release to: ``prod.previous`` is prod's."""
    check_label(label)
    if not is_own(label):
        raise UsageError(
            f"{label!r} belongs to another label and moves with it",
            hint=f"{command} --label {shlex.quote(label.rpartition('.')[0] or 'LABEL')}",
        )

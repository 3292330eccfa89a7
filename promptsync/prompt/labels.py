"""Release labels: their names, and the labels beside them that remember their history.

The registry keeps no history of its labels. So two labels are kept beside ``prod``: ``prod.previous`` at the
version that a rollback of ``prod`` returns to, and ``prod.released`` at the newest version that was released.
"""

from __future__ import annotations

import shlex
import unicodedata

from promptsync.errors import UsageError

SUFFIX = ".previous"

RELEASED = ".released"
"""Suffix of the label that marks the newest version that was released, also after a rollback."""

UNCHECKED = ".unchecked"
"""Suffix of the label that marks a version released before its checks passed, until they pass."""

MAX_LABEL = 255
"""Longest label, in code points, that promptsync creates; the registry's own limit is not documented."""


def previous_name(label: str) -> str | None:
    """Return the label that remembers where a rollback of ``label`` goes; such a label itself has none."""
    return None if label.endswith((SUFFIX, RELEASED, UNCHECKED)) else label + SUFFIX


def is_own(label: str) -> bool:
    """Whether a label is a release label of its own, and not one beside another one."""
    return previous_name(label) is not None


def released_name(label: str) -> str | None:
    """Return the label that remembers the newest release; a label beside another one has none."""
    return label + RELEASED if is_own(label) else None


def unchecked_name(label: str) -> str:
    """Return the label that marks a release under ``label`` as unchecked."""
    return label + UNCHECKED


def previous_after(old: int | None, new: int, previous: int | None) -> int | None:
    """Return where ``LABEL.previous`` belongs after the label moved from ``old`` to ``new``.

    After a move up, that is ``old``, so that a rollback returns to what was live before. After a move down it
    is never below the label, which says that there is nothing to roll back. It is not ``old`` either, because
    the next rollback would release again the version that this one withdrew.
    """
    if old is None or old == new:
        return previous
    return old if new > old else max(previous or 0, new)


def released_after(old: int | None, new: int, released: int | None) -> int:
    """Return where ``LABEL.released`` belongs after the label moved: it never goes down."""
    return max(released or 0, old or 0, new)


def way_back(now: int, previous: int | None, released: int | None) -> int | None:
    """Return the version that a rollback of a label at ``now`` goes to, ``None`` if it is unknown.

    If the label is above the newest release, it was moved in the dashboard, or a release was stopped right
    after its move. Then ``LABEL.previous`` is from the time before, and that release was live in between.
    Without ``LABEL.previous``, a label below the newest release was moved back already.
    """
    if released is not None and released < now:
        return max(released, previous or 0)
    is_back = previous is None and released is not None and now < released
    return now if is_back else previous


def is_on_hold(version: int, now: int | None, released: int | None) -> bool:
    """Whether a version is not released again by itself: a label at ``now`` was moved back from it.

    That may have happened in the dashboard, where the label may also have been removed (``None``). Nothing
    says which versions below the newest release were live, so all above the label count.
    """
    return released is not None and (now or 0) < version <= released


def check_label(label: str) -> None:
    """Raise ``UsageError`` for a label that cannot be seen or typed."""
    # Control, format, surrogate, private-use and separator characters do not show on a screen.
    unseen = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    if not label or label != label.strip() or any(unicodedata.category(sign) in unseen for sign in label):
        raise UsageError(
            f"{label!r} cannot be a label: it is blank, has blanks around it or characters that do not print",
            hint="use a word, such as prod",
        )
    if len(label) + len(UNCHECKED) > MAX_LABEL:
        raise UsageError(f"a label of {len(label)} characters is too long", hint="use a word, such as prod")


def check_release_label(label: str, command: str) -> None:
    """Raise ``UsageError`` for a label that ``command`` cannot release to.

    ``prod.previous`` and ``prod.unchecked`` belong to ``prod``, and releasing to them would break rollbacks.
    """
    check_label(label)
    if not is_own(label):
        raise UsageError(
            f"{label!r} belongs to another label and moves with it",
            hint=f"{command} --label {shlex.quote(label.rpartition('.')[0] or 'prod')}",
        )

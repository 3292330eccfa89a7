"""Release labels: their names, and the labels beside them that remember their history.

The registry keeps no history of its labels. So ``prod.previous`` is kept beside ``prod``, at the version that
a rollback of ``prod`` returns to, and after a rollback ``prod.rolled-back`` at the version that it left.
"""

from __future__ import annotations

import shlex
import unicodedata

from promptsync.errors import UsageError

SUFFIX = ".previous"

ROLLED_BACK = ".rolled-back"
"""Suffix of the label that marks the highest version that was rolled back, until the next release."""

UNCHECKED = ".unchecked"
"""Suffix of the label that marks a version released before its checks passed, until they pass."""

MAX_LABEL = 255
"""Longest label, in code points, that promptsync creates; the registry's own limit is not documented."""


def previous_name(label: str) -> str | None:
    """Return the label that remembers where a rollback of ``label`` goes; such a label itself has none."""
    return None if label.endswith((SUFFIX, ROLLED_BACK, UNCHECKED)) else label + SUFFIX


def is_own(label: str) -> bool:
    """Whether a label is a release label of its own, and not one beside another one."""
    return previous_name(label) is not None


def rolled_back_name(label: str) -> str | None:
    """Return the label that remembers what was rolled back; a label beside another one has none."""
    return label + ROLLED_BACK if is_own(label) else None


def unchecked_name(label: str) -> str:
    """Return the label that marks a release under ``label`` as unchecked."""
    return label + UNCHECKED


def previous_after(old: int | None, new: int, previous: int | None) -> int | None:
    """Return where ``LABEL.previous`` belongs after the label moved from ``old`` to ``new``.

    After a move up, that is ``old``, so that a rollback returns to what was live before. After a move down it
    is never below the label, because a label at or below it is the sign of a rollback. It is not ``old``
    either, because the next rollback would release again the version that this one withdrew.
    """
    if old is None or old == new:
        return previous
    return old if new > old else max(previous or 0, new)


def rolled_back_after(old: int | None, new: int, rolled_back: int | None) -> int | None:
    """Return where ``LABEL.rolled-back`` belongs after the label moved; a release deletes it."""
    if old is None or old == new:
        return rolled_back
    return None if new > old else max(rolled_back or 0, old)


def was_rolled_back(version: int, now: int | None, previous: int | None, rolled_back: int | None) -> bool:
    """Whether a version was live and then rolled back, given where the label and those beside it point.

    After a rollback in the dashboard nothing says which version was live, so all above the label count.
    """
    if now is None or version <= now:
        return False
    if rolled_back is not None and rolled_back > now:
        return version <= rolled_back
    # A release leaves LABEL.previous below the label. Only a rollback brings the label down to it.
    return previous is not None and previous >= now


def check_label(label: str) -> None:
    """Raise ``UsageError`` for a label that cannot be seen or typed."""
    # Control, format, surrogate, private-use and separator characters do not show on a screen.
    unseen = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    if not label or label != label.strip() or any(unicodedata.category(one) in unseen for one in label):
        raise UsageError(
            f"{label!r} cannot be a label: it is blank, has blanks around it or characters that do not print",
            hint="use a word, such as prod",
        )
    if len(label) + len(ROLLED_BACK) > MAX_LABEL:
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

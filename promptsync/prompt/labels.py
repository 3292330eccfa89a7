"""Release labels: their names, and the label that remembers where a rollback goes.

The registry keeps no history of its labels. So ``prod.previous`` is kept beside ``prod``, at the version that
a rollback of ``prod`` returns to.
"""

from __future__ import annotations

import unicodedata

from promptsync.errors import UsageError

SUFFIX = ".previous"

UNCHECKED = ".unchecked"
"""Suffix of the label that marks a version released before its checks passed, until they pass."""

MAX_LABEL = 255
"""Longest label, in code points, that promptsync creates; the registry's own limit is not documented."""


def previous_name(label: str) -> str | None:
    """Return the label that remembers where a rollback of ``label`` goes; such a label itself has none."""
    return None if label.endswith((SUFFIX, UNCHECKED)) else label + SUFFIX


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


def check_label(label: str) -> None:
    """Raise ``UsageError`` for a label that cannot be seen or typed."""
    # Control, format, surrogate, private-use and separator characters do not show on a screen.
    unseen = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    if not label or label != label.strip() or any(unicodedata.category(one) in unseen for one in label):
        raise UsageError(
            f"{label!r} cannot be a label: it is blank, has blanks around it or characters that do not print",
            hint="use a word, such as prod",
        )
    if len(label) + len(SUFFIX) > MAX_LABEL:
        raise UsageError(f"a label of {len(label)} characters is too long", hint="use a word, such as prod")

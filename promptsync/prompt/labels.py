"""Release labels that are moved: which way, and what has to be remembered for the way back.

The registry keeps no history of its labels. So ``prod.previous`` is kept beside ``prod``: the version that a
rollback of ``prod`` goes to.
"""

from __future__ import annotations

import unicodedata

from promptsync.errors import UsageError

SUFFIX = ".previous"

UNCHECKED = ".unchecked"
"""Ends the label that stays on what a deploy released before it was checked, for as long as it is not."""

MAX_LABEL = 255
"""Longest label, in code points, that is used; what registries take is not documented."""


def previous_name(label: str) -> str | None:
    """Return the label that remembers the way back for ``label``; one that is kept for another has none."""
    return None if label.endswith((SUFFIX, UNCHECKED)) else label + SUFFIX


def unchecked_name(label: str) -> str:
    """Return the label that says of a release under ``label`` that it is not checked yet."""
    return label + UNCHECKED


def previous_after(old: int | None, new: int, previous: int | None) -> int | None:
    """Return where the remembering label belongs once the label went from ``old`` to ``new``.

    On the way up that is the version left behind, whoever moves the label: else a rollback would skip what
    was live before. On the way down it never stays below the label, for a label at or below it is how
    everybody sees that a release was taken back; and it is not moved up to what was taken back either, or the
    next rollback would bring that to life again.
    """
    if old is None or old == new:
        return previous
    return old if new > old else max(previous or 0, new)


def check_label(label: str) -> None:
    """Raise ``UsageError`` for a label that nobody could see or type again."""
    if not label.strip() or label != label.strip() or not all(map(_is_visible, label)):
        raise UsageError(
            f"{label!r} is no usable label: blank, padded with blanks, or with characters that do not print",
            hint="use a word such as prod",
        )
    if len(label) + len(SUFFIX) > MAX_LABEL:
        raise UsageError(f"a label of {len(label)} characters is too long", hint="use a word such as prod")


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")

"""Commit messages of published versions, and the mark at their end.

``Tighten refund tone (1a2b3c4 v5)``: the git commit that the text came from and the version's own number. It
includes the version before it; ``v5^3`` includes v3 and not v4, ``v5^4^2`` both, as a merge does, ``v5^0``
none. A ``+`` after the commit says that the text was not committed; without git there is no commit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from promptsync.errors import UsageError
from promptsync.prompt.prompt import MAX_MESSAGE

ELLIPSIS = "…"

MOST_PARENTS = 3
"""How many parents a mark can name: the newest ones where there are more."""

_MARK = re.compile(
    r"(?:^|(?<=\s))\((?:([0-9a-f]{7,40})(\+)? )?v([1-9][0-9]{0,9})((?:\^(?:0|[1-9][0-9]{0,9})){0,3})\)\s*\Z"
)
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_ZERO_WIDTH_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a message says of its version.

    ``commit`` is 7 to 40 hexadecimal digits, or ``None`` for a text that came from no git repository;
    ``dirty`` says that the text was not committed. ``parents`` are the versions that it was made from, newest
    first; none means the version before it, and 0 no version at all.
    """

    commit: str | None
    dirty: bool
    version: int
    parents: tuple[int, ...] = ()

    def __str__(self) -> str:
        origin = f"{self.commit}{'+' if self.dirty else ''} " if self.commit else ""
        return f"({origin}v{self.version}{''.join(f'^{parent}' for parent in self.parents)})"


def parse_mark(message: str | None) -> Mark | None:
    """Return the mark that ends ``message``, or ``None``."""
    found = _MARK.search(message) if message else None
    if found is None:
        return None
    commit, plus, version, parents = found.groups()
    return Mark(commit, plus is not None, int(version), tuple(map(int, parents.split("^")[1:])))


def make_mark(commit: str | None, dirty: bool, version: int, parents: Sequence[int] | None) -> Mark:
    """Return the mark of a version made from ``parents``; ``None`` means the one before it.

    ``commit`` is used as it is: abbreviate it first. Raises ``ValueError`` when it is no abbreviated commit.
    """
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise ValueError(f"{commit!r} is not an abbreviated commit")
    named = tuple(sorted(parents if parents is not None else [version - 1], reverse=True))[:MOST_PARENTS]
    if named == (version - 1,) or version == 1:
        named = ()
    elif not named:
        named = (0,)
    return Mark(commit, dirty and commit is not None, version, named)


def without_mark(message: str | None) -> str:
    """Return ``message`` as its author wrote it, ``""`` when there is nothing but a mark."""
    return _MARK.sub("", message).rstrip() if message else ""


def with_mark(subject: str, mark: Mark, *, name: str = "") -> str:
    """Return the message to publish: the subject, cut where needed, and the mark; at most 72 code points.

    Line breaks and control characters become spaces. An empty subject becomes ``Update NAME``.
    """
    text = _one_line(subject) or _one_line(f"Update {name}")
    return f"{shorten(text, MAX_MESSAGE - len(str(mark)) - 1)} {mark}"


def check_message(message: str, mark: str) -> str:
    """Return an explicit message without surrounding blanks, or raise ``UsageError`` when it cannot be used.

    ``mark`` is the one that will follow it, or as long: a message that does not fit before it is refused
    rather than cut.
    """
    text = message.strip()
    for character in text:
        if not _is_printable(character):
            raise UsageError(
                f"the commit message holds {_described(character)}; a version's message is one line of text",
                hint="give -m one line without control characters.",
            )
    room = MAX_MESSAGE - len(mark) - 1
    if len(text) > room:
        raise UsageError(
            f"the commit message has {len(text)} characters; at most {room} fit before the mark "
            f"{mark} (the registry takes {MAX_MESSAGE})",
            hint=f"make it {len(text) - room} shorter",
        )
    return text


def shorten(text: str, room: int) -> str:
    """Return ``text`` in at most ``room`` code points; what is cut ends in an ellipsis, between graphemes."""
    if len(text) <= room:
        return text
    end = max(room - len(ELLIPSIS), 0)
    while end > 0 and not _is_boundary(text, end):
        end -= 1
    # One grapheme may be longer than all the room: a stack of accents can only be cut inside.
    cut = text[: end or max(room - len(ELLIPSIS), 0)]
    return cut.rstrip() + ELLIPSIS


def _one_line(text: str) -> str:
    return " ".join("".join(c if _is_printable(c) else " " for c in text).split())


def _is_printable(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")


def _described(character: str) -> str:
    if character in "\r\n\u2028\u2029\x85":
        return "a line break"
    return f"the character U+{ord(character):04X}"


def _is_boundary(text: str, at: int) -> bool:
    """Whether a text may be cut before the code point at ``at`` without taking a character apart.

    Covers combining marks, variation selectors, joined emoji, skin tones and flags; not Hangul jamo.
    """
    before, after = text[at - 1], text[at]
    if before == _ZERO_WIDTH_JOINER or after == _ZERO_WIDTH_JOINER:
        return False
    if unicodedata.category(after) in ("Mn", "Me", "Mc") or "\U0001f3fb" <= after <= "\U0001f3ff":
        return False
    if "\U000e0020" <= after <= "\U000e007f":
        return False
    if _is_flag_half(before) and _is_flag_half(after):
        halves = len(text[:at]) - len(text[:at].rstrip("".join(map(chr, range(0x1F1E6, 0x1F200)))))
        return halves % 2 == 0
    return True


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"

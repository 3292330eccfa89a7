"""Commit messages of published versions, and the mark at their end.

``Tighten refund tone (1a2b3c4 v5)``: the git commit that the content came from and the version's own number.
A copied or restored message carries a wrong number, which tells it apart. A ``+`` after the commit says that
the content was not committed, or was forced over versions that the commit does not include; without git only
the number is there.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from promptsync.core.prompt import MAX_MESSAGE
from promptsync.errors import UsageError

ELLIPSIS = "…"

_MARK = re.compile(r"(?:^|(?<=\s))\((?:([0-9a-f]{7,40})(\+)? )?v([1-9][0-9]{0,9})\)\s*\Z")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_ZERO_WIDTH_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Mark:
    """``commit`` is 7 to 40 hexadecimal digits, or ``None`` when the content came from no git repository."""

    commit: str | None
    dirty: bool
    version: int

    def __str__(self) -> str:
        origin = f"{self.commit}{'+' if self.dirty else ''} " if self.commit else ""
        return f"({origin}v{self.version})"


def parse_mark(message: str | None) -> Mark | None:
    """Return the mark that ends ``message``, or ``None``."""
    found = _MARK.search(message) if message else None
    if found is None:
        return None
    commit, plus, version = found.groups()
    return Mark(commit, plus is not None, int(version))


def without_mark(message: str | None) -> str:
    """Return ``message`` as its author wrote it, ``""`` when there is nothing but a mark."""
    return _MARK.sub("", message).rstrip() if message else ""


def with_mark(subject: str, commit: str | None, dirty: bool, version: int, *, name: str = "") -> str:
    """Return the message to publish: the subject, cut where needed, and the mark; at most 72 code points.

    ``commit`` is taken as it is: abbreviate it before. Line breaks and control characters become spaces. An
    empty subject becomes ``Update NAME``. Raises ``ValueError`` when ``commit`` is no abbreviated commit.
    """
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise ValueError(f"{commit!r} is not an abbreviated commit")
    mark = str(Mark(commit, dirty and commit is not None, version))
    text = _one_line(subject) or _one_line(f"Update {name}")
    return f"{shorten(text, MAX_MESSAGE - len(mark) - 1)} {mark}"


def check_message(message: str, longest_mark: str) -> str:
    """Return an explicit message without surrounding blanks, or raise ``UsageError`` when it cannot be used.

    ``longest_mark`` is the longest mark that will follow it: such a message is refused rather than cut.
    """
    text = message.strip()
    for character in text:
        if not _is_printable(character):
            raise UsageError(
                f"the commit message holds {_described(character)}; a version's message is one line of text",
                hint="give -m one line without control characters.",
            )
    room = MAX_MESSAGE - len(longest_mark) - 1
    if len(text) > room:
        raise UsageError(
            f"the commit message has {len(text)} characters; at most {room} fit before the mark "
            f"{longest_mark} (the registry takes {MAX_MESSAGE})",
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

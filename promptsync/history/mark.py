"""What ties a version to a text: the mark in its commit message, and the ``synced:`` key in the file.

``Tighten refund tone (1a2b3c4 v5)`` names the git commit of the text and the version's own number. ``v5`` was
made from v4, ``v5^3`` from v3, ``v5^4^2`` from both as a merge is, and ``v5^0`` from none. A ``+`` after the
commit means that the text was not committed. Without git there is no commit.

``synced: 7-3fa9c1a`` says that a file includes version 7. The digits bind it to one prompt in one registry.
In a copied file, under another name or in another registry they do not match, and the key is void.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from promptsync.errors import UsageError
from promptsync.prompt.prompt import MAX_MESSAGE

ELLIPSIS = "…"

MOST_PARENTS = 3
"""How many parents a mark can name. If there are more, it names the newest."""

_MARK = re.compile(
    r"(?:^|(?<=\s))\((?:([0-9a-f]{7,40})(\+)? )?v([1-9][0-9]{0,9})((?:\^(?:0|[1-9][0-9]{0,9})){0,3})\)\s*\Z"
)
_KEY = re.compile(r"([1-9][0-9]{0,9})-([0-9a-f]{7})")
_DIGITS = 7


class Mark(Struct, frozen=True):
    """The end of a version's message.

    ``commit`` is 7 to 40 hexadecimal digits, ``None`` for a text that is not in a git repository. ``dirty``
    says that the text was not committed. ``parents`` are the versions that this one was made from, newest
    first; an empty tuple means the version before it, and 0 means none.
    """

    commit: str | None
    dirty: bool
    version: int
    parents: tuple[int, ...] = ()

    def __str__(self) -> str:
        origin = f"{self.commit}{'+' if self.dirty else ''} " if self.commit else ""
        return f"({origin}v{self.version}{''.join(f'^{parent}' for parent in self.parents)})"


def parse_mark(message: str | None) -> Mark | None:
    """Return the mark at the end of a message, or ``None``."""
    match = _MARK.search(message) if message else None
    if match is None:
        return None
    commit, plus, version, parents = match.groups()
    return Mark(commit, plus is not None, int(version), tuple(map(int, parents.split("^")[1:])))


def make_mark(commit: str | None, dirty: bool, version: int, parents: Sequence[int] | None) -> Mark:
    """Return the mark of a version made from ``parents``; ``None`` means the version before it.

    ``commit`` is abbreviated already.
    """
    named = tuple(sorted(parents if parents is not None else [version - 1], reverse=True))[:MOST_PARENTS]
    # The usual parent is left out, because the message has only 72 characters for text and mark.
    if named == (version - 1,) or version == 1:
        named = ()
    elif not named:
        named = (0,)
    return Mark(commit, dirty and commit is not None, version, named)


def without_mark(message: str | None) -> str:
    """Return a message as its author wrote it, ``""`` if it is only a mark."""
    return _MARK.sub("", message).rstrip() if message else ""


def with_mark(subject: str, mark: Mark, *, name: str = "") -> str:
    """Return the message to publish: the subject, shortened if necessary, and the mark.

    The result has at most 72 code points. Line breaks and control characters become spaces, and an empty
    subject becomes ``Update NAME``.
    """
    text = _one_line(subject) or _one_line(f"Update {name}")
    return f"{shorten(text, MAX_MESSAGE - len(str(mark)) - 1)} {mark}"


_LONG = Mark("1234567890", True, 99999)
"""Stands for the mark of a version while its number and commit are not known yet."""


def check_message(message: str, mark: Mark = _LONG) -> str:
    """Return a message that somebody wrote, without the blanks around it.

    Raises ``UsageError`` for a message with control characters, and for one that does not fit before
    ``mark``, which will follow it.
    """
    text = message.strip()
    if unprintable := next((character for character in text if not _is_printable(character)), ""):
        raise UsageError(
            f"the commit message contains U+{ord(unprintable):04X}; it must be one line of text",
            hint="pass -m one line without control characters",
        )
    room = MAX_MESSAGE - len(str(mark)) - 1
    if len(text) > room:
        raise UsageError(
            f"the commit message has {len(text)} characters; at most {room} fit before the mark {mark} "
            f"(the registry accepts {MAX_MESSAGE})",
            hint=f"pass -m a message that is {len(text) - room} characters shorter",
        )
    return text


def shorten(text: str, room: int) -> str:
    """Return a text in at most ``room`` code points. A cut is between words, if there are any."""
    if len(text) <= room:
        return text
    cut = text[: max(room - len(ELLIPSIS), 0)]
    if " " in cut and not text[len(cut)].isspace():
        cut = cut.rpartition(" ")[0]
    return cut.rstrip() + ELLIPSIS


class Key(Struct, frozen=True):
    """One version that a text includes."""

    version: int
    digits: str

    def __str__(self) -> str:
        return f"{self.version}-{self.digits}"

    def names(self, identity: str, digest: str) -> bool:
        """Whether this key was made for a version with this content, of the prompt with this identity."""
        return self == make_key(identity, self.version, digest)


def parse_key(text: str) -> Key | None:
    """Return the key that a text is, or ``None``."""
    match = _KEY.fullmatch(text)
    return Key(int(match[1]), match[2]) if match else None


def make_key(identity: str, version: int, digest: str) -> Key:
    """Return the key of a version; ``digest`` is that of its content."""
    digits = sha256(f"{identity} {version} {digest}".encode()).hexdigest()
    return Key(version, digits[:_DIGITS])


def identity(workspace_id: int | None, template_id: int) -> str:
    """Return what identifies one prompt in one registry."""
    return f"{workspace_id if workspace_id is not None else ''} {template_id}"


def _one_line(text: str) -> str:
    return " ".join("".join(c if _is_printable(c) else " " for c in text).split())


def _is_printable(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")

"""The ``synced:`` key of a prompt file: the versions that its text includes.

``synced: 7-3fa9c1a`` names version 7. The digits bind it to one prompt in one registry. In a copied file,
under another name or in another registry they do not match, and the key is void.
"""

from __future__ import annotations

import re
from hashlib import sha256

from msgspec import Struct

_KEY = re.compile(r"([1-9][0-9]{0,9})-([0-9a-f]{7})")
_DIGITS = 7


class Key(Struct, frozen=True):
    """One version that a text includes."""

    version: int
    digits: str

    def __str__(self) -> str:
        return f"{self.version}-{self.digits}"

    def names(self, identity: str, digest: str) -> bool:
        """Whether this key was made for a version with this content, of the prompt with this identity."""
        return self.digits == _digits(identity, self.version, digest)


def parse_key(text: str) -> Key | None:
    """Return the key that a text is, or ``None``."""
    match = _KEY.fullmatch(text)
    return Key(int(match[1]), match[2]) if match else None


def make_key(identity: str, version: int, digest: str) -> Key:
    """Return the key of a version; ``digest`` is that of its content."""
    return Key(version, _digits(identity, version, digest))


def identity(workspace_id: int | None, template_id: int) -> str:
    """Return what identifies one prompt in one registry."""
    return f"{workspace_id if workspace_id is not None else ''} {template_id}"


def _digits(identity: str, version: int, digest: str) -> str:
    return sha256(f"{identity} {version} {digest}".encode()).hexdigest()[:_DIGITS]

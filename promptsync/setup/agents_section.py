"""The section about promptsync in AGENTS.md, the file with instructions that coding agents read."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

AGENTS_FILE: Final = "AGENTS.md"

_SECTION: Final = re.compile(
    r"<!-- promptsync (\w{8}):[^\n]*\n(.*?)<!-- end of promptsync -->\r?\n?", re.DOTALL
)


def with_section(text: str, section: str) -> str:
    """Return AGENTS.md with the section: in place of an unedited one, otherwise at the end.

    An edited section stays as it is, and so does all other text. The first marker has a hash of the section
    as it was written.
    """
    marker = f"<!-- promptsync {_hash(section)}: init --agents updates this section, unless it is edited -->"
    newline = "\r\n" if "\r\n" in text else "\n"
    marked = f"{marker}\n{section}<!-- end of promptsync -->\n".replace("\n", newline)
    present = _SECTION.search(text)
    if present is not None and _hash(present[2]) == present[1]:
        return text[: present.start()] + marked + text[present.end() :]
    if "<!-- promptsync " in text:
        return text
    return text + (newline * (2 - text.endswith("\n")) if text else "") + marked


def _hash(section: str) -> str:
    # git may have changed the line endings.
    return sha256(section.replace("\r\n", "\n").encode()).hexdigest()[:8]

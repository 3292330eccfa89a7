"""Rules about what stands in a text unseen: control characters, and conflict markers that were left in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from promptsync.core.lint.subject import Subject, Text
from promptsync.core.prompt import Problem

# C0 and C1 without tab, LF, CR and NEL; zero-width blanks; bidirectional embeddings, overrides and isolates;
# invisible tags, which can carry instructions that nobody sees.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069"
    "\U000e0000-\U000e007f]"
)
_FLAG = "\U0001f3f4"
_TAGS = re.compile(f"{_FLAG}[\U000e0020-\U000e007e]+\U000e007f")
_CONFLICT = re.compile(r"^<{7}(?: .*)?\n(?s:.*?)^={7}\r?\n(?s:.*?)^>{7}(?: .*)?$", re.MULTILINE)
_START = "<<<<<<<"


def check(subject: Subject) -> Iterator[Problem]:
    """Check the texts of one file."""
    for text in subject.texts:
        # All of these are unprintable too, which is a far quicker question.
        if not text.text.replace("\n", "").isprintable():
            yield from _unseen(subject, text)
        if _START in text.text:
            yield from _conflict(subject, text)


def _unseen(subject: Subject, text: Text) -> Iterator[Problem]:
    # The flags of England, Scotland and Wales are made of tags.
    value = _TAGS.sub("", text.text) if _FLAG in text.text else text.text
    found = _UNSEEN.search(value)
    if found is None:
        return
    character = found[0]
    name = unicodedata.name(character, "control character").lower()
    count = len(_UNSEEN.findall(value))
    more = f" and {count - 1} more like it" if count > 1 else ""
    yield subject.problem(
        "control-character",
        text.path,
        f"The text holds U+{ord(character):04X} ({name}){more}: nobody sees it and a model reads it.",
        hint="Delete it, unless it is meant.",
        within=_line(value, found.start()),
    )


def _conflict(subject: Subject, text: Text) -> Iterator[Problem]:
    found = _CONFLICT.search(text.text)
    if found is not None:
        yield subject.problem(
            "conflict-markers",
            text.path,
            "The text holds the markers of a merge conflict.",
            hint="Decide between the two sides and delete the three marker lines.",
            within=_line(text.text, found.start()),
        )


def _line(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)

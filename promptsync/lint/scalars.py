"""The rule about unquoted values that YAML 1.1 converts.

It checks the values that may have any type: parameters, metadata, examples and tools. Elsewhere a wrong type
is an error when the file is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from promptsync.lint.references import Snippets
from promptsync.lint.subject import KEY, Subject, leaves
from promptsync.prompt.prompt import KeyPath, Problem

# YAML 1.1 reads 010 as 8, 1:30 as 90 and 1_000 as 1000; it reads 1e3 and 0o17 as text.
_WORDS = r"(?:yes|no|on|off)"
_OCTAL = r"[-+]?0[0-7_]+"
_SIXTIES = r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
_DATE = r"\d{4}-\d\d?-\d\d?(?:[Tt ][^\s,\]}]+)?"
_GROUPED = r"[-+]?[1-9][0-9]*_[0-9_]+"
_EXPONENT = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)[eE][-+]?\d+"
_MODERN_OCTAL = r"0o[0-7]+"

_NUMBERS = rf"{_OCTAL}|{_SIXTIES}|{_GROUPED}"
_TEXTS = rf"{_EXPONENT}|{_MODERN_OCTAL}"
_ANY = re.compile(
    rf"(?:[:,\-]\s+|\[\s*)(?:(?i:{_WORDS})|{_NUMBERS}|{_DATE}|{_TEXTS})\s*(?:[,\]}}#]|$)", re.MULTILINE
)
_KEY_BEFORE = re.compile(rf"(?:-\s+)*{KEY}")
_ITEM_BEFORE = re.compile(r"(?:-\s+)*")
_TOKEN = re.compile(rf"(?:{_DATE}|[^\s,\]}}#]+)")


def check(subject: Subject, _: Snippets) -> Iterator[Problem]:
    """Check the values that may have any type."""
    if not _ANY.search(subject.file.text):
        return
    for path, value in _free(subject):
        token = _token(subject, path) if isinstance(value, bool | int | float | str | date) else ""
        read = _surprise(token, value)
        if read:
            message = f"YAML reads {token} as {read}."
            hint = f'Write "{token}" for text, or {read.split()[-1]} if that is what you mean.'
            if isinstance(value, str):
                hint = "Write a number with a decimal point and a sign, such as 1.0e-3, or quote the text."
            yield subject.problem("yaml-scalar", path, message, hint=hint)


def _free(subject: Subject) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in subject.prompt.metadata.items():
        yield from leaves(value, ("model",) if key == "model" else ("metadata", key))
    for key in ("tools", "functions"):
        yield from leaves(subject.template.get(key), (key,))
    yield from leaves(subject.file.local.examples, ("examples",))


def _surprise(token: str, value: Any) -> str:
    """Return how YAML reads a token, if that is surprising, otherwise ``""``."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}" if re.fullmatch(_WORDS, token, re.IGNORECASE) else ""
    if isinstance(value, str):
        return "text, not as a number" if value == token and re.fullmatch(_TEXTS, token) else ""
    if isinstance(value, date):
        return f"the date {value}" if re.fullmatch(_DATE, token) else ""
    return f"the number {value}" if re.fullmatch(_NUMBERS, token) else ""


def _token(subject: Subject, path: KeyPath) -> str:
    """Return the unquoted source of a value, ``""`` when it is not on the line of its key."""
    line, column = subject.position(path)
    rest = subject.lines[line - 1][column - 1 :] if line <= len(subject.lines) else ""
    before = (_KEY_BEFORE if isinstance(path[-1], str) else _ITEM_BEFORE).match(rest)
    token = _TOKEN.match(rest, before.end() if before else 0)
    return token[0] if token else ""

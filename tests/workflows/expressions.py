"""The expressions of GitHub workflows, as far as our files use them; anything else is an error.

Equality is GitHub's: texts without case, and values of different kinds as numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:('(?:[^']|'')*')|([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(\d+)|(==|!=|&&|\|\||[!()]))"
)


@dataclass(frozen=True)
class Context:
    """What an expression can name. ``statuses`` are the functions that tell how the job goes so far."""

    values: Mapping[str, Any]
    statuses: Mapping[str, bool]


def fill(text: str, context: Context) -> str:
    """Replace every ``${{ }}`` of a text by its value."""
    return _TEMPLATE.sub(lambda found: _text(evaluate(found[1], context)), text)


def condition(text: str | None, context: Context) -> bool:
    """Tell whether a step runs; without a word on the job's status ``success()`` is part of it."""
    if text is None:
        return context.statuses["success"]
    found = _TEMPLATE.fullmatch(text.strip())
    inner = found[1] if found else text
    asks = any(f"{name}()" in inner for name in context.statuses)
    return _true(evaluate(inner, context)) and (asks or context.statuses["success"])


def evaluate(text: str, context: Context) -> Any:
    """Return the value of an expression."""
    tokens = _tokens(text)
    parser = _Parser(tokens, context)
    value = parser.either()
    assert parser.at == len(tokens), f"cannot read {text!r}"
    return value


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None, f"cannot read {text[at:]!r}"
        kinds = zip(("text", "name", "number", "sign"), match.groups(), strict=True)
        found.append(next((kind, value) for kind, value in kinds if value is not None))
        at = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], context: Context) -> None:
        self.tokens = tokens
        self.context = context
        self.at = 0

    def _next(self, *signs: str) -> str:
        kind, value = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind == "sign" and value in signs:
            self.at += 1
            return value
        return ""

    def either(self) -> Any:
        value = self.both()
        while self._next("||"):
            other = self.both()
            value = value if _true(value) else other
        return value

    def both(self) -> Any:
        value = self.equal()
        while self._next("&&"):
            other = self.equal()
            value = other if _true(value) else value
        return value

    def equal(self) -> Any:
        value = self.one()
        while sign := self._next("==", "!="):
            value = _equal(value, self.one()) == (sign == "==")
        return value

    def one(self) -> Any:
        if self._next("!"):
            return not _true(self.one())
        if self._next("("):
            value = self.either()
            assert self._next(")"), "a bracket is not closed"
            return value
        kind, value = self.tokens[self.at]
        self.at += 1
        readers: dict[str, Callable[[str], Any]] = {
            "text": lambda text: text[1:-1].replace("''", "'"),
            "number": int,
            "name": self._name,
        }
        return readers[kind](value)

    def _name(self, name: str) -> Any:
        if self._next("("):
            assert self._next(")"), f"{name} takes no arguments"
            return self.context.statuses[name]
        if name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[name]
        first, *path = name.split(".")
        value = self.context.values[first]
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def _true(value: Any) -> bool:
    return value not in (None, False, 0, "")


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    return bool(left == right) if type(left) is type(right) else _number(left) == _number(right)


def _number(value: Any) -> float:
    if value is None or value == "":
        return 0.0
    try:
        return float(value)
    except ValueError:
        return math.nan


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

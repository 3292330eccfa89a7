"""The expressions of GitHub workflows, as far as our files use them, read as Python.

Texts are equal without case, and what does not exist is an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z_][\w-]*(?:\.(?:[A-Za-z_][\w-]*|\*))*)(\(\)?)?|&&|\|\||!(?!=)")
_SIGNS = {"&&": " and ", "||": " or ", "!": " not "}


class _Text(str):
    """A text that equals another one without case."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.lower() == other.lower()

    def __ne__(self, other: object) -> bool:
        return not self == other


@dataclass(frozen=True)
class Context:
    """What an expression can name. ``statuses`` are the functions that tell how the job goes so far."""

    values: Mapping[str, Any]
    statuses: Mapping[str, bool]


def fill(text: str, context: Context) -> str:
    """Replace every ``${{ }}`` of a text by its value."""

    def filled(match: re.Match[str]) -> str:
        value = evaluate(match[1], context)
        return str(value).lower() if isinstance(value, bool) else str(value)

    return _TEMPLATE.sub(filled, text)


def condition(text: str | None, context: Context) -> bool:
    """Tell whether a step runs; without a word on the job's status ``success()`` is part of it."""
    if text is None:
        return context.statuses["success"]
    template = _TEMPLATE.fullmatch(text.strip())
    inner = template[1] if template else text
    asks = any(f"{name}()" in inner for name in context.statuses)
    return bool(evaluate(inner, context)) and (asks or context.statuses["success"])


def evaluate(text: str, context: Context) -> Any:
    """Return the value of an expression. Raises ``SyntaxError`` for anything that our files do not use."""

    def python(token: re.Match[str]) -> str:
        literal, name, is_call = token.groups()
        if literal is not None:
            return f"text({literal.replace(chr(39) * 2, chr(39))!r})"
        if name is None:
            return _SIGNS[token[0]]
        if is_call == "(":
            return f"{name}("
        return f"{'status' if is_call else 'value'}({name!r})"

    def value(name: str) -> Any:
        if name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": _Text()}[name]
        first, *path = name.split(".")
        found = context.values[first]
        for part in path:
            if part == "*":
                found = found or []
            elif isinstance(found, list):
                found = [item.get(part) for item in found]
            else:
                found = found.get(part) if isinstance(found, Mapping) else None
        return _Text(found or "") if found is None or isinstance(found, str) else found

    names = {
        "text": _Text,
        "value": value,
        "status": lambda name: context.statuses[name],
        "contains": lambda values, wanted: wanted in values,
    }
    return eval(_TOKEN.sub(python, text).strip(), {"__builtins__": {}}, names)

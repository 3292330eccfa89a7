"""The registry's default template format: ``str.format`` with plain names and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from promptsync.prompt import jinja

_BRACES = re.compile(r"\{\{|\}\}|[{}]")
_BRACE = re.compile(r"[{}]")


def names(text: str) -> set[str]:
    """The fields of ``text``, whole: ``{ x }`` is `` x ``. Raises ``ValueError`` for unbalanced braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def render(text: str, values: Mapping[str, Any]) -> tuple[str, set[str]]:
    """The rendered text and the names without a value, which become empty as ``None`` does.

    Raises ``ValueError`` or whatever a value's own formatting raises when the text cannot be rendered.
    """
    if "{" not in text and "}" not in text:
        return text, set()
    used = names(text)
    given = {name: "" if values.get(name) is None else values[name] for name in used}
    return _Fields().vformat(text, (), given), {name for name in used if name not in values}


def error(text: str) -> tuple[str, int, int] | None:
    """Why no values can make ``text`` render, with line and column from 1, or ``None``."""
    reason = _reason(text)
    if reason is None:
        return None
    offset = _offset(text)
    return reason, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class _Fields(Formatter):
    size = 0

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        _check_name(field_name)
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        jinja.check_spec(format_spec)
        formatted: str = format(value, format_spec)
        self.size += len(formatted)
        jinja.check_size(self.size)
        return formatted


def _check_name(name: str) -> None:
    if not name or name.isdigit():
        raise ValueError("a positional field, {} or {0}, names no variable")
    if "." in name or "[" in name:
        raise ValueError(
            f"the field {{{name}}} reaches into a value; f-string templates take plain names only"
        )


def _reason(text: str) -> str | None:
    try:
        for _, name, _, conversion in Formatter().parse(text):
            if name is not None:
                _check_name(name)
            if conversion not in (None, "r", "s", "a"):
                return f"unknown conversion !{conversion}"
    except ValueError as problem:
        return str(problem)
    return None


def _offset(text: str) -> int:
    """Where the first thing stands that cannot be rendered, which the parser itself does not tell."""
    position = 0
    while found := _BRACES.search(text, position):
        start, position = found.span()
        if found[0] == "}":
            return start
        if found[0] == "{":
            position = _field_end(text, start)
            if position == -1 or _reason(text[start:position]) is not None:
                return start
    return 0


def _field_end(text: str, start: int) -> int:
    depth = 0
    for found in _BRACE.finditer(text, start):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.end()
    return -1

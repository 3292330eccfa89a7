"""Scoring an output: one yes or no for each kind of check."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from promptsync.prompt.template import syntax_error
from promptsync.prompt.texts import JINJA2
from promptsync.rendering.engine import render_text

KINDS = ("contains", "equals", "not_contains", "regex", "json_valid", "max_length")


def text_problem(kind: str, text: Any) -> str | None:
    """Return why a check of ``kind`` cannot compare with ``text``, or ``None``."""
    if not isinstance(text, str):
        return None
    error = syntax_error(text, JINJA2)
    if error is not None:
        return f"{kind}: {error[0]}"
    # A pattern with jinja2 markup is known only once it is rendered for a row.
    if kind == "regex" and "{{" not in text and "{%" not in text:
        try:
            re.compile(text)
        except re.error as problem:
            return f"regex: {problem}"
    return None


def passes(kind: str, value: Any, row: Mapping[str, Any], output: str) -> bool:
    """Return whether ``output`` passes; a text to compare with is a jinja2 template over the row.

    Raises ``ValueError`` if the text cannot be rendered or is not a regular expression.
    """
    if kind == "json_valid":
        return _is_json(output) is value
    if kind == "max_length":
        return bool(len(output) <= value)
    rendered = render_text(value, JINJA2, row)
    if rendered.error:
        raise ValueError(f"{kind}: {rendered.error}")
    return _COMPARE[kind](rendered.text, output)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _matches(pattern: str, output: str) -> bool:
    try:
        return re.search(pattern, output) is not None
    except re.error as error:
        raise ValueError(f"regex: {error}") from error


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda wanted, output: wanted in output,
    "equals": lambda wanted, output: wanted == output,
    "not_contains": lambda wanted, output: wanted not in output,
    "regex": _matches,
}

"""Scoring an output: one yes or no for each kind of check."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from promptsync.prompt.template import syntax_error
from promptsync.prompt.texts import JINJA2
from promptsync.rendering.engine import render_text
from promptsync.server.checks.runs import StepCell


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


def scored(configuration: Mapping[str, Any], row: Mapping[str, Any], output: str) -> StepCell:
    """Return whether ``output`` passes; a text to compare with is a jinja2 template over the row."""
    ((kind, value),) = configuration.items()
    if kind == "max_length":
        return StepCell(len(output) <= value)
    if kind == "json_valid":
        return StepCell(_is_json(output) is value)
    rendered = render_text(value, JINJA2, row)
    if rendered.error:
        return StepCell(error=f"{kind}: {rendered.error}")
    text = rendered.text
    if kind == "regex":
        try:
            return StepCell(re.search(text, output) is not None)
        except re.error as error:
            return StepCell(error=f"regex: {error}")
    return StepCell(text == output if kind == "equals" else (text in output) is (kind == "contains"))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True

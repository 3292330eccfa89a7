"""Values of variables as verbs take them: ``--var`` and ``--vars``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from promptsync.commands.common.session import Session
from promptsync.errors import UsageError


def variable_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--var``, whose values come as the argument ``given``."""
    found: Callable[..., Any] = click.option(
        "--var",
        "given",
        metavar="NAME=TEXT",
        multiple=True,
        help="Value of a variable, as text; NAME:=JSON for a number, a list or an object. Repeatable.",
    )(function)
    return found


def variables_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--vars``, whose value comes as the argument ``source``."""
    found: Callable[..., Any] = click.option(
        "--vars",
        "source",
        metavar="FILE",
        help="Values from a YAML or JSON file, - for stdin; --var beats it.",
    )(function)
    return found


def variables(session: Session, given: tuple[str, ...], source: str | None = None) -> dict[str, Any]:
    """Return the values that ``--vars`` and ``--var`` give. Raises ``UsageError`` for what is no value."""
    return {**_from_file(session, source), **dict(map(_assignment, given))}


def _assignment(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name.removesuffix(":"):
        raise UsageError(f"--var {text} is not of the form NAME=TEXT", hint="write --var question='Hello'")
    if not name.endswith(":"):
        return name, value
    try:
        return name.removesuffix(":"), json.loads(value)
    except (ValueError, RecursionError):
        raise UsageError(
            f"--var {text}: what follows := is not JSON", hint="write NAME=TEXT to give the text itself"
        ) from None


def _from_file(session: Session, source: str | None) -> Mapping[str, Any]:
    from promptsync.files import yamlio

    if source is None:
        return {}
    shown = "stdin" if source == "-" else source
    try:
        data = sys.stdin.buffer.read() if source == "-" else (session.directory / source).read_bytes()
    except OSError as error:
        raise UsageError(f"--vars {source} cannot be read: {error.strerror}") from None
    try:
        values = json.loads(data)  # JSON may hold tabs, which YAML refuses
    except (ValueError, RecursionError):
        values = yamlio.load(data, shown).value
    if values is not None and not isinstance(values, dict):
        raise UsageError(
            f"--vars {source} holds no mapping", hint="write one variable a line: question: Hello"
        )
    return values or {}

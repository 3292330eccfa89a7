"""Options that several verbs share."""

from __future__ import annotations

import functools
import json
import math
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from promptsync.commands.shared.groups import Decorator, option, together
from promptsync.commands.shared.session import Session
from promptsync.errors import UsageError
from promptsync.files.yaml import load
from promptsync.project.target import At, version_number
from promptsync.prompt.bundle import Bundle, decode
from promptsync.prompt.limits import checked_depth
from promptsync.prompt.names import SUFFIXES


class _NumberRange(click.FloatRange):
    """A range without NaN, which is never below a limit."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


SCORE = _NumberRange(0, 100)
"""The type of a score, or of a difference of two."""

SECONDS = _NumberRange(min=0, min_open=True)
"""The type of a time limit."""


def check_apart(*options: tuple[str, object]) -> None:
    """Raise ``UsageError`` if two of these options are set, each with its value."""
    used = [name for name, value in options if value not in (None, False, ())]
    if len(used) > 1:
        raise UsageError(f"{used[0]} and {used[1]} cannot be combined", hint="remove one of the two")


def format_option(*forms: str) -> Decorator:
    """Add ``--format`` with text, json and these forms."""
    shown = click.Choice(["text", "json", *forms])
    return option("--format form", None, "Output format (default: text).", type=shown, in_session=True)


class VersionNumber(click.ParamType[int]):
    """The number of a version, as ``7`` or ``v7``."""

    name = "version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = value if isinstance(value, int) else version_number(value)
        if not number:
            self.fail(f"{value!r} is not the number of a version, such as 7", param, ctx)
        return number


def listen_options(port: int) -> Decorator:
    """Add ``--host`` and ``--port``, by default ``port`` on this machine."""
    shown, help_of_port = {"show_default": True}, "Port to listen on; 0 picks a free one."
    return together(
        option("--host", "HOST", "Address to listen on.", default="127.0.0.1", **shown),
        option("--port", "PORT", help_of_port, default=port, type=click.IntRange(0, 65535), **shown),
    )


message_option = option(
    "-m --message", "TEXT", "Message of the new versions (default: the commit's subject)."
)
release_label_option = option(
    "--label", "LABEL", "The release label (default: the one for this branch in labels:)."
)
timeout_option = option("--timeout", "SECONDS", "Stop waiting after SECONDS.", type=SECONDS)


def version_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--version`` (or ``--to``) and ``--label``; they arrive as the argument ``at``."""

    @functools.wraps(function)
    def run(*arguments: Any, version: int | None, label: str | None, **options: Any) -> Any:
        check_apart(("--version", version), ("--label", label))
        return function(*arguments, at=At(version, label), **options)

    return together(
        option("--version --to", "N", "Version N, as NAME@N.", type=VersionNumber()),
        option("--label", "LABEL", "The version that LABEL points at, as NAME:LABEL."),
    )(run)


variable_options = together(
    option(
        "--var assignments",
        "NAME=TEXT",
        "Set a variable to a text, or to JSON with NAME:=JSON. Repeatable.",
        multiple=True,
    ),
    option(
        "--vars source",
        "FILE",
        "Read variables from a YAML or JSON file (- is stdin); --var takes precedence.",
    ),
)
"""Adds ``--var`` and ``--vars``, whose values arrive as ``assignments`` and ``source``: see ``variables``."""


def variables(session: Session, assignments: tuple[str, ...], source: str | None = None) -> dict[str, Any]:
    """Return the values from ``--vars`` and ``--var``. Raises ``UsageError`` for a malformed one."""
    return {**_from_file(session, source), **dict(map(_assignment, assignments))}


def given_bytes(session: Session, source: str) -> bytes:
    """Return the contents of a file of the command line; ``-`` is stdin.

    Raises ``InvalidFile`` if they are too large, and ``UsageError`` if there is no such file.
    """
    try:
        if source == "-":
            return load.read(sys.stdin.buffer, "stdin")
        with (session.directory / source).open("rb") as file:
            return load.read(file, source)
    except (OSError, ValueError) as error:  # ValueError is for a path with a NUL byte
        why = getattr(error, "strerror", None) or error
        hint = "check the path, or use - for stdin"
        raise UsageError(f"cannot read {source}: {why}", hint=hint) from None


def read_bundle(session: Session, file: str) -> Bundle:
    """Return the bundle in a file. Raises ``UsageError`` if it is none, and ``Refused`` if it was edited."""
    try:
        return decode((session.directory / file).read_bytes(), file)
    except OSError as error:
        again = f"promptsync bundle -o {shlex.quote(file)}"
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=again) from None
    except ValueError as error:
        # A command that writes a bundle there could replace any other file.
        raise UsageError(str(error), hint="promptsync help bundle", code="bundle") from None


def writable(session: Session, option: str, file: str | None) -> Path | None:
    """Return the path of an option's file, relative to the directory of the session, ``None`` without one.

    Creates its parent directories. Raises ``UsageError`` if it cannot be written, or if it is a YAML file, as
    prompts, evaluations and the configuration are.
    """
    if file is None:
        return None
    path = session.directory / file
    try:
        if path.name.endswith(SUFFIXES) and path.exists():
            raise FileExistsError(0, "it is a YAML file that would be replaced")
        if not file or path.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Try to write now: a run may take long, and its results must not be lost for want of permission.
        with path.open("ab") if path.exists() else tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        what = f"{option}: cannot write {file}: {error.strerror}; nothing was run"
        raise UsageError(what, hint="choose another file") from None
    return path


def _assignment(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name.removesuffix(":"):
        raise UsageError(f"--var {text} is not of the form NAME=TEXT", hint="--var question='Hello'")
    if not name.endswith(":"):
        return name, value
    try:
        return name.removesuffix(":"), checked_depth(json.loads(value))
    except (ValueError, RecursionError):
        what = f"--var {text}: the value after := is not JSON"
        raise UsageError(what, hint="write NAME=TEXT to pass it as text") from None


def _from_file(session: Session, source: str | None) -> Mapping[str, Any]:
    if source is None:
        return {}
    shown = "stdin" if source == "-" else source
    data = given_bytes(session, source)
    try:
        values = checked_depth(json.loads(data))  # JSON may contain tabs, which YAML rejects
    except (ValueError, RecursionError):
        values = load.load(data, shown).value
    if values is not None and not isinstance(values, dict):
        hint = "write one variable per line: question: Hello"
        raise UsageError(f"--vars {source} is not a mapping", hint=hint)
    return values or {}

"""``--format``: the other forms of an answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from promptsync.checks.outcome import INTERRUPTED
from promptsync.checks.wait import Patience
from promptsync.commands.shared.session import Session
from promptsync.errors import PromptsyncError, UsageError
from promptsync.show.outcome import Outcome


def format_option(*forms: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--format`` with text, json and these forms; give its value to ``choose_format``."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", *forms]),
        help="How to show it (default: text).",
    )


def choose_format(session: Session, form: str | None) -> str:
    """Return the form to show the answer in. Raises ``UsageError`` where ``--json`` says otherwise.

    A verb that fails then says so in that form, too.
    """
    if session.json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} exclude each other", hint="leave one of them out")
    session.json = session.json or form == "json"
    session.form = form or "text"
    return session.form


_MOMENTS = ("created_after", "created_before", "updated_after", "updated_before")


def _moment(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise UsageError(
            f"{parameter.opts[0]} {value} is no date",
            hint="write it as 2026-01-31 or 2026-01-31T12:00:00Z",
        ) from None
    return value


def _moments() -> list[Callable[[Any], Any]]:
    return [
        click.option(
            f"--{name.replace('_', '-')}", metavar="DATE", callback=_moment, help=f"{name.replace('_', ' ')}."
        )
        for name in _MOMENTS
    ]


_COMMON: tuple[Callable[[Any], Any], ...] = (
    click.option("--created-by-email", metavar="EMAIL", help="Of this creator."),
    *_moments(),
    click.option("--external-source", metavar="SOURCE", help="With --external-id: what the id belongs to."),
    click.option("--external-id", metavar="ID", help="With --external-source."),
    click.option(
        "--sort-by",
        type=click.Choice(["created_at", "updated_at", "name", "id"]),
        help="Order (default: created_at).",
    ),
    click.option("--sort-order", type=click.Choice(["asc", "desc"]), help="Direction (default: desc)."),
)
_NAMED: tuple[Callable[[Any], Any], ...] = (
    click.option("--name", metavar="TEXT", help="Names that contain TEXT."),
    click.option(
        "--status", type=click.Choice(["active", "deleted", "all"]), help="Which (default: active)."
    ),
    click.option("--workspace-id", metavar="ID", type=click.IntRange(1), help="Of this workspace."),
)


def list_filters(*, named: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the documented filters as options; ``named`` adds those of lists that take a name and a status."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed((*(_NAMED if named else ()), *_COMMON)):
            function = option(function)
        return function

    return add


def checked_filters(filters: Mapping[str, object]) -> Mapping[str, object]:
    """The filters, which must not contradict one another."""
    if (filters.get("external_source") is None) != (filters.get("external_id") is None):
        raise UsageError(
            "--external-source and --external-id are only given together", hint="add the other one"
        )
    return filters


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
    from promptsync.files.yaml import load

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
        values = load.load(data, shown).value
    if values is not None and not isinstance(values, dict):
        raise UsageError(
            f"--vars {source} holds no mapping", hint="write one variable a line: question: Hello"
        )
    return values or {}


def waiting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--no-wait`` and ``--timeout``."""
    timeout = click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help=f"Stop waiting after SECONDS, with exit code 1 (default: {Patience().timeout:g}).",
    )
    no_wait = click.option("--no-wait", is_flag=True, help="Start only; do not wait for the result.")
    found: Callable[..., Any] = no_wait(timeout(function))
    return found


def patience_of(no_wait: bool, timeout: float | None) -> Patience | None:
    """How long to wait, ``None`` for not at all."""
    if no_wait and timeout is not None:
        raise UsageError("--no-wait and --timeout exclude each other", hint="leave one of them out")
    if no_wait:
        return None
    return Patience() if timeout is None else Patience(timeout)


def interrupted(lines: Sequence[str], body: Mapping[str, Any], still_running: Sequence[str]) -> Outcome:
    """The outcome of a run that Ctrl-C cut short; ``still_running`` says what goes on, and how to see it."""
    error = PromptsyncError(
        "interrupted; what was started goes on in the registry" if still_running else "interrupted",
        details=still_running,
        code="interrupted",
    )
    error.exit_code = INTERRUPTED
    return Outcome(lines, body, INTERRUPTED, error)

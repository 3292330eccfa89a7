"""What ``eval run`` and ``agent run`` share: the options for waiting, and the note that Ctrl-C leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from promptsync.checks.outcome import INTERRUPTED
from promptsync.checks.waiting import Patience
from promptsync.commands.common.session import Outcome
from promptsync.errors import PromptsyncError, UsageError


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

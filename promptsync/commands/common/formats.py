"""``--format``: the other forms of an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from promptsync.commands.common.session import Session
from promptsync.errors import UsageError


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

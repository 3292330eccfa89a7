"""``--since REF``, and what it is when nobody gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from promptsync.commands.session import Session

_OPTION = click.option(
    "--since",
    metavar="REF",
    help="Compare with REF: origin/main, a commit, or origin/main... for where this branch left it "
    "(default: in GitHub Actions the base of the pull request or what was there before the push, else HEAD).",
)


def since_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--since REF``; give its value to ``resolve_since``."""
    return _OPTION(function)


def resolve_since(session: Session, since: str | None) -> str | None:
    """Return what ``changed_since`` takes: the flag, else what GitHub's event says, else ``None``."""
    raise NotImplementedError

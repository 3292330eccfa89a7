"""The filters and the order that the lists of datasets, evaluations and agents share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import click

from promptsync.errors import UsageError

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


def checked(filters: Mapping[str, object]) -> Mapping[str, object]:
    """The filters, which must not contradict one another."""
    if (filters.get("external_source") is None) != (filters.get("external_id") is None):
        raise UsageError(
            "--external-source and --external-id are only given together", hint="add the other one"
        )
    return filters

"""Timestamps as the registry writes them: ISO 8601 in UTC, of one width, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime

_MILLISECONDS = 1e11


def now() -> str:
    """The present moment."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """``moment`` as text; one without a zone is taken as UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse(value: str | int | float) -> str:
    """The timestamp for ISO text or seconds since 1970; raises ``ValueError`` when it is neither.

    A number that would be thousands of years away counts milliseconds, as JavaScript does.
    """
    if isinstance(value, str):
        try:
            return stamp(datetime.fromisoformat(value))
        except OverflowError as error:
            raise ValueError(str(error)) from error
    try:
        return stamp(datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC))
    except (OverflowError, OSError) as error:
        raise ValueError(str(error)) from error

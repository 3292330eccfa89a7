"""Timestamps as the registry writes them: ISO 8601 in UTC, all of one width, so that they sort as text."""

from __future__ import annotations

from datetime import UTC, datetime

# As seconds, this is in the year 5138; as milliseconds, in 1973.
_MILLISECONDS = 1e11


def now() -> str:
    """Return the current time as a timestamp."""
    return _stamp(datetime.now(UTC))


def parse(value: str | float) -> str:
    """Return the timestamp for ISO text or for seconds since 1970; raises ``ValueError`` for anything else.

    A number that would lie thousands of years ahead counts milliseconds, as JavaScript does.
    """
    try:
        if isinstance(value, str):
            return _stamp(datetime.fromisoformat(value))
        return _stamp(datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS else value, UTC))
    except (OverflowError, OSError) as error:
        raise ValueError(str(error)) from error


def _stamp(moment: datetime) -> str:
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="microseconds").replace("+00:00", "Z")

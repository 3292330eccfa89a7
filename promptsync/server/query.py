"""Query parameters as typed values; whatever cannot be read is a 422 that names the parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptsync.server import clock
from promptsync.server.errors import invalid
from promptsync.server.http import MAX_INTEGER

Query = Mapping[str, list[str]]

MAX_PER_PAGE = 100


def text(query: Query, name: str) -> str | None:
    """The last value of ``name``, ``None`` when it is absent or empty."""
    values = query.get(name)
    return values[-1] if values and values[-1] else None


def texts(query: Query, name: str) -> list[str]:
    """Every value of a repeated, or ``name[]``, parameter, without empty ones."""
    return [value for key in (name, f"{name}[]") for value in query.get(key, ()) if value]


def integer(query: Query, name: str, default: int | None = None, minimum: int = 1) -> int | None:
    """An integer of at least ``minimum``, or ``default``."""
    value = text(query, name)
    if value is None:
        return default
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18 or int(value) < minimum:
        raise invalid(f"{name} has to be an integer of at least {minimum}.", "query", name, kind="type_error")
    return min(int(value), MAX_INTEGER)


def boolean(query: Query, name: str) -> bool | None:
    """``true`` or ``false`` in the usual spellings, ``None`` when absent."""
    value = text(query, name)
    if value is None:
        return None
    if value.lower() in ("true", "1", "yes", "on"):
        return True
    if value.lower() in ("false", "0", "no", "off"):
        return False
    raise invalid(f"{name} has to be true or false.", "query", name, kind="type_error.bool")


def choice(query: Query, name: str, choices: tuple[str, ...], default: str) -> str:
    """One of ``choices``."""
    value = text(query, name) or default
    if value not in choices:
        raise invalid(f"{name} has to be one of {', '.join(choices)}.", "query", name, kind="type_error.enum")
    return value


def moment(query: Query, name: str) -> str | None:
    """A date-time as a timestamp of the database, ``None`` when absent."""
    value = text(query, name)
    if value is None:
        return None
    try:
        # A plus sign that was not encoded arrives as a blank.
        return clock.parse(value.replace(" ", "+") if "T" in value else value)
    except ValueError as error:
        raise invalid(f"{name} has to be an ISO 8601 date-time.", "query", name, kind="type_error") from error


@dataclass(frozen=True, slots=True)
class Page:
    """Which slice of a list is asked for; pages count from 1."""

    page: int
    per_page: int

    @property
    def window(self) -> tuple[int, int]:
        """Limit and offset."""
        return self.per_page, min((self.page - 1) * self.per_page, MAX_INTEGER)

    def numbers(self, total: int) -> dict[str, int]:
        """The counting keys that every list carries."""
        pages = -(-total // self.per_page)
        return {"page": self.page, "per_page": self.per_page, "total": total, "pages": pages}

    def neighbours(self, total: int) -> dict[str, Any]:
        """The keys about the pages before and after, null at the ends as recorded."""
        pages = -(-total // self.per_page)
        has_next, has_prev = self.page < pages, self.page > 1
        return {
            "has_next": has_next,
            "has_prev": has_prev,
            "next_num": self.page + 1 if has_next else None,
            "prev_num": self.page - 1 if has_prev else None,
        }


def page(query: Query, per_page: int) -> Page:
    """The page asked for, ``per_page`` items long unless the request says otherwise, and never over 100."""
    number = integer(query, "page", 1) or 1
    size = integer(query, "per_page", per_page) or per_page
    return Page(number, min(size, MAX_PER_PAGE))

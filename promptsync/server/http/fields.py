"""Parameters and fields as typed values; whatever does not fit is an error that names it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from promptsync.server.http.answer import ApiError, invalid, malformed
from promptsync.server.store.database import MAX_INTEGER

Shape = TypeVar("Shape", bound=msgspec.Struct)

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]

_MISSING = re.compile(r"Object missing required field `([^`]*)`?")


def read_id(text: str) -> int | None:
    """Return the number that ``text`` writes in ASCII digits, ``None`` if it does not."""
    # 18 digits always fit into an integer of SQLite.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def checked(
    value: Any,
    shape: type[Shape],
    where: str = "",
    *,
    status: int = 400,
    part: str = "body",
    strict: bool = True,
) -> Shape:
    """Return ``value`` as a ``shape``, whose keys may be fewer than those of ``value``.

    An error has ``status`` and the path of what does not fit, below ``where`` in the ``part`` of the request.
    """
    try:
        return msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        problem, _, below = str(error).removesuffix("`").partition(" - at `$")
        if missing := _MISSING.fullmatch(problem):
            below, problem = f"{below}.{missing[1]}", "required"
        path = f"{where}{below}".strip(".")
        message = f"{path or part}: {problem[:1].lower()}{problem[1:]}.".replace("`", "")
        names = re.findall(r"[^.\[\]]+", path)
        raise malformed(message) if status == 400 else invalid(message, part, *names) from None


class Fields:
    """The fields of a JSON object.

    A field that is absent or null is missing: ``None``, except where a method demands it. ``where`` is the
    place of the object in the body, put before the field's name in errors; ``status`` is their status.
    """

    def __init__(self, values: Mapping[str, Any], where: str = "", *, status: int = 400) -> None:
        self.values = values
        self._where = where
        self._status = status

    def get(self, name: str) -> Any:
        """Return the value of ``name`` as it was sent."""
        return self.values.get(name)

    def text(self, name: str, *, least: int = 0, most: int | None = None) -> str:
        """Return a string of ``least`` to ``most`` characters."""
        value = self.get(name)
        if not is_text(value, least, most):
            raise self.fault(name, f"must be {_a_text(least, most)}")
        return str(value)

    def optional_text(self, name: str, *, least: int = 0, most: int | None = None) -> str | None:
        """Return what ``text`` does, or ``None``."""
        return None if self.get(name) is None else self.text(name, least=least, most=most)

    def texts(self, name: str, *, least: int = 0, most: int | None = None) -> list[str] | None:
        """Return a list of strings, each once."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(is_text(item, least, most) for item in value):
            raise self.fault(name, f"must be a list, each item {_a_text(least, most)}")
        return list(dict.fromkeys(value))

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """Return one of ``choices``, or ``None``."""
        value = self.optional_text(name)
        if value is not None and value not in choices:
            raise self.fault(name, f"must be one of {', '.join(choices)}")
        return value

    def integer(self, name: str, least: int, most: int) -> int:
        """Return an integer from ``least`` to ``most``."""
        value = self.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            rule = "a positive integer" if most == MAX_INTEGER else f"an integer from {least} to {most}"
            raise self.fault(name, f"must be {rule}")
        return value

    def id(self, name: str) -> int:
        """Return a positive integer."""
        return self.integer(name, 1, MAX_INTEGER)

    def optional_id(self, name: str) -> int | None:
        """Return a positive integer, or ``None``."""
        return None if self.get(name) is None else self.id(name)

    def flag(self, name: str) -> bool:
        """Return true or false; a missing field is false."""
        value = False if self.get(name) is None else self.get(name)
        if not isinstance(value, bool):
            raise self.fault(name, "must be true or false")
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """Return an object."""
        value = self.get(name)
        if not isinstance(value, dict | None):
            raise self.fault(name, "must be an object")
        return value

    def string_map(self, name: str, *, longest_key: int | None = None) -> dict[str, str]:
        """Return an object whose values are strings."""
        found = self.object(name) or {}
        for key, value in found.items():
            if not isinstance(value, str) or not is_text(key, 0, longest_key):
                raise self.fault(name, f"must map {_a_text(0, longest_key)} to a string")
        return found

    def objects(self, name: str) -> Iterator[Fields]:
        """Yield the objects of a list, each with its place; nothing for a missing field."""
        value = self.get(name)
        if not isinstance(value, list | None):
            raise self.fault(name, "must be a list")
        for index, item in enumerate(value or ()):
            if not isinstance(item, Mapping):
                raise self.fault(f"{name}[{index}]", "must be an object")
            yield self.within(f"{name}[{index}]", item)

    def within(self, name: str, value: Mapping[str, Any]) -> Fields:
        """Return the fields of the object ``value``, which field ``name`` holds."""
        return Fields(value, f"{self._where}{name}.", status=self._status)

    def version(self) -> tuple[int | None, str | None]:
        """Return ``version`` and ``label``."""
        return self.optional_id("version"), self.optional_text("label")

    def fault(self, name: str, rule: str) -> ApiError:
        """Return the error that field ``name`` breaks ``rule``."""
        message = f"{self._where}{name} {rule}."
        return malformed(message) if self._status == 400 else invalid(message, "body", name)


def is_text(value: Any, least: int = 0, most: int | None = None) -> bool:
    """Return whether ``value`` is a string of ``least`` to ``most`` characters."""
    return isinstance(value, str) and least <= len(value) and (most is None or len(value) <= most)


def _a_text(least: int, most: int | None) -> str:
    if most is not None:
        return f"a string of {least} to {most} characters"
    return "a string that is not empty" if least else "a string"

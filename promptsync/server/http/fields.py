"""Parameters and fields as typed values; whatever does not fit is an error that names it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

from promptsync.server.http.answer import invalid, malformed
from promptsync.server.store.database import MAX_INTEGER

Shape = TypeVar("Shape", bound=msgspec.Struct)

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
RowIndex = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]

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
        if problem.startswith("Invalid enum value"):
            choices = _choices(shape, re.findall(r"\.(\w+)", below))
            problem = f"expected one of {', '.join(choices)}, got{problem.partition('value')[2]}"
        path = f"{where}{below}".strip(".")
        message = f"{path or part}: {problem[:1].lower()}{problem[1:]}.".replace("`", "")
        names = re.findall(r"[^.\[\]]+", path)
        raise malformed(message) if status == 400 else invalid(message, part, *names) from None


def _choices(kind: Any, names: list[str]) -> list[str]:
    """Return the texts that the type ``kind`` allows at the path ``names``."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        return _choices(types[names[0]], names[1:]) if names else []
    return [choice for part in get_args(kind) for choice in _choices(part, names)]

"""Requests that applications log: read and validated before they are sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from msgspec.structs import replace

from promptsync.errors import Incomplete
from promptsync.files import schema
from promptsync.files.errors import InvalidFile
from promptsync.files.yaml import load
from promptsync.files.yaml.load import Loaded
from promptsync.files.yaml.syntax import NESTING
from promptsync.prompt.limits import checked_depth
from promptsync.prompt.prompt import Problem
from promptsync.registry.errors import FateUnknown

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_TIMES: Final = ("request_start_time", "request_end_time")

_ONLY_WARNING: Final = frozenset({"PROVIDER_PARTIAL_RESPONSE", "VARIABLE_MISSING_OR_EMPTY"})
_ONLY_ERROR: Final = frozenset(
    {"PROVIDER_TIMEOUT", "PROVIDER_AUTH_ERROR", "PROVIDER_ERROR", "TEMPLATE_RENDER_ERROR"}
)


def read_request(data: bytes, path: str) -> dict[str, Any]:
    """Return the request in a JSON document, ready to be sent.

    Raises ``InvalidFile`` with every problem and its position.
    """
    if len(data) > load.MAX_BYTES:
        raise load.too_large(len(data), path)
    loaded = _loaded(data, path)
    problems = schema.check(loaded, path, "request") or _contradictions(loaded, path)
    if problems:
        hint = 'Write text as [{"type": "text", "text": "…"}].'
        raise InvalidFile(
            replace(one, hint=hint) if ".content must be a list" in one.message else one for one in problems
        )
    found: dict[str, Any] = loaded.value
    return found


def _loaded(data: bytes, path: str) -> Loaded:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(path, 1, 1, f"The file is not UTF-8: byte {error.start} cannot be read.") from None
    try:
        value = checked_depth(json.loads(text, parse_constant=_refused, object_pairs_hook=_distinct))
    except json.JSONDecodeError as error:
        raise _invalid(path, error.lineno, error.colno, f"This is not JSON: {error.msg}.") from None
    except RecursionError:
        raise _invalid(path, 1, 1, NESTING) from None
    except ValueError as error:
        raise _invalid(path, 1, 1, f"This is not JSON: {error}.") from None
    # Lines and columns of problems are found by reading the text as YAML, which allows fewer tabs than JSON.
    return Loaded(value, text.replace("\t", " "))


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} is set twice")
    return found


def _invalid(path: str, line: int, column: int, message: str) -> InvalidFile:
    return InvalidFile([Problem(path, line, column, "json", message)])


def _contradictions(loaded: Loaded, path: str) -> list[Problem]:
    """Return the problems that the schema cannot express."""
    request = loaded.value
    found: list[tuple[str, str]] = []
    times = []
    for key in _TIMES:
        try:
            times.append(_seconds(request[key]))
        except (ValueError, OverflowError):
            message = f"{request[key]!r} is not an ISO 8601 date-time such as 2026-01-31T12:00:00Z."
            found.append((key, message))
    known = [one for one in times if one is not None]
    if len(known) == len(_TIMES) and known[1] < known[0]:
        found.append(("request_end_time", "request_end_time is before request_start_time."))
    kind, status = request.get("error_type"), request.get("status", "SUCCESS")
    allowed = ["WARNING"] if kind in _ONLY_WARNING else ["ERROR"]
    if kind not in _ONLY_WARNING | _ONLY_ERROR:
        allowed = ["WARNING", "ERROR"]
    if kind is not None and status not in allowed:
        found.append(("error_type", f"{kind} needs the status {' or '.join(allowed)}, not {status}."))
    return [Problem(path, *loaded.position([key]), "request", message) for key, message in found]


def _seconds(value: Any) -> float | None:
    """Return seconds since 1970; ``None`` without a time zone, because that cannot be compared."""
    if not isinstance(value, str):
        return float(value)
    moment = datetime.fromisoformat(value)
    return None if moment.tzinfo is None else moment.timestamp()


T = TypeVar("T")


def log_request(registry: Registry, request: Mapping[str, Any]) -> int:
    """Log a request that ``read_request`` returned; return its id.

    Raises ``Incomplete`` if the outcome is unknown, as the functions below do.
    """
    with _incomplete("the request may or may not have been logged", "logging it again may log it twice"):
        return registry.tracking.log_request(request)


def create_group(registry: Registry) -> int:
    """Create a group of requests; return its id."""
    with _incomplete("the group may or may not have been created", "creating another one does no harm"):
        return registry.tracking.create_group()


def annotate(action: Callable[[], T], what: str) -> T:
    """Run ``action``, which sets the ``what`` of a request. Running it again sets the same."""
    with _incomplete(f"the {what} may or may not have been set", "run this again; it sets the same"):
        return action()


@contextmanager
def _incomplete(what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except FateUnknown as error:
        raise Incomplete(f"{what}: {error.message}", hint=hint, code=error.code) from None

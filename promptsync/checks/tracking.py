"""Requests that applications log: read and validated before they are sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

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


def read_request(data: bytes, path: str) -> dict[str, Any]:
    """Return the request in a JSON document, ready to be sent.

    Raises ``InvalidFile`` with every problem and its position.
    """
    if len(data) > load.MAX_BYTES:
        raise load.too_large(path)
    loaded = _loaded(data, path)
    problems = schema.check(loaded, path, "request")
    if problems:
        hint = 'Write text as [{"type": "text", "text": "…"}].'
        raise InvalidFile(
            replace(problem, hint=hint) if ".content must be a list" in problem.message else problem
            for problem in problems
        )
    request: dict[str, Any] = loaded.value
    return request


def _loaded(data: bytes, path: str) -> Loaded:
    place = (1, 1)
    try:
        text = data.decode("utf-8-sig")
        value = checked_depth(json.loads(text, parse_constant=_refused))
    except UnicodeDecodeError as error:
        message = f"The file is not UTF-8: byte {error.start} cannot be read."
    except json.JSONDecodeError as error:
        message, place = f"This is not JSON: {error.msg}.", (error.lineno, error.colno)
    except RecursionError:
        message = NESTING
    except ValueError as error:
        message = f"This is not JSON: {error}."
    else:
        # Places of problems are found by reading the text as YAML, which allows fewer tabs than JSON.
        return Loaded(value, text.replace("\t", " "))
    raise InvalidFile([Problem(path, *place, "json", message)])


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


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

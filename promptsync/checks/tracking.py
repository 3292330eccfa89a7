"""Requests that applications log: read and validated before they are sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from msgspec.structs import replace

from promptsync.errors import Incomplete
from promptsync.files import schema
from promptsync.files.yaml import load
from promptsync.files.yaml.load import NESTING, InvalidFile, Loaded
from promptsync.prompt.limits import checked_depth
from promptsync.prompt.prompt import Problem
from promptsync.registry.errors import FateUnknown


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


@contextmanager
def outcome_known(what: str, hint: str) -> Iterator[None]:
    """Raise ``Incomplete`` if it is unknown whether the registry did what the block requests."""
    try:
        yield
    except FateUnknown as error:
        raise Incomplete(f"{what}: {error.message}", hint=hint, code=error.code) from None

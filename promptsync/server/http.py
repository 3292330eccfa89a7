"""Requests and answers, apart from the routes: reading WSGI safely, strict JSON in, JSON out."""

from __future__ import annotations

import io
import json
import math
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptsync.server.errors import ApiError, invalid, malformed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from promptsync.server.context import Context

MAX_NESTING = 100
MAX_INTEGER = 2**63 - 1
"""The largest integer that the database holds."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Request:
    """One authorised request. ``args`` are the decoded path parameters, ``body`` is ``None`` when empty."""

    context: Context
    method: str
    args: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any = None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; an empty or ``null`` body is an empty object."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise malformed("The request body has to be a JSON object.")
        return self.body


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; ``body`` is any JSON value, or ``NO_CONTENT``."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """The body as bytes, ending in a newline."""
        if self.body is NO_CONTENT:
            return b""
        return json.dumps(self.body, ensure_ascii=False, allow_nan=False).encode() + b"\n"


NO_CONTENT = object()


def split_target(environ: WSGIEnvironment) -> tuple[str, str]:
    """The raw path, still percent-encoded, and the query string.

    The decoded ``PATH_INFO`` cannot tell a slash in a name from one between segments; it is used only
    when the server gives nothing better.
    """
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if not raw:
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace")
        return urllib.parse.quote(path, safe="/%"), environ.get("QUERY_STRING", "")
    if not raw.startswith("/"):
        # Absolute form, as sent through proxies.
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    path, _, query = raw.partition("#")[0].partition("?")
    return path, query


def read_query(text: str) -> dict[str, list[str]]:
    """The query parameters, every value of each."""
    try:
        return urllib.parse.parse_qs(text, keep_blank_values=True, max_num_fields=200)
    except ValueError as error:
        raise malformed(f"The query string cannot be read: {error}.") from error


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """The whole body; 413 when it is longer than ``limit`` bytes, without reading it."""
    declared = environ.get("CONTENT_LENGTH") or ""
    if declared:
        if not (declared.isascii() and declared.isdigit()):
            raise malformed("Content-Length is not a number.")
        if len(declared) > 15 or int(declared) > limit:
            raise _too_large(limit)
        size = int(declared)
    elif environ.get("wsgi.input_terminated"):
        size = limit + 1
    else:
        return b""
    body: bytes = environ.get("wsgi.input", io.BytesIO()).read(size)
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> ApiError:
    return ApiError(413, f"The request body is larger than {limit:,} bytes.")


def parse_json(body: bytes) -> Any:
    """The JSON value of a body; ``None`` when it is empty.

    Refused with 400, because they could not be stored and given back: NaN and infinities, lone surrogates,
    and nesting deeper than ``MAX_NESTING``.
    """
    if not body.strip():
        return None
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite)
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise malformed("The request body holds a lone surrogate, which is no text.") from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise malformed(f"The request body is not valid JSON: {reason}.") from error
    if body.count(b"[") + body.count(b"{") > MAX_NESTING and _depth(value) > MAX_NESTING:
        raise malformed(f"The request body is nested deeper than {MAX_NESTING} levels.")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _depth(value: Any) -> int:
    level, deepest = [value], 0
    while level:
        deepest += 1
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return deepest


def path_id(text: str) -> int | None:
    """A path parameter as an id, ``None`` when it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def required_id(request: Request, name: str) -> int:
    """The path parameter ``name``, which has to be an id: 422 otherwise."""
    value = path_id(request.args[name])
    if value is None:
        raise invalid(f"{name} has to be an integer id.", "path", name, kind="type_error.integer")
    return value

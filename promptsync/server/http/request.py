"""Requests: reading WSGI safely, and strict JSON."""

from __future__ import annotations

import json
import math
import re
import urllib.parse
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from promptsync.prompt.depth import MAX_BODY_DEPTH, is_deeper
from promptsync.server.http.answer import PROTOBUF, ApiError, invalid, malformed
from promptsync.server.http.fields import Fields, Query, read_id

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from promptsync.server.checks.runner import Runner
    from promptsync.server.store.database import Store

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Request:
    """One authorised request, with the parts of the registry that handle it.

    ``path`` holds the decoded path parameters; ``json`` is the parsed body, ``None`` if it is empty, and
    bytes if it is not JSON but protobuf.
    """

    store: Store
    runner: Runner
    path: Mapping[str, str]
    query: Query
    json: Any = None

    def body(self, *, status: int = 400) -> Fields:
        """Return the body as an object, an empty or ``null`` one as ``{}``.

        ``status`` is that of the errors which reading its fields raises.
        """
        if not isinstance(self.json, dict | None):
            raise malformed("The request body must be a JSON object.")
        return Fields(self.json or {}, status=status)

    def id(self, name: str) -> int:
        """Return the path parameter ``name``, which must be an id: 422 otherwise."""
        value = read_id(self.path[name])
        if value is None:
            raise invalid(f"{name} must be an integer id.", "path", name)
        return value

    def check_workspace(self) -> None:
        """Raise a 400 if the query or the body names a workspace other than the key's own."""
        body = self.json if isinstance(self.json, dict) else {}
        # The nested body of a publish has it in the record around the template.
        parts = [part for part in (body, body.get("prompt_template")) if isinstance(part, dict)]
        named = [json.dumps(part["workspace_id"]) for part in parts if part.get("workspace_id") is not None]
        if not {self.query.text("workspace_id"), *named} <= {None, str(self.store.workspace_id)}:
            raise malformed("Invalid workspace_id.")


def split_target(environ: WSGIEnvironment) -> tuple[str, str]:
    """Return the raw path, still percent-encoded, and the query string.

    The decoded ``PATH_INFO`` cannot tell a slash in a name from one between segments; it is the last resort.
    """
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if not raw:
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace")
        return urllib.parse.quote(path, safe="/%"), environ.get("QUERY_STRING", "")
    if not raw.startswith("/"):
        # Proxies send an absolute URL.
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    path, _, query = raw.partition("#")[0].partition("?")
    return path, query


def read_value(environ: WSGIEnvironment, limit: int) -> Any:
    """Return the body: the bytes of protobuf, otherwise a JSON value. See ``read_body`` for ``limit``."""
    body = read_body(environ, limit)
    return body if media_type(environ) == PROTOBUF else parse_json(body)


def media_type(environ: WSGIEnvironment) -> str:
    """Return the media type of the body, without parameters."""
    return str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """Return the whole body; 413 if it is longer than ``limit`` bytes, before or after decompression."""
    if not (environ.get("CONTENT_LENGTH") or "0").isdigit():
        raise malformed("Content-Length is not a number.")
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        accepted = {"Accept-Encoding": "gzip"}
        raise ApiError(415, "The Content-Encoding of a body must be gzip or none.", headers=accepted)
    try:
        body = get_input_stream(environ, max_content_length=limit).read()
        return _unzipped(body, limit) if encoding == "gzip" else body
    except RequestEntityTooLarge:
        raise ApiError(413, f"The request body is larger than {limit:,} bytes.") from None
    except HTTPException as error:
        raise malformed(f"The request body cannot be read: {error.description}") from error


def _unzipped(body: bytes, limit: int) -> bytes:
    """Return a body without its compression; no more than ``limit`` bytes are ever made of it."""
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        whole = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise malformed(f"The request body is not valid gzip: {error}.") from error
    if len(whole) > limit:
        raise RequestEntityTooLarge
    if not decompressor.eof or decompressor.unused_data:
        raise malformed("The request body is not one whole gzip stream.")
    return whole


def parse_json(body: bytes) -> Any:
    """Return the JSON value of a body, ``None`` for an empty one.

    400 for what could not be stored and returned: NaN and infinities, lone surrogates, and nesting deeper
    than ``MAX_BODY_DEPTH``.
    """
    if not body.strip():
        return None
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite)
        # Only an escape can contain half a surrogate pair, and encoding every large body would take time.
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise malformed("The request body contains a lone surrogate.") from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise malformed(f"The request body is not valid JSON: {reason}.") from error
    # Counting brackets is quick, and few bodies have enough of them to nest too deeply.
    if body.count(b"[") + body.count(b"{") > MAX_BODY_DEPTH and is_deeper(value, MAX_BODY_DEPTH):
        raise malformed(f"The request body nests deeper than {MAX_BODY_DEPTH} levels.")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is too large")
    return value

"""Requests: reading WSGI safely, and strict JSON."""

from __future__ import annotations

import io
import json
import math
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header
from werkzeug.wsgi import get_input_stream

from promptsync.prompt.depth import MAX_BODY_DEPTH, is_deeper
from promptsync.server.http.answer import ApiError, invalid, malformed
from promptsync.server.http.fields import Fields, Query, read_id

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from promptsync.server.checks.runner import Runner
    from promptsync.server.store.database import Store

FORM = "multipart/form-data"
"""The media type of forms. A page can send them without a preflight, but then without an X-API-KEY."""

_JSON_FIELDS, _FILE_FIELDS = ("metadata", "json"), ("archive", "zip", "files")
_MAX_PARTS = 10

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Request:
    """One authorised request, with the parts of the registry that handle it.

    ``path`` holds the decoded path parameters; ``json`` is the parsed body, ``None`` if it is empty, and
    ``upload`` the file that a form has besides it.
    """

    store: Store
    runner: Runner
    path: Mapping[str, str]
    query: Query
    json: Any = None
    upload: bytes | None = None

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

    def check_workspace(self, workspace_id: Any) -> None:
        """Raise a 400 for any workspace but the key's own, which is the default."""
        if workspace_id is not None and workspace_id != self.store.workspace_id:
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


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """Return the whole body; 413 if it is longer than ``limit`` bytes, without reading it."""
    if not (environ.get("CONTENT_LENGTH") or "0").isdigit():
        raise malformed("Content-Length is not a number.")
    try:
        return get_input_stream(environ, max_content_length=limit).read()
    except RequestEntityTooLarge:
        raise ApiError(413, f"The request body is larger than {limit:,} bytes.") from None
    except HTTPException as error:
        raise malformed(f"The request body cannot be read: {error.description}") from error


def media_type(environ: WSGIEnvironment) -> str:
    """Return the media type that the body is declared to have, empty if there is none."""
    declared: str = environ.get("CONTENT_TYPE", "")
    return declared.partition(";")[0].strip().lower()


def wrong_type(environ: WSGIEnvironment) -> ApiError:
    """Return the error for a body whose media type the request cannot have."""
    sent = environ.get("CONTENT_TYPE", "")
    is_sent = f"it is {sent[:100]!r}" if sent else "it is missing"
    return ApiError(
        415,
        f"The Content-Type of a body must be application/json; {is_sent}. "
        "With curl, add -H 'Content-Type: application/json'",
    )


def parse_form(content_type: str, body: bytes) -> tuple[Any, bytes | None]:
    """Return the JSON value of a form and its file, either ``None`` if it is missing."""
    _, options = parse_options_header(content_type)
    parser = FormDataParser(
        lambda *_, **__: io.BytesIO(), max_form_memory_size=len(body), max_form_parts=_MAX_PARTS, silent=False
    )
    try:
        _, fields, files = parser.parse(io.BytesIO(body), FORM, len(body), options)
    except (HTTPException, ValueError) as error:
        raise malformed(f"The form cannot be read: {error}.") from error
    if not (set(fields) <= set(_JSON_FIELDS) and set(files) <= set(_FILE_FIELDS)):
        raise malformed(f"A form has JSON in {_JSON_FIELDS} and a file in {_FILE_FIELDS}, and nothing else.")
    values = [value for _, value in fields.items(multi=True)]
    uploads = [file for _, file in files.items(multi=True)]
    if len(values) > 1 or len(uploads) > 1:
        raise malformed("A form has at most one field and one file.")
    return parse_json("".join(values).encode()), uploads[0].read() if uploads else None


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

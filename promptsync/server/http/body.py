"""Request bodies: size, media type, and strict JSON."""

from __future__ import annotations

import codecs
import io
import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header
from werkzeug.wsgi import get_input_stream

from promptsync.prompt.limits import MAX_BODY_DEPTH, is_deeper
from promptsync.server.http.answer import PROTOBUF, ApiError, malformed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"

MAX_BODY = 32 * 1024 * 1024
"""Longest body, in bytes, before and after decompression."""

MAX_PROTOBUF: Final = 8 * 1024 * 1024
"""Longest body in protobuf, in bytes after decompression: parsed, it can take a hundred times as much."""

_JSON_FIELDS, _FILE_FIELDS = ("metadata", "json"), ("archive", "zip", "files")
_MAX_PARTS = 10


def parts_of(body: bytes, content_type: str, also: str) -> tuple[Any, bytes | None]:
    """Return the JSON value of a body, and the file of a form or the bytes of protobuf.

    ``also`` is the media type that this request may have instead of JSON; 415 for the other one.
    """
    kind = media_type(content_type)
    if kind in {FORM, PROTOBUF} and kind != also:
        raise wrong_type(content_type)
    if kind == PROTOBUF and len(body) > MAX_PROTOBUF:
        raise too_large(MAX_PROTOBUF)
    if kind == FORM:
        return _form(content_type, body)
    return (None, body) if kind == PROTOBUF else (parse_json(body), None)


def media_type(content_type: str) -> str:
    """Return the media type of the header ``Content-Type`` without parameters, or an empty text."""
    return content_type.partition(";")[0].strip().lower()


def wrong_type(content_type: str) -> ApiError:
    """Return the error for a ``Content-Type`` that the request does not accept."""
    is_sent = f"it is {content_type[:100]!r}" if content_type else "it is missing"
    return ApiError(
        415,
        f"The Content-Type of a body must be application/json; {is_sent}. "
        "With curl, add -H 'Content-Type: application/json'",
    )


def too_large(limit: int) -> ApiError:
    """Return the error for a body that is longer than ``limit`` bytes."""
    return ApiError(413, f"The request body is larger than {limit:,} bytes.")


def read_body(environ: WSGIEnvironment) -> bytes:
    """Return the whole body, decompressed; 413 if it is longer than ``MAX_BODY``."""
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        accepted = {"Accept-Encoding": "gzip"}
        raise ApiError(415, "The Content-Encoding of a body must be gzip or none.", headers=accepted)
    try:
        # Read with a size, the stream would reserve all of it, for each request.
        body = get_input_stream(environ, max_content_length=MAX_BODY).read()
    except RequestEntityTooLarge:
        raise too_large(MAX_BODY) from None
    if encoding == "gzip" and len(body) <= MAX_BODY:
        body = _unzipped(body, MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise too_large(MAX_BODY)
    return body


def _unzipped(body: bytes, most: int) -> bytes:
    """Return the first ``most`` bytes of the decompressed body."""
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        whole = decompressor.decompress(body, most)
    except zlib.error as error:
        raise malformed(f"The request body is not valid gzip: {error}.") from error
    if len(whole) < most and (not decompressor.eof or decompressor.unused_data):
        raise malformed("The request body is not a single, complete gzip stream.")
    return whole


def _form(content_type: str, body: bytes) -> tuple[Any, bytes | None]:
    """Return the JSON value of a form and its file, each ``None`` if missing."""
    _, options = parse_options_header(content_type)
    parser = FormDataParser(
        lambda *_, **__: io.BytesIO(), max_form_memory_size=len(body), max_form_parts=_MAX_PARTS, silent=False
    )
    try:
        _, fields, files = parser.parse(io.BytesIO(body), FORM, len(body), options)
    except (HTTPException, ValueError) as error:
        raise malformed(f"The form cannot be read: {error}.") from error
    if not (set(fields) <= set(_JSON_FIELDS) and set(files) <= set(_FILE_FIELDS)):
        raise malformed(
            f"A form can only have JSON in one of {', '.join(_JSON_FIELDS)}, "
            f"and a file in one of {', '.join(_FILE_FIELDS)}."
        )
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
    text = body.removeprefix(codecs.BOM_UTF8).strip()
    if not text:
        return None
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise malformed(f"The request body is not valid JSON: {reason}.") from error
    # Counting brackets is quick, and few bodies have enough of them to nest too deeply.
    if body.count(b"[") + body.count(b"{") > MAX_BODY_DEPTH and is_deeper(value, MAX_BODY_DEPTH):
        raise malformed(f"The request body nests deeper than {MAX_BODY_DEPTH} levels.")
    return value

"""Requests and responses as handlers see them: strict bodies, typed fields, and errors that name them."""

from __future__ import annotations

import codecs
import io
import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from wsgiref.util import request_uri

import msgspec
import werkzeug
from msgspec import Struct
from msgspec.structs import fields
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header
from werkzeug.wsgi import get_input_stream

from promptsync.prompt.limits import MAX_BODY_DEPTH, is_deeper
from promptsync.server.store.database import MAX_INTEGER

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from promptsync.server.store.database import Database, Row

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
PROTOBUF = "application/x-protobuf"

MAX_BODY = 32 * 1024 * 1024
"""Longest body, in bytes."""

MAX_PROTOBUF: Final = 8 * 1024 * 1024
"""Longest body in protobuf, in bytes: parsed, it can take a hundred times as much."""

Answer = dict[str, Any]
"""The value of a response."""

Shape = TypeVar("Shape", bound=msgspec.Struct)

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
RowIndex = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]

_MISSING = re.compile(r"Object missing required field `([^`]*)`?")


class Response(werkzeug.Response):
    """An HTTP response: JSON with a final newline, or bytes of another type."""

    def __init__(self, value: Any, status: int = 200, *, content_type: str = JSON, **more: Any) -> None:
        if not isinstance(value, bytes):
            value = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
        super().__init__(value, status, content_type=content_type, **more)


class ApiError(Exception):
    """A response other than success: ``status``, ``message``, and ``detail`` for validation errors."""

    detail: Sequence[Answer] = ()

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers

    def response(self) -> Response:
        """Return the response, in the one shape that satisfies every error body of the vendor's document."""
        detail = {"detail": self.detail} if self.detail else {}
        body = {"success": False, "message": self.message, "error": self.message, **detail}
        return Response(body, self.status, headers=self.headers)


def malformed(message: str) -> ApiError:
    """400: what is no JSON, and what this registry lacks or cannot do."""
    return ApiError(400, message)


def row_of(db: Database, sql: str, values: Any, missing: str, *, status: int = 404) -> Row:
    """Return the first row of a query. Without one, raise an error with the message ``missing``."""
    row: Row | None = db.execute(sql, values).fetchone()
    if row is None:
        raise ApiError(status, missing)
    return row


def invalid(message: str, *where: str) -> ApiError:
    """422 with a ``detail`` list whose location is ``where``, for example ``"body", "version"``."""
    error = ApiError(422, message)
    error.detail = [{"loc": list(where), "msg": message, "type": "value_error"}]
    return error


# -- bodies --------------------------------------------------------------------------------------------------


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
    rule = f"The Content-Type of a body must be application/json; {is_sent}."
    return ApiError(415, f"{rule} With curl, add -H 'Content-Type: application/json'")


def too_large(limit: int) -> ApiError:
    """Return the error for a body that is longer than ``limit`` bytes."""
    return ApiError(413, f"The request body is larger than {limit:,} bytes.")


def read_body(environ: WSGIEnvironment) -> bytes:
    """Return the whole body; 413 if it is longer than ``MAX_BODY``."""
    if environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in {"", "identity"}:
        # Decompressed, a small body can be as large as it likes.
        accepted = {"Accept-Encoding": "identity"}
        raise ApiError(415, "A body must be sent without a Content-Encoding.", headers=accepted)
    try:
        # Read with a size, the stream would reserve all of it, for each request.
        return get_input_stream(environ, max_content_length=MAX_BODY).read()
    except RequestEntityTooLarge:
        raise too_large(MAX_BODY) from None


def _form(content_type: str, body: bytes) -> tuple[Any, bytes | None]:
    """Return the JSON value of a form and its file, each ``None`` if missing."""
    _, options = parse_options_header(content_type)
    parser = FormDataParser(
        lambda *_, **__: io.BytesIO(), max_form_memory_size=len(body), max_form_parts=10, silent=False
    )
    try:
        _, form, files = parser.parse(io.BytesIO(body), FORM, len(body), options)
    except (HTTPException, ValueError) as error:
        raise malformed(f"The form cannot be read: {error}.") from error
    known = set(form) <= {"metadata", "json"} and set(files) <= {"archive", "zip", "files"}
    values = [value for _, value in form.items(multi=True)]
    uploads = [file for _, file in files.items(multi=True)]
    if not known or len(values) > 1 or len(uploads) > 1:
        raise malformed(
            "A form has at most one field with JSON, called metadata or json, "
            "and one file, called archive, zip or files."
        )
    return parse_json("".join(values).encode()), uploads[0].read() if uploads else None


def parse_json(body: bytes) -> Any:
    """Return the JSON value of a body, ``None`` for an empty one; 400 for what ``decode`` refuses."""
    text = body.removeprefix(codecs.BOM_UTF8).strip()
    try:
        return decode(text) if text else None
    except ValueError as error:
        raise malformed(f"The request body {error}.") from error


def decode(text: bytes) -> Any:
    """Return a JSON value. Raises ``ValueError``, whose message says what the text is or does.

    That is for what could not be stored and returned: NaN and infinities, lone surrogates, and nesting deeper
    than ``MAX_BODY_DEPTH``.
    """
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"is not valid JSON: {reason}") from error
    # Counting brackets is quick, and few texts have enough of them to nest too deeply.
    if text.count(b"[") + text.count(b"{") > MAX_BODY_DEPTH and is_deeper(value, MAX_BODY_DEPTH):
        raise ValueError(f"nests deeper than {MAX_BODY_DEPTH} levels")
    return value


def json_object(text: Any) -> dict[str, Any] | None:
    """Return the JSON object in ``text``, ``None`` if that is anything else."""
    try:
        value = decode(text.encode()) if isinstance(text, str) else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


# -- typed values --------------------------------------------------------------------------------------------


def read_id(text: str) -> int | None:
    """Return the number that ``text`` writes in ASCII digits, ``None`` if it does not."""
    # 18 digits always fit into an integer of SQLite.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def checked(
    value: Any,
    shape: type[Shape],
    where: str = "",
    *,
    status: int = 422,
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
        # A field that must be null is one that this registry lacks.
        if shape is not None and problem.startswith("Expected `null`"):
            problem = "not supported by this registry"
        path = f"{where}{below}".strip(".")
        message = f"{path or part}: {problem[:1].lower()}{problem[1:]}.".replace("`", "")
        names = re.findall(r"[^.\[\]]+", path)
        raise malformed(message) if status == 400 else invalid(message, part, *names) from None


# -- requests ------------------------------------------------------------------------------------------------


class Request(Struct, frozen=True):
    """One authorised request.

    ``path`` holds the decoded path parameters, ``query`` all values of each parameter of the query; ``json``
    is the parsed body, ``None`` if it is empty, and ``attached`` the file of a form or the bytes of protobuf.
    ``sheets`` collects the sheets that it asks about or starts: what is left of them is computed.
    """

    path: Mapping[str, Any]
    query: Mapping[str, Sequence[str]]
    json: Any = None
    attached: bytes | None = None
    workspace_id: int = 0
    sheets: list[str] = []

    @property
    def body(self) -> dict[str, Any]:
        """The body, which must be an object; an empty or ``null`` one is ``{}``."""
        if not isinstance(self.json, dict | None):
            raise invalid("The request body must be a JSON object.", "body")
        return self.json or {}

    def read(self, shape: type[Shape]) -> Shape:
        """Return the body as a ``shape``; 422 for any other, or 400 below a sheet, as the vendor declares."""
        return checked(self.body, shape, status=400 if "sheet_id" in self.path else 422)

    def parameters(self, shape: type[Shape]) -> Shape:
        """Return the parameters of the query as a ``shape``; its errors are 422.

        An empty value counts as absent. A field whose default is a list gets all the values.
        """
        values: dict[str, Any] = {}
        for field in fields(shape):
            sent = [value for key in (field.name, f"{field.name}[]") for value in self.query.get(key, ())]
            if sent:
                values[field.name] = sent if field.default_factory is list else sent[-1]
        return checked(values, shape, part="query", strict=False)

    def check_scope(self) -> None:
        """Raise a 400 for a workspace other than the key's own, and for external ids, which nothing has."""
        body = self.json if isinstance(self.json, dict) else {}
        # A nested publish body has both beside the template.
        parts = [part for part in (body, body.get("prompt_template")) if isinstance(part, dict)]
        workspace, external = (self.query.get(name, [None])[-1] for name in ("workspace_id", "external_id"))
        if external or any(part.get("external_ids") for part in parts):
            raise malformed("This registry has no external ids.")
        named = [json.dumps(part["workspace_id"]) for part in parts if part.get("workspace_id") is not None]
        if not {workspace, *named} <= {None, str(self.workspace_id)}:
            raise malformed("Invalid workspace_id.")


def split_target(environ: WSGIEnvironment) -> tuple[str, dict[str, list[str]]]:
    """Return the raw path, still percent-encoded, and the values of each parameter of the query."""
    raw = environ["REQUEST_URI"] if "REQUEST_URI" in environ else request_uri(environ)
    if not raw.startswith("/"):
        # An absolute URL, as to a proxy; so is that of a server which does not tell the target.
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    path, _, query = raw.partition("#")[0].partition("?")
    try:
        return path, urllib.parse.parse_qs(query, max_num_fields=200)
    except ValueError as error:
        raise malformed(f"The query string cannot be read: {error}.") from error

"""Responses: JSON with a status, and the errors that turn into one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import werkzeug

if TYPE_CHECKING:
    from promptsync.server.store.database import Database, Row

PROTOBUF = "application/x-protobuf"
"""Media type of protobuf bodies."""

SUPPORTED = "see docs/compatibility.md in promptsync."
"""How the message about an operation of PromptLayer's API ends that this registry lacks."""


class Response(werkzeug.Response):
    """An HTTP response: JSON with a final newline, or bytes of another type."""

    def __init__(
        self,
        value: Any = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> None:
        if not isinstance(value, bytes):
            value = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
        super().__init__(value, status, headers, content_type=content_type)


class ApiError(Exception):
    """A response other than success: ``status``, ``message``, and ``detail`` for validation errors."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        detail: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.detail = list(detail)
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Return the response, in the one shape that satisfies every error body of the vendor's document."""
        body: dict[str, Any] = {"success": False, "message": self.message, "error": self.message}
        if self.detail:
            body["detail"] = self.detail
        return Response(body, self.status, self.headers)


def malformed(message: str) -> ApiError:
    """400: the one status for which the official SDK raises on a publish."""
    return ApiError(400, message)


def not_found(message: str) -> ApiError:
    """404."""
    return ApiError(404, message)


def row_of(db: Database, sql: str, values: Any, missing: str, *, status: int = 404) -> Row:
    """Return the first row of a query. Without one, raise an error with the message ``missing``."""
    row: Row | None = db.execute(sql, values).fetchone()
    if row is None:
        raise ApiError(status, missing)
    return row


def invalid(message: str, *where: str, kind: str = "value_error") -> ApiError:
    """422 with a ``detail`` list whose location is ``where``, for example ``"body", "version"``."""
    return ApiError(422, message, detail=[{"loc": list(where), "msg": message, "type": kind}])

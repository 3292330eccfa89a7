"""Failures that become HTTP answers, in the one body shape that satisfies every declared one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptsync.errors import RemoteError


class StoreError(RemoteError):
    """The database file cannot be used; the message names the file and the reason."""

    code = "registry"


class ApiError(Exception):
    """An answer other than success: ``status``, ``message``, and ``detail`` for validation errors."""

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

    def body(self) -> dict[str, Any]:
        """The JSON object to answer with."""
        body: dict[str, Any] = {"success": False, "message": self.message, "error": self.message}
        if self.detail:
            body["detail"] = self.detail
        return body


def malformed(message: str) -> ApiError:
    """400: the one status for which the official SDK raises on a publish."""
    return ApiError(400, message)


def not_found(message: str) -> ApiError:
    """404."""
    return ApiError(404, message)


def conflict(message: str) -> ApiError:
    """409."""
    return ApiError(409, message)


def invalid(message: str, *where: str | int, kind: str = "value_error") -> ApiError:
    """422 with a ``detail`` list whose location is ``where``, for example ``"body", "version"``."""
    return ApiError(422, message, detail=[{"loc": list(where), "msg": message, "type": kind}])

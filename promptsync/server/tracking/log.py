"""Logging requests, in either form that clients send: templates, or a call to a provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.server.http.answer import ApiError, Response, malformed
from promptsync.server.http.fields import Fields, read_id
from promptsync.server.http.request import Request
from promptsync.server.prompts import find
from promptsync.server.prompts.template import check_template
from promptsync.server.store import clock
from promptsync.server.store.database import MAX_INTEGER, Database, encoded, insert
from promptsync.server.tracking.blueprint import blueprint
from promptsync.server.tracking.notes import id_in, note_score

STATUSES = ("SUCCESS", "WARNING", "ERROR")
ERROR_TYPES = (
    "PROVIDER_TIMEOUT",
    "PROVIDER_QUOTA_LIMIT",
    "PROVIDER_RATE_LIMIT",
    "PROVIDER_PARTIAL_RESPONSE",
    "PROVIDER_AUTH_ERROR",
    "PROVIDER_ERROR",
    "TEMPLATE_RENDER_ERROR",
    "VARIABLE_MISSING_OR_EMPTY",
    "UNKNOWN_ERROR",
)


def log_request(request: Request) -> Response:
    """Log a request: 201 with its id under both names in use."""
    body = request.body()
    check_log(body)
    with request.store.write() as db:
        request_id = save_log(db, body)
    return Response(
        {
            "success": True,
            "request_id": request_id,
            "id": request_id,
            "prompt_version": blueprint(body.values),
            "status": body.get("status") or "SUCCESS",
            "error_type": body.get("error_type"),
            "error_message": body.get("error_message"),
        },
        201,
    )


def track_request(request: Request) -> Response:
    """Log a request as the SDK's ``run`` and its provider proxies send it."""
    body = request.body()
    span_id = body.get("span_id")
    wanted = Fields({"prompt_id": body.get("prompt_id"), "prompt_version_number": body.get("prompt_version")})
    with request.store.write() as db:
        try:
            version_id = _used_version(db, wanted)
        except ApiError:
            # The request was made, so it is logged even if its prompt no longer exists.
            version_id = None
        request_id = _save(db, body, version_id, span_id if isinstance(span_id, str) else None)
        if isinstance(body.get("group_id"), int):
            db.execute(
                "UPDATE requests SET group_id = (SELECT id FROM request_groups WHERE id = ?) WHERE id = ?",
                (read_id(str(body.get("group_id"))), request_id),
            )
    return Response(
        {
            "success": True,
            "request_id": request_id,
            "prompt_blueprint": blueprint(body.values) if body.get("return_prompt_blueprint") else None,
            "message": "Request tracked successfully",
        }
    )


def save_log(db: Database, body: Fields, span_id: str | None = None) -> int:
    """Save a checked log with its score, and return its id. Raises a 404 for an unknown prompt."""
    request_id = _save(db, body, _used_version(db, body), span_id)
    # 0 is the default of the field, so it does not count as a score.
    if body.get("score"):
        note_score(db, request_id, body.optional_text("score_name") or "default", body.get("score"))
    return request_id


def _save(db: Database, body: Fields, version_id: int | None, span_id: str | None) -> int:
    return insert(
        db,
        "requests",
        body=encoded(body.values),
        version_id=version_id,
        variables=encoded(body.get("prompt_input_variables") or {}),
        span_id=span_id,
        created_at=clock.now(),
    )


def _used_version(db: Database, body: Fields) -> int | None:
    """Return the id of the version that the request names by prompt name or id; 404 if it does not exist."""
    name, prompt_id = body.get("prompt_name"), body.get("prompt_id")
    if name is None and prompt_id is None:
        return None
    number = body.get("prompt_version_number")
    if number is not None:
        number = id_in(body, "prompt_version_number")
    template = find.by_id(db, id_in(body, "prompt_id")) if name is None else find.find(db, name)
    return int(find.version(db, template, number)["id"])


def check_log(body: Fields) -> None:
    """Raise a 400 for a log that does not follow the vendor's document."""
    for key in ("provider", "model"):
        body.text(key)
    for key in ("input", "output"):
        _check_turns(body.get(key), key)
    for key in ("request_start_time", "request_end_time"):
        _check_moment(body, key)
    for key in ("parameters", "prompt_input_variables"):
        body.object(key)
    for key in ("input_tokens", "output_tokens", "price"):
        amount = body.values.get(key, 0)
        is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
        if not is_number or not 0 <= amount <= MAX_INTEGER:
            raise body.fault(key, f"must be a number from 0 to {MAX_INTEGER}")
    for key in ("prompt_name", "function_name", "api_type", "score_name"):
        body.optional_text(key)
    body.optional_text("error_message", most=1024)
    body.choice("status", STATUSES)
    body.choice("error_type", ERROR_TYPES)
    body.texts("tags", most=512)
    body.string_map("metadata", longest_key=1024)
    if body.get("score") is not None:
        body.integer("score", 0, 100)


def _check_turns(template: Any, where: str) -> None:
    if not isinstance(template, Mapping) or template.get("type") not in ("chat", "completion"):
        raise malformed(f"{where} must be a template of the type chat or completion.")
    check_template(template)
    parts = template["messages"] if template["type"] == "chat" else [template]
    if any(isinstance(part.get("content"), str) for part in parts):
        raise malformed(f"{where}: content must be a list of content blocks, not a string.")


def _check_moment(body: Fields, name: str) -> None:
    value = body.get(name)
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            clock.parse(value)
            return
    except ValueError:
        pass
    raise body.fault(name, "must be an ISO 8601 date-time or seconds since 1970")

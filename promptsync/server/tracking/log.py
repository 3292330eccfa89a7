"""Logging requests, in either form that clients send: templates, or a call to a provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from promptsync.server.http.answer import ApiError, Response, malformed
from promptsync.server.http.fields import checked, read_id
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.prompts.template import check_template
from promptsync.server.store import clock
from promptsync.server.store.database import MAX_INTEGER, Database, Row, encoded, insert
from promptsync.server.tracking import logged
from promptsync.server.tracking.logged import Logged, moment
from promptsync.server.tracking.notes import Metadata, Score, SentId, index, set_prompt

Status = Literal["SUCCESS", "WARNING", "ERROR"]
ErrorType = Literal[
    "PROVIDER_TIMEOUT",
    "PROVIDER_QUOTA_LIMIT",
    "PROVIDER_RATE_LIMIT",
    "PROVIDER_PARTIAL_RESPONSE",
    "PROVIDER_AUTH_ERROR",
    "PROVIDER_ERROR",
    "TEMPLATE_RENDER_ERROR",
    "VARIABLE_MISSING_OR_EMPTY",
    "UNKNOWN_ERROR",
]
Amount = Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | Annotated[float, Meta(ge=0, lt=MAX_INTEGER)]


class UsedPrompt(Struct, frozen=True):
    """The prompt that a request names."""

    prompt_name: str | None = None
    prompt_id: SentId | None = None
    prompt_version_number: SentId | None = None

    def version(self, db: Database) -> Row | None:
        """Return the version that it means, if it names one; 404 if that does not exist."""
        if self.prompt_name is not None:
            item = items.find(db, self.prompt_name)
        elif self.prompt_id is not None:
            item = items.by_id(db, int(self.prompt_id))
        else:
            return None
        number = self.prompt_version_number
        return items.version(db, item, None if number is None else int(number))


class Log(UsedPrompt, frozen=True, kw_only=True):
    """A request with its input and output as templates, as the vendor documents it."""

    provider: str
    model: str
    input: dict[str, Any]
    output: dict[str, Any]
    request_start_time: str | float
    request_end_time: str | float
    parameters: dict[str, Any] | None = None
    prompt_input_variables: dict[str, Any] | None = None
    input_tokens: Amount = 0
    output_tokens: Amount = 0
    price: Amount = 0
    function_name: str | None = None
    api_type: str | None = None
    status: Status | None = None
    error_type: ErrorType | None = None
    error_message: Annotated[str, Meta(max_length=1024)] | None = None
    tags: list[Annotated[str, Meta(max_length=512)]] | None = None
    metadata: Metadata | None = None
    score: Score | None = None
    score_name: str | None = None


def log_request(request: Request) -> Response:
    """Log a request: 201 with its id under both names in use."""
    body = request.body
    log = checked_log(body)
    stored = logged.read(body)
    with request.store.write() as db:
        request_id = save_log(db, log, stored)
    return Response(
        {
            "success": True,
            "request_id": request_id,
            "id": request_id,
            "prompt_version": stored.blueprint,
            "status": log.status or "SUCCESS",
            "error_type": log.error_type,
            "error_message": log.error_message,
        },
        201,
    )


def track_request(request: Request) -> Response:
    """Log a request as the SDK's ``run`` and its provider proxies send it."""
    body = request.body
    stored, span_id, group_id = logged.read(body), body.get("span_id"), read_id(str(body.get("group_id")))
    with request.store.write() as db:
        try:
            keys = {"prompt_id": body.get("prompt_id"), "prompt_version_number": body.get("prompt_version")}
            version = checked(keys, UsedPrompt).version(db)
        except ApiError:
            # The request was made, so it is logged even if its prompt no longer exists.
            version = None
        group = db.execute("SELECT id FROM request_groups WHERE id = ?", (group_id,)).fetchone()
        columns = {
            "span_id": span_id if isinstance(span_id, str) else None,
            "group_id": group and group["id"],
        }
        request_id = _save(db, stored, version, body.get("prompt_input_variables") or {}, **columns)
    return Response(
        {
            "success": True,
            "request_id": request_id,
            "prompt_blueprint": stored.blueprint if body.get("return_prompt_blueprint") else None,
            "message": "Request tracked successfully",
        }
    )


def checked_log(body: Mapping[str, Any], where: str = "") -> Log:
    """Return a body as a log. Raises a 400 if it does not follow the vendor's document."""
    log = checked(body, Log, where)
    for key, template in (("input", log.input), ("output", log.output)):
        if template.get("type") not in ("chat", "completion"):
            raise malformed(f"{key} must be a template of the type chat or completion.")
        check_template(template)
        parts = template["messages"] if template["type"] == "chat" else [template]
        if any(isinstance(part.get("content"), str) for part in parts):
            raise malformed(f"{key}: content must be a list of content blocks, not a string.")
    if None in (moment(log.request_start_time), moment(log.request_end_time)):
        raise malformed("Times must be ISO 8601 date-times or seconds since 1970.")
    return log


def save_log(db: Database, log: Log, stored: Logged, span_id: str | None = None) -> int:
    """Save a log with its score, and return its id. Raises a 404 for an unknown prompt."""
    version = log.version(db)
    # 0 is the default of the field, so it does not count as a score.
    scores = {log.score_name or "default": log.score} if log.score else {}
    variables = log.prompt_input_variables or {}
    return _save(db, stored, version, variables, span_id=span_id, scores=encoded(scores))


def set_limits(db: Database, requests: int | None, days: int | None) -> None:
    """Change how many requests the registry keeps, and for how many days; ``None`` changes nothing."""
    sql = "UPDATE request_limits SET requests = ifnull(?, requests), days = ifnull(?, days)"
    db.execute(sql, (requests, days))
    _delete_oldest(db)


def _save(db: Database, stored: Logged, version: Row | None, variables: Any, **columns: Any) -> int:
    request_id = insert(db, "requests", created_at=clock.now(), **columns, **stored.columns)
    set_prompt(db, request_id, version, variables)
    insert(
        db,
        "request_texts",
        id=request_id,
        input=stored.input_text.casefold().encode(),
        output=stored.output_text.casefold().encode(),
        blueprint=encoded(stored.blueprint),
    )
    words = " ".join(logged.words(f"{stored.input_text}\n{stored.output_text}"))
    insert(db, "request_words", rowid=request_id, words=words)
    for field, value in stored.values.items():
        index(db, request_id, field, value)
    _delete_oldest(db)
    return request_id


def _delete_oldest(db: Database) -> None:
    """Delete the requests over the limits, with the traces that they belong to."""
    # Only the oldest requests are ever deleted, so ids count them.
    deleted = db.execute(
        """DELETE FROM requests
        WHERE id <= (SELECT max(id) FROM requests) - (SELECT requests FROM request_limits)
            OR created_at < (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || days || ' days')
                FROM request_limits WHERE days)
        RETURNING id, span_id"""
    ).fetchall()
    db.executemany("DELETE FROM request_words WHERE rowid = ?", [(row["id"],) for row in deleted])
    db.executemany(
        "DELETE FROM spans WHERE trace_id IN (SELECT trace_id FROM spans WHERE log_span_id = ?)",
        [(row["span_id"],) for row in deleted],
    )

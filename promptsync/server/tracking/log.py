"""Logging requests, in either form that clients send, and how many of them are kept."""

from __future__ import annotations

from typing import Any

from promptsync.server.http.answer import ApiError, Response
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.store.database import Database, Row, encoded, insert, now
from promptsync.server.tracking.logged import Call, Log, Logged, SentRequest, words
from promptsync.server.tracking.notes import index, set_prompt


class SentLog(Log, frozen=True, kw_only=True):
    """A request to log. Only one that belongs to a span can have its times."""

    request_start_time: str | float
    request_end_time: str | float


def log_request(request: Request) -> Response:
    """Log a request: 201 with its id under both names in use."""
    log = request.read(SentLog)
    logged = log.logged()
    with request.store.write() as db:
        request_id = save_log(db, log, logged)
    return Response(
        {
            "success": True,
            "request_id": request_id,
            "id": request_id,
            "prompt_version": logged.blueprint,
            "status": log.status or "SUCCESS",
            "error_type": log.error_type,
            "error_message": log.error_message,
        },
        201,
    )


def track_request(request: Request) -> Response:
    """Log a request as the SDK's ``run`` and its provider proxies send it."""
    call = Call.read(request.body)
    logged = call.logged()
    with request.store.write() as db:
        try:
            version = _used_version(db, call)
        except ApiError:
            # The request was made, so it is logged even if its prompt no longer exists.
            version = None
        group = db.execute("SELECT id FROM request_groups WHERE id = ?", (call.group_id,)).fetchone()
        columns = {"span_id": call.span_id, "group_id": group and group["id"]}
        request_id = _save(db, logged, version, call.prompt_input_variables, **columns)
    return Response(
        {
            "success": True,
            "request_id": request_id,
            "prompt_blueprint": logged.blueprint if call.return_prompt_blueprint else None,
            "message": "Request tracked successfully",
        }
    )


def save_log(db: Database, log: Log, logged: Logged, span_id: str | None = None) -> int:
    """Save a log with its score, and return its id. Raises a 404 for an unknown prompt."""
    version = _used_version(db, log)
    # 0 is the default of the field, so it does not count as a score.
    scores = encoded({log.score_name or "default": log.score} if log.score else {})
    return _save(db, logged, version, log.prompt_input_variables, span_id=span_id, scores=scores)


def set_limits(db: Database, requests: int | None, days: int | None) -> None:
    """Change how many requests the registry keeps, and for how many days; ``None`` changes nothing."""
    sql = "UPDATE request_limits SET requests = ifnull(?, requests), days = ifnull(?, days)"
    db.execute(sql, (requests, days))
    _delete_oldest(db)


def _used_version(db: Database, request: SentRequest) -> Row | None:
    """Return the version that a request names, if it names one; 404 if that does not exist."""
    if request.prompt_name is not None:
        item = items.find(db, request.prompt_name)
    elif request.prompt_id is not None:
        item = items.get(db, items.TEMPLATE, "id", int(request.prompt_id))
    else:
        return None
    return items.version(db, item, None if request.number is None else int(request.number))


def _save(
    db: Database, logged: Logged, version: Row | None, variables: dict[str, Any] | None, **columns: Any
) -> int:
    request_id = insert(db, "requests", created_at=now(), **columns, **logged.columns)
    set_prompt(db, request_id, version, variables)
    insert(
        db,
        "request_texts",
        id=request_id,
        input=logged.input_text.casefold().encode(),
        output=logged.output_text.casefold().encode(),
        blueprint=encoded(logged.blueprint),
    )
    text = f"{logged.input_text}\n{logged.output_text}"
    insert(db, "request_words", rowid=request_id, words=" ".join(words(text)))
    for field, value in logged.values.items():
        index(db, request_id, field, value)
    _delete_oldest(db)
    return request_id


def _delete_oldest(db: Database) -> None:
    # Only the oldest requests are ever deleted, so ids count them.
    db.execute(
        """DELETE FROM requests
        WHERE id <= (SELECT max(id) FROM requests) - (SELECT requests FROM request_limits)
            OR created_at < (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || days || ' days')
                FROM request_limits WHERE days)"""
    )

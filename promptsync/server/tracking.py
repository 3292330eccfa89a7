"""Logged requests, and the prompt, scores, metadata and group that are noted on them.

The API has no way to read a log back; what is kept here is for whoever opens the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from promptsync.server import clock, records
from promptsync.server.blueprint import conversation, tracked_blueprint
from promptsync.server.errors import ApiError, malformed
from promptsync.server.http import MAX_INTEGER, Request, Response, path_id
from promptsync.server.validate import check_template

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
MAX_TAG, MAX_KEY, MAX_ERROR = 512, 1024, 1024

Body = Mapping[str, Any]


def log_request(request: Request) -> Response:
    """``POST /log-request`` and ``/rest/log-request``: 201 with the id under both names in use."""
    body = request.object()
    _check_log(body)
    with request.context.store.write() as db:
        used = _used_prompt(db, body)
        request_id = _save(db, body, used)
        if body.get("score"):
            _set_score(db, request_id, str(body.get("score_name") or "default"), body["score"])
    parameters = body.get("parameters") or {}
    model = {"provider": body["provider"], "name": body["model"], "parameters": parameters}
    answer = {
        "success": True,
        "request_id": request_id,
        "id": request_id,
        "prompt_version": {
            "prompt_template": conversation(body["input"], body["output"]),
            "commit_message": None,
            "metadata": {"model": model},
        },
        "status": body.get("status") or "SUCCESS",
        "error_type": body.get("error_type"),
        "error_message": body.get("error_message"),
    }
    return Response(answer, 201)


def track_request(request: Request) -> Response:
    """``POST /track-request``, which the SDK's ``run`` and its provider proxies send."""
    body = request.object()
    number = body.get("prompt_version")
    wanted = {"prompt_id": body.get("prompt_id"), "prompt_version_number": number}
    with request.context.store.write() as db:
        try:
            used = _used_prompt(db, wanted)
        except ApiError:
            # The request was made; that its prompt is gone meanwhile is no reason to lose the log.
            used = None
        request_id = _save(db, body, used)
        if isinstance(body.get("group_id"), int):
            db.execute(
                "UPDATE requests SET group_id = (SELECT id FROM request_groups WHERE id = ?) WHERE id = ?",
                (path_id(str(body["group_id"])), request_id),
            )
    blueprint = tracked_blueprint(body) if body.get("return_prompt_blueprint") else None
    return Response(
        {
            "success": True,
            "request_id": request_id,
            "prompt_blueprint": blueprint,
            "message": "Request tracked.",
        }
    )


def track_prompt(request: Request) -> Response:
    """``POST /rest/track-prompt``: the newest version unless a label or a version is named."""
    body = _in_place(request.object())
    name, number, label = body.get("prompt_name"), body.get("version"), body.get("label")
    if not isinstance(name, str) or not isinstance(label, str | None):
        raise malformed("prompt_name has to be a string, label a string or null.")
    if number is not None:
        number = _number(number, "version")
    if not isinstance(body.get("prompt_input_variables"), dict | None):
        raise malformed("prompt_input_variables has to be an object.")

    def note(db: sqlite3.Connection, request_id: int) -> None:
        try:
            version = records.version(db, records.find(db, name), number, label)
        except ApiError as error:
            raise malformed(error.message) from error
        variables = records.encoded(body.get("prompt_input_variables") or {})
        db.execute(
            "UPDATE requests SET version_id = ?, variables = ? WHERE id = ?",
            (version["id"], variables, request_id),
        )

    return _noted(request, body, note)


def _in_place(body: Body) -> Body:
    """The body, with each value under its own key.

    The SDK's asynchronous client (seen in 1.5.14) passes its arguments one place too late, so that
    ``request_id`` is true and ``prompt_name`` the id; the label falls off the end.
    """
    if body.get("request_id") is not True or not isinstance(body.get("prompt_input_variables"), str):
        return body
    keys = ("request_id", "prompt_name", "prompt_input_variables", "version", "label")
    return dict(zip(keys, (body.get(key) for key in keys[1:]), strict=False))


def track_score(request: Request) -> Response:
    """``POST /rest/track-score``: 0 to 100 under ``name``; again under the same name replaces it."""
    body = request.object()
    name = "default" if body.get("name") is None else body["name"]
    if not isinstance(name, str) or not name:
        raise malformed("name has to be a string that is not empty.")
    score = _check_score(body.get("score"))
    return _noted(request, body, lambda db, request_id: _set_score(db, request_id, name, score))


def track_metadata(request: Request) -> Response:
    """``POST /rest/track-metadata``: strings to strings; a key that is there already is replaced."""
    body = request.object()
    metadata = _string_map(body.get("metadata"), "metadata")

    def note(db: sqlite3.Connection, request_id: int) -> None:
        db.executemany(
            "INSERT INTO request_metadata VALUES (?, ?, ?)"
            " ON CONFLICT (request_id, key) DO UPDATE SET value = excluded.value",
            [(request_id, key, value) for key, value in metadata.items()],
        )

    return _noted(request, body, note)


def track_group(request: Request) -> Response:
    """``POST /rest/track-group``."""
    body = request.object()
    group_id = _number(body.get("group_id"), "group_id")

    def note(db: sqlite3.Connection, request_id: int) -> None:
        if not db.execute("SELECT 1 FROM request_groups WHERE id = ?", (group_id,)).fetchone():
            raise malformed(f"There is no group with the id {group_id}.")
        db.execute("UPDATE requests SET group_id = ? WHERE id = ?", (group_id, request_id))

    return _noted(request, body, note)


def create_group(request: Request) -> Response:
    """``POST /create-group``."""
    with request.context.store.write() as db:
        created = db.execute("INSERT INTO request_groups (created_at) VALUES (?)", (clock.now(),))
        return Response({"success": True, "id": int(created.lastrowid or 0)})


def _noted(request: Request, body: Body, note: Callable[[sqlite3.Connection, int], None]) -> Response:
    request_id = _number(body.get("request_id"), "request_id")
    with request.context.store.write() as db:
        if not db.execute("SELECT 1 FROM requests WHERE id = ?", (request_id,)).fetchone():
            raise malformed(f"There is no request with the id {request_id}.")
        note(db, request_id)
    return Response({"success": True, "message": "Saved."})


def _save(db: sqlite3.Connection, body: Body, version_id: int | None) -> int:
    created = db.execute(
        "INSERT INTO requests (body, version_id, variables, created_at) VALUES (?, ?, ?, ?)",
        (
            records.encoded(body),
            version_id,
            records.encoded(body.get("prompt_input_variables") or {}),
            clock.now(),
        ),
    )
    return int(created.lastrowid or 0)


def _set_score(db: sqlite3.Connection, request_id: int, name: str, score: int) -> None:
    db.execute(
        "INSERT INTO request_scores VALUES (?, ?, ?)"
        " ON CONFLICT (request_id, name) DO UPDATE SET score = excluded.score",
        (request_id, name, score),
    )


def _used_prompt(db: sqlite3.Connection, body: Body) -> int | None:
    """The id of the version that the request names by prompt name or id; 404 when it does not exist."""
    name, prompt_id, number = (
        body.get("prompt_name"),
        body.get("prompt_id"),
        body.get("prompt_version_number"),
    )
    if name is None and prompt_id is None:
        return None
    wanted = None if number is None else _number(number, "prompt_version_number")
    if name is not None:
        template = records.find(db, name)
    else:
        template = records.by_id(db, _number(prompt_id, "prompt_id"))
    return int(records.version(db, template, wanted)["id"])


def _check_log(body: Body) -> None:
    for key in ("provider", "model"):
        if not isinstance(body.get(key), str):
            raise malformed(f"{key} is required and has to be a string.")
    for key in ("input", "output"):
        _check_turns(body.get(key), key)
    for key in ("request_start_time", "request_end_time"):
        _check_moment(body.get(key), key)
    for key in ("parameters", "prompt_input_variables"):
        if not isinstance(body.get(key), dict | None):
            raise malformed(f"{key} has to be an object.")
    for key in ("input_tokens", "output_tokens", "price"):
        value = body.get(key, 0)
        if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
            raise malformed(f"{key} has to be a number of at least 0.")
    for key in ("prompt_name", "function_name", "api_type", "error_message", "score_name"):
        if not isinstance(body.get(key), str | None):
            raise malformed(f"{key} has to be a string.")
    _check_status(body)
    _check_tags(body.get("tags"))
    if body.get("metadata") is not None:
        _string_map(body["metadata"], "metadata")
    if body.get("score") is not None:
        _check_score(body["score"])


def _check_turns(template: Any, where: str) -> None:
    if not isinstance(template, Mapping) or template.get("type") not in ("chat", "completion"):
        raise malformed(f"{where} has to be a template of the type chat or completion.")
    check_template(template)
    parts = template["messages"] if template["type"] == "chat" else [template]
    if any(isinstance(part.get("content"), str) for part in parts):
        raise malformed(f"{where}: content has to be a list of content blocks, not a string.")


def _check_moment(value: Any, where: str) -> None:
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            clock.parse(value)
            return
    except ValueError:
        pass
    raise malformed(f"{where} has to be an ISO 8601 date-time, or seconds since 1970.")


def _check_status(body: Body) -> None:
    if body.get("status", "SUCCESS") not in STATUSES:
        raise malformed(f"status has to be one of {', '.join(STATUSES)}.")
    if body.get("error_type") is not None and body["error_type"] not in ERROR_TYPES:
        raise malformed(f"error_type has to be one of {', '.join(ERROR_TYPES)}.")
    if len(body.get("error_message") or "") > MAX_ERROR:
        raise malformed(f"error_message is longer than {MAX_ERROR} characters.")


def _check_tags(tags: Any) -> None:
    if not isinstance(tags, list | None) or not all(
        isinstance(tag, str) and len(tag) <= MAX_TAG for tag in tags or ()
    ):
        raise malformed(f"tags has to be a list of strings of at most {MAX_TAG} characters.")


def _check_score(score: Any) -> int:
    if not isinstance(score, int) or isinstance(score, bool) or not 0 <= score <= 100:
        raise malformed("score has to be an integer from 0 to 100.")
    return score


def _string_map(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(item, str) and len(key) <= MAX_KEY for key, item in value.items()
    ):
        raise malformed(f"{where} has to map strings of at most {MAX_KEY} characters to strings.")
    return value


def _number(value: Any, where: str) -> int:
    number = path_id(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= MAX_INTEGER:
        raise malformed(f"{where} has to be a positive integer.")
    return number

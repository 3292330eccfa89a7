"""Logging requests in either form that clients send, notes on them, and how many are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.server.http import Answer, ApiError, Request, checked, malformed, parse_json, row_of
from promptsync.server.prompts import items
from promptsync.server.store.database import MAX_INTEGER, Database, Row, encoded, insert, now
from promptsync.server.tracking.logged import (
    Call,
    Exchange,
    Log,
    Metadata,
    Score,
    SentId,
    SentRequest,
    Turn,
    moment,
)


class SentLog(Log, frozen=True, kw_only=True):
    """A request to log. Only one that belongs to a span can have its times."""

    request_start_time: str | float
    request_end_time: str | float


def log_request(request: Request, db: Database) -> Answer:
    """Log a request: 201 with its id under both names in use."""
    log = request.read(SentLog)
    exchange = log.exchange()
    request_id = save_log(db, log, exchange)
    ids = {"success": True, "request_id": request_id, "id": request_id, "prompt_version": exchange.blueprint}
    status = log.status or "SUCCESS"
    return ids | {"status": status, "error_type": log.error_type, "error_message": log.error_message}


def track_request(request: Request, db: Database) -> Answer:
    """Log a request as the SDK's ``run`` and its provider proxies send it."""
    call = Call.read(request.body)
    exchange = call.exchange()
    try:
        version = _used_version(db, call)
    except ApiError:
        # The request was made, so it is logged even if its prompt no longer exists.
        version = None
    group = db.execute("SELECT id FROM request_groups WHERE id = ?", (call.group_id,)).fetchone()
    columns = {"span_id": call.span_id, "group_id": group and group["id"]}
    request_id = _save(db, call, exchange, version, **columns)
    blueprint = exchange.blueprint if call.return_prompt_blueprint else None
    answer = {"success": True, "message": "Request tracked successfully"}
    return answer | {"request_id": request_id, "prompt_blueprint": blueprint}


def save_log(db: Database, log: Log, exchange: Exchange, span_id: str | None = None) -> int:
    """Save a log with its score, and return its id. Raises a 404 for an unknown prompt."""
    version = _used_version(db, log)
    # 0 is the default of the field, so it does not count as a score.
    scores = encoded({log.score_name or "default": log.score} if log.score else {})
    return _save(db, log, exchange, version, span_id=span_id, scores=scores)


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


def _save(db: Database, request: SentRequest, exchange: Exchange, version: Row | None, **columns: Any) -> int:
    """Save a request with the texts and values that a search finds it by, and return its id."""
    texts = [_text(turn) for turn in exchange.answer]
    calls, parsed = _tool_calls(exchange.answer), _json_object("".join(texts))
    output, kind = calls or parsed or {}, "tool_call" if calls else "plain_text" if parsed is None else "json"
    times, latency = (request.request_start_time, request.request_end_time), None
    start, end = (None if time is None else moment(time) for time in times)
    if start and end:
        duration = datetime.fromisoformat(end) - datetime.fromisoformat(start)
        latency = round(duration.total_seconds() * 1000, 3)
    usage, model = exchange.usage, exchange.blueprint["metadata"]["model"]
    request_id = insert(
        db,
        "requests",
        created_at=now(),
        input_tokens=_count(request.input_tokens, usage, "input_tokens", "prompt_tokens"),
        output_tokens=_count(request.output_tokens, usage, "output_tokens", "completion_tokens"),
        price=request.price,
        provider_type=model["provider"],
        engine=model["name"],
        status=request.status or "SUCCESS",
        error_type=request.error_type,
        error_message=request.error_message,
        request_start_time=start,
        request_end_time=end,
        latency_ms=latency,
        output_kind=kind,
        tags=encoded(request.tags or []),
        metadata=encoded(request.metadata or {}),
        **columns,
    )
    set_prompt(db, request_id, version, request.prompt_input_variables)
    asked = "\n\n".join(f"[{turn.get('role')}]: {_text(turn)}" for turn in exchange.sent)
    answered = "\n".join(
        [*(texts if kind != "json" else ()), *(f"{key}: {value}" for key, value in flat(output))]
    )
    lower = {"input": asked.casefold().encode(), "output": answered.casefold().encode()}
    insert(db, "request_texts", id=request_id, blueprint=encoded(exchange.blueprint), **lower)
    insert(db, "request_words", rowid=request_id, words=" ".join(words(f"{asked}\n{answered}")))
    index(db, request_id, "tags", request.tags or [])
    index(db, request_id, "metadata", request.metadata or {})
    index(db, request_id, "output", output)
    _delete_oldest(db)
    return request_id


def _text(turn: Turn) -> str:
    texts = (block.get("text") for block in mappings(turn.get("content")))
    return "\n".join(text for text in texts if isinstance(text, str))


def _tool_calls(answer: list[Turn]) -> dict[str, Any]:
    """Return the tool calls in an answer, with their arguments as objects; ``{}`` if there are none."""
    calls: list[dict[str, Any]] = []
    for call in (call for turn in answer for call in mappings(turn.get("tool_calls"))):
        function = as_mapping(call.get("function"))
        arguments = function.get("arguments")
        calls.append({**call, "function": {**function, "arguments": _json_object(arguments) or arguments}})
    return {"tool_calls": calls} if calls else {}


def _json_object(text: Any) -> dict[str, Any] | None:
    try:
        value = parse_json(text.encode()) if isinstance(text, str) else None
    except ApiError:
        return None
    return value if isinstance(value, dict) else None


def _count(sent: float | None, usage: Mapping[str, Any], *names: str) -> int | None:
    """Return what was sent, or else what the provider counted, if the database can hold it."""
    values: list[Any] = [sent, *map(usage.get, names)]
    counts = (int(value) for value in values if type(value) in (int, float) and 0 <= value <= MAX_INTEGER)
    return next(counts, None)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value as text with its path. List positions are not part of a path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from flat(item, path)
    else:
        yield path, written(value)


def written(value: Any) -> str:
    """Return a nested value as text, for comparisons."""
    return value if isinstance(value, str) else encoded(value)


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, each once."""
    return list(dict.fromkeys(re.findall(r"\w+", text.casefold())))


def _delete_oldest(db: Database) -> None:
    # Only the oldest requests are ever deleted, so ids count them.
    db.execute(
        """DELETE FROM requests
        WHERE id <= (SELECT max(id) FROM requests) - (SELECT requests FROM request_limits)
            OR created_at < (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || days || ' days')
                FROM request_limits WHERE days)"""
    )


# -- notes: the prompt, scores, metadata and the group ------------------------------------------------------


_SAVED = {"success": True, "message": "Saved."}


class _Note(Struct, frozen=True):
    request_id: SentId


class _Prompt(_Note, frozen=True):
    prompt_name: str
    prompt_input_variables: dict[str, Any] | None = None
    version: SentId | None = None
    label: str | None = None


class _Score(_Note, frozen=True):
    score: Score
    name: Annotated[str, Meta(min_length=1)] | None = None


class _Metadata(_Note, frozen=True):
    metadata: Metadata


class _Group(_Note, frozen=True):
    group_id: SentId


def track_prompt(request: Request, db: Database) -> Answer:
    """Note which version a request used: the newest unless a label or a version is given."""
    body = request.body
    if body.get("request_id") is True and isinstance(body.get("prompt_input_variables"), str):
        # The SDK's asynchronous client (seen in 1.5.14) passes its arguments one place too late, so that
        # request_id is true and prompt_name the id; the label is lost.
        keys = _Prompt.__struct_fields__
        body = dict(zip(keys, (body.get(key) for key in keys[1:]), strict=False))
    note = checked(body, _Prompt)
    number = None if note.version is None else int(note.version)
    request_id = _logged(db, note)
    try:
        version = items.version(db, items.find(db, note.prompt_name), number, note.label)
    except ApiError as error:
        raise malformed(error.message) from error
    set_prompt(db, request_id, version, note.prompt_input_variables)
    return _SAVED


def track_score(request: Request, db: Database) -> Answer:
    """Note a score from 0 to 100 under ``name``; a second one under the same name replaces it."""
    note = request.read(_Score)
    _merge(db, _logged(db, note), "scores", {note.name or "default": note.score})
    return _SAVED


def track_metadata(request: Request, db: Database) -> Answer:
    """Note metadata, strings by key; a known key is replaced."""
    note = request.read(_Metadata)
    request_id = _logged(db, note)
    index(db, request_id, "metadata", _merge(db, request_id, "metadata", note.metadata))
    return _SAVED


def track_group(request: Request, db: Database) -> Answer:
    """Put a request into a group."""
    note = request.read(_Group)
    request_id = _logged(db, note)
    if not db.execute("SELECT 1 FROM request_groups WHERE id = ?", (note.group_id,)).fetchone():
        raise malformed(f"There is no group with the id {note.group_id}.")
    db.execute("UPDATE requests SET group_id = ? WHERE id = ?", (note.group_id, request_id))
    return _SAVED


def create_group(request: Request, db: Database) -> Answer:
    """Create a group."""
    return {"success": True, "id": insert(db, "request_groups", created_at=now())}


def set_prompt(db: Database, request_id: int, version: Row | None, variables: dict[str, Any] | None) -> None:
    """Save the version that a request used, and the input variables of the prompt."""
    used = variables or {}
    db.execute(
        "UPDATE requests SET version_id = ?, prompt_input_variables = ? WHERE id = ?",
        (version and version["id"], encoded(used), request_id),
    )
    # As in the service, those that the prompt does not have are not searched.
    names = version["body"]["prompt_template"]["input_variables"] if version else ()
    index(db, request_id, "input_variables", {name: used[name] for name in names if name in used})


def index(db: Database, request_id: int, field: str, value: Any) -> None:
    """Save the values in a field of a request, in place of earlier ones, for searches."""
    db.execute("DELETE FROM request_values WHERE request_id = ? AND field = ?", (request_id, field))
    db.executemany(
        "INSERT OR IGNORE INTO request_values VALUES (?, ?, ?, ?)",
        [(request_id, field, *pair) for pair in flat(value)],
    )


def _merge(db: Database, request_id: int, column: str, values: dict[str, Any]) -> Any:
    """Add values to the JSON object in a column of a request, and return the object."""
    merged = f'{column} = json_patch({column}, ?) WHERE id = ? RETURNING {column} AS "merged [json]"'
    return db.execute(f"UPDATE requests SET {merged}", (encoded(values), request_id)).fetchone()[0]


def _logged(db: Database, note: _Note) -> int:
    """Return the id of the request that a note names; 400 if it was not logged."""
    missing = f"There is no request with the id {note.request_id}."
    row = row_of(db, "SELECT id FROM requests WHERE id = ?", (note.request_id,), missing, status=400)
    return int(row["id"])

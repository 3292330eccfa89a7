"""Notes on logged requests: the prompt, scores, metadata and the group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from msgspec import Meta, Struct

from promptsync.server.http.answer import ApiError, Response, malformed
from promptsync.server.http.fields import checked
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.store.database import Database, Row, encoded, insert, now
from promptsync.server.tracking.logged import Metadata, Score, SentId, flat


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


def track_prompt(request: Request) -> Response:
    """Note which version a request used: the newest unless a label or a version is given."""
    body = request.body
    if body.get("request_id") is True and isinstance(body.get("prompt_input_variables"), str):
        # The SDK's asynchronous client (seen in 1.5.14) passes its arguments one place too late, so that
        # request_id is true and prompt_name the id; the label is lost.
        keys = _Prompt.__struct_fields__
        body = dict(zip(keys, (body.get(key) for key in keys[1:]), strict=False))
    note = checked(body, _Prompt)
    number = None if note.version is None else int(note.version)
    with _open(request, note) as (db, request_id):
        try:
            version = items.version(db, items.find(db, note.prompt_name), number, note.label)
        except ApiError as error:
            raise malformed(error.message) from error
        set_prompt(db, request_id, version, note.prompt_input_variables)
    return _saved()


def track_score(request: Request) -> Response:
    """Note a score from 0 to 100 under ``name``; a second one under the same name replaces it."""
    note = request.read(_Score)
    with _open(request, note) as (db, request_id):
        _merge(db, request_id, "scores", {note.name or "default": note.score})
    return _saved()


def track_metadata(request: Request) -> Response:
    """Note metadata, strings by key; a known key is replaced."""
    note = request.read(_Metadata)
    with _open(request, note) as (db, request_id):
        index(db, request_id, "metadata", _merge(db, request_id, "metadata", note.metadata))
    return _saved()


def track_group(request: Request) -> Response:
    """Put a request into a group."""
    note = request.read(_Group)
    with _open(request, note) as (db, request_id):
        if not db.execute("SELECT 1 FROM request_groups WHERE id = ?", (note.group_id,)).fetchone():
            raise malformed(f"There is no group with the id {note.group_id}.")
        db.execute("UPDATE requests SET group_id = ? WHERE id = ?", (note.group_id, request_id))
    return _saved()


def create_group(request: Request) -> Response:
    """Create a group."""
    with request.store.write() as db:
        return Response({"success": True, "id": insert(db, "request_groups", created_at=now())})


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


@contextmanager
def _open(request: Request, note: _Note) -> Iterator[tuple[Database, int]]:
    """Open a transaction about the request that a note names; 400 if it was not logged."""
    request_id = int(note.request_id)
    with request.store.write() as db:
        if not db.execute("SELECT 1 FROM requests WHERE id = ?", (request_id,)).fetchone():
            raise malformed(f"There is no request with the id {request_id}.")
        yield db, request_id


def _saved() -> Response:
    return Response({"success": True, "message": "Saved."})

"""Notes on logged requests: the prompt, scores, metadata and the group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from promptsync.server.http.answer import ApiError, Response, malformed
from promptsync.server.http.fields import Fields, read_id
from promptsync.server.http.request import Request
from promptsync.server.prompts import find
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, encoded, insert


def track_prompt(request: Request) -> Response:
    """Note which version a request used: the newest unless a label or a version is given."""
    body = _in_place(request.body())
    name, label = body.text("prompt_name"), body.optional_text("label")
    number = None if body.get("version") is None else id_in(body, "version")
    variables = body.object("prompt_input_variables") or {}
    with _logged_request(request, body) as (db, request_id):
        try:
            version = find.version(db, find.find(db, name), number, label)
        except ApiError as error:
            raise malformed(error.message) from error
        db.execute(
            "UPDATE requests SET version_id = ?, variables = ? WHERE id = ?",
            (version["id"], encoded(variables), request_id),
        )
    return _saved()


def _in_place(body: Fields) -> Fields:
    """Return the body with each value under its own key.

    The SDK's asynchronous client (seen in 1.5.14) passes its arguments one place too late, so that
    ``request_id`` is true and ``prompt_name`` the id; the label is lost.
    """
    if body.get("request_id") is not True or not isinstance(body.get("prompt_input_variables"), str):
        return body
    keys = ("request_id", "prompt_name", "prompt_input_variables", "version", "label")
    return Fields(dict(zip(keys, (body.get(key) for key in keys[1:]), strict=False)))


def track_score(request: Request) -> Response:
    """Note a score from 0 to 100 under ``name``; a second one under the same name replaces it."""
    body = request.body()
    name = body.optional_text("name", least=1) or "default"
    score = body.integer("score", 0, 100)
    with _logged_request(request, body) as (db, request_id):
        note_score(db, request_id, name, score)
    return _saved()


def track_metadata(request: Request) -> Response:
    """Note metadata, strings by key; a known key is replaced."""
    body = request.body()
    metadata = body.string_map("metadata", longest_key=1024)
    if body.get("metadata") is None:
        raise body.fault("metadata", "is required")
    with _logged_request(request, body) as (db, request_id):
        db.executemany(
            "INSERT INTO request_metadata VALUES (?, ?, ?)"
            " ON CONFLICT (request_id, key) DO UPDATE SET value = excluded.value",
            [(request_id, key, value) for key, value in metadata.items()],
        )
    return _saved()


def track_group(request: Request) -> Response:
    """Put a request into a group."""
    body = request.body()
    group_id = id_in(body, "group_id")
    with _logged_request(request, body) as (db, request_id):
        if not db.execute("SELECT 1 FROM request_groups WHERE id = ?", (group_id,)).fetchone():
            raise malformed(f"There is no group with the id {group_id}.")
        db.execute("UPDATE requests SET group_id = ? WHERE id = ?", (group_id, request_id))
    return _saved()


def create_group(request: Request) -> Response:
    """Create a group."""
    with request.store.write() as db:
        return Response({"success": True, "id": insert(db, "request_groups", created_at=now())})


def note_score(db: Database, request_id: int, name: str, score: int) -> None:
    """Save a score of a logged request."""
    db.execute(
        "INSERT INTO request_scores VALUES (?, ?, ?)"
        " ON CONFLICT (request_id, name) DO UPDATE SET score = excluded.score",
        (request_id, name, score),
    )


def id_in(body: Fields, name: str) -> int:
    """Return a positive integer, which some calls of the SDK send as a string."""
    value = body.get(name)
    return Fields({name: read_id(value) if isinstance(value, str) else value}).id(name)


@contextmanager
def _logged_request(request: Request, body: Fields) -> Iterator[tuple[Database, int]]:
    """Open a transaction about the request that ``request_id`` names; 400 if it was not logged."""
    request_id = id_in(body, "request_id")
    with request.store.write() as db:
        if not db.execute("SELECT 1 FROM requests WHERE id = ?", (request_id,)).fetchone():
            raise malformed(f"There is no request with the id {request_id}.")
        yield db, request_id


def _saved() -> Response:
    return Response({"success": True, "message": "Saved."})

"""External ids: names that other systems give to a template."""

from __future__ import annotations

from promptsync.server.http.answer import Response, conflict, malformed, not_found
from promptsync.server.http.fields import Fields
from promptsync.server.http.request import Request
from promptsync.server.prompts import find
from promptsync.server.store.database import Database, decoded

MAX_SOURCE, MAX_EXTERNAL_ID = 128, 512

EXTERNAL_IDS = (
    "(SELECT json_group_array(json_object('source', e.source, 'external_id', e.external_id)) FROM"
    " (SELECT * FROM external_ids WHERE template_id = {id} ORDER BY source, external_id) e)"
)
"""SQL for the external ids of the template ``{id}``, as JSON."""

HAS_EXTERNAL_ID = (
    "IN (SELECT template_id FROM external_ids WHERE source = :source AND external_id = :external_id)"
)
"""SQL after the id of a template: whether it has the external id."""


def attach(request: Request) -> Response:
    """Attach an external id to a template: 201, also if it was attached before."""
    source, external_id = read_external_id(request.body())
    with request.store.write() as db:
        template = find.by_id(db, request.id("prompt_template_id"))
        attach_external_id(db, template["id"], source, external_id)
    return Response({"success": True, "external_id": {"source": source, "external_id": external_id}}, 201)


def list_external_ids(request: Request) -> Response:
    """List the external ids of a template."""
    with request.store.read() as db:
        template = find.by_id(db, request.id("prompt_template_id"))
        return Response({"success": True, "external_ids": external_ids_of(db, template["id"])})


def detach(request: Request) -> Response:
    """Detach an external id from a template: 404 if it is not attached."""
    source, external_id = external_id_in_path(request)
    with request.store.write() as db:
        template = find.by_id(db, request.id("prompt_template_id"))
        gone = db.execute(
            "DELETE FROM external_ids WHERE template_id = ? AND source = ? AND external_id = ?",
            (template["id"], source, external_id),
        )
        if not gone.rowcount:
            raise not_found(f"The external id {external_id!r} of {source!r} is not attached.")
    return Response({"success": True})


def read_external_id(fields: Fields) -> tuple[str, str]:
    """Return source and id of ``{"source", "external_id"}``, which allows no other keys; 400 otherwise."""
    if fields.values.keys() != {"source", "external_id"}:
        raise malformed("An external id is an object with source and external_id, and nothing else.")
    source = fields.text("source", least=1, most=MAX_SOURCE)
    return source, fields.text("external_id", least=1, most=MAX_EXTERNAL_ID)


def refuse_external_ids(body: Fields) -> None:
    """Raise an error for external ids of anything but a template."""
    if body.get("external_ids"):
        raise body.fault(
            "external_ids", "must be empty, because only prompt templates have external ids here"
        )


def external_id_in_path(request: Request) -> tuple[str, str]:
    """Return source and id from the path of a request; 400 if one of them is too long."""
    return read_external_id(Fields({key: request.path[key] for key in ("source", "external_id")}))


def external_ids_of(db: Database, template_id: int) -> list[dict[str, str]]:
    """Return the external ids of one template."""
    found: list[dict[str, str]] = decoded(
        db.execute(f"SELECT {EXTERNAL_IDS.format(id='?')}", (template_id,)).fetchone()[0]
    )
    return found


def attach_external_id(db: Database, template_id: int, source: str, external_id: str) -> None:
    """Attach the pair; attaching it again is fine, attaching it to a second template is a 409."""
    pair = source, external_id
    db.execute("INSERT INTO external_ids VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (*pair, template_id))
    owner = db.execute(
        "SELECT template_id FROM external_ids WHERE source = ? AND external_id = ?", pair
    ).fetchone()
    if owner["template_id"] != template_id:
        raise conflict(f"The external id {external_id!r} of {source!r} belongs to another prompt template.")

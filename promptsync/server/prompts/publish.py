"""Publishing: every call adds a version, with its labels, tags and folder, or nothing."""

from __future__ import annotations

from typing import Any

from promptsync.prompt.snippets import rendered_in
from promptsync.server.http.answer import Response, malformed
from promptsync.server.http.request import Request
from promptsync.server.prompts import items, snippets, tools
from promptsync.server.prompts.draft import Draft, patched, read_draft
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.prompts.labels import unprotected
from promptsync.server.store.database import Database, decoded


def publish(request: Request) -> Response:
    """Add a version: 201, also for a known name.

    Tags and folder that are not given stay as they are. An archived name is restored under its old id, with
    the new version after its old ones: the API has no other way to restore it.
    """
    draft = read_draft(request.body())
    with request.store.write() as db:
        answer = add_version(db, draft)
    return Response(answer, 201)


def patch(request: Request) -> Response:
    """Add a version that changes another one, the latest unless the body names one: 201."""
    body = request.body()
    number, label = body.version()
    if number is not None and label is not None:
        raise malformed("Specify version or label, not both.")
    with request.store.write() as db:
        template = items.find(db, request.path["identifier"])
        base = items.version(db, template, number, label)
        answer = add_version(db, patched(template["name"], base, body))
    return Response(answer, 201)


def add_version(db: Database, draft: Draft) -> dict[str, Any]:
    """Store ``draft`` as the next version of its template, creating it if necessary; return the response."""
    snippets.check(db, draft.name, draft.template, draft.labels or ())
    tools.check(draft.template)
    if draft.folder_id is not None:
        folder_by_id(db, draft.folder_id, status=400)
    # This comes before anything is stored, because a refused label refuses the whole publish.
    labels = None if draft.labels is None else unprotected(db, draft.name, draft.labels)
    template = items.save(db, items.TEMPLATE, draft.name, tags=draft.tags, folder_id=draft.folder_id)
    body = {"prompt_template": draft.template, "metadata": draft.metadata}
    version = items.add_version(db, template, body, message=draft.message, type=draft.template["type"])
    items.point_labels(db, version, labels or ())
    db.executemany(
        "INSERT INTO snippet_uses (version_id, name, number, label) VALUES (?, ?, ?, ?)",
        [(version["id"], use.name, use.version, use.label) for use in rendered_in(draft.template)],
    )
    return {
        "id": template["id"],
        "prompt_name": draft.name,
        "prompt_version_id": version["id"],
        "version_number": version["number"],
        "tags": decoded(template["tags"]),
        "release_labels": labels,
        **body,
        "commit_message": draft.message,
        "external_ids": [],
    }

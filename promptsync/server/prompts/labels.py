"""Release labels: one pointer per name and template, and which of them are protected.

A protected label changes only with approval. How the vendor's registry responds to such a change is
not documented, so the fixtures choose one of the responses that a client must be ready for. Removing the
label from the fixtures approves it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from promptsync.server.http.answer import ApiError, Response, conflict, invalid, not_found
from promptsync.server.http.fields import Fields
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.prompts.draft import MAX_LABEL
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, insert

PENDING = "pending"
"""The response to a change of a protected label unless the fixtures have another one."""

_REFUSALS = {"forbidden": 403, "conflict": 409}

_LISTED = (
    "l.name AS release_label, l.id AS release_label_id,"
    " l.version_id AS prompt_version_id, v.number AS prompt_version_number"
)
_SOURCE = (
    "FROM labels l JOIN versions v ON v.id = l.version_id JOIN items t ON t.id = l.item_id"
    f" WHERE NOT t.deleted AND t.kind = '{items.TEMPLATE}'"
)


def all_labels(request: Request) -> Response:
    """List every label of every active template."""
    with request.store.read() as db:
        rows = db.execute(
            f"SELECT {_LISTED}, t.id AS prompt_id, t.name AS prompt_name {_SOURCE} ORDER BY t.id, l.name"
        ).fetchall()
    return Response({"success": True, "release_labels": [dict(row) for row in rows]})


def template_labels(request: Request) -> Response:
    """List the labels of one template."""
    with request.store.read() as db:
        template = items.find(db, request.path["identifier"])
        rows = db.execute(
            f"SELECT {_LISTED} {_SOURCE} AND t.id = ? ORDER BY l.name", (template["id"],)
        ).fetchall()
    return Response({"success": True, "release_labels": [dict(row) for row in rows]})


def create_label(request: Request) -> Response:
    """Create a label: 409 for a name that the template has, which PATCH moves.

    200 with a message and no label if the label is protected and waits for approval.
    """
    body = request.body(status=422)
    name = body.text("name", least=1, most=MAX_LABEL)
    with request.store.write() as db:
        template = items.by_id(db, request.id("prompt_id"))
        version = _named_version(db, template, body)
        known = db.execute(
            "SELECT id FROM labels WHERE item_id = ? AND name = ?", (template["id"], name)
        ).fetchone()
        if known is not None:
            raise conflict(
                f"{template['name']!r} has the label {name!r} already; move it with "
                f"PATCH /prompt-labels/{known['id']}."
            )
        if needs_approval(db, template["name"], name):
            return Response(_waiting(name))
        label_id = insert(
            db,
            "labels",
            item_id=template["id"],
            name=name,
            version_id=version["id"],
            created_at=now(),
        )
        return Response(_pointer(db, label_id))


def move_label(request: Request) -> Response:
    """Move a label and return it as it is then, which is unchanged if the move waits for approval."""
    label_id = request.id("prompt_label_id")
    with request.store.write() as db:
        label = _pointer(db, label_id)
        template = items.by_id(db, label["prompt_id"])
        version = _named_version(db, template, request.body(status=422))
        if needs_approval(db, template["name"], label["name"]):
            return Response(label | _waiting(label["name"]))
        db.execute("UPDATE labels SET version_id = ? WHERE id = ?", (version["id"], label_id))
        return Response(_pointer(db, label_id))


def delete_label(request: Request) -> Response:
    """Delete a label, unless that waits for approval."""
    label_id = request.id("prompt_label_id")
    with request.store.write() as db:
        label = _pointer(db, label_id)
        if needs_approval(db, items.by_id(db, label["prompt_id"])["name"], label["name"]):
            return Response(_waiting(label["name"]))
        db.execute("DELETE FROM labels WHERE id = ?", (label_id,))
    return Response({"success": True, "message": f"Deleted the release label {label['name']!r}."})


def _pointer(db: Database, label_id: int) -> dict[str, Any]:
    row = db.execute(
        "SELECT l.id, l.name, t.id AS prompt_id, l.version_id AS prompt_version_id, l.created_at"
        f" {_SOURCE} AND l.id = ?",
        (label_id,),
    ).fetchone()
    if row is None:
        raise not_found(f"There is no release label with the id {label_id}.")
    return dict(row)


def _named_version(db: Database, template: Row, body: Fields) -> Row:
    number, version_id = body.optional_id("prompt_version_number"), body.optional_id("prompt_version_id")
    if number is None and version_id is None:
        raise invalid(
            "prompt_version_number or prompt_version_id is required.", "body", "prompt_version_number"
        )
    given = {"number": number, "id": version_id}
    # Only the columns that were given, because SQLite uses no index for coalesce(:number, number).
    conditions = "".join(f" AND {column} = :{column}" for column, value in given.items() if value is not None)
    row: Row | None = db.execute(
        f"SELECT * FROM versions WHERE item_id = :template{conditions}",
        {"template": template["id"], **given},
    ).fetchone()
    if row is None:
        wanted = {"prompt_version_number": number, "prompt_version_id": version_id}
        named = " and ".join(f"{key} {value}" for key, value in wanted.items() if value is not None)
        raise not_found(f"The prompt template {template['name']!r} has no version with {named}.")
    return row


# -- protection ---------------------------------------------------------------------------------------------


def needs_approval(db: Database, prompt: str, label: str) -> bool:
    """Return whether changes of this label of a prompt wait for approval; 403 or 409 if they are refused."""
    answers = [
        row["answer"]
        for row in db.execute("SELECT * FROM protected_labels WHERE name = ? ORDER BY id", (label,))
        if any(fnmatchcase(prompt, pattern) for pattern in decoded(row["prompts"]))
    ]
    # The first matching line of the fixtures counts.
    if answers and answers[0] != PENDING:
        raise ApiError(_REFUSALS[answers[0]], f"The release label {label!r} is protected.")
    return bool(answers)


def unprotected(db: Database, prompt: str, labels: Iterable[str]) -> list[str]:
    """Return those of the labels that a publish sets at once; raises as ``needs_approval`` does."""
    return [label for label in labels if not needs_approval(db, prompt, label)]


def _waiting(label: str) -> dict[str, Any]:
    return {"success": True, "message": f"The change of the protected label {label!r} waits for approval."}

"""Release labels: one pointer per name and template, and which of them are protected.

A protected label changes only with approval. How the vendor's registry responds to such a change is
not documented, so the fixtures choose one of the responses that a client must be ready for. A label that is
removed from the fixtures moves to where the newest change of it was to go: that is the approval.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from promptsync.server.http import ApiError, Id, Name, Request, Response, invalid, row_of
from promptsync.server.prompts import items
from promptsync.server.store.database import Database, Row, decoded, encoded, insert, now

PENDING = "pending"
"""The response to a change of a protected label unless the fixtures have another one."""

_REFUSALS = {"forbidden": 403, "conflict": 409}
_REQUESTS = "requests"
"""The key of the changes that wait in a protected label: ids of templates, each with that of a version."""


class Target(Struct, frozen=True):
    """The version of a label in a request: by its number, its id, or both."""

    prompt_version_number: Id | None = None
    prompt_version_id: Id | None = None


class NewLabel(Target, frozen=True, kw_only=True):
    """The body that creates a label."""

    name: Name


def all_labels(request: Request) -> Response:
    """List every label of every active template."""
    with request.store.read() as db:
        kind = f"t.kind = '{items.TEMPLATE}' AND NOT t.deleted"
        return _listed(db, "prompt_version", ", t.id AS prompt_id, t.name AS prompt_name", kind)


def template_labels(request: Request) -> Response:
    """List the labels of one template."""
    return list_labels(request, items.TEMPLATE, "prompt_version")


def list_labels(request: Request, kind: str, version: str) -> Response:
    """List the labels of the item in the path, whose versions are called ``version`` in a response."""
    with request.store.read() as db:
        item = items.find(db, request.path["identifier"], kind)
        return _listed(db, version, "", f"t.id = {item['id']}")


def _listed(db: Database, version: str, columns: str, where: str) -> Response:
    rows = db.execute(
        "SELECT l.name AS release_label, l.id AS release_label_id,"
        f" v.id AS {version}_id, v.number AS {version}_number{columns}"
        " FROM labels l JOIN versions v ON v.id = l.version_id JOIN items t ON t.id = l.item_id"
        f" WHERE {where} ORDER BY t.id, l.name"
    )
    return Response({"success": True, "release_labels": [dict(row) for row in rows]})


def create_label(request: Request) -> Response:
    """Create a label: 409 for a name that the template has, which PATCH moves.

    200 with a message and no label if the label is protected and waits for approval.
    """
    body = request.read(NewLabel, status=422)
    with request.store.write() as db:
        template = items.get(db, items.TEMPLATE, "id", request.id("prompt_id"))
        version_id = _target(db, template, body)
        label = {"item_id": template["id"], "name": body.name}
        known = db.execute(
            "SELECT id FROM labels WHERE item_id = :item_id AND name = :name", label
        ).fetchone()
        if known is not None:
            what = f"{template['name']!r} has the label {body.name!r} already"
            raise ApiError(409, f"{what}; move it with PATCH /prompt-labels/{known['id']}.")
        if waits(db, template, body.name, version_id):
            return Response(_waiting(body.name))
        label_id = insert(db, "labels", **label, version_id=version_id, created_at=now())
        return Response(_label(db, label_id)[0])


def move_label(request: Request) -> Response:
    """Move a label and return it as it is then, which is unchanged if the move waits for approval."""
    body = request.read(Target, status=422)
    with request.store.write() as db:
        label, template = _label(db, request.id("prompt_label_id"))
        version_id = _target(db, template, body)
        if waits(db, template, label["name"], version_id):
            return Response(label | _waiting(label["name"]))
        db.execute("UPDATE labels SET version_id = ? WHERE id = ?", (version_id, label["id"]))
        return Response(label | {"prompt_version_id": version_id})


def delete_label(request: Request) -> Response:
    """Delete a label, unless that waits for approval."""
    with request.store.write() as db:
        label, template = _label(db, request.id("prompt_label_id"))
        if waits(db, template, label["name"], None):
            return Response(_waiting(label["name"]))
        db.execute("DELETE FROM labels WHERE id = ?", (label["id"],))
    return Response({"success": True, "message": f"Deleted the release label {label['name']!r}."})


def _label(db: Database, label_id: int) -> tuple[dict[str, Any], Row]:
    """Return a label as in a response, and its template; 404 without an active template that has it."""
    columns = "id, name, item_id AS prompt_id, version_id AS prompt_version_id, created_at"
    missing = f"There is no release label with the id {label_id}."
    row = row_of(db, f"SELECT {columns} FROM labels WHERE id = ?", (label_id,), missing)
    return dict(row), items.get(db, items.TEMPLATE, "id", row["prompt_id"])


def _target(db: Database, template: Row, target: Target) -> int:
    """Return the id of the version of a template that a request names."""
    number, version_id = target.prompt_version_number, target.prompt_version_id
    if number is None and version_id is None:
        required = "prompt_version_number or prompt_version_id is required."
        raise invalid(required, "body", "prompt_version_number")
    where = "item_id = ? AND number = coalesce(?, number) AND id = coalesce(?, id)"
    what = "the id" if number is None else "the number"
    missing = f"{template['name']!r} has no version with {what} {number or version_id}."
    sql = f"SELECT id FROM versions WHERE {where}"
    return int(row_of(db, sql, (template["id"], number, version_id), missing)["id"])


# -- protection ---------------------------------------------------------------------------------------------


def waits(db: Database, template: Row, label: str, version_id: int | None) -> bool:
    """Keep the change of a protected label until it is approved, and return whether the label is protected.

    Without ``version_id`` the label is to be deleted. Raises 403 or 409 if the fixtures refuse changes.
    """
    protected = _protected(db)
    line = _line(protected, template["name"], label)
    if line is not None and line["answer"] != PENDING:
        raise ApiError(_REFUSALS[line["answer"]], f"The release label {label!r} is protected.")
    if line is not None:
        line.setdefault(_REQUESTS, {})[str(template["id"])] = version_id
        db.execute("UPDATE registry SET protected_labels = ?", (encoded(protected),))
    return line is not None


def protect(db: Database, protected: list[dict[str, Any]]) -> None:
    """Protect these labels and no others, and carry out the changes that waited for others."""
    for old in _protected(db):
        for item_id, version_id in old.get(_REQUESTS, {}).items():
            template = items.get(db, items.TEMPLATE, "id", int(item_id), archived=True)
            line = _line(protected, template["name"], old["name"])
            if line is not None:
                line.setdefault(_REQUESTS, {})[item_id] = version_id
            elif version_id is not None:
                items.point_labels(db, items.version_by_id(db, version_id), [old["name"]])
            else:
                db.execute("DELETE FROM labels WHERE item_id = ? AND name = ?", (item_id, old["name"]))
    db.execute("UPDATE registry SET protected_labels = ?", (encoded(protected),))


def _protected(db: Database) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = decoded(db.execute("SELECT protected_labels FROM registry").fetchone()[0])
    return lines


def _line(protected: list[dict[str, Any]], prompt: str, label: str) -> dict[str, Any] | None:
    """Return the line of the fixtures that protects a label of a prompt: the first that matches."""
    lines = (line for line in protected if line["name"] == label)
    return next((line for line in lines if any(fnmatchcase(prompt, name) for name in line["prompts"])), None)


def _waiting(label: str) -> dict[str, Any]:
    return {"success": True, "message": f"The change of the protected label {label!r} waits for approval."}

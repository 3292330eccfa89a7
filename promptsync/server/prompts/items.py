"""Items, which have versions and labels: prompt templates, agents, tools, skill collections and datasets.

Over HTTP, only the labels of templates change, and a protected one changes only with approval. How the
vendor's registry responds to such a change is not documented, so the fixtures choose one of the responses
that a client must be ready for. A label that is removed from the fixtures moves to where the newest change of
it was to go: that is the approval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec import Struct

from promptsync.server.http import Answer, ApiError, Id, Name, Request, Response, invalid, read_id, row_of
from promptsync.server.store.database import Database, Row, decoded, encoded, insert, now

TEMPLATE: Final = "prompt template"
WORKFLOW: Final = "workflow"
TOOL: Final = "tool"
SKILL: Final = "skill collection"
DATASET: Final = "dataset"

PENDING = "pending"
"""The response to a change of a protected label unless the fixtures have another one."""

_REFUSALS = {"forbidden": 403, "conflict": 409}
LATEST = "items i JOIN versions v ON v.item_id = i.id AND v.number = i.latest"
"""SQL: items with their latest versions."""

_VERSION = 'id, item_id, number, type, message, created_at, body AS "body [json]"'


class VersionChoice(Struct, frozen=True, kw_only=True):
    """Which version of an item a request is about, by default the latest one."""

    version: Id | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise ValueError("specify a version or a label, not both")


def find(db: Database, identifier: str, kind: str = TEMPLATE) -> Row:
    """Return the active item with this name or, failing that, this id; 404 otherwise."""
    column, value = ("uid", identifier) if kind in (TOOL, SKILL) else ("id", read_id(identifier))
    # A name of digits may be another item's id. Then the name wins.
    sql = f"kind = ? AND NOT deleted AND (name = ? OR {column} = ?) ORDER BY name <> ?"
    values, missing = (kind, identifier, value, identifier), f"There is no {kind} called {identifier!r}."
    return row_of(db, f"SELECT * FROM items WHERE {sql}", values, missing)


def get(db: Database, kind: str, column: str, value: str | int | None, *, archived: bool = False) -> Row:
    """Return the item with exactly this name, ``uid`` or id; 404 otherwise.

    An archived item is returned only if ``archived`` is set.
    """
    sql = f"SELECT * FROM items WHERE kind = ? AND {column} = ? AND deleted <= ?"
    missing = f"There is no {kind} with the {'name' if column == 'name' else 'id'} {value!r}."
    return row_of(db, sql, (kind, value, archived), missing)


def save(
    db: Database,
    kind: str,
    name: str,
    *,
    uid: str | None = None,
    tags: Sequence[str] | None = None,
    folder_id: int | None = None,
) -> Row:
    """Return the item of this kind and name, created or restored if necessary.

    What is ``None`` stays as it is.
    """
    values = {"kind": kind, "name": name, "uid": uid, "folder": folder_id, "now": now()}
    row: Row = db.execute(
        "INSERT INTO items (kind, name, uid, tags, folder_id, created_at, updated_at)"
        " VALUES (:kind, :name, :uid, coalesce(:tags, '[]'), :folder, :now, :now)"
        " ON CONFLICT (kind, name) DO UPDATE SET deleted = 0, uid = coalesce(:uid, uid),"
        " tags = coalesce(:tags, tags), folder_id = coalesce(:folder, folder_id),"
        " updated_at = CASE WHEN deleted THEN :now ELSE updated_at END RETURNING *",
        {**values, "tags": None if tags is None else encoded(tags)},
    ).fetchone()
    return row


def version(
    db: Database, item: Row, number: int | str | None = None, label: str | None = None, *, status: int = 404
) -> Row:
    """Return one version of an item: the one under ``label``, or ``number``, or the latest; or an error."""
    if label is not None:
        condition = "id = (SELECT version_id FROM labels WHERE item_id = :item AND name = :label)"
    else:
        condition = "item_id = :item AND number = :number"
    values = {"item": item["id"], "number": number or item["latest"], "label": label}
    what = f"version {number}" if label is None else f"release label {label!r}"
    missing = f"The {item['kind']} {item['name']!r} has no {what}."
    return row_of(db, f"SELECT {_VERSION} FROM versions WHERE {condition}", values, missing, status=status)


def version_by_id(db: Database, version_id: int | None, kind: str = TEMPLATE) -> Row:
    """Return the version with this id, whose item may be archived; 404 otherwise."""
    sql = f"SELECT {_VERSION} FROM versions WHERE id = ? AND (SELECT kind FROM items WHERE id = item_id) = ?"
    missing = f"There is no version of a {kind} with the id {version_id}."
    return row_of(db, sql, (version_id, kind), missing)


def requested(request: Request, db: Database, kind: str = TEMPLATE) -> tuple[Row, Row]:
    """Return the item in the path of a request, and its version for the query; 404 otherwise."""
    choice = request.parameters(VersionChoice)
    item = find(db, request.path["identifier"], kind)
    return item, version(db, item, choice.version, choice.label)


def add_version(
    db: Database,
    item: Row,
    body: Any,
    *,
    message: str | None = None,
    type: str | None = None,
    number: int | None = None,
) -> Row:
    """Store the next version of an item, or one with a ``number``, which replaces what has that number."""
    moment = now()
    number = number or item["latest"] + 1
    db.execute(
        "UPDATE items SET latest = max(latest, ?), updated_at = ? WHERE id = ?", (number, moment, item["id"])
    )
    row: Row = db.execute(
        "INSERT INTO versions (item_id, number, body, type, message, created_at) VALUES (?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT (item_id, number) DO UPDATE SET body = excluded.body RETURNING {_VERSION}",
        (item["id"], number, encoded(body), type, message, moment),
    ).fetchone()
    return row


def point_labels(db: Database, version: Row, labels: Iterable[str]) -> None:
    """Point labels at a version. Labels that its item does not have are created."""
    db.executemany(
        "INSERT INTO labels (item_id, name, version_id, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (item_id, name) DO UPDATE SET version_id = excluded.version_id",
        [(version["item_id"], label, version["id"], now()) for label in labels],
    )


# -- the labels of templates over HTTP ----------------------------------------------------------------------


class Target(Struct, frozen=True):
    """The version of a label in a request."""

    prompt_version_number: Id


class _NewLabel(Target, frozen=True):
    name: Name


def list_labels(
    request: Request, db: Database, kind: str = TEMPLATE, version: str = "prompt_version"
) -> Answer:
    """List the labels of the item in the path, or of all active templates.

    Their versions are called ``version`` in the response.
    """
    identifier, columns = request.path.get("identifier"), ""
    if identifier is None:
        columns = ", t.id AS prompt_id, t.name AS prompt_name"
        where = f"t.kind = '{kind}' AND NOT t.deleted"
    else:
        where = f"t.id = {find(db, identifier, kind)['id']}"
    rows = db.execute(
        "SELECT l.name AS release_label, l.id AS release_label_id,"
        f" v.id AS {version}_id, v.number AS {version}_number{columns}"
        " FROM labels l JOIN versions v ON v.id = l.version_id JOIN items t ON t.id = l.item_id"
        f" WHERE {where} ORDER BY t.id, l.name"
    ).fetchall()
    return {"success": True, "release_labels": [dict(row) for row in rows]}


def create_label(request: Request, db: Database) -> Answer:
    """Create a label: 422 for a name that the template has, which PATCH moves.

    200 with a message and no label if the label is protected and waits for approval.
    """
    body = request.read(_NewLabel)
    template = get(db, TEMPLATE, "id", request.path["prompt_id"])
    version_id = version(db, template, body.prompt_version_number, status=422)["id"]
    label = {"item_id": template["id"], "name": body.name}
    known = db.execute("SELECT id FROM labels WHERE item_id = :item_id AND name = :name", label).fetchone()
    if known is not None:
        what = f"{template['name']!r} has the label {body.name!r} already"
        raise invalid(f"{what}; move it with PATCH /prompt-labels/{known['id']}.", "body", "name")
    if waits(db, template, body.name, version_id):
        return _waiting(body.name)
    label_id = insert(db, "labels", **label, version_id=version_id, created_at=now())
    return _label(db, label_id)[0]


def move_label(request: Request, db: Database) -> Answer:
    """Move a label and return it as it is then, which is unchanged if the move waits for approval."""
    body = request.read(Target)
    label, template = _label(db, request.path["prompt_label_id"])
    version_id = version(db, template, body.prompt_version_number, status=422)["id"]
    if waits(db, template, label["name"], version_id):
        return label | _waiting(label["name"])
    db.execute("UPDATE labels SET version_id = ? WHERE id = ?", (version_id, label["id"]))
    return label | {"prompt_version_id": version_id}


def delete_label(request: Request, db: Database) -> Answer | Response:
    """Delete a label: 204, or 200 with a message if that waits for approval."""
    label, template = _label(db, request.path["prompt_label_id"])
    if waits(db, template, label["name"], None):
        return _waiting(label["name"])
    db.execute("DELETE FROM labels WHERE id = ?", (label["id"],))
    return Response(b"", 204)


def _label(db: Database, label_id: int) -> tuple[dict[str, Any], Row]:
    """Return a label as in a response, and its template; 404 without an active template that has it."""
    columns = "id, name, item_id AS prompt_id, version_id AS prompt_version_id, created_at"
    missing = f"There is no release label with the id {label_id}."
    row = row_of(db, f"SELECT {columns} FROM labels WHERE id = ?", (label_id,), missing)
    return dict(row), get(db, TEMPLATE, "id", row["prompt_id"])


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
        line["requests"][str(template["id"])] = version_id
        db.execute("UPDATE registry SET protected_labels = ?", (encoded(protected),))
    return line is not None


def protect(db: Database, protected: list[dict[str, Any]]) -> None:
    """Protect these labels and no others, and carry out the changes that waited for others."""
    for old in _protected(db):
        for item_id, version_id in old["requests"].items():
            template = get(db, TEMPLATE, "id", int(item_id), archived=True)
            line = _line(protected, template["name"], old["name"])
            if line is not None:
                line["requests"][item_id] = version_id
            elif version_id is not None:
                point_labels(db, version_by_id(db, version_id), [old["name"]])
            else:
                db.execute("DELETE FROM labels WHERE item_id = ? AND name = ?", (item_id, old["name"]))
    db.execute("UPDATE registry SET protected_labels = ?", (encoded(protected),))


def _protected(db: Database) -> list[dict[str, Any]]:
    """Return the lines, each with the ``requests`` that wait: versions, by the ids of their templates."""
    lines: list[dict[str, Any]] = decoded(db.execute("SELECT protected_labels FROM registry").fetchone()[0])
    return lines


def _line(protected: list[dict[str, Any]], prompt: str, label: str) -> dict[str, Any] | None:
    """Return the line of the fixtures that protects a label of a prompt: the first that matches."""
    lines = (line for line in protected if line["name"] == label)
    return next((line for line in lines if any(fnmatchcase(prompt, name) for name in line["prompts"])), None)


def _waiting(label: str) -> dict[str, Any]:
    return {"success": True, "message": f"The change of the protected label {label!r} waits for approval."}

"""Reading templates: the list, the rendered form, the raw form."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from typing import Any

from promptsync.prompt.template import render_template
from promptsync.server import expansion, query, records
from promptsync.server.errors import invalid
from promptsync.server.http import MAX_INTEGER, Request, Response
from promptsync.server.llm import llm_kwargs
from promptsync.server.records import Row, decoded

_SORT_COLUMNS = {"created_at": "t.created_at", "updated_at": "t.updated_at", "name": "t.name", "id": "t.id"}


def list_templates(request: Request) -> Response:
    """``GET /prompt-templates``: newest first unless sorted otherwise, bodies as stored (never rendered).

    ``label`` keeps the templates that have it and shows the version under it. There are no users here, so
    ``created_by_email`` matches nothing.
    """
    page = query.page(request.query, 30)
    where, values = _filters(request)
    join = "JOIN versions v ON v.template_id = t.id AND v.number = t.latest"
    label = query.text(request.query, "label")
    if label is not None:
        join = (
            "JOIN labels l ON l.template_id = t.id AND l.name = :label JOIN versions v ON v.id = l.version_id"
        )
        values["label"] = label
    source = f"FROM templates t {join} WHERE {' AND '.join(where)}"
    with request.context.store.read() as db:
        total = db.execute(f"SELECT count(*) {source}", values).fetchone()[0]
        limit, offset = page.window
        rows = db.execute(
            "SELECT t.id, t.name, t.tags, t.folder_id, v.number, v.type, v.template, v.metadata, v.message"
            f" {source} {_order(request)} LIMIT :limit OFFSET :offset",
            {**values, "limit": limit, "offset": offset},
        )
        items = [_item(db, row) for row in rows]
    return Response({"items": items, **page.neighbours(total), **page.numbers(total)})


def _order(request: Request) -> str:
    column = _SORT_COLUMNS[query.choice(request.query, "sort_by", tuple(_SORT_COLUMNS), "created_at")]
    direction = query.choice(request.query, "sort_order", ("asc", "desc"), "desc")
    return f"ORDER BY {column} {direction}, t.id {direction}"


def _filters(request: Request) -> tuple[list[str], dict[str, Any]]:
    asked = request.query
    status = query.choice(asked, "status", ("active", "deleted", "all"), "active")
    where = {"active": ["NOT t.deleted"], "deleted": ["t.deleted"], "all": ["1"]}[status]
    values: dict[str, Any] = {}
    name = query.text(asked, "name")
    if name is not None:
        where.append("instr(casefold(t.name), casefold(:name_part))")
        values["name_part"] = name
    for index, tag in enumerate(query.texts(asked, "tags")):
        where.append(f"EXISTS (SELECT 1 FROM json_each(t.tags) WHERE value = :tag{index})")
        values[f"tag{index}"] = tag
    for field in ("created_at", "updated_at"):
        stem = field.removesuffix("_at")
        for bound, sign in (("after", ">"), ("before", "<")):
            moment = query.moment(asked, f"{stem}_{bound}")
            if moment is not None:
                where.append(f"t.{field} {sign} :{stem}_{bound}")
                values[f"{stem}_{bound}"] = moment
    if query.text(asked, "created_by_email") is not None:
        where.append("0")
    snippet = query.boolean(asked, "is_snippet")
    if snippet is not None:
        used = records.USED_AS_SNIPPET.replace(":name", "t.name")
        where.append(f"(v.type = 'completion' AND {used}) = {int(snippet)}")
    return _external_filter(asked, where, values)


def _external_filter(
    asked: query.Query, where: list[str], values: dict[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    source, external_id = query.text(asked, "external_source"), query.text(asked, "external_id")
    if (source is None) != (external_id is None):
        raise invalid("external_source and external_id go together.", "query", "external_id")
    if source is not None:
        where.append(
            "t.id IN (SELECT template_id FROM external_ids"
            " WHERE source = :external_source AND external_id = :external_id)"
        )
        values |= {"external_source": source, "external_id": external_id}
    return where, values


def _item(db: sqlite3.Connection, row: Row) -> dict[str, Any]:
    path = records.folder_path(db, row["folder_id"])
    return {
        "id": row["id"],
        "prompt_name": row["name"],
        "tags": decoded(row["tags"]),
        "folder_id": row["folder_id"],
        "prompt_template": decoded(row["template"]),
        "version": row["number"],
        "commit_message": row["message"],
        "metadata": decoded(row["metadata"]),
        "parent_folder_name": path[-1]["name"] if path else None,
        "full_folder_path": "/".join(folder["name"] for folder in path) or None,
        "external_ids": records.external_ids(db, row["id"]),
        "is_snippet": records.is_snippet(db, row, row["type"]),
    }


def get_rendered(request: Request) -> Response:
    """``POST /prompt-templates/{identifier}``: what a model would get. A label wins over a version."""
    body = request.object()
    number, label = _wanted_version(body)
    values = _object(body, "input_variables")
    with request.context.store.read() as db:
        row = records.find(db, request.args["identifier"])
        version = records.version(db, row, number, label)
        template, used = expansion.expanded(db, decoded(version["template"]))
    metadata = decoded(version["metadata"])
    provider = body.get("provider") if isinstance(body.get("provider"), str) else None
    overrides = _object(body, "model_parameter_overrides") or {}
    warnings: list[str] = []
    renders = values or llm_kwargs(template, metadata, provider) is not None
    if renders and not body.get("skip_input_variable_rendering"):
        # Without variables and without a model the official SDK leaves the template alone, too.
        template, warnings = render_template(template, values or {})
    return Response(
        {
            "id": row["id"],
            "prompt_name": row["name"],
            "tags": decoded(row["tags"]),
            "workspace_id": request.context.store.workspace_id,
            "commit_message": version["message"],
            "metadata": metadata,
            "prompt_template": template,
            "llm_kwargs": llm_kwargs(template, metadata, provider, overrides),
            "provider_base_url": None,
            "provider_id": None,
            "custom_provider": None,
            "version": version["number"],
            "snippets": used,
            "warning": " ".join(warnings) or None,
            "request_id": uuid.uuid4().hex,
        }
    )


def _wanted_version(body: Mapping[str, Any]) -> tuple[int | None, str | None]:
    number, label = body.get("version"), body.get("label")
    if not isinstance(label, str | None):
        raise invalid("label has to be a string or null.", "body", "label", kind="type_error.str")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
        raise invalid("version has to be a positive integer.", "body", "version", kind="type_error.integer")
    return (None if number is None else min(number, MAX_INTEGER)), label


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = body.get(name)
    if not isinstance(value, dict | None):
        raise invalid(f"{name} has to be an object or null.", "body", name, kind="type_error.dict")
    return value


def get_raw(request: Request) -> Response:
    """``GET /prompt-templates/{identifier}``: as stored; variables are never applied.

    Snippets are expanded unless ``resolve_snippets=false``; then ``snippets`` lists the direct references.
    """
    number = query.integer(request.query, "version")
    label = query.text(request.query, "label")
    if number is not None and label is not None:
        raise invalid("version and label exclude each other.", "query", "version")
    resolve = query.boolean(request.query, "resolve_snippets") is not False
    with request.context.store.read() as db:
        row = records.find(db, request.args["identifier"])
        version = records.version(db, row, number, label)
        template = decoded(version["template"])
        if resolve:
            template, used = expansion.expanded(db, template)
        else:
            used = expansion.direct(db, template)
    metadata = decoded(version["metadata"])
    answer = {
        "success": True,
        "id": row["id"],
        "prompt_name": row["name"],
        "version": version["number"],
        "workspace_id": request.context.store.workspace_id,
        "prompt_template": template,
        "metadata": metadata,
        "commit_message": version["message"],
        "tags": decoded(row["tags"]),
        "created_at": version["created_at"],
        "snippets": used,
    }
    if query.boolean(request.query, "include_llm_kwargs"):
        answer["llm_kwargs"] = llm_kwargs(template, metadata, None)
    return Response(answer)

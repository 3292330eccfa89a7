"""What hangs on a template besides versions and labels: external ids, and the prompts that use it."""

from __future__ import annotations

import sqlite3
from typing import Any

from promptsync.server import query, records
from promptsync.server.draft import check_external_id, read_external_id
from promptsync.server.errors import not_found
from promptsync.server.http import Request, Response, required_id
from promptsync.server.publish import attach_external_id


def attach(request: Request) -> Response:
    """``POST /prompt-templates/{prompt_template_id}/external-ids``: 201, also when it was attached before."""
    template_id = required_id(request, "prompt_template_id")
    source, external_id = read_external_id(request.object())
    with request.context.store.write() as db:
        records.by_id(db, template_id)
        attach_external_id(db, template_id, source, external_id)
    pair = {"source": source, "external_id": external_id}
    return Response({"success": True, "external_id": pair}, 201)


def list_external_ids(request: Request) -> Response:
    """``GET /prompt-templates/{prompt_template_id}/external-ids``."""
    template_id = required_id(request, "prompt_template_id")
    with request.context.store.read() as db:
        records.by_id(db, template_id)
        return Response({"success": True, "external_ids": records.external_ids(db, template_id)})


def detach(request: Request) -> Response:
    """``DELETE .../external-ids/{source}/{external_id}``: 404 when it is not attached."""
    template_id = required_id(request, "prompt_template_id")
    source, external_id = request.args["source"], request.args["external_id"]
    check_external_id(source, external_id)
    with request.context.store.write() as db:
        records.by_id(db, template_id)
        gone = db.execute(
            "DELETE FROM external_ids WHERE template_id = ? AND source = ? AND external_id = ?",
            (template_id, source, external_id),
        )
        if not gone.rowcount:
            raise not_found(f"The external id {external_id!r} of {source!r} is not attached.")
    return Response({"success": True})


_USES = (
    "SELECT t.id, t.name, p.number, u.label FROM snippet_uses u"
    " JOIN versions p ON p.id = u.version_id JOIN templates t ON t.id = p.template_id"
    " WHERE u.name = :name AND NOT t.deleted AND (:number IS NULL OR coalesce(u.number, ("
    "  SELECT v.number FROM labels l JOIN versions v ON v.id = l.version_id"
    "  WHERE l.template_id = :id AND l.name = u.label), :latest) = :number)"
    " ORDER BY t.id, p.number"
)


def snippet_usage(request: Request) -> Response:
    """``GET /prompt-templates/{identifier}/snippet-usage``: the versions that reference this template.

    ``label_usage`` lists the labels of this snippet through which a prompt references it.
    """
    number = query.integer(request.query, "prompt_version_number")
    with request.context.store.read() as db:
        template = records.find(db, request.args["identifier"])
        if number is not None:
            records.version(db, template, number)
        usage, labels = _usage(db, template, number)
    return Response(
        {
            "success": True,
            "message": "Snippet usage read.",
            "snippet_name": template["name"],
            "snippet_usage": usage,
            "total_prompts_using_snippet": len(usage),
            "label_usage": labels,
            "total_labels_using_snippet": len(labels),
        }
    )


def _usage(
    db: sqlite3.Connection, template: records.Row, number: int | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    asked = {
        "name": template["name"],
        "id": template["id"],
        "latest": template["latest"],
        "number": number,
    }
    prompts: dict[int, dict[str, Any]] = {}
    labels: dict[tuple[int, str], dict[str, Any]] = {}
    for row in db.execute(_USES, asked):
        who = {"prompt_registry_id": row["id"], "prompt_name": row["name"]}
        numbers = prompts.setdefault(row["id"], {**who, "version_numbers": []})["version_numbers"]
        if row["number"] not in numbers:
            numbers.append(row["number"])
        if row["label"] is not None:
            labels[row["id"], row["label"]] = {**who, "label_name": row["label"]}
    return list(prompts.values()), list(labels.values())

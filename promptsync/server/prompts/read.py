"""Reading templates: the list, the rendered form, the raw form."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from promptsync.rendering.engine import render_template
from promptsync.server.http.answer import Response, invalid
from promptsync.server.http.listing import Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts import find, snippets, tools
from promptsync.server.prompts.external_ids import EXTERNAL_IDS
from promptsync.server.prompts.llm_kwargs import llm_kwargs
from promptsync.server.store.database import Row, decoded

_ITEM = (
    'i.id, i.name AS prompt_name, i.tags AS "tags [json]", i.folder_id,'
    ' v.template AS "prompt_template [json]", v.number AS version, v.message AS commit_message,'
    " v.metadata AS \"metadata [json]\", json_extract(f.names, '$[#-1]') AS parent_folder_name,"
    " f.slashed AS full_folder_path,"
    f' {EXTERNAL_IDS.format(id="i.id")} AS "external_ids [json]",'
    f' {snippets.IS_SNIPPET} AS "is_snippet [flag]"'
)
_LATEST = "JOIN versions v ON v.template_id = i.id AND v.number = i.latest"
_LABELLED = "JOIN labels l ON l.template_id = i.id JOIN versions v ON v.id = l.version_id"


def list_templates(request: Request) -> Response:
    """List templates, newest first unless sorted otherwise, with their text as stored (never rendered).

    ``label`` selects the templates that have it and shows the version under it. This registry has no users,
    so ``created_by_email`` matches nothing.
    """
    query = request.query
    listing = Listing(query)
    listing.by_status()
    listing.by_name()
    listing.by_tags()
    if query.text("created_by_email") is not None:
        listing.where("0")
    snippet = query.flag("is_snippet")
    if snippet is not None:
        listing.where(f"{snippets.IS_SNIPPET} = :is_snippet", is_snippet=snippet)
    pair = {"source": query.text("external_source"), "external_id": query.text("external_id")}
    if (pair["source"] is None) != (pair["external_id"] is None):
        raise invalid("Specify both external_source and external_id.", "query", "external_id")
    if pair["source"] is not None:
        listing.where(
            "i.id IN (SELECT template_id FROM external_ids"
            " WHERE source = :source AND external_id = :external_id)",
            **pair,
        )
    label = query.text("label")
    if label is not None:
        listing.where("l.name = :label", label=label)
    source = f"templates i {_LATEST if label is None else _LABELLED}"
    folder = "LEFT JOIN folder_paths f ON f.id = i.folder_id"
    with request.store.read() as db:
        page, rows = listing.page(db, _ITEM, source, join=folder, per_page=30)
    return Response({"items": [dict(row) for row in rows], **page.neighbours, **page.counts})


def get_rendered(request: Request) -> Response:
    """Return a template as a model would get it. A label wins over a version."""
    body = request.body(status=422)
    number, label = body.version()
    values = body.object("input_variables")
    overrides = body.object("model_parameter_overrides")
    provider = body.get("provider") if isinstance(body.get("provider"), str) else None
    with request.store.read() as db:
        row = find.find(db, request.path["identifier"])
        version = find.version(db, row, number, label)
        template, used = snippets.expanded(db, decoded(version["template"]))
        template, missing = tools.resolved(db, template)
    metadata = decoded(version["metadata"])
    warnings: list[str] = []
    # Whether there is a model is known only by building its arguments.
    renders = values or llm_kwargs(template, metadata, provider) is not None
    if renders and not body.get("skip_input_variable_rendering"):
        # Without variables and without a model the official SDK leaves the template alone, too.
        template, warnings = render_template(template, values or {})
    answer = {
        "llm_kwargs": llm_kwargs(template, metadata, provider, overrides),
        "provider_base_url": None,
        "provider_id": None,
        "custom_provider": None,
        "warning": " ".join([*missing, *warnings]) or None,
        "request_id": uuid.uuid4().hex,
    }
    return Response(_content(request, row, version, template, used) | answer)


def get_raw(request: Request) -> Response:
    """Return a template as stored, with its variables unrendered.

    Snippets are expanded unless ``resolve_snippets=false``; then ``snippets`` lists the direct references.
    References to tools stay, so that whoever sends the template back does not replace them.
    """
    number, label = request.query.version()
    resolve = request.query.flag("resolve_snippets") is not False
    with request.store.read() as db:
        row = find.find(db, request.path["identifier"])
        version = find.version(db, row, number, label)
        template = decoded(version["template"])
        if resolve:
            template, used = snippets.expanded(db, template)
        else:
            used = snippets.direct(db, template)
        sent, _ = tools.resolved(db, template) if request.query.flag("include_llm_kwargs") else (None, ())
    answer = _content(request, row, version, template, used)
    answer |= {"success": True, "created_at": version["created_at"]}
    if sent is not None:
        answer["llm_kwargs"] = llm_kwargs(sent, answer["metadata"], provider=None)
    return Response(answer)


def _content(
    request: Request, row: Row, version: Row, template: Mapping[str, Any], used: snippets.Used
) -> dict[str, Any]:
    return {
        "id": row["id"],
        "prompt_name": row["name"],
        "version": version["number"],
        "workspace_id": request.store.workspace_id,
        "prompt_template": template,
        "metadata": decoded(version["metadata"]),
        "commit_message": version["message"],
        "tags": decoded(row["tags"]),
        "snippets": used,
    }

"""Reading templates: the list, the rendered form, the raw form."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from promptsync.rendering.engine import render_template
from promptsync.server.http.answer import Response
from promptsync.server.http.listing import Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts import find, snippets, tools
from promptsync.server.prompts.external_ids import EXTERNAL_IDS, HAS_EXTERNAL_ID
from promptsync.server.providers.table import FORMS, llm_kwargs, with_override
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

    ``label`` selects the templates that have it and shows the version under it.
    """
    query = request.query
    listing = Listing(query)
    listing.by_status()
    listing.by_name()
    listing.by_tags()
    listing.by_external_id(f"i.id {HAS_EXTERNAL_ID}")
    snippet = query.flag("is_snippet")
    if snippet is not None:
        listing.where(f"{snippets.IS_SNIPPET} = :is_snippet", is_snippet=snippet)
    label = query.text("label")
    if label is not None:
        listing.where("l.name = :label", label=label)
    source = f"templates i {_LATEST if label is None else _LABELLED}"
    folder = "LEFT JOIN folder_paths f ON f.id = i.folder_id"
    with request.store.read() as db:
        page, rows = listing.page(db, _ITEM, source, join=folder, per_page=30, capped=True)
    return Response({"items": [dict(row) for row in rows], **page.neighbours, **page.counts})


def get_rendered(request: Request) -> Response:
    """Return a template as a model would get it. A label wins over a version.

    If the request has another provider and model, ``metadata`` has them, too.
    """
    body = request.body(status=422)
    number, label = body.version()
    values = body.object("input_variables")
    overrides = body.object("model_parameter_overrides")
    # Only checked: they select a version of a dynamic label, and here every label has one version.
    body.string_map("metadata_filters")
    provider, model = body.choice("provider", FORMS), body.optional_text("model", least=1)
    with request.store.read() as db:
        row = find.find(db, request.path["identifier"])
        version = find.version(db, row, number, label)
        template, used = snippets.expanded(db, decoded(version["template"]))
        template, warnings = tools.resolved(db, template)
    metadata, ignored = with_override(decoded(version["metadata"]), provider, model)
    warnings += ignored
    # As in the official SDK: without variables and without a model, the template stays unrendered.
    renders = values or llm_kwargs(template, metadata, provider)[0] is not None
    if renders and not body.get("skip_input_variable_rendering"):
        template, missing = render_template(template, values or {})
        warnings += missing
    arguments, left_out = llm_kwargs(template, metadata, provider, overrides)
    answer = {
        "metadata": metadata,
        "llm_kwargs": arguments,
        "provider_base_url": None,
        "provider_id": None,
        "custom_provider": None,
        "warning": " ".join(warnings + left_out) or None,
        "request_id": uuid.uuid4().hex,
    }
    return Response(_content(request, row, version, template, used) | answer)


def get_raw(request: Request) -> Response:
    """Return a template as stored, with its variables unrendered.

    Snippets are expanded unless ``resolve_snippets=false``; then ``snippets`` lists the direct references.
    References to tools stay, so that publishing the response again keeps them.
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
        answer["llm_kwargs"], _ = llm_kwargs(sent, answer["metadata"])
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

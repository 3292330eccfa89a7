"""Reading templates as they are stored: the list, and one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from promptsync.server.http.answer import Response
from promptsync.server.http.fields import Id
from promptsync.server.http.listing import ItemQuery, Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts import items, snippets, tools
from promptsync.server.store.database import Row, decoded

_ITEM = (
    'i.id, i.name AS prompt_name, i.tags AS "tags [json]", i.folder_id,'
    ' v.body AS "body [json]", v.number AS version, v.message AS commit_message,'
    " f.name AS parent_folder_name, f.path AS full_folder_path,"
    f' \'[]\' AS "external_ids [json]", {snippets.IS_SNIPPET} AS "is_snippet [flag]"'
)
_LATEST = "JOIN versions v ON v.item_id = i.id AND v.number = i.latest"
_LABELLED = "JOIN labels l ON l.item_id = i.id JOIN versions v ON v.id = l.version_id"


class TemplatesQuery(ItemQuery, frozen=True):
    """The parameters of the list of templates. More than 100 for a page are taken as 100."""

    per_page: Id = 30
    tags: list[str] = field(default_factory=list)
    is_snippet: bool | None = None
    label: str | None = None


class TemplateQuery(Struct, frozen=True):
    """The parameters of a template, besides its version."""

    resolve_snippets: bool = True
    include_llm_kwargs: bool = False


def list_templates(request: Request) -> Response:
    """List templates, newest first unless sorted otherwise, with their text as stored (never rendered).

    ``label`` selects the templates that have it and shows the version under it.
    """
    query = request.parameters(TemplatesQuery)
    listing = Listing.of_kind(query, items.TEMPLATE)
    listing.by_tags(query.tags)
    if query.is_snippet is not None:
        listing.where(f"{snippets.IS_SNIPPET} = :is_snippet", is_snippet=query.is_snippet)
    if query.label is not None:
        listing.where("l.name = :label", label=query.label)
    source = f"items i {_LATEST if query.label is None else _LABELLED}"
    folder = "LEFT JOIN folders f ON f.id = i.folder_id"
    with request.store.read() as db:
        page, rows = listing.page(db, _ITEM, source, join=folder)
    templates = [dict(row) for row in rows]
    for template in templates:
        template |= template.pop("body")
    return Response({"items": templates, **page.neighbours, **page.counts})


def get_raw(request: Request) -> Response:
    """Return a template as stored, with its variables unrendered.

    Snippets are expanded unless ``resolve_snippets=false``; then ``snippets`` lists the direct references.
    References to tools stay, so that publishing the response again keeps them.
    """
    number, label = request.version()
    query = request.parameters(TemplateQuery)
    with request.store.read() as db:
        row = items.find(db, request.path["identifier"])
        version = items.version(db, row, number, label)
        template = version["body"]["prompt_template"]
        if query.resolve_snippets:
            template, used = snippets.expanded(db, template)
        else:
            used = snippets.direct(db, template)
        sent, _ = tools.resolved(db, template) if query.include_llm_kwargs else (None, ())
    answer = content(request, row, version, template, used)
    answer |= {"success": True, "created_at": version["created_at"]}
    if sent is not None:
        from promptsync.server.providers.table import llm_kwargs

        answer["llm_kwargs"], _ = llm_kwargs(sent, answer["metadata"])
    return Response(answer)


def content(
    request: Request, row: Row, version: Row, template: Mapping[str, Any], used: snippets.Used
) -> dict[str, Any]:
    """Return what the rendered and the raw form have in common."""
    return {
        "id": row["id"],
        "prompt_name": row["name"],
        "version": version["number"],
        "workspace_id": request.store.workspace_id,
        "prompt_template": template,
        "metadata": version["body"]["metadata"],
        "commit_message": version["message"],
        "tags": decoded(row["tags"]),
        "snippets": used,
    }

"""Snippets in stored templates: checking them on publish, expanding them on read, listing who uses one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct

from promptsync.prompt.snippets import Reference, SnippetError, expand, rendered_in
from promptsync.server.http.answer import ApiError, Response, invalid
from promptsync.server.http.fields import Id
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.prompts.template import filled_template
from promptsync.server.store.database import Database

IS_SNIPPET = (
    "(v.type = 'completion' AND EXISTS (SELECT 1 FROM snippet_uses u JOIN versions p ON p.id = u.version_id"
    " JOIN items pt ON pt.id = p.item_id WHERE u.name = i.name AND NOT pt.deleted))"
)
"""SQL: whether the completion version ``v`` of template ``i`` is referenced by an active template."""

Used = list[dict[str, Any]]
"""``snippets`` of a response: ``prompt_name``, ``version`` and, if the reference has one, ``label``."""


def expanded(
    db: Database, template: Mapping[str, Any], *, archived: bool = True
) -> tuple[dict[str, Any], Used]:
    """Return the template with all snippets in place, and the versions used, nested ones included.

    The variables of the snippets join those of the template. Raises a 422 for a template that references
    something missing or, through others, itself; an archived snippet is missing unless ``archived`` is set.
    """
    used: Used = []
    try:
        whole = expand(template, lambda reference: _read(db, reference, used, archived=archived))
    except SnippetError as error:
        raise _refusal(error.message) from error
    return (filled_template(whole) if used else whole), used


def direct(db: Database, template: Mapping[str, Any]) -> Used:
    """Return the snippets that the template itself references, each at the version that it would use now."""
    used: Used = []
    for reference in rendered_in(template):
        # This list expands nothing, so a missing snippet is left out instead of being an error.
        with suppress(ApiError):
            _read(db, reference, used)
    return used


def _read(db: Database, reference: Reference, used: Used, *, archived: bool = True) -> Mapping[str, Any]:
    """Return the template that a reference means, and note it in ``used``."""
    try:
        item = items.get(db, items.TEMPLATE, "name", reference.name, archived=archived)
        version = items.version(db, item, reference.version, reference.label)
    except ApiError as error:
        raise _refusal(f"A snippet does not exist: {error.message}") from error
    if version["type"] != "completion":
        raise _refusal(f"{reference.name!r} is a chat template; only completion templates can be snippets.")
    entry = {"prompt_name": reference.name, "version": version["number"]}
    entry |= {} if reference.label is None else {"label": reference.label}
    if entry not in used:
        used.append(entry)
    template: Mapping[str, Any] = version["body"]["prompt_template"]
    return template


def _refusal(message: str) -> ApiError:
    return invalid(message, "body", "prompt_version", "prompt_template", kind="value_error.snippet")


# -- who uses a snippet -------------------------------------------------------------------------------------

_PROMPT = "SELECT DISTINCT t.id AS prompt_registry_id, t.name AS prompt_name"
_USES = (
    "FROM snippet_uses u JOIN versions p ON p.id = u.version_id JOIN items t ON t.id = p.item_id"
    " WHERE u.name = :name AND NOT t.deleted AND (:number IS NULL OR coalesce(u.number, ("
    "  SELECT v.number FROM labels l JOIN versions v ON v.id = l.version_id"
    "  WHERE l.item_id = :id AND l.name = u.label), :latest) = :number)"
)


class UsageQuery(Struct, frozen=True):
    """The parameter that chooses a version of the snippet."""

    prompt_version_number: Id | None = None


def snippet_usage(request: Request) -> Response:
    """List the prompt versions that reference a template, or one version of it.

    ``label_usage`` lists the labels of this snippet through which a prompt references it.
    """
    number = request.parameters(UsageQuery).prompt_version_number
    with request.store.read() as db:
        template = items.find(db, request.path["identifier"])
        if number is not None:
            items.version(db, template, number)
        values = {**dict(template), "number": number}
        prompts = db.execute(
            f'{_PROMPT}, json_group_array(DISTINCT p.number) AS "version_numbers [json]" {_USES}'
            " GROUP BY t.id ORDER BY t.id",
            values,
        ).fetchall()
        labels = db.execute(
            f"{_PROMPT}, u.label AS label_name {_USES} AND u.label IS NOT NULL ORDER BY t.id", values
        ).fetchall()
    usage = [{**dict(row), "version_numbers": sorted(row["version_numbers"])} for row in prompts]
    return Response(
        {
            "success": True,
            "message": "Snippet usage read.",
            "snippet_name": template["name"],
            "snippet_usage": usage,
            "total_prompts_using_snippet": len(usage),
            "label_usage": [dict(row) for row in labels],
            "total_labels_using_snippet": len(labels),
        }
    )

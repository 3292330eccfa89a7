"""What templates refer to: snippets and tools, which are put in place on read, and who uses a snippet."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct

from promptsync.prompt.snippets import Reference, SnippetError, expand, rendered_in
from promptsync.server.http import ApiError, Id, Request, Response, checked, invalid
from promptsync.server.prompts import items
from promptsync.server.prompts.template import filled_template, stored_tool
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


class ToolReference(Struct, frozen=True):
    """What stands for a version of a tool in a template, by default the latest one."""

    tool_registry_id: Id
    version_number: Id | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version_number is not None and self.label is not None:
            raise ValueError("version_number cannot be combined with label")


def get_tool(request: Request) -> Response:
    """Return a version of a tool, which is found by its id or by its name."""
    number, label = request.version()
    identifier = request.path["identifier"]
    with request.store.read() as db:
        try:
            tool = items.get(db, items.TOOL, "uid", identifier)
        except ApiError:
            tool = items.get(db, items.TOOL, "name", identifier)
        version = items.version(db, tool, number, label)
    definition = stored_tool(version["body"])
    shown = {
        "id": int(tool["uid"]),
        "name": tool["name"],
        "description": definition["function"]["description"],
        "workspace_id": request.store.workspace_id,
        "created_at": tool["created_at"],
        "updated_at": tool["updated_at"],
        "version": {"number": version["number"], "tool_definition": definition},
        "tool_definition": definition,
    }
    return Response({"success": True, "tool_registry": shown})


def resolved(db: Database, template: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the template with functions in place of references, and warnings.

    A reference without its tool is left out with a warning, as PromptLayer does for deleted tools: prompts
    are copied from workspaces that have it, and only a fixtures file can create it under its id. Raises a 422
    for a reference that could name no tool.
    """
    tools: list[Mapping[str, Any]] = []
    warnings = []
    for index, tool in enumerate(template.get("tools") or () if template["type"] == "chat" else ()):
        if tool.get("type") != "registry":
            tools.append(tool)
            continue
        reference = checked(tool, ToolReference, f"tools[{index}]", status=422)
        try:
            item = items.get(db, items.TOOL, "uid", str(reference.tool_registry_id))
            version = items.version(db, item, reference.version_number, reference.label)
        except ApiError as error:
            warnings.append(f"tools[{index}] is left out. {error.message}")
        else:
            tools.append(stored_tool(version["body"]))
    return {**template, "tools": tools} if tools or warnings else dict(template), warnings

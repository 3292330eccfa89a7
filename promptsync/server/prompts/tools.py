"""Tools: functions with versions and labels, which the fixtures file declares and prompts reference by id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from promptsync.server.http.answer import ApiError, Response
from promptsync.server.http.fields import Id, checked
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.prompts.template import stored_tool
from promptsync.server.store.database import Database


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

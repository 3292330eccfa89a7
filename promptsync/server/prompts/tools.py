"""Tools: functions with versions and labels, which the fixtures file declares and prompts reference by id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from promptsync.server.http.answer import ApiError
from promptsync.server.http.fields import Id, checked
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

    def __str__(self) -> str:
        if self.label is not None:
            return f"The tool {self.tool_registry_id} with the label {self.label!r}"
        number = "" if self.version_number is None else f" in version {self.version_number}"
        return f"The tool {self.tool_registry_id}{number}"


def check(template: Mapping[str, Any]) -> None:
    """Raise a 422 for a reference that could name no tool, whichever tools there are.

    A tool that does not exist here is accepted: prompts are copied from workspaces that have it, and only a
    fixtures file can create it under its id.
    """
    list(_tools_of(template))


def resolved(db: Database, template: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the template with functions in place of references, and warnings.

    A reference without its tool is left out with a warning, as PromptLayer does for deleted tools.
    """
    tools: list[Mapping[str, Any]] = []
    warnings = []
    for tool, reference in _tools_of(template):
        function = tool if reference is None else _function(db, reference)
        if function is not None:
            tools.append(function)
        else:
            warnings.append(f"{reference} does not exist in this registry, and is left out.")
    return {**template, "tools": tools} if tools or warnings else dict(template), warnings


def _tools_of(template: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], ToolReference | None]]:
    """Yield each tool of a template, and what it references."""
    tools = template.get("tools") if template["type"] == "chat" else None
    for index, tool in enumerate(tools or ()):
        is_reference = tool.get("type") == "registry"
        yield tool, checked(tool, ToolReference, f"tools[{index}]", status=422) if is_reference else None


def _function(db: Database, reference: ToolReference) -> dict[str, Any] | None:
    """Return the function that a reference stands for now, or ``None`` if there is none."""
    tool = items.by_uid(db, str(reference.tool_registry_id), items.TOOL)
    if tool is None:
        return None
    try:
        version = items.version(db, tool, reference.version_number, reference.label)
    except ApiError:
        return None
    return stored_tool(version["body"])

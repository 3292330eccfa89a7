"""Tools: functions with versions and labels, which the fixtures file declares and prompts reference by id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptsync.server.http.answer import ApiError
from promptsync.server.http.fields import Fields
from promptsync.server.prompts import items
from promptsync.server.prompts.template import normalised_tool
from promptsync.server.store.database import Database


def check(template: Mapping[str, Any]) -> None:
    """Raise a 422 for a reference that could name no tool, whichever tools there are.

    A tool that does not exist here is accepted: prompts are copied from workspaces that have it, and only a
    fixtures file can create it under its id.
    """
    for _, reference in _tools_of(template):
        if reference is not None:
            _Pin.read(reference)


def resolved(db: Database, template: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the template with functions in place of references, and warnings.

    A reference without its tool is left out with a warning, as PromptLayer does for deleted tools.
    """
    tools: list[Mapping[str, Any]] = []
    warnings = []
    for tool, reference in _tools_of(template):
        pin = None if reference is None else _Pin.read(reference)
        definition = tool if pin is None else _definition(db, pin)
        if definition is not None:
            tools.append(definition)
        else:
            warnings.append(f"{pin} does not exist in this registry, and is left out.")
    return {**template, "tools": tools} if tools or warnings else dict(template), warnings


@dataclass(frozen=True, slots=True)
class _Pin:
    """What a reference names: a tool, and one of its versions unless it follows the latest."""

    tool: int
    number: int | None
    label: str | None

    def __str__(self) -> str:
        if self.label is not None:
            return f"The tool {self.tool} with the label {self.label!r}"
        return f"The tool {self.tool}" + (f" in version {self.number}" if self.number else "")

    @classmethod
    def read(cls, reference: Fields) -> _Pin:
        number, label = reference.optional_id("version_number"), reference.optional_text("label")
        if number is not None and label is not None:
            raise reference.fault("version_number", "cannot be combined with label")
        return cls(reference.id("tool_registry_id"), number, label)


def _tools_of(template: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Fields | None]]:
    """Yield each tool of a template, with its fields if it is a reference."""
    tools = template.get("tools") if template["type"] == "chat" else None
    for index, tool in enumerate(tools or ()):
        is_reference = tool.get("type") == "registry"
        yield tool, Fields(tool, f"tools[{index}].", status=422) if is_reference else None


def _definition(db: Database, pin: _Pin) -> dict[str, Any] | None:
    """Return the function that a reference stands for now, or ``None`` if there is none."""
    tool = db.execute(
        "SELECT * FROM items WHERE kind = ? AND uid = ? AND NOT deleted", (items.TOOL, str(pin.tool))
    ).fetchone()
    if tool is None:
        return None
    try:
        version = items.version(db, tool, pin.number, pin.label)
    except ApiError:
        return None
    return normalised_tool(version["body"])

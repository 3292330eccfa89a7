"""The tool registry: functions with versions and labels, and the prompts that reference them by id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptsync.server.http.answer import ApiError, Response, conflict
from promptsync.server.http.fields import Fields
from promptsync.server.http.listing import Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts import find
from promptsync.server.prompts.external_ids import refuse_external_ids
from promptsync.server.prompts.find import TOOL
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.prompts.template import normalised_tool
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, encoded, insert

MAX_NAME = 255

_LANGUAGES = ("python", "javascript")


def list_tools(request: Request) -> Response:
    """List the tools, by default the last updated first."""
    listing = Listing(request.query, order="updated_at")
    listing.by_fixture()
    with request.store.read() as db:
        rows = listing.rows(db, "i.*", "tools i")
    return Response({"success": True, "tool_registries": [_tool(request, row) for row in rows]})


def get_tool(request: Request) -> Response:
    """Return a tool with its labels and one of its versions."""
    number, label = request.query.version()
    with request.store.read() as db:
        tool = find.find(db, request.path["identifier"], TOOL)
        version = _version(find.version(db, tool, number, label, TOOL))
        labels = db.execute(
            "SELECT l.id, l.name, l.version_id, v.number AS version_number FROM tool_labels l"
            " JOIN tool_versions v ON v.id = l.version_id WHERE l.tool_id = ? ORDER BY l.name",
            (tool["id"],),
        ).fetchall()
    found = _tool(request, tool) | {
        "labels": [dict(row) for row in labels],
        "version": version,
        "tool_definition": version["tool_definition"],
    }
    return Response({"success": True, "tool_registry": found})


def create_tool(request: Request) -> Response:
    """Create a tool with its first version; 409 if the name is taken."""
    body = request.body(status=422)
    refuse_external_ids(body)
    name = body.text("name", least=1, most=MAX_NAME)
    folder_id = body.optional_id("folder_id")
    description = body.optional_text("description")
    content, moment = _content(body), now()
    with request.store.write() as db:
        if find.is_taken(db, name, TOOL):
            raise conflict(f"A tool called {name!r} already exists.")
        if folder_id is not None:
            folder_by_id(db, folder_id, status=422)
        about = {"name": name, "description": description, "folder_id": folder_id}
        tool_id = insert(db, "tools", **about, created_at=moment, updated_at=moment)
        version = find.next_version(db, tool_id, TOOL, **content)
        tool = _tool(request, find.find(db, name, TOOL))
    created = {"tool_registry": tool, "version": _version(version), "external_ids": []}
    return Response({"success": True, **created}, 201)


def create_version(request: Request) -> Response:
    """Add a version to a tool."""
    content = _content(request.body(status=422))
    with request.store.write() as db:
        tool = find.find(db, request.path["identifier"], TOOL)
        version = find.next_version(db, tool["id"], TOOL, **content)
    return Response({"success": True, "version": _version(version)}, 201)


def _content(body: Fields) -> dict[str, Any]:
    """Return what a version stores: a function, and optionally code, which is not run here."""
    definition = body.object("tool_definition")
    if definition is None or definition.get("type", "function") != "function":
        raise body.fault("tool_definition", "must be an object with the type function")
    function = body.within("tool_definition", definition)
    called = function.within("function", function.object("function") or {})
    called.text("name")
    called.object("parameters")
    execution = body.object("execution")
    if execution is not None:
        code = body.within("execution", execution)
        if code.get("type") != "code" or code.get("language") not in _LANGUAGES:
            raise body.fault(
                "execution", f"must have the type code and the language {' or '.join(_LANGUAGES)}"
            )
        code.text("code")
    return {
        "definition": encoded(definition),
        "execution": encoded(execution),
        "response_schema": encoded(body.object("response_schema")),
        "message": body.optional_text("commit_message"),
    }


def _tool(request: Request, row: Row) -> dict[str, Any]:
    keys = ("id", "name", "description", "folder_id", "created_at", "updated_at")
    shown = {key: row[key] for key in keys}
    return shown | {"workspace_id": request.store.workspace_id, "external_ids": []}


def _version(row: Row) -> dict[str, Any]:
    optional = {key: decoded(row[key]) for key in ("execution", "response_schema")}
    return {
        "id": row["id"],
        "tool_registry_id": row["tool_id"],
        "number": row["number"],
        "commit_message": row["message"],
        "created_at": row["created_at"],
        "tool_definition": decoded(row["definition"]),
    } | {key: value for key, value in optional.items() if value is not None}


# -- references ---------------------------------------------------------------------------------------------


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
    tool = db.execute("SELECT * FROM tools WHERE id = ? AND NOT deleted", (pin.tool,)).fetchone()
    if tool is None:
        return None
    try:
        version = find.version(db, tool, pin.number, pin.label, TOOL)
    except ApiError:
        return None
    return normalised_tool(decoded(version["definition"]))

"""Templates and their metadata: what may be published, and how the registry stores it.

Storing fills in defaults and puts keys in the registry's order, as recorded from the real service, except
where only its schema states a default. Texts, the order of lists and user JSON (parameters, arguments,
metadata) stay as they were sent. References to snippets and tools stay, too: they are replaced on reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct

from promptsync.prompt.prompt import F_STRING, format_of, readable
from promptsync.prompt.shapes import (
    CHAT_COMPLETIONS,
    CHAT_COMPLETIONS_PROVIDERS,
    Rejection,
    rejected_metadata,
    rejected_template,
)
from promptsync.prompt.snippets import Reference, SnippetError, expand, rendered_in
from promptsync.prompt.template import template_variables
from promptsync.server.http import ApiError, Id, checked, invalid, malformed
from promptsync.server.prompts import items
from promptsync.server.store.database import Database


def check_template(template: Mapping[str, Any]) -> str:
    """Return the type of a template, which its keys show if it has none; 400 for anything but a template."""
    kind = template.get("type")
    if kind is None:
        kind = "chat" if "messages" in template else "completion" if "content" in template else None
    if kind not in ("chat", "completion"):
        raise malformed("The type of a template is chat, with messages, or completion, with content.")
    _refuse(rejected_template(template))
    return str(kind)


def _refuse(rejections: Iterator[Rejection], where: str = "") -> None:
    for rejection in rejections:
        raise malformed(f"{where}{readable(rejection.path)} {rejection.what}.")


def stored_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template as it is stored and returned; 400 for anything but a template.

    Unknown keys are dropped from a chat template and kept in a completion template, as in the vendor's
    schema; those of messages and blocks are kept.
    """
    return filled_template({**template, "type": check_template(template)})


def filled_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked template as it is stored."""
    default = format_of(template)
    common = {"type": template["type"], "input_variables": [], "dataset_examples": []}
    if template["type"] == "completion":
        content = _content(template.get("content"))
        stored = _filled(template, content=content, template_format=default, **common)
    else:
        stored = {
            "messages": [_message(message, default) for message in template["messages"]],
            "functions": _each(template.get("functions"), _function),
            "tools": _each(template.get("tools"), stored_tool),
            "function_call": template.get("function_call"),
            "tool_choice": template.get("tool_choice"),
            **common,
        }
    return stored | {"input_variables": sorted(template_variables({**template, **stored}))}


def _message(message: Mapping[str, Any], default: str) -> dict[str, Any]:
    called = {"function_call": message.get("function_call")} if message["role"] == "assistant" else {}
    call = {"tool_id": None, "id": None, "type": "function"}
    calls = {"tool_calls": _each(message.get("tool_calls"), lambda sent: call | sent)} if called else {}
    return _filled(
        message,
        input_variables=sorted(template_variables(message, default)),
        template_format=format_of(message, default or F_STRING),
        content=_content(message.get("content")),
        raw_request_display_role=message.get("raw_request_display_role") or "",
        dataset_examples=[],
        role=message["role"],
        **called,
        name=message.get("name"),
        **calls,
    )


def _filled(value: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    """Return ``keys`` and, after them, the other keys of ``value``."""
    return {**keys, **value, **keys}


def _content(content: Any) -> Any:
    return _each([{"text": content}] if isinstance(content, str) else content, _block)


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    if block.get("type", "text") != "text":
        return dict(block)
    return {"type": "text", "text": None, "id": None, "annotations": None, **block}


def _function(function: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {}}
    return {"name": None, "description": "", "strict": False, "parameters": parameters, **function}


def stored_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as it is stored. Only functions get defaults."""
    if tool.get("type", "function") != "function":
        return dict(tool)
    return {"type": "function", **tool, "function": _function(tool["function"])}


def _each(parts: list[Any] | None, change: Callable[[Any], Any]) -> list[Any] | None:
    return None if parts is None else [change(part) for part in parts]


def stored_metadata(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return metadata as it is stored; 400 for a ``model`` that is not complete. The rest stays as it is."""
    _refuse(rejected_metadata(metadata or {}), "metadata.")
    if not metadata or metadata.get("model") is None:
        return metadata
    return {**metadata, "model": stored_model(metadata["model"])}


def stored_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model as it is stored.

    ``api_type`` is never null, because the official asynchronous client would then pick the wrong endpoint.
    """
    stored = _filled(
        model,
        provider=model["provider"],
        model_config_display_name=model.get("model_config_display_name"),
        base_model=model.get("base_model"),
        name=model["name"],
        parameters=model.get("parameters") or {},
        display_params=model.get("display_params") or {},
    )
    if stored.get("api_type") is None:
        stored.pop("api_type", None)
        if model["provider"] in CHAT_COMPLETIONS_PROVIDERS:
            stored["api_type"] = CHAT_COMPLETIONS
    return stored


# -- what a template refers to -------------------------------------------------------------------------------

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


class ToolReference(Struct, frozen=True):
    """What stands for a version of a tool in a template, by default the latest one."""

    tool_registry_id: Id
    version_number: Id | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version_number is not None and self.label is not None:
            raise ValueError("version_number cannot be combined with label")


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

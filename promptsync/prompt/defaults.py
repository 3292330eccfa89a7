"""What a registry fills in: the field values that mean the same as leaving the field out.

The tables follow the vendor's OpenAPI schemas and responses recorded from the real service. They list only
values that are not null, because outside user JSON null always means that a field is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct, field

ABSENT: Final = object()
"""The ``omitted`` value of a field for which only null means that it is left out."""


class Field(Struct, frozen=True):
    """One field of a shape.

    ``omitted`` is the value that means the same as leaving the field out. ``of`` names the shape of the
    field's object, or of the objects in its list. ``user_json`` marks fields in which null is a value.
    """

    omitted: Any = ABSENT
    of: str = ""
    user_json: bool = False


class Shape(Struct, frozen=True):
    """The known fields of one kind of object.

    ``ignored`` ones are derived and never compared. ``others`` have no default and nothing to normalize.
    """

    fields: Mapping[str, Field] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    def knows(self, key: str) -> bool:
        """Whether a field with this name is known."""
        return key in self.fields or key in self.ignored or key in self.others


def _keys(names: str) -> frozenset[str]:
    return frozenset(names.split())


DEFAULT_FORMAT: Final = "f-string"

WRITE_ONLY: Final = frozenset({"provider_base_url_name", "provider_id", "inference_client_name", "report_id"})
"""Version fields that the registry accepts and never returns."""

ENVELOPE: Final = frozenset(
    [
        *("id", "prompt_id", "prompt_name", "prompt_version_id", "version", "version_number", "workspace_id"),
        *("created_at", "updated_at", "snippets", "llm_kwargs", "provider_base_url", "custom_provider"),
        *("warning", "request_id", "success", "message", "commit_message", "release_labels", "tags"),
        *("folder_id", "parent_folder_name", "full_folder_path", "external_ids", "is_snippet"),
    ]
)
"""The keys of a response that are not content."""

CHAT_COMPLETIONS: Final = "chat-completions"
CHAT_COMPLETIONS_PROVIDERS: Final = frozenset({"openai", "openai.azure"})
"""Providers for which the registry fills in ``api_type: chat-completions``."""

_DERIVED: Final = frozenset({"input_variables", "dataset_examples"})
UNKNOWN: Final = Shape()
"""The shape of an object of which no field is known."""
_STRING: Final = Field(omitted="")
_OBJECT: Final = Field(omitted={})
_LIST: Final = Field(omitted=[])
_USER_JSON: Final = Field(user_json=True)
_FORMAT: Final = Field(omitted=DEFAULT_FORMAT)
_CONTENT: Final = Field(omitted=[], of="block")

TEMPLATE: Final = Shape(
    {
        "content": _CONTENT,
        "messages": Field(of="message"),
        "template_format": _FORMAT,
        "functions": Field(omitted=[], of="function"),
        "tools": Field(omitted=[], of="tool"),
        "tool_choice": Field(of="tool_choice"),
    },
    _DERIVED,
    _keys("type function_call"),
)

SHAPES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "message": Shape(
            {
                "content": _CONTENT,
                "template_format": _FORMAT,
                "tool_calls": Field(omitted=[], of="tool_call"),
                "function_call": Field(of="call"),
            },
            _DERIVED | {"raw_request_display_role"},
            _keys("role name tool_call_id"),
        ),
        "call": Shape({"arguments": _USER_JSON}, others=_keys("name")),
        "tool_call": Shape(
            {"type": Field(omitted="function"), "function": Field(of="call")}, others=_keys("id tool_id")
        ),
        "tool_choice": Shape({"type": Field(omitted="function")}, others=_keys("function")),
        "function": Shape(
            {
                "description": _STRING,
                "strict": Field(omitted=False),
                "parameters": Field(omitted={"type": "object", "properties": {}}, user_json=True),
            },
            others=_keys("name"),
        ),
        "tool": Shape(
            {
                "type": Field(omitted="function"),
                "function": Field(of="function"),
                "config": _USER_JSON,
                "parameters": _USER_JSON,
            },
            others=_keys("id name description provider tool_registry_id"),
        ),
        "media": Shape(
            {
                "title": Field(omitted="media"),
                "type": Field(omitted="image/jpeg"),
                "format": Field(omitted="neither"),
            },
            others=_keys("url"),
        ),
        "search_result": Shape(
            {
                "type": Field(omitted="web_search_result"),
                "url": _STRING,
                "title": _STRING,
                "encrypted_content": _STRING,
            },
            others=_keys("page_age"),
        ),
        "model": Shape(
            {"parameters": Field(omitted={}, user_json=True)},
            _keys("display_params"),
            _keys("provider name api_type base_model model_config_display_name"),
        ),
    }
)

_MCP_CALL: Final = {"name": _STRING, "server_label": _STRING, "arguments": _STRING}

BLOCKS: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "text": Shape({"annotations": _LIST}, others=_keys("type text thought_signature")),
        "thinking": Shape(others=_keys("type thinking signature")),
        "code": Shape(others=_keys("type code container_id")),
        "image_url": Shape(others=_keys("type image_url image_variable")),
        "media": Shape({"media": Field(of="media")}, others=_keys("type")),
        "media_variable": Shape(others=_keys("type name")),
        "output_media": Shape(
            {"mime_type": Field(omitted="image/png"), "media_type": Field(omitted="image")},
            others=_keys("type id url provider_metadata"),
        ),
        "server_tool_use": Shape({"input": Field(omitted={}, user_json=True)}, others=_keys("type id name")),
        "web_search_tool_result": Shape(
            {"content": Field(omitted=[], of="search_result")}, others=_keys("type tool_use_id")
        ),
        "code_execution_result": Shape({"outcome": Field(omitted="OUTCOME_OK")}, others=_keys("type output")),
        "mcp_list_tools": Shape({"server_label": _STRING, "tools": _LIST}, others=_keys("type id error")),
        "mcp_call": Shape(_MCP_CALL, others=_keys("type id output error approval_request_id")),
        "mcp_approval_request": Shape(_MCP_CALL, others=_keys("type id")),
        "mcp_approval_response": Shape(others=_keys("type approval_request_id approve")),
        "bash_code_execution_tool_result": Shape({"content": _OBJECT}, others=_keys("type tool_use_id")),
        "text_editor_code_execution_tool_result": Shape(
            {"content": _OBJECT}, others=_keys("type tool_use_id")
        ),
        "shell_call": Shape({"action": _OBJECT}, others=_keys("type id call_id status")),
        "shell_call_output": Shape({"output": _LIST}, others=_keys("type id call_id status")),
        "apply_patch_call": Shape({"operation": _OBJECT}, others=_keys("type id call_id status")),
        "apply_patch_call_output": Shape(others=_keys("type id call_id status output")),
    }
)
"""The types of content blocks."""


CHAT_KEYS: Final = frozenset(
    [
        *("type", "messages", "functions", "function_call", "tools", "tool_choice"),
        *("input_variables", "dataset_examples"),
    ]
)
"""Keys of a chat template. The registry drops all others."""

COMPLETION_KEYS: Final = frozenset(
    ["type", "content", "template_format", "input_variables", "dataset_examples"]
)


def block_shape(block: Mapping[str, Any]) -> Shape:
    """Return the shape of a content block, an empty one if its type is unknown."""
    kind = block.get("type")
    return BLOCKS.get(kind, UNKNOWN) if isinstance(kind, str) else UNKNOWN


def is_omitted(value: Any, known: Field) -> bool:
    """Whether a value means the same as leaving the field out."""
    # 0 == False in Python, but in JSON a number never equals a boolean.
    omitted = known.omitted
    return omitted is not ABSENT and value == omitted and isinstance(value, bool) is isinstance(omitted, bool)


def drop_default_api_type(model: dict[str, Any]) -> None:
    """Remove the ``api_type`` that the registry fills in from a model's settings."""
    if model.get("api_type") == CHAT_COMPLETIONS and model.get("provider") in CHAT_COMPLETIONS_PROVIDERS:
        del model["api_type"]


def drop_needless_function_call(template: dict[str, Any]) -> None:
    """Remove ``function_call: none`` from a template without functions, where it forbids nothing."""
    if template.get("function_call") == "none" and "functions" not in template:
        del template["function_call"]

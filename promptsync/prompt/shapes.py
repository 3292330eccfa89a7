"""The shapes of the objects in a prompt: their keys, defaults and roles, and what the registry rejects.

Everything about keys follows from these tables. A comparison leaves out defaults and what the registry
derives, files do not have them, the registry may add any key that no shape has, and rejects an object without
a required one. The tables follow the vendor's OpenAPI schemas and responses recorded from the real service.
A null is never in them, because outside user JSON it always means that a key is left out.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from promptsync.prompt.prompt import F_STRING, FORMATS, KeyPath, kind_of


def words(text: str) -> frozenset[str]:
    """Return the words of a text that is a list."""
    return frozenset(text.split())


ABSENT: Final = object()
"""The ``default`` of a key for which only null means that it is left out."""
BLOCK: Final = "block"
JSON: Final = "json"


class Field(Struct, frozen=True):
    """One key of a shape.

    ``default`` is the value that means the same as leaving the key out. ``of`` names the shape of the key's
    object, or of the objects in its list; that of a ``BLOCK`` depends on its type, and in user ``JSON`` null
    is a value. ``must`` is what the value has to be, ``most`` the length of the longest text. The registry
    makes what is ``derived`` itself, so that it is neither compared nor written. Where authors choose among
    ``values``, the registry may fill in any other one.
    """

    default: Any = ABSENT
    of: str = ""
    required: bool = False
    must: str = ""
    most: int | None = None
    derived: bool = False
    values: tuple[str, ...] = ()

    def is_default(self, value: Any) -> bool:
        """Whether a value means the same as leaving the key out."""
        # 0 == False in Python, but in JSON a number never equals a boolean.
        return (
            self.default is not ABSENT
            and value == self.default
            and isinstance(value, bool) is isinstance(self.default, bool)
        )

    def may_be_added(self, value: Any, sent: Collection[Any]) -> bool:
        """Whether a registry may have filled in a value where nothing but the default was sent."""
        return bool(self.values) and value not in self.values and all(map(self.is_default, sent))


Shape = Mapping[str, Field]
"""The known keys of one kind of object."""

_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "a string": str,
    "a list": list,
    "an object": Mapping,
    "a string or a list": (str, list),
    "a string or an object": (str, Mapping),
    "true or false": bool,
}
"""What a value must be."""

PLAIN: Final = Field()
"""A key about which nothing is known but its name."""
_NEEDED: Final = Field(required=True)
_NEEDED_TEXT: Final = Field(required=True, must="a string")
_TEXT: Final = Field(must="a string")
_EMPTY_TEXT: Final = Field("")
_EMPTY_OBJECT: Final = Field({})
_EMPTY_LIST: Final = Field([])
_JSON: Final = Field(of=JSON)
_DERIVED: Final = Field(derived=True)


def _shape(plain: str = "", **keys: Field) -> Shape:
    """Return a shape of keys about which something is known, and of ``plain`` ones, separated by blanks."""
    return {**dict.fromkeys(plain.split(), PLAIN), **keys}


WRITE_ONLY: Final = words("provider_base_url_name provider_id inference_client_name report_id")
"""Version fields that the registry accepts and never returns."""

ENVELOPE: Final = words(
    """
    id prompt_id prompt_name prompt_version_id version version_number workspace_id created_at updated_at
    snippets llm_kwargs provider_base_url custom_provider warning request_id success message commit_message
    release_labels tags folder_id parent_folder_name full_folder_path external_ids is_snippet
    """
)
"""The keys of a response that are not content."""

CHAT_COMPLETIONS: Final = "chat-completions"
OTHER_APIS: Final = ("responses", "images", "video", "speech")
"""Values of ``api_type`` that change what an application gets back. Any other one names an API for chats."""

_CONTENT: Final = Field([], of=BLOCK, required=True, must="a string or a list")
_OF_ALL: Final = {
    "template_format": Field(F_STRING),
    "input_variables": _DERIVED,
    "dataset_examples": _DERIVED,
}

SHAPES: Final[Mapping[str, Shape]] = {
    "template": _shape(
        "type",
        **_OF_ALL,
        content=_CONTENT,
        messages=Field(of="message", required=True, must="a list"),
        functions=Field([], of="function", must="a list"),
        tools=Field([], of="tool", must="a list"),
        function_call=Field(must="a string or an object"),
        tool_choice=Field(of="tool_choice", must="a string or an object"),
    ),
    "message": _shape(
        "role tool_call_id",
        **_OF_ALL,
        name=_TEXT,
        content=_CONTENT,
        tool_calls=Field([], of="tool_call", must="a list"),
        function_call=Field(of="call"),
        raw_request_display_role=_DERIVED,
    ),
    "tool_call": _shape(
        "id tool_id", type=Field("function"), function=Field(of="call", required=True, must="an object")
    ),
    "call": _shape(name=_NEEDED_TEXT, arguments=_JSON),
    "tool_choice": _shape("function", type=Field("function")),
    "tool": _shape(
        "id name description provider tool_registry_id",
        type=Field("function", must="a string"),
        function=Field(of="function", must="an object"),
        config=_JSON,
        parameters=_JSON,
    ),
    "function": _shape(
        name=_NEEDED_TEXT,
        description=Field("", must="a string"),
        strict=Field(False, must="true or false"),
        parameters=Field({"type": "object", "properties": {}}, of=JSON, must="an object"),
    ),
    "image": _shape(url=_NEEDED_TEXT),
    "media": _shape("url", title=Field("media"), type=Field("image/jpeg"), format=Field("neither")),
    "search_result": _shape(
        "page_age",
        type=Field("web_search_result"),
        url=_EMPTY_TEXT,
        title=_EMPTY_TEXT,
        encrypted_content=_EMPTY_TEXT,
    ),
    "model": _shape(
        provider=_NEEDED_TEXT,
        name=_NEEDED_TEXT,
        parameters=Field({}, of=JSON, must="an object"),
        display_params=Field(derived=True, must="an object"),
        api_type=Field(CHAT_COMPLETIONS, must="a string", values=(CHAT_COMPLETIONS, *OTHER_APIS)),
        base_model=Field(must="a string", most=100),
        model_config_display_name=Field(must="a string", most=255),
    ),
}

TEMPLATE: Final = SHAPES["template"]

_MCP_CALL: Final = {"name": _EMPTY_TEXT, "server_label": _EMPTY_TEXT, "arguments": _EMPTY_TEXT}

BLOCKS: Final[Mapping[str, Shape]] = {
    "text": _shape("type thought_signature", text=_NEEDED_TEXT, annotations=_EMPTY_LIST),
    "thinking": _shape("type signature", thinking=_NEEDED),
    "code": _shape("type container_id", code=_NEEDED),
    "image_url": _shape("type image_variable", image_url=Field(of="image", required=True, must="an object")),
    "media": _shape("type", media=Field(of="media", required=True)),
    "media_variable": _shape("type", name=_NEEDED),
    "output_media": _shape(
        "type id provider_metadata", url=_NEEDED, mime_type=Field("image/png"), media_type=Field("image")
    ),
    "server_tool_use": _shape("type", id=_NEEDED, name=_NEEDED, input=Field({}, of=JSON)),
    "web_search_tool_result": _shape("type", tool_use_id=_NEEDED, content=Field([], of="search_result")),
    "code_execution_result": _shape("type", output=_NEEDED, outcome=Field("OUTCOME_OK")),
    "mcp_list_tools": _shape("type id error", server_label=_EMPTY_TEXT, tools=_EMPTY_LIST),
    "mcp_call": _shape("type id output error approval_request_id", **_MCP_CALL),
    "mcp_approval_request": _shape("type id", **_MCP_CALL),
    "mcp_approval_response": _shape("type", approval_request_id=_NEEDED, approve=_NEEDED),
    "bash_code_execution_tool_result": _shape("type", tool_use_id=_NEEDED, content=_EMPTY_OBJECT),
    "text_editor_code_execution_tool_result": _shape("type", tool_use_id=_NEEDED, content=_EMPTY_OBJECT),
    "shell_call": _shape("type id call_id status", action=_EMPTY_OBJECT),
    "shell_call_output": _shape("type id call_id status", output=_EMPTY_LIST),
    "apply_patch_call": _shape("type id call_id status", operation=_EMPTY_OBJECT),
    "apply_patch_call_output": _shape("type id call_id status output"),
}
"""The types of content blocks."""

UNKNOWN: Final[Shape] = {}
"""The shape of an object of which no key is known."""

_FOR_BOTH: Final = words("type input_variables dataset_examples")
CHAT_KEYS: Final = _FOR_BOTH | {"messages", "functions", "function_call", "tools", "tool_choice"}
"""Keys of a chat template. The registry drops all others."""
COMPLETION_KEYS: Final = _FOR_BOTH | {"content", "template_format"}


def shape_of(value: Mapping[str, Any], name: str) -> Shape:
    """Return the shape that an object has under a key ``of`` that name; without a name none is known."""
    if name == BLOCK:
        kind = value.get("type")
        return BLOCKS.get(kind, UNKNOWN) if isinstance(kind, str) else UNKNOWN
    return SHAPES.get(name, UNKNOWN)


class Role(Struct, frozen=True):
    """What a message of one role is like.

    ``required`` are the keys that it needs beside ``role``. ``needs_content`` says whether it must have
    content, ``instructs`` whether a provider with a separate system prompt gets it there.
    """

    required: tuple[str, ...] = ()
    needs_content: bool = True
    instructs: bool = False


ROLES: Final[Mapping[str, Role]] = {
    "system": Role(instructs=True),
    "user": Role(),
    "developer": Role(instructs=True),
    "assistant": Role(needs_content=False),
    "tool": Role(required=("tool_call_id",)),
    "function": Role(required=("name",), needs_content=False),
    "placeholder": Role(required=("name",), needs_content=False),
}
"""The roles of messages, in the order in which they are listed for people."""


# -- what the registry rejects ------------------------------------------------------------------------------

_MESSAGES: Final[Mapping[str, Shape]] = {
    name: {
        **SHAPES["message"],
        "content": Field(of=BLOCK, required=role.needs_content, must="a string or a list"),
        **dict.fromkeys(role.required, _NEEDED_TEXT),
    }
    for name, role in ROLES.items()
}
"""What a message of each role needs."""
_FUNCTION_TOOL: Final = {**SHAPES["tool"], "function": Field(of="function", required=True, must="an object")}


class Rejection(Struct, frozen=True):
    """One value that the registry rejects: where, the lint rule for it, and what is wrong with it."""

    path: KeyPath
    what: str
    rule: str = "wrong-value"


def rejected_template(template: Mapping[str, Any]) -> Iterator[Rejection]:
    """Yield everything in a template that the registry rejects.

    Unknown keys are accepted, as are unknown types of blocks and tools: the vendor adds some now and then.
    """
    if template.get("type") not in (None, "chat", "completion"):
        yield Rejection(("type",), "must be chat or completion")
        return
    keys = CHAT_KEYS if kind_of(template) == "chat" else COMPLETION_KEYS
    yield from _in_object(template, {key: TEMPLATE[key] for key in sorted(keys | {"template_format"})}, ())


def rejected_metadata(metadata: Mapping[str, Any]) -> Iterator[Rejection]:
    """Yield everything in the metadata that the registry rejects; paths start at the metadata."""
    yield from _in_object(metadata, {"model": Field(of="model", must="an object")}, ())


def _in_object(value: Mapping[str, Any], shape: Shape, path: KeyPath) -> Iterator[Rejection]:
    for key, known in shape.items():
        item, at = value.get(key), (*path, key)
        if item is None:
            if known.required:
                yield Rejection(at, "is missing", "missing-key")
        elif key == "template_format" and item not in FORMATS:
            yield Rejection(at, f"must be {' or '.join(FORMATS)}, not {item!r}")
        elif known.must and not isinstance(item, _TYPES[known.must]):
            yield Rejection(at, f"must be {known.must}")
        elif known.most is not None and len(item) > known.most:
            yield Rejection(at, f"must be a string of at most {known.most} characters")
        elif known.of not in ("", JSON):
            yield from _inside(item, known.of, at)


def _inside(value: Any, of: str, path: KeyPath) -> Iterator[Rejection]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, Mapping):
                yield from _inside(item, of, (*path, index))
            else:
                yield Rejection((*path, index), "must be an object")
    elif not isinstance(value, Mapping):
        return
    elif of == "message" and value.get("role") not in [*ROLES]:
        yield Rejection((*path, "role"), f"must be one of {', '.join(ROLES)}")
    else:
        yield from _in_object(value, _needed(value, of), path)


def _needed(value: Mapping[str, Any], of: str) -> Shape:
    """Return what an object needs."""
    if of == "message":
        return _MESSAGES[value["role"]]
    if of == BLOCK:
        return shape_of({"type": "text", **value}, BLOCK)
    is_function = of == "tool" and value.get("type", "function") == "function"
    return _FUNCTION_TOOL if is_function else SHAPES[of]


# -- names that people misspell -----------------------------------------------------------------------------


PROVIDERS: Final = words(
    "openai openai.azure anthropic anthropic.bedrock amazon.bedrock google vertexai mistral openrouter "
    "cohere huggingface"
)

PARAMETERS: Final = words(
    """
    temperature top_p top_k top_a min_p seed random_seed stop stop_sequences max_tokens max_output_tokens
    max_completion_tokens max_new_tokens presence_penalty frequency_penalty repetition_penalty logit_bias
    logprobs top_logprobs response_format reasoning reasoning_effort verbosity thinking budget_tokens
    parallel_tool_calls service_tier stream store user candidate_count safe_prompt web_search_options
    prompt_cache_key modalities prediction response_mime_type response_schema thinking_config safety_settings
    topP topK maxTokens maxOutputTokens stopSequences candidateCount responseMimeType responseSchema
    thinkingConfig safetySettings inferenceConfig
    """
)
"""Parameters of several providers; any other one is just as valid."""

RESPONSE_FORMATS: Final = words("text json_object json_schema")

_LIKE: Final = 0.82
"""How alike two words are if one is the other misspelled, such as ``opneai``."""


@lru_cache(maxsize=1024)
def meant(word: str, known: Collection[str]) -> str:
    """Return the known word that another one is misspelled from, ``""`` if it is known or unlike any."""
    if word in known:
        return ""
    close = difflib.get_close_matches(word, known, 1, _LIKE) or difflib.get_close_matches(
        word.casefold(), known, 1, _LIKE
    )
    return close[0] if close else ""

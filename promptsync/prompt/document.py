"""What a prompt file need not say: the values that a registry fills in by itself.

Only values that mean the same as leaving the field out are dropped. Unknown fields, and known ones with
anything in them, stay: a file may lose noise, never content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from promptsync.prompt.defaults import (
    ABSENT,
    BLOCKS,
    CHAT_COMPLETIONS,
    CHAT_COMPLETIONS_PROVIDERS,
    DEFAULT_FORMAT,
    ROLES,
    SHAPES,
    Shape,
)
from promptsync.prompt.prompt import Local, Prompt, copied, without_nulls

_LEADING_KEYS: Final = (
    *("type", "role", "id", "provider", "name", "description", "text", "strict"),
    *("function", "arguments", "parameters"),
)
_NO_SHAPE: Final = Shape()


def tidy_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as a file says it, in the order of the house style; plain text content is a string.

    Its ``template_format`` is dropped when it is null, not when it is the default: the caller knows what
    the file says for all messages.
    """
    role = message.get("role")
    rest = {key: value for key, value in message.items() if key not in ("content", "template_format")}
    tidied = _object(rest, SHAPES["message"])
    if tidied.get("raw_request_display_role") in ("", role):
        tidied.pop("raw_request_display_role", None)
    content = message.get("content")
    known = ROLES.get(role) if isinstance(role, str) else None
    keep = content is not None and (content != [] or known is None or known.needs_content)
    ordered: dict[str, Any] = {key: tidied.pop(key) for key in ("role", "name") if key in tidied}
    if message.get("template_format") is not None:
        ordered["template_format"] = message["template_format"]
    if keep:
        ordered["content"] = tidy_content(content)
    return ordered | tidied


def tidy_content(content: Any) -> Any:
    """Return content as a file says it: a string for one plain text block, else a list of blocks."""
    if not isinstance(content, list | tuple):
        return content
    blocks = [_block(block) for block in content]
    if len(blocks) == 1 and isinstance(blocks[0], dict) and blocks[0].keys() == {"type", "text"}:
        only = blocks[0]
        if only["type"] == "text" and isinstance(only["text"], str):
            return only["text"]
    return blocks


def tidy_tools(tools: Any) -> Any:
    """Return the tools of a template without filled-in values; their parameters are left alone."""
    return _shaped(tools, SHAPES["tool"])


def tidy_functions(functions: Any) -> Any:
    """Return the functions of a template without filled-in values; their parameters are left alone."""
    return _shaped(functions, SHAPES["function"])


def tidy_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model settings without filled-in values; ``parameters`` are left alone."""
    tidied = _object(model, SHAPES["model"])
    if tidied.get("api_type") == CHAT_COMPLETIONS and model.get("provider") in CHAT_COMPLETIONS_PROVIDERS:
        del tidied["api_type"]
    return tidied


def _block(block: Any) -> Any:
    if not isinstance(block, Mapping):
        return copied(block)
    kind = block.get("type")
    if kind is None and "text" in block:
        block = {**block, "type": (kind := "text")}
    return _object(block, BLOCKS.get(kind, _NO_SHAPE) if isinstance(kind, str) else _NO_SHAPE)


def _object(value: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    tidied: dict[str, Any] = {}
    for key in _ordered(value):
        item = value[key]
        if item is None or (key == "input_variables" and key in shape.ignored):
            continue
        field = shape.fields.get(key)
        if field is None:
            item = without_nulls(item)
            omitted = key in shape.ignored and item in ([], {})
        else:
            item = copied(item) if field.user_json else _INSIDE.get(field.of, without_nulls)(item)
            omitted = key != "type" and field.omitted is not ABSENT and _same(item, field.omitted)
        if not omitted:
            tidied[key] = item
    return tidied


def _shaped(value: Any, shape: Shape) -> Any:
    if isinstance(value, Mapping):
        return _object(value, shape)
    if isinstance(value, list | tuple):
        return [_object(item, shape) if isinstance(item, Mapping) else copied(item) for item in value]
    return value


def _inside(name: str) -> Callable[[Any], Any]:
    return lambda value: _shaped(value, SHAPES[name])


_INSIDE: Final[Mapping[str, Callable[[Any], Any]]] = {name: _inside(name) for name in SHAPES}


def _ordered(keys: Iterable[str]) -> list[str]:
    given = list(keys)
    return [key for key in _LEADING_KEYS if key in given] + [key for key in given if key not in _LEADING_KEYS]


def _same(value: Any, omitted: Any) -> bool:
    return bool(value == omitted) and isinstance(value, bool) is isinstance(omitted, bool)


TEMPLATE_KEYS: Final = ("tools", "functions", "function_call", "tool_choice")
"""Keys of the template that stand at the top of a file as they are."""

LOCAL_KEYS: Final = ("evaluations", "agents", "examples", "synced")
"""Keys that are not content: never published, not part of the digest."""

KEYS: Final = (
    *("name", "template_format", "tags", "model", "metadata", "messages", "content"),
    *TEMPLATE_KEYS,
    "extra",
    *LOCAL_KEYS,
)
"""Every top-level key of a prompt file, in the order in which it is written."""


def to_prompt(document: Mapping[str, Any], default_name: str) -> tuple[Prompt, Local]:
    """Return the prompt that a valid document describes, and what it says beside.

    ``default_name`` is the name of a document that does not say its own.
    """
    extra = document.get("extra") or {}
    metadata = dict(document.get("metadata") or {})
    if document.get("model") is not None:
        metadata["model"] = document["model"]
    prompt = Prompt(
        name=document.get("name") or default_name,
        template=_template(document) | dict(extra.get("template") or {}),
        metadata=metadata,
        tags=tuple(document.get("tags") or ()),
        extra=dict(extra.get("version") or {}),
    )
    return prompt, _local(document)


def to_document(prompt: Prompt, local: Local) -> dict[str, Any]:
    """Return the document for a prompt: plain dicts and lists, keys in the order of the house style.

    What the registry fills in by itself is left out. ``to_prompt`` of the result is canonically equal to
    ``prompt`` and gives ``local`` back.
    """
    template = prompt.template
    is_chat = _is_chat(template)
    document: dict[str, Any] = {"name": prompt.name}
    messages = [tidy_message(message) for message in template.get("messages") or ()] if is_chat else []
    format_ = _shared_format(messages) if is_chat else template.get("template_format")
    if format_ not in (None, DEFAULT_FORMAT):
        document["template_format"] = format_
    if prompt.tags:
        document["tags"] = list(prompt.tags)
    document |= _metadata_keys(prompt.metadata)
    if is_chat:
        document["messages"] = [_with_format(message, format_) for message in messages]
    else:
        content = template.get("content")
        document["content"] = [] if content is None else tidy_content(content)
    document |= _template_keys(template)
    extra = _extra(prompt, is_chat)
    if extra:
        document["extra"] = extra
    return document | _local_keys(local)


def _template(document: Mapping[str, Any]) -> dict[str, Any]:
    format_ = document.get("template_format")
    template: dict[str, Any]
    if document.get("messages") is not None:
        messages = [_message(message, format_) for message in document["messages"]]
        template = {"type": "chat", "messages": messages}
    else:
        template = {"type": "completion", "content": _blocks(document.get("content"))}
        if format_ is not None:
            template["template_format"] = format_
    kept = {key: document[key] for key in TEMPLATE_KEYS if document.get(key) is not None}
    return template | kept


def _message(message: Mapping[str, Any], format_: str | None) -> dict[str, Any]:
    wire = dict(message)
    if wire.get("content") is None:
        wire.pop("content", None)
    else:
        wire["content"] = _blocks(wire["content"])
    if wire.get("template_format") is None:
        wire.pop("template_format", None)
        if format_ is not None:
            wire["template_format"] = format_
    return wire


def _blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _local(document: Mapping[str, Any]) -> Local:
    synced = document.get("synced") or {}
    by_remote = synced if isinstance(synced, Mapping) else {"": synced}
    agents = document.get("agents") or ()
    return Local(
        evaluations=tuple(document.get("evaluations") or ()),
        agents=tuple({"name": agent} if isinstance(agent, str) else agent for agent in agents),
        examples=tuple(document.get("examples") or ()),
        synced={
            remote: (keys,) if isinstance(keys, str) else tuple(keys) for remote, keys in by_remote.items()
        },
    )


def _is_chat(template: Mapping[str, Any]) -> bool:
    kind = template.get("type")
    if kind in ("chat", "completion"):
        return bool(kind == "chat")
    return "messages" in template or "content" not in template


def _shared_format(messages: list[dict[str, Any]]) -> str | None:
    """The format that most messages have: stated once for all, so that few state their own."""
    formats = Counter(message.get("template_format", DEFAULT_FORMAT) for message in messages)
    return formats.most_common(1)[0][0] if formats else None


def _with_format(message: dict[str, Any], shared: str | None) -> dict[str, Any]:
    own = message.get("template_format", DEFAULT_FORMAT)
    if own == shared:
        return {key: value for key, value in message.items() if key != "template_format"}
    if "template_format" in message:
        return message
    role = {key: message[key] for key in ("role", "name") if key in message}
    return role | {"template_format": own} | message


def _metadata_keys(metadata: Mapping[str, Any]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    custom = {key: copied(value) for key, value in metadata.items() if key != "model"}
    model = metadata.get("model")
    if isinstance(model, Mapping):
        keys["model"] = tidy_model(model)
    elif model is not None:
        custom["model"] = copied(model)
    if custom:
        keys["metadata"] = custom
    return keys


def _template_keys(template: Mapping[str, Any]) -> dict[str, Any]:
    keys = {key: template[key] for key in TEMPLATE_KEYS if template.get(key) not in (None, [])}
    # Without functions there is nothing to call; with functions "none" forbids calling them.
    if keys.get("function_call") == "none" and "functions" not in keys:
        del keys["function_call"]
    tidied = {"tools": tidy_tools, "functions": tidy_functions}
    return {key: tidied.get(key, without_nulls)(value) for key, value in keys.items()}


def _extra(prompt: Prompt, is_chat: bool) -> dict[str, Any]:
    own = {"messages"} if is_chat else {"content", "template_format"}
    placed = own | {*TEMPLATE_KEYS, "input_variables"}
    rest = {
        key: without_nulls(value)
        for key, value in prompt.template.items()
        if key not in placed and value is not None
    }
    if rest.get("type") == ("chat" if is_chat else "completion"):
        del rest["type"]
    if rest.get("dataset_examples") == []:
        del rest["dataset_examples"]
    version = without_nulls(prompt.extra)
    return {key: value for key, value in (("template", rest), ("version", version)) if value}


def _local_keys(local: Local) -> dict[str, Any]:
    by_remote = {remote: keys[0] if len(keys) == 1 else [*keys] for remote, keys in local.synced.items()}
    synced: Any = by_remote[""] if by_remote.keys() == {""} else by_remote
    values = {
        "evaluations": list(local.evaluations),
        "agents": [copied(agent) for agent in local.agents],
        "examples": [copied(example) for example in local.examples],
        "synced": synced,
    }
    return {key: value for key, value in values.items() if value not in ([], {})}

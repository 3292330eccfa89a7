"""Prompts as documents: the keys of a prompt file, in its order and without what a registry fills in.

A document leaves out a field only if its value means the same as leaving it out. Unknown fields, and known
ones with anything else in them, stay: a file may lose noise, never content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from promptsync.prompt.defaults import (
    DEFAULT_FORMAT,
    SHAPES,
    drop_default_api_type,
    drop_needless_function_call,
)
from promptsync.prompt.prompt import Local, Prompt, as_blocks, copied, kind_of, without_nulls
from promptsync.prompt.roles import ROLES
from promptsync.prompt.tidying import EXPLICIT, FILE, tidy, tidy_content, tidy_shaped

TEMPLATE_KEYS: Final = ("tools", "functions", "function_call", "tool_choice")
"""Keys of the template that are top-level keys of a file as they are."""


def _tidy_message(message: Mapping[str, Any], explicit: bool) -> dict[str, Any]:
    """Return a message as a file has it, with ordered keys; plain text content is a string.

    A default ``template_format`` stays, because only the caller knows the file's own format for all messages.
    """
    role = message.get("role")
    rest = {key: value for key, value in message.items() if key not in ("content", "template_format")}
    tidied = tidy(rest, SHAPES["message"], FILE)
    if tidied.get("raw_request_display_role") in ("", role):
        tidied.pop("raw_request_display_role", None)
    content = message.get("content")
    known = ROLES.get(role) if isinstance(role, str) else None
    # An empty list means no content, which only some roles may lack.
    keep = content is not None and (content != [] or known is None or known.needs_content)
    ordered: dict[str, Any] = {key: tidied.pop(key) for key in ("role", "name") if key in tidied}
    if message.get("template_format") is not None:
        ordered["template_format"] = message["template_format"]
    if keep:
        ordered["content"] = tidy_content(content, EXPLICIT if explicit else FILE)
    return ordered | tidied


def to_prompt(document: Mapping[str, Any], default_name: str) -> tuple[Prompt, Local]:
    """Return the prompt that a valid document describes, and its keys that are not content.

    ``default_name`` is used if the document has no name of its own.
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


def to_document(prompt: Prompt, local: Local, *, explicit: bool = False) -> dict[str, Any]:
    """Return the document for a prompt: plain dicts and lists, with the keys in the order of a file.

    Values that the registry fills in are left out. ``to_prompt`` of the result returns a prompt with the same
    canonical form, and ``local``. ``explicit`` is for text that is written, not compared: it keeps defaults
    such as ``title: ""`` in content blocks, because not every registry fills them in.
    """
    template = prompt.template
    is_chat = kind_of(template) == "chat"
    document: dict[str, Any] = {"name": prompt.name}
    wire = (template.get("messages") or ()) if is_chat else ()
    messages = [_tidy_message(message, explicit) for message in wire]
    format_ = template.get("template_format")
    if is_chat:
        # The format that most messages have, so that few of them need to state their own.
        formats = Counter(message.get("template_format", DEFAULT_FORMAT) for message in messages)
        format_ = next((name for name, _ in formats.most_common(1)), None)
    if format_ not in (None, DEFAULT_FORMAT):
        document["template_format"] = format_
    if prompt.tags:
        document["tags"] = list(prompt.tags)
    document |= _metadata_keys(prompt.metadata)
    if is_chat:
        document["messages"] = [_with_format(message, format_) for message in messages]
    else:
        content = template.get("content")
        document["content"] = [] if content is None else tidy_content(content, EXPLICIT if explicit else FILE)
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
        template = {"type": "completion", "content": as_blocks(document.get("content"))}
        if format_ is not None:
            template["template_format"] = format_
    kept = {key: document[key] for key in TEMPLATE_KEYS if document.get(key) is not None}
    return template | kept


def _message(message: Mapping[str, Any], format_: str | None) -> dict[str, Any]:
    wire = dict(message)
    if wire.get("content") is None:
        wire.pop("content", None)
    else:
        wire["content"] = as_blocks(wire["content"])
    if wire.get("template_format") is None:
        wire.pop("template_format", None)
        if format_ is not None:
            wire["template_format"] = format_
    return wire


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


def _with_format(message: dict[str, Any], shared: str | None) -> dict[str, Any]:
    own = message.get("template_format", DEFAULT_FORMAT)
    if own == shared:
        return {key: value for key, value in message.items() if key != "template_format"}
    if "template_format" in message:
        return message
    # The file's format is another one, so this message has to state even the default.
    role = {key: message[key] for key in ("role", "name") if key in message}
    return role | {"template_format": own} | message


def _metadata_keys(metadata: Mapping[str, Any]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    custom = {key: copied(value) for key, value in metadata.items() if key != "model"}
    model = metadata.get("model")
    if isinstance(model, Mapping):
        keys["model"] = tidy(model, SHAPES["model"], FILE)
        drop_default_api_type(keys["model"])
    elif model is not None:
        custom["model"] = copied(model)
    if custom:
        keys["metadata"] = custom
    return keys


def _template_keys(template: Mapping[str, Any]) -> dict[str, Any]:
    keys = {key: template[key] for key in TEMPLATE_KEYS if template.get(key) not in (None, [])}
    drop_needless_function_call(keys)
    shapes = {"tools": SHAPES["tool"], "functions": SHAPES["function"]}
    return {
        key: tidy_shaped(value, shapes[key], FILE) if key in shapes else without_nulls(value)
        for key, value in keys.items()
    }


def _extra(prompt: Prompt, is_chat: bool) -> dict[str, Any]:
    # A chat template can have a stray "content" too. It stays in the file, under extra.
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
    # Keys of the default remote alone are written without its name, as a plain value.
    synced: Any = by_remote[""] if by_remote.keys() == {""} else by_remote
    values = {
        "evaluations": list(local.evaluations),
        "agents": [copied(agent) for agent in local.agents],
        "examples": [copied(example) for example in local.examples],
        "synced": synced,
    }
    return {key: value for key, value in values.items() if value not in ([], {})}

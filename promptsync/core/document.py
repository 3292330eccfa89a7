"""What a prompt file says, to and from the prompt that the registry holds.

A document is the mapping in a prompt file. It says the same as a wire template in fewer words; both
directions keep every value that means something, known or not, and never touch a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from promptsync.core.defaults import DEFAULT_FORMAT
from promptsync.core.prompt import Local, Prompt
from promptsync.core.tidy import tidy_content, tidy_functions, tidy_message, tidy_model, tidy_tools
from promptsync.core.values import copied, without_nulls

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

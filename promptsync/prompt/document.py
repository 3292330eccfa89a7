"""Prompts as documents: the keys of a prompt file, in its order and without what a registry fills in.

A document leaves out a field only if its value means the same as leaving it out. Unknown fields, and known
ones with anything else in them, stay: a file may lose noise, never content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from promptsync.prompt.canonical import EXPLICIT, FILE, Use, ordered, tidy, tidy_inner
from promptsync.prompt.prompt import Local, Prompt, as_blocks, copied, kind_of, without_nulls
from promptsync.prompt.shapes import BLOCK, DEFAULT_FORMAT, ROLES, SHAPES, TEMPLATE

TEMPLATE_KEYS: Final = ("tools", "functions", "function_call", "tool_choice")
"""Keys of the template that are top-level keys of a file as they are."""


def to_prompt(document: Mapping[str, Any], default_name: str) -> tuple[Prompt, Local]:
    """Return the prompt that a valid document describes, and its keys that are not content.

    ``default_name`` is used if the document has no name of its own.
    """
    extra = document.get("extra") or {}
    metadata = dict(document.get("metadata") or {})
    if document.get("model") is not None:
        metadata["model"] = document["model"]
    if document.get("needs") is not None:
        metadata["needs"] = document["needs"]
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
    form = tidy(prompt.template, TEMPLATE, FILE)
    use: Use = EXPLICIT if explicit else FILE
    kind = kind_of(prompt.template)
    document: dict[str, Any] = {"name": prompt.name}
    if kind == "chat":
        sent = prompt.template.get("messages") or ()
        messages = [_written(*pair, use) for pair in zip(form.pop("messages", ()), sent, strict=True)]
        # The format that most messages have, so that few of them need to state their own.
        formats = Counter(message.get("template_format", DEFAULT_FORMAT) for message in messages)
        shared = next((name for name, _ in formats.most_common(1)), DEFAULT_FORMAT)
        own = {"messages": [_with_format(message, shared) for message in messages]}
    else:
        shared = form.pop("template_format", DEFAULT_FORMAT)
        form.pop("content", None)
        own = {"content": tidy_inner(prompt.template.get("content") or [], BLOCK, use)}
    if shared != DEFAULT_FORMAT:
        document["template_format"] = shared
    if prompt.tags:
        document["tags"] = list(prompt.tags)
    metadata = {key: copied(value) for key, value in prompt.metadata.items()}
    if isinstance(metadata.get("model"), Mapping):
        document["model"] = tidy(metadata.pop("model"), SHAPES["model"], FILE)
    elif metadata.get("model") is None:
        metadata.pop("model", None)
    if prompt.needs is not None:
        document["needs"] = metadata.pop("needs")
    if metadata:
        document["metadata"] = metadata
    document |= own | {key: form.pop(key) for key in TEMPLATE_KEYS if key in form}
    if form.get("type") == kind:
        del form["type"]
    # What is left has no place of its own, such as the content of a chat template.
    extra = {"template": form, "version": without_nulls(prompt.extra)}
    if any(extra.values()):
        document["extra"] = {key: value for key, value in extra.items() if value}
    return document | _local_keys(local)


def _written(form: dict[str, Any], sent: Mapping[str, Any], use: Use) -> dict[str, Any]:
    """Return a message as a file has it."""
    role, content = sent.get("role"), sent.get("content")
    known = ROLES.get(role) if isinstance(role, str) else None
    # An empty list means no content, which only some roles may lack.
    if content is not None and (content != [] or known is None or known.needs_content):
        form["content"] = tidy_inner(content, BLOCK, use)
    return form


def _with_format(message: dict[str, Any], shared: str) -> dict[str, Any]:
    """Return a message that states its format only if it differs from that of the file."""
    own = message.pop("template_format", DEFAULT_FORMAT)
    message |= {"template_format": own} if own != shared else {}
    return {key: message[key] for key in ordered(message)}


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

"""The forms of a prompt without what a registry fills in: one to compare, and the document of its file.

The canonical form is never sent or written. To a model, prompts with one digest are the same. A document
keeps numbers as they are, and its keys have an order. It leaves out a field only if its value means the same
as leaving it out. Unknown fields, and known ones with anything else in them, stay: a file may lose noise,
never content.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, Literal

from msgspec import structs

from promptsync.prompt.prompt import (
    F_STRING,
    Local,
    Prompt,
    as_blocks,
    as_text,
    clean,
    copied,
    format_of,
    function_name,
    kind_of,
    plain,
    without_nulls,
)
from promptsync.prompt.shapes import (
    BLOCK,
    ENVELOPE,
    JSON,
    PLAIN,
    ROLES,
    SHAPES,
    TEMPLATE,
    WRITE_ONLY,
    Shape,
    shape_of,
)

encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
"""Returns a canonical form as JSON text. Forms are equal if their texts are: ``true`` is not ``1`` there."""


def same(value: Any, other: Any) -> bool:
    """Whether two JSON values are equal: types count, the order of keys does not, and 600.0 is 600."""
    return bool(encode(plain(value)) == encode(plain(other)))


_NOT_CONTENT = WRITE_ONLY | ENVELOPE

Use = Literal["comparison", "file", "explicit file"]
COMPARISON: Final = "comparison"
FILE: Final = "file"
EXPLICIT: Final = "explicit file"
"""Keeps the defaults in blocks: not every registry fills them in."""

_LEADING_KEYS: Final = (
    *("type", "role", "id", "provider", "name", "template_format", "content", "description", "text"),
    *("strict", "function", "arguments", "parameters"),
)
"""The keys that come first in each object of a file."""
_RANKS: Final = {key: rank for rank, key in enumerate(_LEADING_KEYS)}


def canonical(prompt: Prompt) -> dict[str, Any]:
    """Return the minimal form of a prompt's content: ``template`` and, if any, ``metadata`` and ``extra``.

    It lacks defaults, fields that the registry derives, the name and the tags. Content that is a single plain
    text block becomes a string, and ``1.0`` becomes ``1``. Texts and the order of lists stay as they are. The
    result may share values with the prompt: do not change it in place.
    """
    template = tidy(prompt.template, TEMPLATE)
    template.setdefault("type", kind_of(prompt.template))
    extra = clean({key: value for key, value in prompt.extra.items() if key not in _NOT_CONTENT})
    metadata = {key: plain(value) for key, value in prompt.metadata.items()}
    model = metadata.get("model")
    if isinstance(model, Mapping):
        metadata["model"] = tidy(model, SHAPES["model"])
    elif model is None:
        metadata.pop("model", None)
    parts = {"metadata": metadata, "extra": extra}
    return {"template": template} | {key: value for key, value in parts.items() if value}


def digest(prompt: Prompt) -> str:
    """Return ``sha256:`` and the hash of the canonical form."""
    form = encode(canonical(prompt)).encode("utf-8", "surrogatepass")
    return "sha256:" + sha256(form).hexdigest()


def comparable(local: Prompt, remote: Prompt) -> Prompt:
    """Return the remote prompt with local references to tools in place of the definitions they stand for.

    The registry expands a reference to one of its tools, so the two cannot be compared. A definition belongs
    to a reference if no local function has its name. If there are more or fewer such definitions than
    references, it is unknown which belongs to which, and the result is ``remote`` itself.
    """
    ours, theirs = local.template.get("tools"), remote.template.get("tools")
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return remote
    own = {function_name(tool) for tool in ours}
    # A registry that returns the reference itself has nothing to replace.
    references = [tool for tool in ours if is_reference(tool) and tool not in theirs]
    expanded = [
        at
        for at, tool in enumerate(theirs)
        if isinstance(tool, Mapping)
        and "function" in tool
        and tool.get("type", "function") == "function"
        and function_name(tool) not in own
    ]
    if not references or len(expanded) != len(references):
        return remote
    kept = dict(zip(expanded, references, strict=True))
    tools = [kept.get(at, tool) for at, tool in enumerate(theirs)]
    return structs.replace(remote, template={**remote.template, "tools": tools})


def is_reference(tool: Any) -> bool:
    """Whether a tool of a template stands for one of the registry."""
    return isinstance(tool, Mapping) and tool.get("type") == "registry"


# -- what a registry fills in --------------------------------------------------------------------------------


def tidy(value: Mapping[str, Any], shape: Shape, use: Use = COMPARISON) -> dict[str, Any]:
    """Return an object without what a registry fills in. In a file a ``type`` stays, for people."""
    is_file = use is not COMPARISON
    copy, copy_user = (without_nulls, copied) if is_file else (clean, plain)
    form: dict[str, Any] = {}
    for key in ordered(value) if is_file else value:
        item, known = value[key], shape.get(key, PLAIN)
        if item is None or known.derived:
            continue
        if known.of and known.of != JSON:
            item = tidy_inner(item, known.of, use)
        else:
            item = copy_user(item) if known.of else copy(item)
        if known is PLAIN or use is EXPLICIT or (is_file and key == "type") or not known.is_default(item):
            form[key] = item
    if shape is TEMPLATE and form.get("function_call") == "none" and "functions" not in form:
        del form["function_call"]  # without functions it forbids nothing
    return form


def ordered(keys: Mapping[str, Any]) -> list[str]:
    """Return the keys of an object in the order of a file."""
    return sorted(keys, key=lambda key: _RANKS.get(key, len(_RANKS)))


def tidy_inner(value: Any, of: str, use: Use) -> Any:
    """Return an object, or a list of objects, without what a registry fills in; plain text is a string."""
    if isinstance(value, Mapping):
        return tidy(value, shape_of(value, of), use)
    copy = clean if use is COMPARISON else copied
    if not isinstance(value, list | tuple):
        return copy(value)
    items: list[Any] = []
    for item in value:
        if not isinstance(item, Mapping):
            items.append(copy(item))
            continue
        # The registry returns the type of a text block that was sent without one.
        if of == BLOCK and item.get("type") is None and "text" in item:
            item = {**item, "type": "text"}
        # The registry fills in the fields of text blocks, so a pulled file would be full of them.
        is_text = of == BLOCK and item.get("type") == "text"
        items.append(tidy(item, shape_of(item, of), FILE if is_text and use is EXPLICIT else use))
    return as_text(items) if of == BLOCK else items


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
        forms, sent = form.pop("messages", ()), prompt.template.get("messages") or ()
        # The format that most messages have, so that few of them need to state their own.
        shared = next((name for name, _ in Counter(map(format_of, forms)).most_common(1)), F_STRING)
        own = {"messages": [_written(*pair, shared, use) for pair in zip(forms, sent, strict=True)]}
    else:
        shared = form.pop("template_format", F_STRING)
        form.pop("content", None)
        own = {"content": tidy_inner(prompt.template.get("content") or [], BLOCK, use)}
    if shared != F_STRING:
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


def _written(form: dict[str, Any], sent: Mapping[str, Any], shared: str, use: Use) -> dict[str, Any]:
    """Return a message as a file has it, which states its format only if that of the file is another one."""
    role, content = sent.get("role"), sent.get("content")
    known = ROLES.get(role) if isinstance(role, str) else None
    # An empty list means no content, which only some roles may lack.
    if content is not None and (content != [] or known is None or known.needs_content):
        form["content"] = tidy_inner(content, BLOCK, use)
    form["template_format"] = format_of(form)
    return {key: form[key] for key in ordered(form) if (key, form[key]) != ("template_format", shared)}


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


_OPTIONAL: Final = ("content", "template_format")


def _message(message: Mapping[str, Any], format_: str | None) -> dict[str, Any]:
    # Null means that a key is left out.
    wire = {key: value for key, value in message.items() if value is not None or key not in _OPTIONAL}
    if "content" in wire:
        wire["content"] = as_blocks(wire["content"])
    return wire if format_ is None else {"template_format": format_, **wire}


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

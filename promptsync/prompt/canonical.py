"""The canonical form of a prompt: what is left when everything that a registry fills in is taken away.

It is used to compare and never sent or written. Two prompts with equal digests make a model see the same.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from promptsync.prompt.defaults import (
    ABSENT,
    BLOCKS,
    CHAT_COMPLETIONS,
    CHAT_COMPLETIONS_PROVIDERS,
    ENVELOPE,
    SHAPES,
    TEMPLATE,
    WRITE_ONLY,
    Shape,
)
from promptsync.prompt.prompt import SCALARS, Prompt, clean, plain

encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
"""The JSON text of a canonical form: equal forms have equal texts, and ``true`` is not ``1``."""

_NO_SHAPE = Shape()
_NOT_CONTENT = WRITE_ONLY | ENVELOPE


def canonical(prompt: Prompt) -> dict[str, Any]:
    """Return the minimal form of a prompt's content: ``template`` and, if any, ``metadata`` and ``extra``.

    Fields that equal "omitted" are gone, derived and server-made fields too; content that is one plain text
    block is a string; integral floats are integers. Texts and the order of lists are as they were. The name
    and the tags are not part of it. Nothing in the result may be changed in place.
    """
    form: dict[str, Any] = {"template": _template(prompt.template)}
    if prompt.metadata:
        metadata = _metadata(prompt.metadata)
        if metadata:
            form["metadata"] = metadata
    if prompt.extra:
        extra = {key: clean(value) for key, value in prompt.extra.items() if _is_content(key, value)}
        if extra:
            form["extra"] = extra
    return form


def digest(prompt: Prompt) -> str:
    """Return ``sha256:`` and the hash of the canonical form as JSON."""
    return digest_of(canonical(prompt))


def digest_of(form: Mapping[str, Any]) -> str:
    """Return the digest of a form that ``canonical`` returned."""
    return "sha256:" + sha256(encode(form).encode("utf-8", "surrogatepass")).hexdigest()


def tag_set(prompt: Prompt) -> frozenset[str]:
    """Return the tags, which have no order; they are compared beside the digest."""
    return frozenset(prompt.tags)


def kept_references(local: Prompt, remote: Prompt) -> dict[int, int]:
    """Return which remote tools cannot be compared: their indexes, each with that of the local reference.

    There the local template names a tool of the registry and the remote one holds its definition, because
    the registry expands such references when it is read. A definition belongs to a reference when no local
    function has its name; where there are more or fewer of them than references, nobody can tell which.
    """
    ours, theirs = local.template.get("tools"), remote.template.get("tools")
    if not ours or not theirs:
        return {}
    own = {_function_name(tool) for tool in ours}
    references = [at for at, tool in enumerate(ours) if _is_reference(tool) and tool not in theirs]
    expanded = [
        at for at, tool in enumerate(theirs) if _is_definition(tool) and _function_name(tool) not in own
    ]
    return dict(zip(expanded, references, strict=True)) if len(expanded) == len(references) else {}


def comparable(local: Prompt, remote: Prompt) -> Prompt:
    """Return the remote prompt with the local tool references in place of their expanded definitions.

    ``kept_references`` tells which ones. Without any, the result is ``remote`` itself.
    """
    kept = kept_references(local, remote)
    if not kept:
        return remote
    tools = list(remote.template["tools"])
    for there, here in kept.items():
        tools[there] = local.template["tools"][here]
    return dataclasses.replace(remote, template={**remote.template, "tools": tools})


def _template(template: Mapping[str, Any]) -> dict[str, Any]:
    form = _object(template, TEMPLATE)
    if "type" not in form:
        form["type"] = "completion" if "content" in template and "messages" not in template else "chat"
    # Without functions there is nothing to call; with functions "none" forbids calling them.
    if form.get("function_call") == "none" and "functions" not in form:
        del form["function_call"]
    return form


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    form = {key: plain(value) for key, value in metadata.items() if key != "model"}
    model = metadata.get("model")
    if isinstance(model, Mapping):
        form["model"] = model = _object(model, SHAPES["model"])
        if model.get("api_type") == CHAT_COMPLETIONS and model.get("provider") in CHAT_COMPLETIONS_PROVIDERS:
            del model["api_type"]
    elif model is not None:
        form["model"] = plain(model)
    return form


def _object(value: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for key, item in value.items():
        if item is None or key in shape.ignored:
            continue
        known = shape.fields.get(key)
        if known is None:
            form[key] = item if type(item) in SCALARS else clean(item)
            continue
        if known.of:
            item = _content(item) if known.of == "block" else _shaped(item, SHAPES[known.of])
        elif type(item) not in SCALARS:
            item = plain(item) if known.user_json else clean(item)
        if not _is_omitted(item, known.omitted):
            form[key] = item
    return form


def _shaped(value: Any, shape: Shape) -> Any:
    if isinstance(value, Mapping):
        return _object(value, shape)
    if isinstance(value, list | tuple):
        return [_object(item, shape) if isinstance(item, Mapping) else clean(item) for item in value]
    return clean(value)


def _content(value: Any) -> Any:
    """Content in its minimal form: a string is the same as one text block that has nothing but a text."""
    if not isinstance(value, list | tuple):
        return clean(value)
    blocks = [_block(item) if isinstance(item, Mapping) else clean(item) for item in value]
    if len(blocks) == 1:
        only = blocks[0]
        if isinstance(only, dict) and len(only) == 2 and only.get("type") == "text":
            text = only.get("text")
            if isinstance(text, str):
                return text
    return blocks


def _block(value: Mapping[str, Any]) -> dict[str, Any]:
    kind = value.get("type")
    if kind is None and "text" in value:
        value = {**value, "type": (kind := "text")}
    return _object(value, BLOCKS.get(kind, _NO_SHAPE) if isinstance(kind, str) else _NO_SHAPE)


def _is_omitted(value: Any, omitted: Any) -> bool:
    # 0 == False in Python, but a number is never the same as a boolean here.
    return omitted is not ABSENT and value == omitted and isinstance(value, bool) is isinstance(omitted, bool)


def _is_content(key: str, value: Any) -> bool:
    return value is not None and key not in _NOT_CONTENT


def _is_reference(tool: Any) -> bool:
    return isinstance(tool, Mapping) and tool.get("type") == "registry"


def _function_name(tool: Any) -> str | None:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else None


def _is_definition(tool: Any) -> bool:
    return isinstance(tool, Mapping) and "function" in tool and tool.get("type", "function") == "function"

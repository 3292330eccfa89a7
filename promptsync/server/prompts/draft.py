"""What a publish requests, as one value: read from each of the three bodies in use, or from a patch.

The key ``prompt_template`` means two things: in the flat body it is the template itself, in the nested one
the record around it. An object under ``prompt_version`` tells them apart.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptsync.prompt.prompt import MAX_MESSAGE, MAX_NAME
from promptsync.server.http.answer import malformed
from promptsync.server.http.fields import Fields
from promptsync.server.prompts.template import (
    check_metadata,
    check_template,
    normalised_metadata,
    normalised_template,
)
from promptsync.server.store.database import Row

MAX_LABEL = 255

_REMOVABLE = ("tools", "functions", "function_call", "tool_choice")
_PATCHABLE = {"chat": ("messages", *_REMOVABLE), "completion": ("content",)}


@dataclass(frozen=True, slots=True)
class Draft:
    """A version about to be published, checked and normalised.

    Tags, labels and folder are ``None`` if they are not given.
    """

    name: str
    template: Mapping[str, Any]
    metadata: Mapping[str, Any] | None = None
    message: str | None = None
    tags: Sequence[str] | None = None
    folder_id: int | None = None
    labels: Sequence[str] | None = None


def read_draft(body: Fields) -> Draft:
    """Return the draft of a flat, nested or hybrid body; unknown keys around the template are ignored."""
    version = body.object("prompt_version")
    if version is not None:
        record = body.object("prompt_template")
        if record is None:
            raise malformed("prompt_template must be an object with a prompt_name.")
    elif isinstance(body.get("prompt_name"), str):
        record = version = dict(body.values)
    else:
        raise malformed("The body requires prompt_version (nested) or a string prompt_name (flat).")
    about = Fields(record)
    _refuse_unsupported(body, version)
    return Draft(
        name=about.text("prompt_name", least=1, most=MAX_NAME),
        template=normalised_template(check_template(version.get("prompt_template"))),
        metadata=normalised_metadata(check_metadata(version.get("metadata"))),
        message=_message(Fields(version)),
        tags=about.texts("tags"),
        folder_id=about.optional_id("folder_id"),
        labels=_labels(body),
    )


def _refuse_unsupported(body: Fields, version: Mapping[str, Any]) -> None:
    """Refuse what this registry cannot do, instead of ignoring it."""
    if body.object("snippet_overrides"):
        raise malformed(
            "This registry does not support snippet_overrides; publish a version of the snippet instead."
        )
    for key in ("provider_id", "inference_client_name"):
        if version.get(key) is not None:
            raise malformed(f"This registry has no custom providers, so {key} must be null.")


def _message(fields: Fields) -> str | None:
    return fields.optional_text("commit_message", most=MAX_MESSAGE)


def _labels(body: Fields) -> list[str] | None:
    return body.texts("release_labels", least=1, most=MAX_LABEL)


def patched(name: str, base: Row, body: Fields) -> Draft:
    """Return the draft that a patch makes of the version ``base`` of the template ``name``.

    A key that is absent changes nothing; one that is null removes.
    """
    template = _patched_template(base["body"]["prompt_template"], body)
    metadata = _patched_metadata(base["body"]["metadata"], body)
    return Draft(name, template, metadata, message=_message(body), labels=_labels(body))


def _patched_template(base: dict[str, Any], body: Fields) -> dict[str, Any]:
    changed = copy.deepcopy(base)
    for key in (key for keys in _PATCHABLE.values() for key in keys if key in body.values):
        # Ignoring the key would return success for a change that was not made.
        if key not in _PATCHABLE[base["type"]]:
            raise malformed(f"{key} cannot be changed in a {base['type']} template.")
        value = body.get(key)
        if value is None and key not in _REMOVABLE:
            raise malformed(f"{key} cannot be removed.")
        if isinstance(value, Mapping) and key not in ("function_call", "tool_choice"):
            value = _replaced_by_index(key, list(changed.get(key) or ()), value)
        changed[key] = value
    return normalised_template(check_template(changed))


def _replaced_by_index(key: str, items: list[Any], wanted: Mapping[str, Any]) -> list[Any]:
    for index, item in wanted.items():
        if not (index.isascii() and index.isdigit() and len(index) < 7 and int(index) < len(items)):
            raise malformed(f"{key} has no index {index!r}; it has {len(items)} items.")
        items[int(index)] = item
    return items


def _patched_metadata(base: dict[str, Any] | None, body: Fields) -> dict[str, Any] | None:
    changes = dict(body.object("model_parameters") or {})
    if "response_format" in body.values:
        if "response_format" in changes:
            raise malformed("Specify response_format or model_parameters.response_format, not both.")
        changes["response_format"] = body.object("response_format")
    if not changes:
        return base
    if not base or not base.get("model"):
        raise malformed("The base version has no model whose parameters could be changed.")
    merged = {**base["model"]["parameters"], **changes}
    # An explicit null removes the format. The default, which is not null, stands for an absent key.
    if body.values.get("response_format", merged) is None:
        del merged["response_format"]
    return normalised_metadata(check_metadata({**base, "model": {**base["model"], "parameters": merged}}))

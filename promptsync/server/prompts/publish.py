"""Publishing: each request adds a version, with its labels, tags and folder, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from promptsync.prompt.prompt import MAX_MESSAGE, MAX_NAME
from promptsync.prompt.snippets import rendered_in
from promptsync.server.http import Answer, Id, Name, Request, checked, malformed, read_id
from promptsync.server.prompts import items
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.prompts.items import waits
from promptsync.server.prompts.template import expanded, resolved, stored_metadata, stored_template
from promptsync.server.store.database import Database, decoded

Message = Annotated[str, Meta(max_length=MAX_MESSAGE)]

_CHAT_KEYS = ("messages", "tools", "functions", "function_call", "tool_choice")
"""What a patch can change in a chat template."""


class PromptPart(Struct, frozen=True):
    """What a publish says about the prompt."""

    prompt_name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    tags: list[str] | None = None
    folder_id: Id | None = None


class VersionPart(Struct, frozen=True):
    """What a publish says about the version. This registry has no custom providers."""

    prompt_template: dict[str, Any]
    metadata: dict[str, Any] | None = None
    commit_message: Message | None = None
    provider_id: None = None
    inference_client_name: None = None


class PublishBody(Struct, frozen=True):
    """The body of a publish. Both parts are objects in a nested body, and the body itself in a flat one."""

    prompt_template: Any = None
    prompt_version: dict[str, Any] | None = None
    release_labels: list[Name] | None = None
    snippet_overrides: dict[str, Any] | None = None


class PatchBody(Struct, frozen=True):
    """The body of a patch, besides the keys of the template that it changes."""

    version: Id | None = None
    label: str | None = None
    model_parameters: dict[str, Any] | None = None
    response_format: dict[str, Any] | UnsetType | None = UNSET
    commit_message: Message | None = None
    release_labels: list[Name] | None = None


def publish(request: Request, db: Database) -> Answer:
    """Add a version: 201, also for a known name.

    Tags and folder that are not sent stay as they are. An archived name is restored under its old id, with
    the new version after its old ones: the API has no other way to restore it.
    """
    body = request.read(PublishBody)
    if body.snippet_overrides:
        raise malformed("This registry has no snippet_overrides; publish a version of the snippet instead.")
    if body.prompt_version is None:
        prompt, version = checked(request.json, PromptPart), checked(request.json, VersionPart)
    else:
        prompt = checked(body.prompt_template, PromptPart, "prompt_template")
        version = checked(body.prompt_version, VersionPart, "prompt_version")
    return _add_version(db, prompt, version, body.release_labels)


def patch(request: Request, db: Database) -> Answer:
    """Add a version that changes another one, the latest unless the body names one: 201."""
    body = request.read(PatchBody)
    if body.version is not None and body.label is not None:
        raise malformed("Specify version or label, not both.")
    item = items.find(db, request.path["identifier"])
    base = items.version(db, item, body.version, body.label)["body"]
    version = VersionPart(
        _patched_template(base["prompt_template"], request.json or {}),
        _patched_metadata(base["metadata"], body),
        body.commit_message,
    )
    return _add_version(db, PromptPart(item["name"]), version, body.release_labels)


def _add_version(
    db: Database, prompt: PromptPart, version: VersionPart, labels: list[str] | None
) -> dict[str, Any]:
    """Store the next version of a prompt, which is created if necessary, and return the response."""
    template, metadata = stored_template(version.prompt_template), stored_metadata(version.metadata)
    if prompt.folder_id is not None:
        folder_by_id(db, prompt.folder_id, status=400)
    tags = None if prompt.tags is None else list(dict.fromkeys(prompt.tags))
    item = items.save(db, items.TEMPLATE, prompt.prompt_name, tags=tags, folder_id=prompt.folder_id)
    body = {"prompt_template": template, "metadata": metadata}
    stored = items.add_version(db, item, body, message=version.commit_message, type=template["type"])
    set_now = labels and [
        label for label in dict.fromkeys(labels) if not waits(db, item, label, stored["id"])
    ]
    items.point_labels(db, stored, set_now or ())
    # After the version is stored, because it may be what its own snippets reference. An error undoes it.
    expanded(db, template, archived=False)
    resolved(db, template)
    db.executemany(
        "INSERT INTO snippet_uses (version_id, name, number, label) VALUES (?, ?, ?, ?)",
        [(stored["id"], use.name, use.version, use.label) for use in rendered_in(template)],
    )
    return {
        "id": item["id"],
        "prompt_name": prompt.prompt_name,
        "prompt_version_id": stored["id"],
        "version_number": stored["number"],
        "tags": decoded(item["tags"]),
        "release_labels": set_now,
        **body,
        "commit_message": version.commit_message,
        "external_ids": [],
    }


# -- patches ------------------------------------------------------------------------------------------------


def _patched_template(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template that a patch makes. An absent key changes nothing; one that is null removes."""
    template = dict(base)
    for key in [key for key in ("content", *_CHAT_KEYS) if key in changes]:
        # Ignoring the key would return success for a change that was not made.
        if (key == "content") != (base["type"] == "completion"):
            raise malformed(f"{key} cannot be changed in a {base['type']} template.")
        value = changes[key]
        if isinstance(value, Mapping) and key not in ("function_call", "tool_choice"):
            parts = list(template.get(key) or ())
            for index, part in value.items():
                if (position := read_id(index)) is None or position >= len(parts):
                    raise malformed(f"{key} has no index {index!r}; it has {len(parts)} items.")
                parts[position] = part
            value = parts
        template[key] = value
    return template


def _patched_metadata(base: dict[str, Any] | None, body: PatchBody) -> dict[str, Any] | None:
    changes = dict(body.model_parameters or {})
    if body.response_format is not UNSET:
        if "response_format" in changes:
            raise malformed("Specify response_format or model_parameters.response_format, not both.")
        changes["response_format"] = body.response_format
    if not changes:
        return base
    if not base or not base.get("model"):
        raise malformed("The base version has no model whose parameters could be changed.")
    parameters = {**base["model"]["parameters"], **changes}
    if body.response_format is None:
        del parameters["response_format"]
    return {**base, "model": {**base["model"], "parameters": parameters}}

"""Publishing and reading templates, their users, and tools.

Publishing adds a version, with its labels, tags and folder, or nothing. A version is read as it is stored or
as a model would get it.

Storing fills in defaults and puts keys in the registry's order, as recorded from the real service, except
where only its schema states a default. Texts, the order of lists and user JSON (parameters, arguments,
metadata) stay as they were sent. References to snippets and tools stay, too: they are replaced on reading.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, field

from promptsync.prompt.prompt import F_STRING, MAX_MESSAGE, MAX_NAME, format_of, readable
from promptsync.prompt.shapes import (
    CHAT_COMPLETIONS,
    Rejection,
    rejected_metadata,
    rejected_template,
)
from promptsync.prompt.snippets import Reference, SnippetError, expand, rendered_in
from promptsync.prompt.template import template_variables
from promptsync.server.http import Answer, ApiError, Id, Name, Request, checked, invalid
from promptsync.server.listing import HAS_TAGS, ItemQuery
from promptsync.server.prompts import items
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.prompts.items import waits
from promptsync.server.store.database import Database, Row, decoded


class Publish(Struct, frozen=True):
    """The body of a publish. This registry has no custom providers."""

    prompt_name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    prompt_template: dict[str, Any]
    tags: list[str] | None = None
    folder_id: Id | None = None
    metadata: dict[str, Any] | None = None
    commit_message: Annotated[str, Meta(max_length=MAX_MESSAGE)] | None = None
    release_labels: list[Name] | None = None
    snippet_overrides: dict[str, Any] | None = None
    provider_id: None = None
    inference_client_name: None = None


class _Nested(Struct, frozen=True):
    """A body in which the fields of the prompt and of the version are objects of their own."""

    prompt_template: dict[str, Any]
    prompt_version: dict[str, Any]


def publish(request: Request, db: Database) -> Answer:
    """Add a version: 201, also for a known name.

    Tags and folder that are not sent stay as they are. An archived name is restored under its old id, with
    the new version after its old ones: the API has no other way to restore it.
    """
    body = request.body
    if body.get("prompt_version") is not None:
        parts = request.read(_Nested)
        more = {key: value for key, value in body.items() if key != "prompt_template"}
        body = {**more, **parts.prompt_template, **parts.prompt_version}
    sent = checked(body, Publish)
    if sent.snippet_overrides:
        raise _refusal("This registry has no snippet_overrides; publish a version of the snippet instead.")
    template, metadata = stored_template(sent.prompt_template), stored_metadata(sent.metadata)
    if sent.folder_id is not None:
        folder_by_id(db, sent.folder_id, status=422)
    tags = None if sent.tags is None else list(dict.fromkeys(sent.tags))
    item = items.save(db, items.TEMPLATE, sent.prompt_name, tags=tags, folder_id=sent.folder_id)
    content = {"prompt_template": template, "metadata": metadata}
    stored = items.add_version(db, item, content, message=sent.commit_message, type=template["type"])
    labels = sent.release_labels
    set_now = labels and [name for name in dict.fromkeys(labels) if not waits(db, item, name, stored["id"])]
    items.point_labels(db, stored, set_now or ())
    # After the version is stored, because it may be what its own snippets reference. An error undoes it.
    expanded(db, template, archived=False)
    resolved(db, template)
    db.executemany(
        "INSERT INTO snippet_uses (version_id, name, number, label) VALUES (?, ?, ?, ?)",
        [(stored["id"], use.name, use.version, use.label) for use in rendered_in(template)],
    )
    ids = {"id": item["id"], "prompt_version_id": stored["id"], "version_number": stored["number"]}
    about = {"prompt_name": sent.prompt_name, "tags": decoded(item["tags"]), "release_labels": set_now}
    return {**ids, **about, **content, "commit_message": sent.commit_message, "external_ids": []}


IS_SNIPPET = """(v.type = 'completion' AND EXISTS (
    SELECT 1 FROM snippet_uses u JOIN versions p ON p.id = u.version_id JOIN items pt ON pt.id = p.item_id
    WHERE u.name = i.name AND NOT pt.deleted))"""
"""SQL: whether the completion version ``v`` of template ``i`` is referenced by an active template."""

_ITEM = f"""i.id, i.name AS prompt_name, i.tags AS "tags [json]", i.folder_id, v.body AS "body [json]",
    v.number AS version, v.message AS commit_message, f.name AS parent_folder_name,
    f.path AS full_folder_path, '[]' AS "external_ids [json]", {IS_SNIPPET} AS "is_snippet [flag]"
"""
_LABELLED = "items i JOIN labels l ON l.item_id = i.id JOIN versions v ON v.id = l.version_id"


class TemplatesQuery(ItemQuery, frozen=True):
    """The parameters of the list of templates. More than 100 for a page are taken as 100."""

    per_page: Id = 30
    tags: list[str] = field(default_factory=list)
    is_snippet: bool | None = None
    label: str | None = None

    filters: ClassVar = ItemQuery.filters | {
        "tags": HAS_TAGS,
        "is_snippet": f"{IS_SNIPPET} = :is_snippet",
        "label": "l.name = :label",
    }


class _TemplateQuery(Struct, frozen=True):
    resolve_snippets: bool = True
    include_llm_kwargs: bool = False


class RenderBody(Struct, frozen=True):
    """How to render a template. The filters choose a version of a dynamic label; here each has one."""

    version: Id | None = None
    label: str | None = None
    input_variables: dict[str, Any] | None = None
    model_parameter_overrides: dict[str, Any] | None = None
    metadata_filters: dict[str, str] | None = None
    provider: str | None = None
    model: Annotated[str, Meta(min_length=1)] | None = None
    skip_input_variable_rendering: Any = None


def list_templates(request: Request, db: Database) -> Answer:
    """List templates, newest first unless sorted otherwise, with their text as stored (never rendered).

    ``label`` selects the templates that have it and shows the version under it.
    """
    query = request.parameters(TemplatesQuery)
    source = items.LATEST if query.label is None else _LABELLED
    folder = "LEFT JOIN folders f ON f.id = i.folder_id"
    kind = f"i.kind = '{items.TEMPLATE}'"
    keys, rows = query.select_page(db, _ITEM, source, kind, join=folder)
    templates = [dict(row) for row in rows]
    for template in templates:
        template |= template.pop("body")
    return {"items": templates, **keys}


def get_raw(request: Request, db: Database) -> Answer:
    """Return a template as stored, with its variables unrendered.

    Snippets are expanded unless ``resolve_snippets=false``; then ``snippets`` lists the direct references.
    References to tools stay, so that publishing the response again keeps them.
    """
    query = request.parameters(_TemplateQuery)
    item, version = items.requested(request, db)
    template = version["body"]["prompt_template"]
    if not query.resolve_snippets:
        used = direct(db, template)
    else:
        template, used = expanded(db, template)
    answer = _shown(request, item, version, template, used)
    answer |= {"success": True, "created_at": version["created_at"]}
    if query.include_llm_kwargs:
        from promptsync.server.providers import llm_kwargs

        answer["llm_kwargs"] = llm_kwargs(resolved(db, template)[0], answer["metadata"])
    return answer


def get_rendered(request: Request, db: Database) -> Answer:
    """Return a template as a model would get it. A label wins over a version."""
    body = request.read(RenderBody)
    item = items.find(db, request.path["identifier"])
    version = items.version(db, item, body.version, body.label)
    template, used = expanded(db, version["body"]["prompt_template"])
    template, warnings = resolved(db, template)
    return rendered_answer(_shown(request, item, version, template, used), body, warnings)


def rendered_answer(
    content: Mapping[str, Any], body: RenderBody, warnings: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the answer to a request for a template as a model would get it.

    ``content`` is what ``_shown`` returns, with snippets and tools in place; its other keys are kept. If
    the request has another provider or model, ``metadata`` has it, too.
    """
    # Imported here, because a list and a template as stored need neither.
    from promptsync.rendering import render_template
    from promptsync.server.providers import FORMS, llm_kwargs, with_override

    if body.provider is not None and body.provider not in FORMS:
        raise invalid(f"provider must be one of {', '.join(FORMS)}.", "body", "provider")
    template, warnings = content["prompt_template"], list(warnings)
    metadata, assumed = with_override(content["metadata"], body.provider, body.model)
    warnings += assumed
    # As in the official SDK: without variables and without a model, the template stays unrendered.
    renders = body.input_variables or llm_kwargs(template, metadata, body.provider) is not None
    if renders and not body.skip_input_variable_rendering:
        template, missing = render_template(template, body.input_variables or {})
        warnings += missing
    # A custom provider of a template is not the provider that a request names.
    kept = {} if body.provider else content
    return {
        **content,
        "prompt_template": template,
        "metadata": metadata,
        "llm_kwargs": llm_kwargs(template, metadata, body.provider, body.model_parameter_overrides),
        **{key: kept.get(key) for key in ("provider_base_url", "provider_id", "custom_provider")},
        "warning": " ".join(warnings) or None,
        "request_id": uuid.uuid4().hex,
    }


def _shown(
    request: Request, item: Row, version: Row, template: Mapping[str, Any], used: Used
) -> dict[str, Any]:
    """Return what the rendered and the raw form have in common."""
    return {
        "id": item["id"],
        "prompt_name": item["name"],
        "version": version["number"],
        "workspace_id": request.workspace_id,
        "prompt_template": template,
        "metadata": version["body"]["metadata"],
        "commit_message": version["message"],
        "tags": decoded(item["tags"]),
        "snippets": used,
    }


# -- who uses a snippet, and tools --------------------------------------------------------------------------

_PROMPT = "SELECT DISTINCT t.id AS prompt_registry_id, t.name AS prompt_name"
_USES = """FROM snippet_uses u JOIN versions p ON p.id = u.version_id JOIN items t ON t.id = p.item_id
    WHERE u.name = :name AND NOT t.deleted AND (:number IS NULL OR coalesce(u.number, (
        SELECT v.number FROM labels l JOIN versions v ON v.id = l.version_id
        WHERE l.item_id = :id AND l.name = u.label), :latest) = :number)"""


class _UsageQuery(Struct, frozen=True):
    prompt_version_number: Id | None = None


def snippet_usage(request: Request, db: Database) -> Answer:
    """List the prompt versions that reference a template, or one version of it.

    ``label_usage`` lists the labels of this snippet through which a prompt references it.
    """
    number = request.parameters(_UsageQuery).prompt_version_number
    template = items.find(db, request.path["identifier"])
    if number is not None:
        items.version(db, template, number)
    values = {**dict(template), "number": number}
    prompts = db.execute(
        f'{_PROMPT}, json_group_array(DISTINCT p.number) AS "version_numbers [json]" {_USES}'
        " GROUP BY t.id ORDER BY t.id",
        values,
    ).fetchall()
    labels = db.execute(
        f"{_PROMPT}, u.label AS label_name {_USES} AND u.label IS NOT NULL ORDER BY t.id", values
    ).fetchall()
    usage = [{**dict(row), "version_numbers": sorted(row["version_numbers"])} for row in prompts]
    totals = {"total_prompts_using_snippet": len(usage), "total_labels_using_snippet": len(labels)}
    about = {"success": True, "message": "Snippet usage read.", "snippet_name": template["name"]}
    return {**about, "snippet_usage": usage, "label_usage": [dict(row) for row in labels], **totals}


def get_tool(request: Request, db: Database) -> Answer:
    """Return a version of a tool, which is found by its id or by its name."""
    tool, version = items.requested(request, db, items.TOOL)
    definition = stored_tool(version["body"])
    shown = {
        **{key: tool[key] for key in ("name", "created_at", "updated_at")},
        "id": int(tool["uid"]),
        "description": definition["function"]["description"],
        "workspace_id": request.workspace_id,
        "version": {"number": version["number"], "tool_definition": definition},
        "tool_definition": definition,
    }
    return {"tool_registry": shown}


# -- how templates and their metadata are stored -------------------------------------------------------------


def check_template(template: Mapping[str, Any]) -> str:
    """Return the type of a template, which its keys show if it has none; 422 for anything but a template."""
    kind = template.get("type")
    if kind is None:
        kind = "chat" if "messages" in template else "completion" if "content" in template else None
    if kind not in ("chat", "completion"):
        raise _refusal("The type of a template is chat, with messages, or completion, with content.")
    _refuse(rejected_template(template))
    return str(kind)


def _refuse(rejections: Iterator[Rejection], where: str = "") -> None:
    for rejection in rejections:
        raise _refusal(f"{where}{readable(rejection.path)} {rejection.what}.")


def stored_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template as it is stored and returned; 422 for anything but a template.

    Unknown keys are dropped from a chat template and kept in a completion template, as in the vendor's
    schema; those of messages and blocks are kept.
    """
    return filled_template({**template, "type": check_template(template)})


def filled_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked template as it is stored."""
    default = format_of(template)
    common = {"type": template["type"], "input_variables": [], "dataset_examples": []}
    if template["type"] == "completion":
        content = _content(template.get("content"))
        stored = _filled(template, content=content, template_format=default, **common)
    else:
        stored = {
            "messages": [_message(message, default) for message in template["messages"]],
            "functions": _each(template.get("functions"), _function),
            "tools": _each(template.get("tools"), stored_tool),
            "function_call": template.get("function_call"),
            "tool_choice": template.get("tool_choice"),
            **common,
        }
    return stored | {"input_variables": sorted(template_variables({**template, **stored}))}


def _message(message: Mapping[str, Any], default: str) -> dict[str, Any]:
    called = {"function_call": message.get("function_call")} if message["role"] == "assistant" else {}
    call = {"tool_id": None, "id": None, "type": "function"}
    calls = {"tool_calls": _each(message.get("tool_calls"), lambda sent: call | sent)} if called else {}
    return _filled(
        message,
        input_variables=sorted(template_variables(message, default)),
        template_format=format_of(message, default or F_STRING),
        content=_content(message.get("content")),
        raw_request_display_role=message.get("raw_request_display_role") or "",
        dataset_examples=[],
        role=message["role"],
        **called,
        name=message.get("name"),
        **calls,
    )


def _filled(value: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    """Return ``keys`` and, after them, the other keys of ``value``."""
    return {**keys, **value, **keys}


def _content(content: Any) -> Any:
    return _each([{"text": content}] if isinstance(content, str) else content, _block)


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    if block.get("type", "text") != "text":
        return dict(block)
    return {"type": "text", "text": None, "id": None, "annotations": None, **block}


def _function(function: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {}}
    return {"name": None, "description": "", "strict": False, "parameters": parameters, **function}


def stored_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as it is stored. Only functions get defaults."""
    if tool.get("type", "function") != "function":
        return dict(tool)
    return {"type": "function", **tool, "function": _function(tool["function"])}


def _each(parts: list[Any] | None, change: Callable[[Any], Any]) -> list[Any] | None:
    return None if parts is None else [change(part) for part in parts]


def stored_metadata(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return metadata as it is stored; 422 for a ``model`` that is not complete. The rest stays as it is."""
    _refuse(rejected_metadata(metadata or {}), "metadata.")
    if not metadata or metadata.get("model") is None:
        return metadata
    return {**metadata, "model": stored_model(metadata["model"])}


def stored_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model as it is stored.

    ``api_type`` is never null, because the official asynchronous client would then pick the wrong endpoint.
    """
    stored = _filled(
        model,
        provider=model["provider"],
        model_config_display_name=model.get("model_config_display_name"),
        base_model=model.get("base_model"),
        name=model["name"],
        parameters=model.get("parameters") or {},
        display_params=model.get("display_params") or {},
    )
    if stored.get("api_type") is None:
        stored.pop("api_type", None)
        if model["provider"] in ("openai", "openai.azure"):
            stored["api_type"] = CHAT_COMPLETIONS
    return stored


# -- what a template refers to -------------------------------------------------------------------------------

Used = list[dict[str, Any]]
"""``snippets`` of a response: ``prompt_name``, ``version`` and, if the reference has one, ``label``."""


def expanded(
    db: Database, template: Mapping[str, Any], *, archived: bool = True
) -> tuple[dict[str, Any], Used]:
    """Return the template with all snippets in place, and the versions used, nested ones included.

    The variables of the snippets join those of the template. Raises a 422 for a template that references
    something missing or, through others, itself; an archived snippet is missing unless ``archived`` is set.
    """
    used: Used = []
    try:
        whole = expand(template, lambda reference: _read(db, reference, used, archived=archived))
    except SnippetError as error:
        raise _refusal(error.message) from error
    return (filled_template(whole) if used else whole), used


def direct(db: Database, template: Mapping[str, Any]) -> Used:
    """Return the snippets that the template itself references, each at the version that it would use now."""
    used: Used = []
    for reference in rendered_in(template):
        # This list expands nothing, so a missing snippet is left out instead of being an error.
        with suppress(ApiError):
            _read(db, reference, used)
    return used


def _read(db: Database, reference: Reference, used: Used, *, archived: bool = True) -> Mapping[str, Any]:
    """Return the template that a reference means, and note it in ``used``."""
    try:
        item = items.get(db, items.TEMPLATE, "name", reference.name, archived=archived)
        version = items.version(db, item, reference.version, reference.label)
    except ApiError as error:
        raise _refusal(f"A snippet does not exist: {error.message}") from error
    if version["type"] != "completion":
        raise _refusal(f"{reference.name!r} is a chat template; only completion templates can be snippets.")
    entry = {"prompt_name": reference.name, "version": version["number"]}
    entry |= {} if reference.label is None else {"label": reference.label}
    if entry not in used:
        used.append(entry)
    template: Mapping[str, Any] = version["body"]["prompt_template"]
    return template


def _refusal(message: str) -> ApiError:
    return invalid(message, "body", "prompt_version", "prompt_template")


class ToolReference(items.VersionChoice, frozen=True, kw_only=True):
    """What stands for a version of a tool in a template."""

    tool_registry_id: Id
    version: Id | None = field(default=None, name="version_number")


def resolved(db: Database, template: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the template with functions in place of references, and warnings.

    A reference without its tool is left out with a warning, as PromptLayer does for deleted tools: prompts
    are copied from workspaces that have it, and only a fixtures file can create it under its id. Raises a 422
    for a reference that could name no tool.
    """
    tools: list[Mapping[str, Any]] = []
    warnings = []
    for index, tool in enumerate(template.get("tools") or () if template["type"] == "chat" else ()):
        if tool.get("type") != "registry":
            tools.append(tool)
            continue
        reference = checked(tool, ToolReference, f"tools[{index}]")
        try:
            item = items.get(db, items.TOOL, "uid", str(reference.tool_registry_id))
            version = items.version(db, item, reference.version, reference.label)
        except ApiError as error:
            warnings.append(f"tools[{index}] is left out. {error.message}")
        else:
            tools.append(stored_tool(version["body"]))
    return {**template, "tools": tools} if tools or warnings else dict(template), warnings

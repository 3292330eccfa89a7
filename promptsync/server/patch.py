"""``PATCH /rest/prompt-templates/{identifier}``: a new version made from another one and some changes.

A key that is absent changes nothing; one that is null removes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from promptsync.server import records
from promptsync.server.draft import Draft, read_id, read_labels, read_message
from promptsync.server.errors import malformed
from promptsync.server.http import Request, Response
from promptsync.server.normalise import normalised_metadata, normalised_template
from promptsync.server.publish import add_version
from promptsync.server.validate import check_metadata, check_template

_CHAT_ONLY = ("messages", "tools", "functions", "function_call", "tool_choice")
_REMOVABLE = ("tools", "functions", "function_call", "tool_choice")


def patch(request: Request) -> Response:
    """201 with the same body as publish. Without ``version`` and ``label`` the latest version is the base."""
    body = request.object()
    number, label = read_id(body.get("version"), "version"), body.get("label")
    if number is not None and label is not None:
        raise malformed("version and label exclude each other.")
    if not isinstance(label, str | None):
        raise malformed("label has to be a string or null.")
    with request.context.store.write() as db:
        row = records.find(db, request.args["identifier"])
        base = records.version(db, row, number, label)
        draft = Draft(
            name=row["name"],
            template=_template(records.decoded(base["template"]), body),
            metadata=_metadata(records.decoded(base["metadata"]), body),
            message=read_message(body.get("commit_message")),
            labels=read_labels(body.get("release_labels")),
        )
        return Response(add_version(db, row, draft), 201)


def _template(base: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(base)
    allowed = _CHAT_ONLY if base["type"] == "chat" else ("content",)
    for key in (*_CHAT_ONLY, "content"):
        if key not in body:
            continue
        if key not in allowed:
            raise malformed(f"{key} cannot be changed in a {base['type']} template.")
        changed[key] = _change(key, changed.get(key), body[key])
    return normalised_template(check_template(changed))


def _change(key: str, present: Any, wanted: Any) -> Any:
    if wanted is None:
        if key not in _REMOVABLE:
            raise malformed(f"{key} cannot be removed.")
        return None
    if isinstance(wanted, Mapping) and key not in ("function_call", "tool_choice"):
        return _replace_by_index(key, list(present or ()), wanted)
    return wanted


def _replace_by_index(key: str, items: list[Any], wanted: Mapping[str, Any]) -> list[Any]:
    for index, item in wanted.items():
        if not (index.isascii() and index.isdigit() and len(index) < 7 and int(index) < len(items)):
            raise malformed(f"{key} has no index {index!r}; it has {len(items)} items.")
        items[int(index)] = item
    return items


def _metadata(base: dict[str, Any] | None, body: Mapping[str, Any]) -> dict[str, Any] | None:
    parameters = body.get("model_parameters")
    if not isinstance(parameters, Mapping | None):
        raise malformed("model_parameters has to be an object or null.")
    changes = dict(parameters or {})
    if "response_format" in body:
        if "response_format" in changes:
            raise malformed("response_format and model_parameters.response_format exclude each other.")
        if not isinstance(body["response_format"], Mapping | None):
            raise malformed("response_format has to be an object or null.")
        changes["response_format"] = body["response_format"]
    if not changes:
        return base
    if not base or not base.get("model"):
        raise malformed("The base version has no model whose parameters could be changed.")
    merged = {**base["model"]["parameters"], **changes}
    if body.get("response_format", merged) is None:
        merged.pop("response_format")
    return normalised_metadata(check_metadata({**base, "model": {**base["model"], "parameters": merged}}))

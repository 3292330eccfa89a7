"""Templates, models and names as the registry stores them, and spans as clients send them."""

from __future__ import annotations

from typing import Any

from promptsync.server.app import Application
from promptsync.server.prompts.items import SKILL


def block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "id": None, "annotations": None}


def stored_message(text: str = "x", role: str = "user", **more: Any) -> dict[str, Any]:
    can_call = role == "assistant"
    return {
        "input_variables": [],
        "template_format": "f-string",
        "content": [block(text)],
        "raw_request_display_role": "",
        "dataset_examples": [],
        "role": role,
        **({"function_call": None} if can_call else {}),
        "name": None,
        **({"tool_calls": None} if can_call else {}),
        **more,
    }


def stored_chat(*messages: Any, **more: Any) -> dict[str, Any]:
    nulls = dict.fromkeys(("functions", "tools", "function_call", "tool_choice"))
    common = {"type": "chat", "input_variables": [], "dataset_examples": []}
    return {"messages": list(messages), **nulls, **common, **more}


def stored_model(provider: str, name: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    nulls = {"model_config_display_name": None, "base_model": None}
    values = {"name": name, "parameters": parameters or {}, "display_params": {}}
    return {"provider": provider, **nulls, **values, **more}


def skills_of(app: Application) -> list[str]:
    """The names of all skill collections, which no request lists."""
    with app.store.read() as db:
        rows = db.execute("SELECT name FROM items WHERE kind = ? ORDER BY id", (SKILL,))
        return [row["name"] for row in rows]


def span(
    span_id: str, parent_id: str | None = None, trace_id: str = "t", **attributes: Any
) -> dict[str, Any]:
    return {
        "name": f"span {span_id}",
        "context": {"trace_id": trace_id, "span_id": span_id.zfill(16)},
        "kind": "SpanKind.INTERNAL",
        "parent_id": parent_id,
        "start_time": int(span_id, 16) * 10**9,
        "end_time": 10**12,
        "status": {"status_code": "StatusCode.OK"},
        "attributes": attributes,
        "resource": {"attributes": {}},
    }

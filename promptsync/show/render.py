"""A rendered template as text: each message under its role; of a completion, only its text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from promptsync.prompt.snippets import is_text_block
from promptsync.prompt.template import mappings


def template_lines(template: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a template as a model would read it."""
    if template.get("type") == "completion":
        yield from _content(template.get("content")).split("\n")
        return
    for message in mappings(template.get("messages")):
        name = f" ({message['name']})" if message.get("name") else ""
        yield f"--- {message.get('role')}{name} ---"
        if message.get("content"):
            yield from _content(message["content"]).split("\n")
        for call in mappings(message.get("tool_calls")):
            yield f"[tool call {json.dumps(call.get('function', call), ensure_ascii=False)}]"
        yield ""
    tools = [*mappings(template.get("tools")), *mappings(template.get("functions"))]
    if tools:
        yield "--- tools ---"
    for tool in tools:
        function = tool.get("function", tool)
        called = function.get("name") or tool.get("type")
        description = function.get("description")
        yield from (f"{called}: {description}" if description else str(called)).split("\n")


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    lines = []
    for block in mappings(content):
        fields = {key: value for key, value in block.items() if key != "type" and value is not None}
        other = f"[{block.get('type')} {json.dumps(fields, ensure_ascii=False)}]"
        lines.append(str(block["text"]) if is_text_block(block) else other)
    return "\n".join(lines)

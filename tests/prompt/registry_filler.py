"""What a registry does to a template between taking it and giving it back, applied at random.

The names N1 to N13 are those of the recorded observations: it fills defaults in, adds nulls, reorders keys,
derives variables and display fields. Never text, order of lists, or user JSON.
"""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from promptsync.prompt.prompt import Prompt

FILLED_TEMPLATE = {
    "functions": [None, []],
    "tools": [None, []],
    "tool_choice": [None],
    "input_variables": [[], ["article", "topic"]],
    "dataset_examples": [[]],
}
FILLED_MESSAGE = {
    "input_variables": [[], ["topic"]],
    "template_format": ["f-string"],
    "dataset_examples": [[]],
    "raw_request_display_role": ["", "user"],
    "name": [None],
}
FILLED_BLOCK: dict[str, dict[str, list[Any]]] = {
    "text": {"id": [None], "annotations": [None, []], "thought_signature": [None]},
    "thinking": {"signature": [None], "id": [None]},
    "code": {"id": [None], "container_id": [None], "language": [None]},
    "image_url": {"image_variable": [None]},
    "output_media": {"id": [None], "mime_type": ["image/png"], "media_type": ["image"]},
    "server_tool_use": {"input": [{}]},
    "web_search_tool_result": {"content": [[]]},
    "code_execution_result": {"outcome": ["OUTCOME_OK"]},
    "bash_code_execution_tool_result": {"content": [{}]},
    "text_editor_code_execution_tool_result": {"content": [{}]},
    "mcp_list_tools": {"id": [None], "server_label": [""], "tools": [[]], "error": [None]},
    "mcp_call": {"id": [None], "call_id": [None], "name": [""], "arguments": [""], "server_label": [""]},
    "mcp_approval_request": {"id": [None], "name": [""], "arguments": [""], "server_label": [""]},
    "shell_call": {"id": [None], "call_id": [None], "action": [{}], "status": [None]},
    "shell_call_output": {"id": [None], "output": [[]], "status": [None]},
    "apply_patch_call": {"id": [None], "operation": [{}], "status": [None]},
    "apply_patch_call_output": {"id": [None], "output": [None], "status": [None]},
}
FILLED_RESULT = {"type": ["web_search_result"], "url": [""], "title": [""], "encrypted_content": [""]}
FILLED_MEDIA = {"title": ["media"], "type": ["image/jpeg"], "url": [None], "format": ["neither"]}
FILLED_FUNCTION = {
    "description": [""],
    "strict": [False],
    "parameters": [{"type": "object", "properties": {}}],
}
FILLED_MODEL = {
    "model_config_display_name": [None],
    "base_model": [None],
    "display_params": [{}, {"temperature": "0.2"}],
    "parameters": [{}],
    "api_type": ["chat-completions", None],
}
ENVELOPE = {
    "id": 71,
    "workspace_id": 9,
    "version": 4,
    "created_at": "2026-02-01",
    "snippets": [],
    "warning": None,
}


def filled(prompt: Prompt, random: Random) -> Prompt:
    """Return the prompt as a registry might return it."""
    template = copy.deepcopy(dict(prompt.template))
    _fill(template, FILLED_TEMPLATE, random, only={"input_variables"} if "content" in template else None)
    if not template.get("functions") and random.random() < 0.5:
        template.setdefault("function_call", random.choice([None, "none"]))
    for message in template.get("messages", []):
        _fill_message(message, random)
    if "content" in template:
        template["content"] = _content(template["content"], random)
        _fill(template, {"template_format": ["f-string"]}, random)
    for tool in template.get("tools") or []:
        _fill_tool(tool, random)
    for function in template.get("functions") or []:
        _fill(function, FILLED_FUNCTION, random)
    metadata = copy.deepcopy(dict(prompt.metadata))
    if "model" in metadata:
        _fill(metadata["model"], FILLED_MODEL, random)
    elif random.random() < 0.5:
        metadata["model"] = None
    tags = list(prompt.tags)
    random.shuffle(tags)
    extra = {**prompt.extra, **_some(ENVELOPE, random), "report_id": random.choice([None, 3])}
    return Prompt(
        prompt.name,
        reordered(template, random),
        reordered(metadata, random),
        tuple(tags),
        reordered(extra, random),
    )


def reordered(value: Any, random: Random) -> Any:
    """Shuffle the keys of all objects and write some integers as floats."""
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: reordered(value[key], random) for key in keys}
    if isinstance(value, list):
        return [reordered(item, random) for item in value]
    if type(value) is int and abs(value) < 2**53 and random.random() < 0.5:
        return float(value)
    return value


def _fill(target: dict[str, Any], values: dict[str, list[Any]], random: Random, only: Any = None) -> None:
    for key, choices in values.items():
        if key not in target and random.random() < 0.7 and (only is None or key in only):
            target[key] = copy.deepcopy(random.choice(choices))


def _some(values: dict[str, Any], random: Random) -> dict[str, Any]:
    return {key: value for key, value in values.items() if random.random() < 0.5}


def _fill_message(message: dict[str, Any], random: Random) -> None:
    if message.get("content") is not None:
        message["content"] = _content(message["content"], random)
    elif random.random() < 0.7:
        message["content"] = random.choice([None, []])
    _fill(message, FILLED_MESSAGE, random)
    if message["role"] == "assistant":
        _fill(message, {"function_call": [None], "tool_calls": [None, []]}, random)
    for call in message.get("tool_calls") or []:
        _fill(call, {"type": ["function"], "tool_id": [None]}, random)


def _content(content: Any, random: Random) -> Any:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for block in content:
        _fill(block, FILLED_BLOCK.get(block["type"], {}), random)
        if block["type"] == "media":
            _fill(block["media"], FILLED_MEDIA, random)
        if block["type"] == "web_search_tool_result":
            for result in block["content"]:
                _fill(result, FILLED_RESULT, random)
    return content


def _fill_tool(tool: dict[str, Any], random: Random) -> None:
    if "function" in tool:
        _fill(tool, {"type": ["function"]}, random)
        _fill(tool["function"], FILLED_FUNCTION, random)
    if tool.get("type") == "registry":
        _fill(tool, {"label": [None], "version_number": [None]}, random)

"""Logged requests as the registry returns them, parsed into ``LoggedRequest``.

Everything except the id is optional. A value of an unexpected type counts as unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from promptsync.prompt.template import mappings
from promptsync.registry.results import LoggedRequest, LoggedTurn
from promptsync.registry.values import number

_MOST: Final = 2**63


def has_notes(raw: Mapping[str, Any]) -> bool:
    """Whether a response includes what was recorded after the request, such as scores."""
    return isinstance(raw.get("scores"), list) and isinstance(raw.get("metadata"), list)


def logged_request(request_id: int | str, raw: Mapping[str, Any]) -> LoggedRequest:
    """Return the request. ``raw`` is the response for one request, an item of a search, or both merged."""
    template = _object(_object(raw.get("prompt_blueprint")).get("prompt_template"))
    turns = [*_turns(template)]
    # Without an answer, as after an error, the conversation ends in another role.
    answers = turns[-1:] if turns and turns[-1].role == "assistant" else []
    failure = ": ".join(filter(None, (_text(raw, "error_type"), _text(raw, "error_message"))))
    return LoggedRequest(
        id=request_id,
        provider=_text(raw, "provider", "provider_type"),
        model=_text(raw, "model", "engine"),
        prompt=_text(raw, "prompt_name"),
        version=number(raw, "prompt_version_number"),
        status=_text(raw, "status"),
        failure=failure or None,
        input_tokens=number(raw, "input_tokens"),
        output_tokens=number(raw, "output_tokens"),
        price=_amount(raw.get("price")),
        latency_ms=_latency(raw),
        started_at=_text(raw, "request_start_time"),
        tags=_tags(raw),
        metadata=_pairs(raw.get("metadata")),
        scores=_scores(raw),
        group_id=number(raw, "group_id"),
        trace_id=_text(raw, "trace_id"),
        input=tuple(turns[: len(turns) - len(answers)]),
        output=tuple(answers),
    )


def _turns(template: Mapping[str, Any]) -> Iterator[LoggedTurn]:
    if "messages" not in template and "content" in template:
        is_media = any(block.get("type") == "output_media" for block in mappings(template["content"]))
        # The text beside generated media is the prompt; the media have no text.
        yield LoggedTurn("user" if is_media else "assistant", _said(template))
        if is_media:
            yield LoggedTurn("assistant", "")
    for message in mappings(template.get("messages")):
        yield LoggedTurn(_text(message, "role") or "", _said(message))


def _said(message: Mapping[str, Any]) -> str:
    """Return the text of a message and its tool calls."""
    content = message.get("content")
    blocks = [content] if isinstance(content, str) else [one.get("text") for one in mappings(content)]
    calls = (_object(call.get("function")) for call in mappings(message.get("tool_calls")))
    called = (f"{_text(one, 'name') or '?'}({_text(one, 'arguments') or ''})" for one in calls)
    return "\n".join([*(text for text in blocks if isinstance(text, str)), *called])


def _latency(raw: Mapping[str, Any]) -> float | None:
    milliseconds, seconds = _amount(raw.get("latency_ms")), _amount(raw.get("latency"))
    return milliseconds if milliseconds is not None or seconds is None else seconds * 1000


def _tags(raw: Mapping[str, Any]) -> tuple[str, ...] | None:
    found = raw.get("tags_array")
    return tuple(tag for tag in found if isinstance(tag, str)) if isinstance(found, list) else None


def _pairs(found: Any) -> dict[str, str] | None:
    """Return metadata, which the registry returns as a list of objects."""
    if not isinstance(found, list):
        return None
    pairs = (pair for one in mappings(found) for pair in one.items())
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in pairs}


def _scores(raw: Mapping[str, Any]) -> dict[str, float] | None:
    if not isinstance(raw.get("scores"), list):
        return None
    found = ((_text(one, "name") or "default", _amount(one.get("score"))) for one in mappings(raw["scores"]))
    return {name: score for name, score in found if score is not None}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(raw: Mapping[str, Any], *keys: str) -> str | None:
    found = (raw.get(key) for key in keys)
    return next((value for value in found if isinstance(value, str) and value), None)


def _amount(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Python cannot print or multiply much larger integers as it does floats.
    return value if is_number and abs(value) < _MOST else None

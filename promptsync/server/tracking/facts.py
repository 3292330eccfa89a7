"""What a logged request says: the columns of its row, and the texts and values that a search reads.

A body can be any JSON, so values of the wrong type count as absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from promptsync.prompt.texts import mappings
from promptsync.server.http.answer import ApiError
from promptsync.server.http.body import parse_json
from promptsync.server.providers.parts import as_mapping
from promptsync.server.store import clock
from promptsync.server.store.database import MAX_INTEGER, Database, Row, encoded
from promptsync.server.tracking import blueprint
from promptsync.server.tracking.conversation import Turn


class RequestFacts(Struct, frozen=True):
    """The facts of one body: the columns, the texts, and the values by the field that holds them."""

    columns: dict[str, Any]
    input_text: str
    output_text: str
    values: dict[str, Any]


def facts(body: Mapping[str, Any]) -> RequestFacts:
    """Return what a search and a list read of a request."""
    given, answer = blueprint.parts(body)
    texts = [_text(turn) for turn in answer]
    kind, output = "tool_call", _tool_calls(answer)
    if not output:
        parsed = _json_object("".join(texts))
        kind, output = ("plain_text", {}) if parsed is None else ("json", parsed)
    texts = [] if kind == "json" else texts
    start, end = _moment(body.get("request_start_time")), _moment(body.get("request_end_time"))
    tags, sent = body.get("tags"), body.get("metadata")
    tags = [tag for tag in (tags if isinstance(tags, list) else ()) if isinstance(tag, str)]
    metadata = sent if isinstance(sent, dict) else {}
    columns = {
        "provider": blueprint.provider_of(body),
        "model": blueprint.model_name(body),
        "status": _string(body.get("status")) or "SUCCESS",
        "error_type": _string(body.get("error_type")),
        "error_message": _string(body.get("error_message")),
        "input_tokens": _tokens(body, "input_tokens", "prompt_tokens"),
        "output_tokens": _tokens(body, "output_tokens", "completion_tokens"),
        "price": _amount(body.get("price")),
        "started_at": start,
        "ended_at": end,
        "latency_ms": _milliseconds(start, end) if start and end else None,
        "output_kind": kind,
        "tags": encoded(tags),
        "metadata": encoded(metadata),
    }
    return RequestFacts(
        columns,
        "\n\n".join(f"[{turn.get('role')}]: {_text(turn)}" for turn in given),
        "\n".join([*texts, *(f"{key}: {value}" for key, value in flat(output))]),
        {"tags": tags, "metadata": metadata, "output": output},
    )


def used_variables(version: Row | None, variables: Any) -> dict[str, Any]:
    """Return the input variables that the prompt of a request uses. The service ignores others, too."""
    if version is None or not isinstance(variables, dict):
        return {}
    names = version["body"]["prompt_template"]["input_variables"]
    return {name: variables[name] for name in names if name in variables}


def index(db: Database, request_id: int, field: str, value: Any) -> None:
    """Save the values in a field of a request, in place of earlier ones, for searches."""
    db.execute("DELETE FROM request_values WHERE request_id = ? AND field = ?", (request_id, field))
    db.executemany(
        "INSERT OR IGNORE INTO request_values VALUES (?, ?, ?, ?)",
        [(request_id, field, *pair) for pair in flat(value)],
    )


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, each once."""
    return list(dict.fromkeys(re.findall(r"\w+", text.casefold())))


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value as text with its path. List positions are not part of a path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from flat(item, path)
    else:
        yield path, written(value)


def written(value: Any) -> str:
    """Return a nested value as text, for comparisons."""
    return value if isinstance(value, str) else encoded(value)


def _text(turn: Turn) -> str:
    content = turn.get("content")
    texts = [content] if isinstance(content, str) else [block.get("text") for block in mappings(content)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _tool_calls(answer: list[Turn]) -> dict[str, Any]:
    """Return the tool calls in an answer, with their arguments as objects; ``{}`` if there are none."""
    calls: list[dict[str, Any]] = []
    for call in (call for turn in answer for call in mappings(turn.get("tool_calls"))):
        function = as_mapping(call.get("function"))
        arguments = function.get("arguments")
        called = {**function, "arguments": _json_object(arguments) or arguments}
        calls.append({**call, "function": called})
    return {"tool_calls": calls} if calls else {}


def _json_object(text: Any) -> dict[str, Any] | None:
    try:
        value = parse_json(text.encode()) if isinstance(text, str) else None
    except ApiError:
        return None
    return value if isinstance(value, dict) else None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _tokens(body: Mapping[str, Any], key: str, alias: str) -> int | None:
    """Return a count from the request, or from the provider's response."""
    usage = as_mapping(as_mapping(body.get("request_response")).get("usage"))
    counts = (_amount(value) for value in (body.get(key), usage.get(key), usage.get(alias)))
    return next((int(count) for count in counts if count is not None), None)


def _amount(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # SQLite does not store larger integers.
    return value if is_number and 0 <= value <= MAX_INTEGER else None


def _moment(value: Any) -> str | None:
    try:
        is_moment = isinstance(value, str | int | float) and not isinstance(value, bool)
        return clock.parse(value) if is_moment else None
    except ValueError:
        return None


def _milliseconds(start: str, end: str) -> float:
    duration = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return round(duration.total_seconds() * 1000, 3)

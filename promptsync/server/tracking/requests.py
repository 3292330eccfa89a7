"""Reading logged requests: one by its id, and the summary of each in a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from promptsync.server.http.answer import Response, not_found
from promptsync.server.http.request import Request
from promptsync.server.store import clock
from promptsync.server.store.database import MAX_INTEGER, Row, decoded
from promptsync.server.tracking import blueprint
from promptsync.server.tracking.conversation import Turn

SELECT = """SELECT r.*, v.number, v.template_id, v.template, t.name AS prompt_name,
    (SELECT json_group_object(key, value) FROM request_metadata WHERE request_id = r.id) AS metadata,
    (SELECT json_group_object(name, score) FROM request_scores WHERE request_id = r.id) AS scores,
    (SELECT trace_id FROM spans WHERE log_span_id = r.span_id ORDER BY id DESC LIMIT 1) AS trace_id
    FROM requests r LEFT JOIN versions v ON v.id = r.version_id LEFT JOIN templates t ON t.id = v.template_id
"""
"""Selects the rows of ``Logged``."""


def get_request(request: Request) -> Response:
    """Return everything stored about a request."""
    request_id = request.id("request_id")
    with request.store.read() as db:
        row = db.execute(f"{SELECT} WHERE r.id = ?", (request_id,)).fetchone()
        if row is None:
            raise not_found(f"There is no request with the id {request_id}.")
        logged = Logged(row)
    known = {"provider": logged.provider, "model": logged.model, "latency_ms": logged.latency_ms}
    return Response(
        {
            "success": True,
            "prompt_blueprint": blueprint.blueprint(logged.body),
            "request_id": request_id,
            **{key: value for key, value in known.items() if value is not None},
            "trace_id": row["trace_id"],
            **logged.summary(),
        }
    )


class Logged:
    """A stored request. Its body can be any JSON, so values of the wrong type count as absent."""

    def __init__(self, row: Row) -> None:
        self.row = row

    @cached_property
    def body(self) -> Mapping[str, Any]:
        """What was sent."""
        found: dict[str, Any] = decoded(self.row["body"])
        return found

    @property
    def provider(self) -> str | None:
        return blueprint.provider_of(self.body)

    @property
    def model(self) -> str | None:
        return blueprint.model_name(self.body)

    @property
    def status(self) -> str:
        return self._text("status") or "SUCCESS"

    @property
    def price(self) -> float | None:
        return _amount(self.body.get("price"))

    @property
    def input_tokens(self) -> int | None:
        return self._tokens("input_tokens", "prompt_tokens")

    @property
    def output_tokens(self) -> int | None:
        return self._tokens("output_tokens", "completion_tokens")

    @property
    def start(self) -> str | None:
        return _moment(self.body.get("request_start_time"))

    @property
    def end(self) -> str | None:
        return _moment(self.body.get("request_end_time"))

    @property
    def latency_ms(self) -> float | None:
        if self.start is None or self.end is None:
            return None
        seconds = datetime.fromisoformat(self.end) - datetime.fromisoformat(self.start)
        return round(seconds.total_seconds() * 1000, 3)

    @property
    def tags(self) -> list[str]:
        found = self.body.get("tags")
        return [tag for tag in (found if isinstance(found, list) else ()) if isinstance(tag, str)]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata sent with the request, and the metadata added later."""
        sent = self.body.get("metadata")
        return {**(sent if isinstance(sent, dict) else {}), **decoded(self.row["metadata"])}

    @property
    def variables(self) -> dict[str, Any]:
        """The input variables that the prompt uses. The service ignores others, too."""
        found = decoded(self.row["variables"])
        if self.row["template"] is None or not isinstance(found, dict):
            return {}
        names = decoded(self.row["template"]).get("input_variables") or ()
        return {name: found[name] for name in names if name in found}

    @cached_property
    def parts(self) -> tuple[list[Turn], list[Turn]]:
        """The messages sent to the model, and those that it returned."""
        return blueprint.parts(self.body)

    def summary(self) -> dict[str, Any]:
        """Return the summary for a list. Unknown values are absent unless they may be null."""
        tokens = [count for count in (self.input_tokens, self.output_tokens) if count is not None]
        known = {
            "provider_type": self.provider,
            "engine": self.model,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "tokens": sum(tokens) if tokens else None,
            "price": self.price,
            "request_start_time": self.start,
            "request_end_time": self.end,
            "latency": None if self.latency_ms is None else self.latency_ms / 1000,
        }
        return {
            "id": self.row["id"],
            **{key: value for key, value in known.items() if value is not None},
            "status": self.status,
            "error_type": self._text("error_type"),
            "error_message": self._text("error_message"),
            "tags_array": self.tags,
            "metadata": [{key: value} for key, value in self.metadata.items()],
            "scores": [{"name": name, "score": score} for name, score in self._scores()],
            "prompt_id": self.row["template_id"],
            "prompt_name": self.row["prompt_name"],
            "prompt_version_number": self.row["number"],
            "prompt_input_variables": decoded(self.row["variables"]),
            "group_id": self.row["group_id"],
            "span_id": self.row["span_id"],
            "created_at": self.row["created_at"],
        }

    def _scores(self) -> Iterator[tuple[str, int]]:
        yield from decoded(self.row["scores"]).items()

    def _text(self, key: str) -> str | None:
        value = self.body.get(key)
        return value if isinstance(value, str) else None

    def _tokens(self, key: str, alias: str) -> int | None:
        """Return a count from the request, or from the provider's response."""
        response = self.body.get("request_response")
        usage = response.get("usage") if isinstance(response, Mapping) else None
        counted = usage if isinstance(usage, Mapping) else {}
        found = (_amount(value) for value in (self.body.get(key), counted.get(key), counted.get(alias)))
        return next((int(count) for count in found if count is not None), None)


def _amount(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Larger integers cannot be compared with floats, and their sums not be written.
    return value if is_number and 0 <= value <= MAX_INTEGER else None


def _moment(value: Any) -> str | None:
    try:
        is_moment = isinstance(value, str | int | float) and not isinstance(value, bool)
        return clock.parse(value) if is_moment else None
    except ValueError:
        return None

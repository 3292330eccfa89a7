"""Reading logged requests: one by its id, and the summary of each in a list."""

from __future__ import annotations

from typing import Any

from promptsync.server.http.answer import Response, not_found
from promptsync.server.http.request import Request
from promptsync.server.store.database import Row, decoded
from promptsync.server.tracking.blueprint import blueprint

SELECT = """SELECT r.*, v.number, v.item_id, t.name AS prompt_name
    FROM requests r LEFT JOIN versions v ON v.id = r.version_id LEFT JOIN items t ON t.id = v.item_id
"""
"""Selects the rows of ``summary``."""


def get_request(request: Request) -> Response:
    """Return everything stored about a request."""
    request_id = request.id("request_id")
    with request.store.read() as db:
        row = db.execute(f"{SELECT} WHERE r.id = ?", (request_id,)).fetchone()
        if row is None:
            raise not_found(f"There is no request with the id {request_id}.")
        body = db.execute("SELECT body FROM request_texts WHERE id = ?", (request_id,)).fetchone()[0]
        trace = db.execute(
            "SELECT trace_id FROM spans WHERE log_span_id = ? ORDER BY id DESC LIMIT 1", (row["span_id"],)
        ).fetchone()
    known = {key: row[key] for key in ("provider", "model", "latency_ms") if row[key] is not None}
    return Response(
        {
            "success": True,
            "prompt_blueprint": blueprint(decoded(body)),
            "request_id": request_id,
            **known,
            "trace_id": trace and trace["trace_id"],
            **summary(row),
        }
    )


def summary(row: Row) -> dict[str, Any]:
    """Return the summary of a request for a list. Unknown values are absent unless they may be null."""
    counts = [count for count in (row["input_tokens"], row["output_tokens"]) if count is not None]
    known = {
        "provider_type": row["provider"],
        "engine": row["model"],
        "input_tokens": row["input_tokens"],
        "output_tokens": row["output_tokens"],
        "tokens": sum(counts) if counts else None,
        "price": row["price"],
        "request_start_time": row["started_at"],
        "request_end_time": row["ended_at"],
        "latency": None if row["latency_ms"] is None else row["latency_ms"] / 1000,
    }
    return {
        "id": row["id"],
        **{key: value for key, value in known.items() if value is not None},
        "status": row["status"],
        "error_type": row["error_type"],
        "error_message": row["error_message"],
        "tags_array": decoded(row["tags"]),
        "metadata": [{key: value} for key, value in decoded(row["metadata"]).items()],
        "scores": [{"name": name, "score": score} for name, score in decoded(row["scores"]).items()],
        "prompt_id": row["item_id"],
        "prompt_name": row["prompt_name"],
        "prompt_version_number": row["number"],
        "prompt_input_variables": decoded(row["variables"]),
        "group_id": row["group_id"],
        "span_id": row["span_id"],
        "created_at": row["created_at"],
    }

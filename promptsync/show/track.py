"""A logged request as text and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from promptsync.registry.results import LoggedRequest, LoggedTurn
from promptsync.show.outcome import Outcome
from promptsync.show.view import cut, number_text
from promptsync.terminal import output


def show_request(found: LoggedRequest) -> Outcome:
    """Return a request: a line for each known fact in text, and everything in JSON."""
    rows = [*_rows(found)]
    indent = max(len(name) for name, _ in rows) + 2
    lines = [
        output.hanging(output.padded(output.style(name, "faint"), indent) + text, indent)
        for name, text in rows
    ]
    return Outcome(lines, {"request_id": found.id, **_without_id(found)})


def _without_id(found: LoggedRequest) -> dict[str, object]:
    return {key: value for key, value in asdict(found).items() if key != "id"}


def _rows(found: LoggedRequest) -> Iterator[tuple[str, str]]:
    version = "" if found.version is None else f" v{found.version}"
    latency = None if found.latency_ms is None else f"{found.latency_ms / 1000:.3g} s"
    metadata = (f"{key}={value}" for key, value in (found.metadata or {}).items())
    scores = (f"{name} {number_text(score)}" for name, score in (found.scores or {}).items())
    lines = {
        "request": str(found.id),
        "provider": found.provider,
        "model": found.model,
        "prompt": found.prompt and f"{found.prompt}{version}",
        "status": found.status,
        "error": found.failure,
        "tokens": _tokens(found),
        "price": f"{found.price:g}" if found.price else None,
        "latency": latency,
        "started": found.started_at and output.moment(found.started_at),
        "tags": _joined(found.tags or ()),
        "metadata": _joined(metadata),
        "scores": _joined(scores),
        "group": None if found.group_id is None else str(found.group_id),
        "trace": found.trace_id,
    }
    for name, text in lines.items():
        if text:
            yield name, cut(text)
    yield from _turns("input", found.input)
    yield from _turns("output", found.output)


def _tokens(found: LoggedRequest) -> str:
    # Clients log 0 for counts that they do not know.
    if not found.input_tokens and not found.output_tokens:
        return ""
    counts = {"in": found.input_tokens, "out": found.output_tokens}
    return ", ".join(f"{count} {way}" for way, count in counts.items() if count is not None)


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _turns(name: str, turns: Iterable[LoggedTurn]) -> Iterator[tuple[str, str]]:
    for turn in turns:
        yield name, cut(f"{turn.role}: {' '.join(turn.text.split()) or '(no text)'}")

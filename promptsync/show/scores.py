"""The scores of a prompt's versions, as a table with bars and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promptsync.checks.scores import ScoredRun, ScoreHistory, Series
from promptsync.inspect.log import LoggedVersion
from promptsync.show.view import cut, number_text
from promptsync.terminal import output

WIDTH = 20
"""Width of a full bar, in characters."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"
_MARK, _ASCII_MARK = "│", "|"


def can_show(encoding: str | None) -> bool:
    """Return whether text in an encoding can contain blocks."""
    try:
        f"{_EIGHTHS}{_FULL}{_MARK}".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def bar(value: float, *, mark: float | None = None, blocks: bool = True, width: int = WIDTH) -> str:
    """Return a bar of ``width`` characters for a value from 0 to 100; others are clamped.

    ``mark`` is the value to reach, which is marked if the bar falls short of it.
    """
    eighths = round(_share(value) * width * 8)
    full, rest = divmod(eighths, 8)
    drawn = _FULL * full + _EIGHTHS[rest] * (rest > 0) if blocks else "#" * (full + (rest >= 4))
    cells = list(drawn.ljust(width, " " if blocks else "."))
    if mark is not None and value < mark:
        # Never on the bar itself, because the bar would then seem to reach the mark.
        place = min(width - 1, max(len(drawn), round(_share(mark) * width) - 1))
        cells[place] = _MARK if blocks else _ASCII_MARK
    return "".join(cells)


def _share(value: float) -> float:
    return min(max(value, 0.0), 100.0) / 100


_HEADINGS = ("VERSION", "0 TO 100", "SCORE", "CHANGE", "DATE", "COMMIT", "MESSAGE")
_DATE = len("2026-01-31")
_LONG_NAME = 40


def history_lines(history: ScoreHistory, *, blocks: bool) -> list[str]:
    """Return a table of the versions by evaluation, with bars of ``blocks`` or of ASCII characters."""
    rows = [row for series in history.series for row in _rows(history, series, blocks)]
    lines = output.table([_HEADINGS, *rows], free=True, headed=True) if rows else []
    place = 1
    for series in history.series:
        minimum = "" if series.min_score is None else f", minimum {series.min_score:g}"
        lines.insert(place, output.style(f"{cut(series.evaluation)}{minimum}", "strong"))
        place += 1 + len(series.points)
    return lines + _apart(history)


def _rows(history: ScoreHistory, series: Series, blocks: bool) -> Iterator[tuple[str, ...]]:
    for run in series.points:
        version = history.versions.get(run.version or 0)
        score = run.score or 0.0
        passes = series.min_score is None or score >= series.min_score
        meaning = "good" if passes else "bad"
        drawn = bar(score, mark=series.min_score, blocks=blocks)
        change = "-" if run.change is None else f"{run.change:+g}" if run.change else "0"
        yield (
            output.style(f"v{run.version}", "remote"),
            output.style(drawn, meaning),
            output.style(f"{score:g}" if passes else f"{score:g} (under)", meaning),
            change,
            _date(run),
            (version.abbreviated if version is not None else None) or "-",
            _words(version, run),
        )


def _date(run: ScoredRun) -> str:
    return output.name((run.ran_at or "-")[:_DATE])


def _words(version: LoggedVersion | None, run: ScoredRun) -> str:
    """Return the labels of a version, the failed cells of the run, and the message of the version."""
    labels = [output.style(output.name(label), "strong") for label in (version and version.labels) or ()]
    parts = [f"({', '.join(labels)})"] if labels else []
    if run.failed_cells:
        parts.append(output.style(f"[{output.count(run.failed_cells, 'failed cell')}]", "bad"))
    parts.append(output.safe(version.message, newlines=False) if version is not None else "")
    return " ".join(part for part in parts if part)


def _apart(history: ScoreHistory) -> list[str]:
    if not history.apart:
        return []
    lines = [""] if history.series else []
    heading = f"runs without a score for a version of {output.name(history.name)}"
    lines.append(output.style(heading, "warn"))
    rows = []
    for run in history.apart:
        name = cut(run.evaluation, _LONG_NAME)
        rows.append((f"  report {run.report_id}", name, _date(run), number_text(run.score), run.reason))
    return lines + output.table(rows, free=True)


def history_notes(history: ScoreHistory) -> Iterator[str]:
    """Yield notes about what the table leaves out."""
    for name in history.missing:
        yield f"the registry has no evaluation {output.name(name)}"
    if history.unread:
        yield f"{output.count(history.unread, 'older run')} not shown; --max-count N shows more"
    if history.unfinished:
        yield f"{output.count(history.unfinished, 'unfinished run')} not shown"
    if not history.series and not history.apart:
        yield f"no run of an evaluation names a version of {output.name(history.name)}"


def history_body(history: ScoreHistory) -> list[dict[str, Any]]:
    """Return the runs by evaluation and version, then those without a version or a score."""
    scored = [
        _run_body(run, series.min_score, history.versions.get(run.version or 0))
        for series in history.series
        for run in series.runs
    ]
    return scored + [_run_body(run, None, None) for run in history.apart]


def _run_body(run: ScoredRun, min_score: float | None, version: LoggedVersion | None) -> dict[str, Any]:
    return {
        "evaluation": run.evaluation,
        "evaluation_id": run.evaluation_id,
        "report_id": run.report_id,
        "version": run.version,
        "score": run.score,
        "min_score": min_score,
        "counts": run.counts,
        "change": run.change,
        "failed_cells": run.failed_cells,
        "ran_at": run.ran_at,
        "message": version.message if version is not None else None,
        "commit": version.commit if version is not None else None,
        "labels": None if version is None or version.labels is None else list(version.labels),
        "reason": run.reason or None,
    }

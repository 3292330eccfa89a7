"""Bars for a terminal: numbers from 0 to 100 as text, in blocks or in ASCII."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promptsync.checks.scores import History, ScoredRun, Series
from promptsync.inspect.log import LoggedVersion
from promptsync.show.runs import cut, score_text
from promptsync.terminal import output

WIDTH = 20
"""Characters of a whole bar."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"
_MARK, _ASCII_MARK = "│", "|"


def can_show(encoding: str | None) -> bool:
    """Whether text in this encoding can hold blocks."""
    try:
        f"{_EIGHTHS}{_FULL}{_MARK}".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def bar(value: float, *, mark: float | None = None, blocks: bool = True, width: int = WIDTH) -> str:
    """Return a bar of ``width`` characters; ``mark`` stands where the bar has to reach, unless it does.

    Values beyond 0 and 100 are drawn as these.
    """
    eighths = round(_share(value) * width * 8)
    full, rest = divmod(eighths, 8)
    drawn = _FULL * full + _EIGHTHS[rest] * (rest > 0) if blocks else "#" * (full + (rest >= 4))
    cells = list(drawn.ljust(width, " " if blocks else "."))
    if mark is not None and value < mark:
        # never on the bar itself: a bar that falls short must look like one
        place = min(width - 1, max(len(drawn), round(_share(mark) * width) - 1))
        cells[place] = _MARK if blocks else _ASCII_MARK
    return "".join(cells)


def _share(value: float) -> float:
    return min(max(value, 0.0), 100.0) / 100


_DATE = len("2026-01-31")
_LONG_NAME = 40


def history_lines(history: History, *, blocks: bool) -> list[str]:
    """Return a table with a bar for each version, by evaluation; bars are ASCII unless ``blocks``."""
    rows = [row for series in history.series for row in _rows(history, series, blocks)]
    lines = output.table([_HEADINGS, *rows], free=True, headed=True) if rows else []
    place = 1
    for series in history.series:
        lines.insert(place, _heading(series))
        place += 1 + len(series.points)
    return lines + _apart(history)


_HEADINGS = ("VERSION", "0 TO 100", "SCORE", "CHANGE", "DATE", "COMMIT", "MESSAGE")


def _heading(series: Series) -> str:
    minimum = "" if series.min_score is None else f", minimum {series.min_score:g}"
    return output.style(f"{cut(series.evaluation)}{minimum}", "strong")


def _rows(history: History, series: Series, blocks: bool) -> Iterator[tuple[str, ...]]:
    for run in series.points:
        version = history.versions.get(run.version or 0)
        score = run.score or 0.0
        passes = series.min_score is None or score >= series.min_score
        meaning = "good" if passes else "bad"
        drawn = bar(score, mark=series.min_score, blocks=blocks)
        yield (
            output.style(f"v{run.version}", "remote"),
            output.style(drawn, meaning),
            output.style(f"{score:g}" if passes else f"{score:g} (under)", meaning),
            _change(run),
            _date(run),
            (version.abbreviated if version is not None else None) or "-",
            _words(version, run),
        )


def _change(run: ScoredRun) -> str:
    return "-" if run.change is None else f"{run.change:+g}" if run.change else "0"


def _date(run: ScoredRun) -> str:
    return output.name((run.ran_at or "-")[:_DATE])


def _words(version: LoggedVersion | None, run: ScoredRun) -> str:
    """Return the labels of a version, its message, and what was amiss with the run."""
    labels = [output.style(output.name(label), "strong") for label in (version and version.labels) or ()]
    parts = [f"({', '.join(labels)})"] if labels else []
    if run.failed_cells:
        parts.append(output.style(f"[{output.count(run.failed_cells, 'failed cell')}]", "bad"))
    parts.append(output.safe(version.message, newlines=False) if version is not None else "")
    return " ".join(part for part in parts if part)


def _apart(history: History) -> list[str]:
    if not history.apart:
        return []
    rows = [
        (
            f"  report {run.report_id}",
            cut(run.evaluation, _LONG_NAME),
            _date(run),
            score_text(run.score),
            run.reason,
        )
        for run in history.apart
    ]
    heading = f"runs that are not told as scores of a version of {output.name(history.name)}"
    blank = [""] if history.series else []
    return [*blank, output.style(heading, "warn"), *output.table(rows, free=True)]


def history_notes(history: History) -> Iterator[str]:
    """Yield what the table does not show."""
    for name in history.missing:
        yield f"the registry has no evaluation {output.name(name)}"
    if history.unread:
        yield f"{output.count(history.unread, 'older run')} not read; --max-count N reads more"
    if history.unfinished:
        count = output.count(history.unfinished, "run")
        yield f"{count} not shown: {'it has' if history.unfinished == 1 else 'they have'} not ended"
    if not history.series and not history.apart:
        yield f"no run of an evaluation names a version of {output.name(history.name)}"


def history_body(history: History) -> list[dict[str, Any]]:
    """Return every run that was read, by evaluation and version, then those that tell no version."""
    told = [
        _run_body(run, series.min_score, history.versions.get(run.version or 0))
        for series in history.series
        for run in series.runs
    ]
    return told + [_run_body(run, None, None) for run in history.apart]


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

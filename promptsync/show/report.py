"""The report page of checks on tables: one HTML file that runs nothing and loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any, Final

from promptsync.checks.results import CheckResult, CheckResults
from promptsync.checks.tested_text import TestedText
from promptsync.prompt.fields import changes
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.text_diff import DiffLine, unified
from promptsync.show.diff import as_text
from promptsync.show.lines import tally
from promptsync.show.markdown import shortened
from promptsync.show.tables import MOST_ROWS, URL, cost_text, facts, row_changes
from promptsync.terminal.output import safe

Texts = Sequence[tuple[TestedText | None, TestedText]]
"""The live text of each of the first results, if there is one, and the one that was tested."""

_LONG_TEXT: Final = 4_000
_MOST_LINES: Final = 1_000
"""Lines of difference of one field."""


def report(results: CheckResults, texts: Texts, about: Mapping[str, str]) -> str:
    """Return the page of the tables in ``results``; ``about`` is shown first, such as the commit."""
    from jinja2 import Environment

    tables = results.of("table")
    verdicts = [result.passed for result in tables]
    words = {True: "passed", False: "failed", None: "running"}
    # Every text of the page is escaped here, and HTML by autoescape.
    page = Environment(autoescape=True, finalize=_shown).from_string(
        Path(__file__).with_name("report.html").read_text("utf-8")
    )
    return page.render(
        title=tally("check", [(verdicts.count(passed), word) for passed, word in words.items()])
        or "no checks",
        about={**about, "Cost": cost_text(tables)},
        results=tables,
        texts=texts,
        most=MOST_ROWS,
        scores=_scores,
        differences=_differences,
        is_link=URL.fullmatch,
        changes=row_changes,
        facts=facts,
    )


def _shown(value: Any) -> Any:
    return safe(shortened(value, _LONG_TEXT)) if type(value) is str else value


def _scores(result: CheckResult) -> list[tuple[str, str]]:
    bars = (("live", result.live_score), ("new", result.run.score))
    return [(name, f"{min(max(score, 0), 100):.4g}") for name, score in bars if score is not None]


def _differences(
    live: TestedText | None, new: TestedText
) -> Iterator[tuple[str, list[tuple[DiffLine | None, DiffLine | None]]]]:
    """Yield the fields that differ, each with the lines that stand side by side."""
    before, after = (
        Prompt(text.name, text.template, text.metadata or {}) if text is not None else None
        for text in (live, new)
    )
    for field in changes(before, after):
        lines = unified(as_text(field.old), as_text(field.new))
        pairs: list[tuple[DiffLine | None, DiffLine | None]] = []
        for is_change, group in groupby(lines[1:_MOST_LINES], lambda line: line.kind in ("removed", "added")):
            block = list(group)
            if is_change:
                removed = [line for line in block if line.kind == "removed"]
                pairs += zip_longest(removed, [line for line in block if line.kind == "added"])
            else:
                pairs += [(line, line) if line.kind == "context" else (None, None) for line in block]
        yield field.path, [*pairs, *([(None, None)] if len(lines) > _MOST_LINES else [])]

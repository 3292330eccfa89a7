"""Results of checks on tables: a line for each prompt, the rows that changed sides, and their JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from promptsync.checks.comparison import Noise, RowResult
from promptsync.checks.results import CheckResult
from promptsync.checks.runs import Run
from promptsync.checks.tables import TablePlan
from promptsync.show.lines import cut, listed, number_text, tally
from promptsync.show.markdown import Page, code, shortened
from promptsync.show.outcome import body
from promptsync.terminal import output
from promptsync.terminal.output import count

MOST_ROWS: Final = 10
"""Rows of a table that got worse, or better, that Markdown and files show; JSON has all."""
_MOST_IN_TEXT: Final = 3

URL: Final = re.compile(r"https://[\w.-]+(/[\w./?=&%~-]*)?", re.ASCII)
"""Addresses that are safe as a link in a page."""

_MOST_INPUTS: Final = 5
_LONG_TEXT: Final = 400
_SIGNS: Final = {"row": "@@ ", "input": "  ", "live": "- ", "new": "+ "}
ON_ECHO: Final = "ran on the echo model (no real LLM), so there is no score"


def score_cells(result: CheckResult) -> dict[str, str]:
    """Return the score beside that of the live version, or of an evaluation's last run, and the change."""
    run, other = result.run, "Last"
    before, change = run.previous_score, run.change
    if run.kind == "table":
        other = "Live"
        before, change = result.live_score, None if result.drop is None else -result.drop
    if run.is_echo:  # what it answered is no score
        before = change = None
    shown = number_text(None if before is None else round(before, 2))
    if result.live_version is not None:
        shown = f"v{result.live_version}" if before is None else f"{shown} (v{result.live_version})"
    return {
        "Score": output.style(
            _score_text(run), "faint" if run.is_echo else "bad" if result.passed is False else "good"
        ),
        other: shown,
        "Change": "-" if change is None else f"{round(change, 2):+g}" if round(change, 2) else "0",
    }


def _score_text(run: Run) -> str:
    return "echo" if run.is_echo else number_text(None if run.score is None else round(run.score, 2))


def table_row(result: CheckResult) -> dict[str, str]:
    """Return the columns of a result, without the last one."""
    run, comparison = result.run, result.comparison
    worse, better = ("-", "-") if comparison is None else (len(comparison.worse), len(comparison.better))
    return {
        "Prompt": cut(result.tested, 40),
        "Table": cut(run.name, 40),
        "Rows": str(len(run.rows) // max(result.check.runs, 1)) if run.rows else "-",
        **score_cells(result),
        "Worse": str(worse),
        "Better": str(better),
    }


def facts(result: CheckResult) -> Iterator[tuple[str, str]]:
    """Yield why a result failed, where it comes from and what stays open, each with what it means."""
    run, comparison = result.run, result.comparison
    if result.reason:
        yield result.reason, "bad"
    if run.reused:
        yield reuse_text(run), "faint"
    if run.is_echo:
        yield ON_ECHO, "warn"
    if result.not_compared and comparison is None:
        yield f"not compared: {result.not_compared}", "faint"
    if comparison is not None and comparison.verdict == "cannot tell" and result.passed:
        yield f"cannot tell: {comparison.reason}", "warn"


def table_notes(result: CheckResult) -> Iterator[str]:
    """Yield the facts about a result, and the first rows that changed sides or failed."""
    title = cut(result.title)
    for text, meaning in facts(result):
        yield output.Line(output.style(f"{title}: {cut(text, 300)}", meaning), 4)
    for kind, text in changed_rows(result, _MOST_IN_TEXT):
        text = cut(" ".join(text.split()))
        yield output.Line(f"{title}: {text}" if kind == "row" else f"    {kind}: {text}", 6)


def planned_text(plan: TablePlan) -> str:
    """Return how many cells checks compute, and what they find again; empty without any table."""
    if not plan.sheets:
        return ""
    if not plan.to_run:
        return "tables: nothing to run, all verdicts are known"
    sheets = count(len(plan.to_run), "sheet")
    cells, calls = count(plan.cells, "cell"), count(plan.model_cells, "model call")
    return f"tables: {sheets} to run with {cells} and {calls}"


def cost_text(results: Iterable[CheckResult]) -> str:
    """Return what the runs of these results cost together; empty if no registry said it."""
    runs = [run for result in results for run in (result.run, result.live_run) if run and not run.reused]
    costs = [run.cost for run in runs if run.cost is not None]
    return f"${sum(costs):.2f}" if costs else ""


def row_changes(result: CheckResult) -> list[tuple[str, Sequence[tuple[RowResult | None, RowResult]]]]:
    """Return the rows that got worse or better; without any those that failed, if the check did.

    Each row stands beside the one of the live version.
    """
    comparison = result.comparison
    if comparison is not None and (comparison.worse or comparison.better):
        sides = [("got worse", comparison.worse), ("got better", comparison.better)]
        return [(what, pairs) for what, pairs in sides if pairs]
    every = max(len(result.run.rows) // result.check.runs, 1)
    failed: dict[int, RowResult] = {}  # each once, however often it ran
    for row in result.run.rows if result.passed is False else ():
        if not row.passed:
            failed.setdefault(row.index % every, replace(row, index=row.index % every))
    return [("failed", [(None, failed[index]) for index in sorted(failed)])] if failed else []


def changed_rows(result: CheckResult, most: int = MOST_ROWS) -> Iterator[tuple[str, str]]:
    """Yield lines about the rows that changed, each with what it is: row, input, live or new output."""
    for what, pairs in row_changes(result):
        for live, new in pairs[:most]:
            steps = ", ".join(new.failed_steps or (live.failed_steps if live is not None else ()))
            yield "row", f"row {new.index + 1} {what}" + (f" ({steps})" if steps else "")
            for name, value in list(new.inputs.items())[:_MOST_INPUTS]:
                yield "input", f"{name}: {shortened(value, _LONG_TEXT)}"
            if live is not None:
                yield "live", shortened(live.output, _LONG_TEXT)
            yield "new", shortened(new.output, _LONG_TEXT)
        if len(pairs) > most:
            yield "row", f"{count(len(pairs) - most, 'more row')} {what}"


def add_tables(page: Page, results: Sequence[CheckResult]) -> None:
    """Add to a page the facts, where the sheets are and what they cost, and the rows that changed sides."""
    lines = []
    for result in results:
        parts = [code(shortened(text, _LONG_TEXT)) for text, _ in facts(result)]
        parts += [f"[sheet]({result.run.url})"] if URL.fullmatch(result.run.url) else []
        lines += [f"{code(shortened(result.title, _LONG_TEXT))}: {', '.join(parts)}"] if parts else []
    page.items(lines)
    if cost := cost_text(results):
        page.say(f"Cost: {cost}")
    page.differences(
        [
            (
                result.title,
                tally("row", [(len(pairs), what) for what, pairs in row_changes(result)]),
                [
                    _SIGNS[kind] + line
                    for kind, text in changed_rows(result)
                    for line in text.splitlines() or [""]
                ],
            )
            for result in results
            if row_changes(result)
        ]
    )


def reuse_text(run: Run) -> str:
    """Return what an earlier run found: ``refund quality 91, evaluated in pull request 12``."""
    score = "" if run.is_echo or run.score is None else f" {_score_text(run)}"
    return f"{run.name}{score}, evaluated {f'in {run.origin}' if run.origin else 'earlier'}"


def noise_lines(result: CheckResult, noise: Noise) -> Iterator[str]:
    """Yield how far the scores of a prompt move by themselves, and which ``max_drop`` that supports."""
    title, wanted, rows = cut(result.title), result.check.max_drop or 5, f"{noise.rows:,} rows"
    scores = ", ".join(f"{score:g}" for score in noise.scores)
    yield output.style(title, "strong")
    yield f"  scores of {len(noise.scores)} runs with {rows}: {scores}"
    moved = listed([str(index + 1) for index in noise.moved], MOST_ROWS) or "none"
    differ = f"{100 * noise.share:.0f} % differ between two runs"
    yield output.Line(f"  rows whose verdict changed: {moved}; {differ}", 4)
    least, enough = noise.max_drop(noise.rows), noise.rows_for(wanted)
    yield output.Line(f"  an unchanged prompt passes max_drop {least} in four of five runs with {rows}", 4)
    takes = f"{enough:,} rows" if enough is not None else "more than 10,000 rows"
    yield f"  max_drop {wanted:g} takes {takes}"
    if result.run.is_echo:
        yield output.style(f"  {ON_ECHO}", "warn")


def noise_body(result: CheckResult, noise: Noise) -> dict[str, Any]:
    """Return the noise of a prompt for a JSON document."""
    return {
        **body(result, "prompts=check.prompts table=run.name sheet_id=run.sheet_id model=run.model"),
        **body(noise, "rows scores share"),
        "max_drop": noise.max_drop(noise.rows),
        "moved": [index + 1 for index in noise.moved],
    }


def table_body(result: CheckResult) -> dict[str, Any]:
    """Return the keys of a result for a JSON document that only tables have."""
    comparison = result.comparison
    return {
        **body(result, _KEYS),
        **(dict.fromkeys(["score", "live_score", "drop"]) if result.run.is_echo else {}),
        "worse": None if comparison is None else [_pair(*pair) for pair in comparison.worse],
        "better": None if comparison is None else [_pair(*pair) for pair in comparison.better],
        "rows": [_row(row) for row in result.run.rows],
    }


def _row(row: RowResult) -> dict[str, Any]:
    return {**body(row, "inputs output score verdict failed_steps"), "row": row.index + 1}


def _pair(live: RowResult, new: RowResult) -> dict[str, Any]:
    return {"row": new.index + 1, "live": _row(live), "new": _row(new)}


_KEYS: Final = (
    "table=run.name table_id=run.table_id sheet_id=run.sheet_id url=run.url model=run.model score=run.score "
    "minimum=check.min_score max_drop=check.max_drop runs=check.runs live_version "
    "live_score not_compared drop verdict=comparison.verdict "
    "comparison=comparison.reason least_drop=comparison.least most_drop=comparison.most "
    "origin=run.origin reused=run.reused cost=run.cost"
)

"""Results of checks on tables: a line for each prompt, the rows that changed sides, and their JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

from msgspec.structs import replace

from promptsync.checks.receipt import CheckResult
from promptsync.checks.run import Run
from promptsync.checks.tables.comparison import Noise, RowResult
from promptsync.checks.tables.plan import TablePlan
from promptsync.show.lines import cut, number_text, tally
from promptsync.show.markdown import Page, code, shortened
from promptsync.show.rows import body
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
ECHO: Final = "echo"
"""The model that returns what it was asked."""
ON_ECHO: Final = "ran on the echo model (no real LLM), so there is no score"


class RowLine(NamedTuple):
    """A line about a row of a table; ``live`` and ``new`` are outputs."""

    kind: Literal["row", "input", "live", "new"]
    text: str


def score_text(run: Run | None) -> str:
    """Return the score of a run; what an echo answered has none."""
    if run is None:
        return "-"
    return cut(run.model or "", 20) or number_text(None if run.score is None else round(run.score, 2))


def table_row(result: CheckResult) -> dict[str, str]:
    """Return the columns of a result, without the last one."""
    run, live, comparison = result.run, result.live, result.comparison
    is_echo = run.model is not None
    score = output.style(score_text(run), "faint" if is_echo else "bad" if result.passed is False else "good")
    live_score = score_text(result.live_run) if is_echo else number_text(live.score)
    if live.version is not None:
        live_score = f"v{live.version}" if live_score == "-" else f"{live_score} (v{live.version})"
    change = None if is_echo or result.drop is None else -round(result.drop, 2)
    changed = ("-", "-") if comparison is None else (str(len(comparison.worse)), str(len(comparison.better)))
    return {
        "Prompt": cut(result.tested, 40),
        "Table": cut(run.name, 40),
        "Rows": str(len(run.rows) // max(result.check.runs, 1)) if run.rows else "-",
        "Score": score,
        "Live": live_score,
        "Change": "-" if change is None else f"{change:+g}" if change else "0",
        "Worse": changed[0],
        "Better": changed[1],
    }


def table_notes(result: CheckResult) -> Iterator[str]:
    """Yield where a result comes from, what cannot be told, and the rows that changed sides or failed."""
    run, title, comparison = result.run, cut(result.title), result.comparison
    notes = []
    if run.reused:
        notes.append((cut(reuse_text(run)), "faint"))
    if run.model is not None:
        notes.append((ON_ECHO, "warn"))
    if result.live.reason and comparison is None:
        notes.append((f"not compared: {cut(result.live.reason)}", "faint"))
    if comparison is not None and comparison.verdict == "cannot tell" and result.passed:
        notes.append((f"cannot tell: {cut(comparison.reason, 300)}", "warn"))
    for text, meaning in notes:
        yield output.Line(output.style(f"{title}: {text}", meaning), 4)
    for line in changed_rows(result, _MOST_IN_TEXT):
        text = cut(" ".join(line.text.split()))
        yield output.Line(f"{title}: {text}" if line.kind == "row" else f"    {line.kind}: {text}", 6)


def planned_text(plan: TablePlan) -> str:
    """Return how many cells checks compute, and what they find again; empty without any table."""
    if not plan.sheets:
        return ""
    if not plan.to_run:
        return "tables: nothing to run, all verdicts are known"
    sheets = count(len(plan.to_run), "sheet")
    return f"tables: {sheets} to run with {plan.cells:,} cells, {plan.model_cells:,} of which call a model"


def cost_text(results: Iterable[CheckResult]) -> str:
    """Return what the runs of these results cost together; empty if no registry said it."""
    runs = [run for result in results for run in (result.run, result.live_run) if run and not run.reused]
    costs = [run.cost for run in runs if run.cost is not None]
    return f"${sum(costs):.2f}" if costs else ""


def changed_rows(result: CheckResult, most: int = MOST_ROWS) -> Iterator[RowLine]:
    """Yield the rows that got worse or better; without a comparison those that failed, if the check did."""
    comparison = result.comparison
    if comparison is not None and (comparison.worse or comparison.better):
        yield from _pairs(comparison.worse, "got worse", most)
        yield from _pairs(comparison.better, "got better", most)
    elif result.passed is False:
        yield from _pairs(failed_rows(result), "failed", most)


def failed_rows(result: CheckResult) -> list[tuple[None, RowResult]]:
    """Return the rows that failed, each once, however often it ran."""
    rows = result.run.rows
    every = max(len(rows) // result.check.runs, 1)
    failed: dict[int, RowResult] = {}
    for row in rows:
        if not row.passed:
            failed.setdefault(row.index % every, replace(row, index=row.index % every))
    return [(None, failed[index]) for index in sorted(failed)]


def _pairs(pairs: Sequence[tuple[RowResult | None, RowResult]], what: str, most: int) -> Iterator[RowLine]:
    for live, new in pairs[:most]:
        steps = ", ".join(new.failed_steps or (live.failed_steps if live is not None else ()))
        yield RowLine("row", f"row {new.index + 1} {what}" + (f" ({steps})" if steps else ""))
        for name, value in list(new.inputs.items())[:_MOST_INPUTS]:
            yield RowLine("input", f"{name}: {shortened(value, _LONG_TEXT)}")
        if live is not None:
            yield RowLine("live", shortened(live.output, _LONG_TEXT))
        yield RowLine("new", shortened(new.output, _LONG_TEXT))
    if len(pairs) > most:
        yield RowLine("row", f"{count(len(pairs) - most, 'more row')} {what}")


def add_tables(page: Page, results: Sequence[CheckResult]) -> None:
    """Add to a page where the sheets are and what they cost, and the rows that changed sides."""
    page.items([line for result in results if (line := _sheet_line(result))])
    if cost := cost_text(results):
        page.say(f"Cost: {cost}")
    changes = []
    for result in results:
        lines = [
            _SIGNS[line.kind] + text
            for line in changed_rows(result)
            for text in line.text.splitlines() or [""]
        ]
        if lines:
            changes.append((result.title, _changed_text(result), lines))
    page.differences(changes)


def _changed_text(result: CheckResult) -> str:
    comparison = result.comparison
    if comparison is None or not (comparison.worse or comparison.better):
        return "rows that failed"
    return tally("row", [(len(comparison.worse), "worse"), (len(comparison.better), "better")])


def _sheet_line(result: CheckResult) -> str:
    run, parts = result.run, []
    if run.model is not None:
        parts.append(ON_ECHO)
    if run.reused:
        parts.append(code(shortened(reuse_text(run), _LONG_TEXT)))
    if URL.fullmatch(run.url):
        parts.append(f"[sheet]({run.url})")
    return f"{code(shortened(result.title, _LONG_TEXT))}: {', '.join(parts)}" if parts else ""


def reuse_text(run: Run) -> str:
    """Return what an earlier run found: ``refund quality 91, evaluated in pull request 12``."""
    score = "" if run.model is not None or run.score is None else f" {score_text(run)}"
    return f"{run.name}{score}, evaluated {f'in {run.origin}' if run.origin else 'before'}"


def noise_lines(result: CheckResult, noise: Noise) -> Iterator[str]:
    """Yield how far the scores of a prompt move by themselves, and which ``max_drop`` that supports."""
    title, wanted, rows = cut(result.title), result.check.max_drop or 5, f"{noise.rows:,} rows"
    scores = ", ".join(f"{score:g}" for score in noise.scores)
    yield output.style(title, "strong")
    yield f"  scores of {len(noise.scores)} runs with {rows}: {scores}"
    moved = ", ".join(str(index + 1) for index in noise.moved[:MOST_ROWS]) or "none"
    more = f" and {len(noise.moved) - MOST_ROWS} more" if len(noise.moved) > MOST_ROWS else ""
    differ = f"{100 * noise.share:.0f} % differ between two runs"
    yield output.Line(f"  rows whose verdict moved: {moved}{more}; {differ}", 4)
    least, enough = noise.max_drop(noise.rows), noise.rows_for(wanted)
    yield output.Line(f"  an unchanged text passes max_drop {least} in four of five runs with {rows}", 4)
    takes = f"{enough:,} rows" if enough is not None else "more than 10,000 rows"
    yield f"  max_drop {wanted:g} takes {takes}"
    if result.run.model is not None:
        yield output.style(f"  {ON_ECHO}", "warn")


def noise_body(result: CheckResult, noise: Noise) -> dict[str, Any]:
    """Return the noise of a prompt for a JSON document."""
    supported = {"max_drop": noise.max_drop(noise.rows), "moved": [index + 1 for index in noise.moved]}
    return {
        **body(result, "prompts=check.prompts table=run.name sheet_id=run.sheet_id model=run.model"),
        **body(noise, "rows scores share"),
        **supported,
    }


def table_body(result: CheckResult) -> dict[str, Any]:
    """Return the keys of a result for a JSON document that only tables have."""
    document = body(result, _KEYS)
    echoes = result.run.model is not None
    nothing = {"score": None, "live_score": None, "drop": None} if echoes else {}
    comparison = result.comparison
    sides: dict[str, Any] = {"worse": None, "better": None}
    if comparison is not None:
        sides = {side: [_pair(*pair) for pair in getattr(comparison, side)] for side in sides}
    return {**document, **nothing, **sides, "rows": [_row(row) for row in result.run.rows]}


def _row(row: RowResult) -> dict[str, Any]:
    return {**body(row, "inputs output score verdict failed_steps"), "row": row.index + 1}


def _pair(live: RowResult, new: RowResult) -> dict[str, Any]:
    return {"row": new.index + 1, "live": _row(live), "new": _row(new)}


_KEYS: Final = (
    "table=run.name table_id=run.table_id sheet_id=run.sheet_id url=run.url model=run.model score=run.score "
    "minimum=check.min_score max_drop=check.max_drop runs=check.runs live_version=live.version "
    "live_score=live.score not_compared=live.reason drop verdict=comparison.verdict "
    "comparison=comparison.reason least_drop=comparison.least most_drop=comparison.most "
    "origin=run.origin reused=run.reused cost=run.cost"
)

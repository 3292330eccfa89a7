"""Results of checks: a table for each kind, notes, the rows that changed sides, Markdown, and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from promptsync.checks.assignment import KINDS, Choice, Kind
from promptsync.checks.comparison import Noise, RowResult
from promptsync.checks.results import CheckResult, CheckResults
from promptsync.checks.runs import Run
from promptsync.checks.tables import TablePlan
from promptsync.show.markdown import Page, code, shortened
from promptsync.show.notes import ago, cut, listed, number_text, tally
from promptsync.show.outcome import body
from promptsync.terminal import output

MOST_ROWS: Final = 10
"""Rows of a table that got worse, or better, that Markdown and files show; JSON has all."""
_MOST_IN_TEXT: Final = 3
_MOST_INPUTS: Final = 5

URL: Final = re.compile(r"https://[\w.-]+(/[\w./?=&%~-]*)?", re.ASCII)
"""Addresses that are safe as a link in a page."""

_SIGNS: Final = {"row": "@@ ", "input": "  ", "live": "- ", "new": "+ "}
_MOST_CELLS: Final = 10
_MOST_UNBOUND: Final = 5
_MOST_NAMES: Final = 10
_LONG_NAME: Final = 40
_LONG_REASON: Final = 80
_LONG_TEXT: Final = 400


# -- a row for each result, and its notes -------------------------------------------------------------------


def add_results(page: Page, results: CheckResults) -> None:
    """Add results to a page: all prompts, then the rows that changed sides."""
    page.fence([*results_lines(results, has_table_notes=False), *echo_lines(results)])
    add_tables(page, results.of("table"))


def results_lines(results: CheckResults, *, has_table_notes: bool = True) -> list[str]:
    """Return a table for each kind of check, with its notes."""
    lines: list[str] = []
    for kind in KINDS:
        own = results.of(kind)
        part = _table([_row(result) for result in own])
        if kind != "table" or has_table_notes:
            part += [note for result in own for note in _notes(result)]
            part += [output.aside(f"cost: {cost}", 0)] if (cost := cost_text(own)) else []
        lines += ["", *part] if lines and part else part
    return lines


def echo_lines(results: CheckResults) -> list[str]:
    """Return which checks have no score because they ran on the echo model, if any has none."""
    names = listed(list(dict.fromkeys(result.run.name for result in results.all if result.run.is_echo)), 3)
    what = f"{names} ran on the echo model (no real LLM), so there is no score"
    return [output.Line(output.style(what, "warn"), 4)] if names else []


def _table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return rows as a table. The name of a table that all share is in the notes, too."""
    if not rows:
        return []
    cells = {key: {row[key] for row in rows} for key in rows[0]}
    shown = [key for key in cells if cells[key] != {"-"} and (key != "Table" or len(cells[key]) > 1)]
    return output.table([tuple(map(str.upper, shown)), *(tuple(row[key] for key in shown) for row in rows)])


def _row(result: CheckResult) -> dict[str, str]:
    """Return the cells of a result by the titles of their columns."""
    run, check, comparison = result.run, result.check, result.comparison
    name, end = cut(run.name, _LONG_NAME), {"Result": _result(result)}
    if run.kind == "table":
        worse, better = ("-", "-") if comparison is None else (len(comparison.worse), len(comparison.better))
        return {
            "Prompt": cut(result.tested, _LONG_NAME),
            "Table": name,
            "Rows": str(len(run.rows) // max(check.runs, 1)) if run.rows else "-",
            "Score": _score(result),
            **_live_score(result),
            "Worse": str(worse),
            "Better": str(better),
            **end,
        }
    version = "-" if run.version is None else f"v{run.version}"
    prompts = listed([cut(name, _LONG_NAME) for name in check.prompts], 1) or version
    if run.kind == "agent":
        row = {"Agent": name, "Prompts": prompts, "Execution": number_text(run.id)}
        return {**row, "Nodes": str(len(run.outputs)), **end}
    row = {"Evaluation": name, "Prompts": prompts, "Report": number_text(run.id)}
    return {**row, "Score": _score(result), "Minimum": number_text(check.min_score), **end}


def _score(result: CheckResult) -> str:
    meaning = "faint" if result.run.is_echo else "bad" if result.passed is False else "good"
    return output.style(score_text(result.run), meaning)


def score_text(run: Run) -> str:
    """Return the score of a run, or that it has none because of the echo model."""
    return "echo" if run.is_echo else _rounded(run.score)


def _rounded(score: float | None) -> str:
    return number_text(None if score is None else round(score, 2))


def _live_score(result: CheckResult) -> dict[str, str]:
    """Return the score of the live version, and how far the new one is above it."""
    is_scored = not result.run.is_echo  # what the echo model answered is no score
    live, drop = (result.live_score, result.drop) if is_scored else (None, None)
    shown = _rounded(live)
    if result.live_version is not None:
        shown = f"v{result.live_version}" if live is None else f"{shown} (v{result.live_version})"
    change = "-" if drop is None else f"{-round(drop, 2):+g}" if round(drop, 2) else "0"
    return {"Live": shown, "Change": change}


def _result(result: CheckResult) -> str:
    if result.passed is not False:
        return output.style("running", "remote") if result.passed is None else output.style("passed", "good")
    if result.run.kind == "table":  # the reason is in a note
        kinds = {failure.kind for failure in result.failures}
        return output.style("cannot tell" if kinds == {"cannot-tell"} else "failed", "bad")
    # the registry's own words come first; the error below the table names the request as well
    reason = getattr(result.run.error, "reason", "") or result.reason
    return output.style(f"failed: {cut(reason, _LONG_REASON)}", "bad")


def _notes(result: CheckResult) -> Iterator[str]:
    """Yield what a row has no room for: facts, failed cells, unchecked versions, rows that changed sides."""
    run, title = result.run, cut(result.title)
    if run.kind == "table":
        for text, meaning in facts(result):
            yield output.Line(output.style(f"{title}: {cut(text, 300)}", meaning), 4)
        for kind, text in changed_rows(result, _MOST_IN_TEXT):
            text = cut(" ".join(text.split()))
            yield output.Line(f"{title}: {text}" if kind == "row" else f"    {kind}: {text}", 6)
        return
    cells = (*run.failed_cells, *run.missed_cells)
    for cell in cells[:_MOST_CELLS]:
        column = "" if cell.column is None else f", {cut(cell.column)}"
        yield f"{title}: row {cell.row}{column}: {cut(cell.reason or 'no reason given')}"
    if len(cells) > _MOST_CELLS:
        yield f"{title}: {output.count(len(cells) - _MOST_CELLS, 'more failed cell')}; --json has all"
    if run.model is not None and not run.is_echo and run.kind == "evaluation":
        yield output.Line(output.style(f"{title}: ran on {cut(run.model)}", "faint"), 4)
    # Those that are not allowed are reasons of failure.
    unbound = result.unbound if result.passed else ()
    for gap in unbound[:_MOST_UNBOUND]:
        yield output.style(f"{title}: {cut(str(gap))}", "warn")
    if len(unbound) > _MOST_UNBOUND:
        more = output.count(len(unbound) - _MOST_UNBOUND, "more version")
        yield output.style(f"{title}: {more} not checked; --json has all", "warn")


def facts(result: CheckResult) -> Iterator[tuple[str, str]]:
    """Yield why a result failed, where it comes from and what stays open, each with what it means."""
    run, comparison = result.run, result.comparison
    if result.reason:
        yield result.reason, "bad"
    if run.reused:
        yield reuse_text(run), "faint"
    if result.not_compared and comparison is None:
        yield f"not compared: {result.not_compared}", "faint"
    if comparison is not None and comparison.verdict == "cannot tell" and result.passed:
        yield f"cannot tell: {comparison.reason}", "warn"


def reuse_text(run: Run) -> str:
    """Return what an earlier run found: ``refund quality 91, evaluated in pull request 12``."""
    score = "" if run.is_echo or run.score is None else f" {score_text(run)}"
    return f"{run.name}{score}, evaluated {f'in {run.origin}' if run.origin else 'earlier'}"


def cost_text(results: Iterable[CheckResult]) -> str:
    """Return what the runs of these results cost together; empty if no registry said it."""
    runs = [run for result in results for run in (result.run, result.live_run) if run and not run.reused]
    costs = [run.cost for run in runs if run.cost is not None]
    return f"${sum(costs):.2f}" if costs else ""


def output_lines(results: CheckResults) -> Iterator[str]:
    """Yield the output of each node of each run of an agent."""
    nodes = ((result.run.name, *node) for result in results.all for node in result.run.outputs.items())
    for agent, name, node in nodes:
        yield from ("", output.style(f"--- {output.name(agent)}: {output.name(name)} ---", "strong"))
        if node.failed:
            reason = f"{node.status.lower()}: {output.safe(node.error or 'no reason given')}"
            yield output.style(reason, "bad")
        else:
            is_text = isinstance(node.value, str)
            text = node.value if is_text else json.dumps(node.value, ensure_ascii=False, indent=2)
            yield from output.safe(text).split("\n")


def run_notes(results: CheckResults, on_remote: Callable[[str], str]) -> Iterator[str]:
    """Yield warnings of the registry, and how to follow each run; ``on_remote`` adds the remote to that."""
    for run in (result.run for result in results.all if result.run.warning):
        yield f"{output.style('warning:', 'warn')} {output.name(f'{run.name}: {run.warning}')}"
    # After Ctrl-C, the hint of the error says it.
    for result in () if results.interrupted else results.under_way:
        if command := result.run.follow_command:
            yield output.style(f"{cut(result.run.name)}: {on_remote(command)}", "faint")


# -- the rows of tables that changed sides ------------------------------------------------------------------


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
            yield "row", f"{output.count(len(pairs) - most, 'more row')} {what}"


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
    differences = []
    for result in results:
        if changed := row_changes(result):
            state = tally("row", [(len(pairs), what) for what, pairs in changed])
            rows = changed_rows(result)
            shown = [_SIGNS[kind] + line for kind, text in rows for line in text.splitlines() or [""]]
            differences.append((result.title, state, shown))
    page.differences(differences)


# -- what runs ----------------------------------------------------------------------------------------------


def planned_text(plan: TablePlan) -> str:
    """Return how many cells checks compute, and what they find again; empty without any table."""
    if not plan.runs:
        return ""
    if not plan.to_run:
        return "tables: nothing to run, all verdicts are known"
    sheets = output.count(len(plan.to_run), "sheet")
    cells, calls = output.count(plan.cells, "cell"), output.count(plan.model_cells, "model call")
    return f"tables: {sheets} to run with {cells} and {calls}"


def choice_notes(choice: Choice, kind: str) -> Iterator[str]:
    """Yield what changed, what of it is not checked, and what the runs cannot check."""
    since = output.name(choice.since)
    if choice.edited:
        whose = "its" if len(choice.edited) == 1 else "their"
        yield f"{_listed(choice.edited)} changed since {since}: {whose} prompts are checked"
    if not choice.changed:
        rest = "" if choice.edited else f"; no {kind} ran"
        if rest and choice.since == "HEAD":
            rest += "; for the commits of a branch, add --since main..."
        yield f"no prompt changed since {since}{rest}"
        return
    yield f"{output.count(len(choice.changed), 'prompt')} changed since {since}: {_listed(choice.changed)}"
    if choice.unchecked:
        is_idle = len(choice.unchecked) == len(choice.changed) and not choice.edited
        rest = f"; no {kind} ran" if is_idle else ""
        yield f"no {kind} is assigned to {_listed(choice.unchecked)}{rest}"
    if choice.wanted.unpublished:
        warning, names = output.style("warning:", "warn"), _listed(tuple(choice.wanted.unpublished))
        yield f"{warning} the registry runs its own version, which differs from your files: {names}"


def _listed(names: Sequence[str]) -> str:
    return listed([*map(output.name, names)], _MOST_NAMES)


# -- noise --------------------------------------------------------------------------------------------------


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


def noise_body(result: CheckResult, noise: Noise) -> dict[str, Any]:
    """Return the noise of a prompt for a JSON document."""
    return {
        **body(result, "prompts=check.prompts table=run.name sheet_id=run.sheet_id model=run.model"),
        **body(noise, "rows scores share"),
        "max_drop": noise.max_drop(noise.rows),
        "moved": [index + 1 for index in noise.moved],
    }


def last_run_line(result: CheckResult) -> str:
    """Return for which prompt an evaluation file ran last, whether it passed, and when."""
    passed = "passed" if result.check.max_drop is None else "passed (max_drop not compared)"
    ending = f"failed: {result.reason}" if result.reason else passed if result.passed else "has not ended"
    when = f" ({ago(result.run.completed_at)})" if result.run.completed_at else ""
    return output.Line(output.name(f"{result.run.name}: its last run for {result.tested} {ending}{when}"), 4)


LAST_RUN: Final = "prompt=tested score=run.score passed reason model=run.model completed_at=run.completed_at"
"""The keys of the last run of an evaluation file in a JSON document."""


# -- JSON ---------------------------------------------------------------------------------------------------

_KEYS: Final[Mapping[Kind, str]] = {
    "table": "table=run.name table_id=run.table_id sheet_id=run.sheet_id url=run.url model=run.model "
    "score=run.score minimum=check.min_score max_drop=check.max_drop runs=check.runs live_version live_score "
    "not_compared drop verdict=comparison.verdict comparison=comparison.reason least_drop=comparison.least "
    "most_drop=comparison.most origin=run.origin reused=run.reused cost=run.cost",
    "evaluation": "evaluation=run.name evaluation_id=run.item_id report_id=run.id version=run.version "
    "model=run.model score=run.score minimum=check.min_score failed_cells=run.failed_cells "
    "missed_cells=run.missed_cells",
    "agent": "agent=run.name agent_id=run.item_id execution_id=run.id input_variables=check.input_variables "
    "outputs=run.outputs warning=run.warning",
}


def choice_body(choice: Choice) -> dict[str, Any]:
    """Return the keys of an ``eval run`` or ``agent run`` document about the choice of checks."""
    unpublished = list(choice.wanted.unpublished)
    return {
        **body(choice, "changed without=unchecked"),
        "since": choice.since or None,
        "unpublished": unpublished,
    }


def runs_body(results: CheckResults, kind: Kind) -> list[dict[str, Any]]:
    """Return the ``runs`` of an ``eval run`` or ``agent run`` document; tables are evaluations there."""
    tables = results.of("table") if kind == "evaluation" else ()
    return list(map(run_body, [*tables, *results.of(kind)]))


def run_body(result: CheckResult) -> dict[str, Any]:
    """Return a result for a JSON document."""
    run, comparison = result.run, result.comparison
    document = body(result, f"{_KEYS[run.kind]} status=run.status passed prompts=check.prompts unbound")
    document["reason"] = result.reason or None
    if run.kind == "table":
        document |= dict.fromkeys(("score", "live_score", "drop")) if run.is_echo else {}
        for key in ("worse", "better"):
            pairs = None if comparison is None else getattr(comparison, key)
            document[key] = None if pairs is None else [_pair(*pair) for pair in pairs]
        document["rows"] = [_row_body(row) for row in run.rows]
    return document


def _row_body(row: RowResult) -> dict[str, Any]:
    return {**body(row, "inputs output score verdict failed_steps"), "row": row.index + 1}


def _pair(live: RowResult, new: RowResult) -> dict[str, Any]:
    return {"row": new.index + 1, "live": _row_body(live), "new": _row_body(new)}

"""What one of our sheets says when it is complete: its score, its rows, and the steps that failed in some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from promptsync.checks.catalog import score_of
from promptsync.checks.run import Cell, Run, Status
from promptsync.checks.tables.comparison import RowResult
from promptsync.checks.tables.content import Content
from promptsync.checks.tables.definition import cell_text_of, sorted_rows, titles_of
from promptsync.errors import RemoteError
from promptsync.prompt.texts import as_mapping, mappings
from promptsync.registry.values import SheetId, number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

MOST_SHOWN: Final = 10
"""How many rows of one kind are explained at most."""


def explained(registry: Registry, run: Run, indexes: Iterable[int]) -> Run:
    """Return a run with the steps that failed in some of its rows, as far as the registry returns them."""
    sheet = SheetId(run.table_id or "", run.sheet_id or "")
    try:
        steps = as_mapping(registry.tables.scorecard(sheet).get("scorecard")).get("steps")
        titles = {text(step, "id"): text(step, "title") or "" for step in mappings(steps)}
        scored = {index: registry.tables.scored_row(sheet, index) for index in sorted(indexes)}
    except RemoteError:
        return run  # the rows are known without them
    failed = {
        index: [
            titles.get(step, step)
            for step, result in as_mapping(row.get("step_results")).items()
            if text(as_mapping(result), "verdict") in ("fail", "error")
        ]
        for index, row in scored.items()
    }
    rows = [replace(row, failed_steps=tuple(failed.get(row.index, ()))) for row in run.rows]
    return replace(run, rows=tuple(rows))


def read_result(
    run: Run,
    content: Content,
    contents: Mapping[str, Any],
    calculation: Mapping[str, Any],
    scored: list[dict[str, Any]],
) -> Run:
    """Return a run with what its sheet and its calculation say."""
    definition = content.definition
    computed = {column.title for column in definition.columns}
    titles = titles_of(contents["columns"])
    verdicts = {number(row, "row_index"): row for row in scored}
    rows, failed, cost = [], list[Cell](), []
    for index, row in enumerate(sorted_rows(contents["rows"])):
        inputs = dict(definition.rows[index % len(definition.rows)])
        inputs.pop(definition.output, None)  # that of an agent
        cells = {title: as_mapping(as_mapping(row.get("cells")).get(key)) for key, title in titles.items()}
        reasons = [
            Cell(index + 1, title, text(cells[title], "error_message", "error") or status.lower())
            for title in computed
            if (status := (text(cells[title], "status") or "STALE").upper()) != "COMPLETED"
        ]
        prices = (as_mapping(cell.get("request_metrics")).get("price") for cell in cells.values())
        cost += [price for price in prices if isinstance(price, int | float)]
        result = verdicts.get(number(row, "row_index"), {})
        rows.append(
            RowResult(
                index,
                inputs,
                cell_text_of(cells[definition.output]),
                score_of(result.get("aggregate_score")),
                text(result, "aggregate_verdict") or "error",
            )
        )
        if rows[-1].verdict == "error" and not reasons:
            reasons = [Cell(index + 1, "scorecard", text(result, "error_summary") or "not scored")]
        failed += reasons
    score = score_of(calculation.get("aggregate_score"))
    return replace(
        run,
        status=Status.COMPLETED,
        rows=tuple(rows),
        ended=run.cells,
        failed=len(failed),
        failed_cells=tuple(failed[:MOST_SHOWN]),
        score=None if score is None else round(100 * score, 6),
        cost=round(sum(cost), 6) if cost else None,
        model=text(calculation, "model"),
    )

"""One of our sheets from its first row to its score: made, computed, scored and read.

An existing sheet is continued, so an interrupted run pays for nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from promptsync.checks.catalog import score_of
from promptsync.checks.comparison import RowResult
from promptsync.checks.content import Content
from promptsync.checks.definition import as_csv, cell_text_of, ids_of, sorted_rows, titles_of
from promptsync.checks.runs import Cell, Run, Status
from promptsync.errors import RemoteError
from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.registry.errors import FateUnknown, NotFound
from promptsync.registry.protocol import SheetId, number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


MOST_SHOWN: Final = 10
"""How many rows of one kind are explained at most."""

_VERDICTS: Final = frozenset({"pass", "warn", "fail", "skipped"})
_ENDED: Final = frozenset({"completed", "failed"})
_UNDER_WAY: Final = frozenset({"queued", "running"})


class SheetRun:
    """The work on one sheet, a step at each poll. Without ``wait`` it ends when cells are being computed.

    ``run`` has the id of the table, and that of the sheet if it is there already.
    """

    def __init__(self, registry: Registry, content: Content, run: Run, *, wait: bool) -> None:
        self._tables = registry.tables
        self._content, self._wait = content, wait
        self._run, self._is_retried = run, False
        self._is_own = run.sheet_id is None  # made by this run, so that nothing else is under way there
        self._sheet = SheetId(run.table_id or "", run.sheet_id) if run.sheet_id is not None else None
        self._steps = self._work()
        self._cancel: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def poll(self, _: Run) -> Run:
        """Take the next steps, and return the state of the run. Raises ``RemoteError``."""
        with self._lock:
            try:
                next(self._steps)
            except StopIteration:
                self._run = replace(self._run, status=Status.COMPLETED)
            except FateUnknown:
                if self._is_retried:
                    raise
                # Whatever the request did, a sheet can be made again, or taken up if it is whole.
                self._is_retried, self._steps = True, self._work()
            except NotFound as error:
                message = f"{self._run.location} was deleted while it ran: {error.message}"
                hint = self._run.follow_command
                raise RemoteError(message, hint=hint, code="sheet-deleted") from None
        return self._run

    def cancel(self) -> str:
        """Cancel what was started and has not ended; return what became of it."""
        with self._lock:
            self._steps.close()
            try:
                for cancel in self._cancel:
                    cancel()
            except RemoteError as error:
                return f"cannot be cancelled: {error.message}"
        # What another run started goes on.
        return "cancelled" if self._cancel else "stopped"

    def _work(self) -> Generator[None, None, None]:
        is_taken_up = self._sheet is not None
        sheet = self._sheet = self._sheet or (yield from self._make(self._run.table_id or ""))
        yield from self._compute(sheet, is_taken_up=is_taken_up)
        if self._wait:
            yield from self._score(sheet, is_taken_up=is_taken_up)

    def _make(self, table_id: str) -> Generator[None, None, SheetId]:
        tables, content = self._tables, self._content
        sheet, operation_id = tables.import_sheet(
            table_id, content.title, as_csv(content.definition, content.runs)
        )
        self._run = replace(self._run, sheet_id=sheet.sheet_id, url=tables.link(sheet))
        while _status(status := tables.import_status(table_id, operation_id)) not in _ENDED:
            yield
        there = tables.rows(sheet, limit=1)
        imported = number(there, "row_count")
        if imported != content.row_count:
            why = text(status, "error_message", "message") or "it does not say why"
            count = f"{imported} of {content.row_count} rows of {self._run.location}"
            raise RemoteError(f"the registry imported {count}: {why}", code="import-failed")
        ids = ids_of(there)
        for body in content.column_bodies(ids):
            ids[body["title"]] = str(tables.create_column(sheet, body).get("id"))
        tables.set_scorecard(sheet, content.scorecard(ids, self._run.origin))
        return sheet

    def _compute(self, sheet: SheetId, *, is_taken_up: bool) -> Iterator[None]:
        tables, ids = self._tables, ids_of(self._tables.rows(sheet, limit=1))
        computed = [ids[column.title] for column in self._content.columns if column.title in ids]
        # A continued sheet may still be running for another job.
        other = tables.operations(sheet) if is_taken_up else []
        started = other[0] if other else tables.recalculate(sheet, computed)
        if started.get("requires_confirmation") is True:
            affected, planned = number(started, "affected_cell_count"), self._content.cells
            if affected is None or not 0 <= affected <= planned:
                message = f"the registry would compute {affected or 'more'} cells of {self._run.location}"
                hint = "look at its columns in the PromptLayer dashboard"
                raise RemoteError(f"{message}, not {planned}", hint=hint, code="too-many-cells")
            started = tables.recalculate(sheet, computed, text(started, "confirmation_token"))
        if text(started, "operation_id") is None:
            if not (other := tables.operations(sheet)):
                return  # nothing was left to do
            started = other[0]
        operation_id = text(started, "operation_id") or ""
        if self._is_own or not other:
            self._cancel.append(lambda: tables.cancel(sheet, operation_id))
        while self._wait:
            operation = tables.operation(sheet, operation_id)
            ended = [number(operation, key) or 0 for key in ("completed_count", "failed_count")]
            self._run = replace(self._run, ended=min(sum(ended), self._run.cells), failed=ended[1])
            if _status(operation) == "cancelled":
                message = f"{self._run.location} was cancelled while it ran"
                raise RemoteError(message, hint=self._run.follow_command, code="cancelled")
            if _status(operation) in _ENDED:
                break
            yield
        self._cancel.clear()

    def _score(self, sheet: SheetId, *, is_taken_up: bool) -> Iterator[None]:
        tables = self._tables
        latest = tables.scorecard(sheet).get("latest_calculation") if is_taken_up else None
        calculation_id = text(as_mapping(latest), "id")
        is_under_way = _status(as_mapping(latest)) in _UNDER_WAY
        if not is_under_way:
            calculation_id = tables.score(sheet)
        if self._is_own or not is_under_way:
            self._cancel.append(lambda: tables.cancel(sheet))
        while _status(calculation := tables.calculation(sheet, calculation_id or "")) in _UNDER_WAY:
            yield
        self._cancel.clear()
        if _status(calculation) != "completed":
            why = text(calculation, "error_summary") or f"its calculation ended as {_status(calculation)}"
            raise RemoteError(f"the registry could not score {self._run.location}: {why}")
        scored = tables.scored_rows(sheet, calculation_id or "")
        contents = tables.rows(sheet)
        if not self._content.has_rows(contents):
            raise RemoteError(f"{self._run.location} was edited while it ran", code="sheet-edited")
        self._run = read_result(self._run, self._content, contents, calculation, scored)


def explained(registry: Registry, run: Run, indexes: Iterable[int]) -> Run:
    """Return a run with the failed steps of some of its rows, if the registry returns them."""
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
        cells = {title: as_mapping(as_mapping(row.get("cells")).get(key)) for key, title in titles.items()}
        reasons = [
            Cell(index + 1, title, text(cells[title], "error_message", "error") or status.lower())
            for title in computed
            if (status := (text(cells[title], "status") or "STALE").upper()) != "COMPLETED"
        ]
        prices = (as_mapping(cell.get("request_metrics")).get("price") for cell in cells.values())
        cost += [price for price in prices if isinstance(price, int | float)]
        result = verdicts.get(number(row, "row_index"), {})
        verdict = (text(result, "aggregate_verdict") or "").lower()
        rows.append(
            RowResult(
                index,
                definition.rows[index % len(definition.rows)],
                cell_text_of(cells[definition.output]),
                score_of(result.get("aggregate_score"), most=1),
                verdict if verdict in _VERDICTS else "error",
            )
        )
        if rows[-1].verdict == "error" and not reasons:
            reasons = [Cell(index + 1, "scorecard", text(result, "error_summary") or "not scored")]
        failed += reasons
    return replace(
        scored_run(run, calculation),
        rows=tuple(rows),
        ended=run.cells,
        failed=len(failed),
        failed_cells=tuple(failed[:MOST_SHOWN]),
        cost=round(sum(cost), 6) if cost else None,
    )


def scored_run(run: Run, calculation: Mapping[str, Any], scored: Iterable[Mapping[str, Any]] = ()) -> Run:
    """Return a run with what its calculation says; rows that it could not score count as failed."""
    score = score_of(calculation.get("aggregate_score"), most=1)
    return replace(
        run,
        status=Status.COMPLETED,
        failed=sum((text(row, "aggregate_verdict") or "").lower() not in _VERDICTS for row in scored),
        score=None if score is None else round(100 * score, 6),
        verdict=(text(calculation, "aggregate_verdict") or "").lower(),
        model=text(calculation, "model"),
        completed_at=text(calculation, "completed_at"),
    )


def _status(raw: Mapping[str, Any]) -> str:
    return (text(raw, "status") or "").lower()

"""One of our sheets from its first row to its score: made, computed, scored and read.

Whatever is there already is taken up where it is, so a run that was cut short costs nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from promptsync.checks.catalog import score_of
from promptsync.checks.run import Cell, Run, Status
from promptsync.checks.tables.comparison import RowResult
from promptsync.checks.tables.content import Content
from promptsync.checks.tables.definition import cell_text_of, sorted_rows, titles_of
from promptsync.errors import RemoteError
from promptsync.prompt.texts import as_mapping, mappings
from promptsync.registry.errors import FateUnknown, NotFound
from promptsync.registry.values import SheetId, number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_Created = TypeVar("_Created")

_RECOMPUTED: Final = ("STALE", "FAILED")
_ENDED: Final = frozenset({"completed", "failed"})
_UNDER_WAY: Final = frozenset({"queued", "running"})

MOST_SHOWN: Final = 10
"""How many rows of one kind are explained at most."""


class SheetRun:
    """The work on one sheet, a step at each poll. Without ``wait`` it ends when cells are being computed.

    ``run`` has the id of the table, and that of the sheet if it is there already. ``known`` are the ids of
    sheets that were there before.
    """

    def __init__(
        self, registry: Registry, content: Content, run: Run, known: Collection[object], *, wait: bool
    ) -> None:
        self._tables = registry.tables
        self._content, self._known, self._wait = content, known, wait
        self._run, self._is_taken_up = run, run.sheet_id is not None
        self._steps = self._work(run.table_id or "", run.sheet_id)
        self._cancel: list[Callable[[], None]] = []
        self._calculation: Mapping[str, Any] = {}
        self._lock = threading.Lock()

    def start(self, registry: Registry, run: Run) -> Run:
        """Return the run as one that is under way. Each poll does what can be done without waiting."""
        self._run = replace(run, status=Status.RUNNING)
        return self._run

    def poll(self, registry: Registry, run: Run) -> Run:
        """Take the next steps, and return the state of the run. Raises ``RemoteError``."""
        with self._lock:
            try:
                next(self._steps)
            except StopIteration:
                self._run = replace(self._run, status=Status.COMPLETED)
            except NotFound as error:
                message = f"{self._run.location} was deleted while it ran: {error.message}"
                hint = self._run.follow_command
                raise RemoteError(message, hint=hint, code="sheet-deleted") from None
        return self._run

    def complete(self, registry: Registry, run: Run) -> Run:
        """Return a run that was scored with its rows."""
        if run.status is not Status.COMPLETED or not self._calculation:
            return run
        try:
            sheet = SheetId(run.table_id or "", run.sheet_id or "")
            scored = self._tables.scored_rows(sheet, text(self._calculation, "id") or "")
            contents = self._tables.rows(sheet)
            if not self._content.has_rows(contents):
                raise RemoteError(f"{run.location} was edited while it ran", code="sheet-edited")
            return read_result(run, self._content, contents, self._calculation, scored)
        except RemoteError as error:
            return replace(run, error=error)

    def cancel(self) -> str:
        """Cancel what was started and has not ended; return why that failed, empty if it did not."""
        with self._lock:
            self._steps.close()
            try:
                for cancel in self._cancel:
                    cancel()
            except RemoteError as error:
                return error.message
        return ""

    def _work(self, table_id: str, sheet_id: str | None) -> Generator[None, None, None]:
        if sheet_id is None:
            sheet = yield from self._import(table_id)
            self._add_columns(sheet)
        else:
            sheet = SheetId(table_id, sheet_id)
        yield from self._compute(sheet)
        if self._wait:
            yield from self._score(sheet)

    def _import(self, table_id: str) -> Generator[None, None, SheetId]:
        title, tables = self._content.title, self._tables

        def look() -> tuple[SheetId, str] | None:
            sheets = [sheet for sheet in tables.sheets(table_id) if sheet.get("title") == title]
            new = [str(sheet["id"]) for sheet in sheets if sheet.get("id") not in self._known]
            return (SheetId(table_id, new[-1]), "") if new else None

        rows = self._content.csv()
        sheet, operation_id = certain(lambda: tables.import_sheet(table_id, title, rows), look)
        self._run = replace(self._run, sheet_id=sheet.sheet_id, url=tables.link(sheet))
        expected = self._content.row_count
        while True:
            status = tables.import_status(table_id, operation_id) if operation_id else {}
            if text(status, "status") == "failed":
                why = text(status, "error_message", "message") or "it does not say why"
                raise RemoteError(f"the registry could not import the rows of {self._run.location}: {why}")
            imported = number(tables.rows(sheet, limit=1), "row_count")
            if imported == expected:
                return sheet
            if text(status, "status") == "completed":
                message = f"the registry imported {imported} of {expected} rows of {self._run.location}"
                raise RemoteError(message, code="bad-answer")
            yield

    def _add_columns(self, sheet: SheetId) -> None:
        tables, content = self._tables, self._content

        def columns() -> dict[str, str]:
            listed = tables.rows(sheet, limit=1)["columns"]
            return {title: column for column, title in titles_of(listed).items()}

        ids = columns()
        if missing := [title for title in content.definition.inputs if title not in ids]:
            message = f"the registry imported {self._run.location} without the column {missing[0]!r}"
            raise RemoteError(message, code="bad-answer")
        for body in content.column_bodies(ids):
            ids[body["title"]] = self._add_column(sheet, body, columns)
        tables.set_scorecard(sheet, content.scorecard(ids, self._run.origin))

    def _add_column(
        self, sheet: SheetId, body: Mapping[str, Any], columns: Callable[[], Mapping[str, str]]
    ) -> str:
        return certain(
            lambda: str(self._tables.create_column(sheet, body).get("id")),
            lambda: columns().get(body["title"]),
        )

    def _compute(self, sheet: SheetId) -> Iterator[None]:
        tables = self._tables

        def active() -> dict[str, Any] | None:
            return next(iter(tables.operations(sheet)), None)

        def start(token: str | None = None) -> dict[str, Any]:
            return certain(lambda: tables.recalculate(sheet, _RECOMPUTED, token), active)

        # A sheet that is taken up may be under way by itself, or for another run.
        started = (active() if self._is_taken_up else None) or start()
        if started.get("requires_confirmation") is True:
            affected, planned = number(started, "affected_cell_count"), self._content.cells
            if affected is None or affected > planned:
                many = "an unknown number of" if affected is None else f"{affected:,}"
                raise RemoteError(
                    f"the registry would compute {many} cells of {self._run.location}, not {planned:,}",
                    hint="look at its columns in the PromptLayer dashboard",
                    code="too-many-cells",
                )
            started = start(text(started, "confirmation_token"))
        # Cells that are waiting already are none that could be started.
        operation_id = text(started, "operation_id") or text(active() or {}, "operation_id")
        if operation_id is None:
            return
        self._cancel.append(lambda: tables.cancel_operation(sheet, operation_id))
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

    def _score(self, sheet: SheetId) -> Iterator[None]:
        tables = self._tables

        def latest() -> Mapping[str, Any]:
            return as_mapping(tables.scorecard(sheet).get("latest_calculation"))

        before = latest() if self._is_taken_up else {}
        calculation_id = text(before, "id")
        if _status(before) not in _UNDER_WAY:

            def look() -> str | None:
                last = text(latest(), "id")
                return last if last != calculation_id else None

            calculation_id = certain(lambda: tables.score(sheet), look)
        self._cancel.append(lambda: tables.cancel_score(sheet))
        while True:
            calculation = tables.calculation(sheet, calculation_id or "")
            if _status(calculation) not in _UNDER_WAY:
                break
            yield
        self._cancel.clear()
        if _status(calculation) != "completed":
            why = text(calculation, "error_summary") or f"its calculation ended as {_status(calculation)}"
            raise RemoteError(f"the registry could not score {self._run.location}: {why}")
        self._calculation = calculation
        self._run = replace(self._run, ended=self._run.cells)


def _status(raw: Mapping[str, Any]) -> str:
    return (text(raw, "status") or "").lower()


def certain(create: Callable[[], _Created], look: Callable[[], _Created | None]) -> _Created:
    """Create something; if the answer is lost, look for it before it is created once more."""
    try:
        return create()
    except FateUnknown:
        existing = look()
        return create() if existing is None else existing


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
    rows, failed, cost = [], [], []
    for index, row in enumerate(sorted_rows(contents["rows"])):
        cells = {title: as_mapping(as_mapping(row.get("cells")).get(key)) for key, title in titles.items()}
        for title in computed:
            if (status := (text(cells[title], "status") or "STALE").upper()) != "COMPLETED":
                why = text(cells[title], "error_message", "error") or status.lower()
                failed.append(Cell(index + 1, title, why))
        prices = (as_mapping(cell.get("request_metrics")).get("price") for cell in cells.values())
        cost += [price for price in prices if isinstance(price, int | float)]
        result = verdicts.get(number(row, "row_index"), {})
        rows.append(
            RowResult(
                index,
                definition.rows[index % len(definition.rows)],
                cell_text_of(cells[definition.output]),
                score_of(result.get("aggregate_score")),
                text(result, "aggregate_verdict") or "error",
            )
        )
        is_explained = bool(failed) and failed[-1].row == index + 1
        if rows[-1].verdict == "error" and not is_explained:
            failed.append(Cell(index + 1, "scorecard", text(result, "error_summary") or "not scored"))
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

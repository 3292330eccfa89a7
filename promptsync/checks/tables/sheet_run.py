"""One of our sheets from its first row to its score: made, computed, scored and read.

Whatever is there already is taken up where it is, so a run that was cut short costs nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from promptsync.checks.run import Run, Status
from promptsync.checks.tables.content import Content
from promptsync.checks.tables.definition import titles_of
from promptsync.checks.tables.sheet_result import read_result
from promptsync.errors import RemoteError
from promptsync.prompt.texts import as_mapping
from promptsync.registry.errors import FateUnknown, NotFound
from promptsync.registry.values import SheetId, number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_Created = TypeVar("_Created")

_ENDED: Final = frozenset({"completed", "failed"})
_UNDER_WAY: Final = frozenset({"queued", "running"})


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
            ids = self._add_columns(sheet)
        else:
            sheet = SheetId(table_id, sheet_id)
            ids = self._columns(sheet)
        yield from self._compute(sheet, ids)
        if self._wait:
            yield from self._score(sheet)

    def _import(self, table_id: str) -> Generator[None, None, SheetId]:
        title, tables = self._content.title, self._tables

        def look() -> tuple[SheetId, str] | None:
            sheets = [sheet for sheet in tables.sheets(table_id) if sheet.get("title") == title]
            new = [str(sheet.get("id")) for sheet in sheets if sheet.get("id") not in self._known]
            return (SheetId(table_id, new[-1]), "") if new else None

        rows = self._content.csv()
        sheet, operation_id = certain(lambda: tables.import_sheet(table_id, title, rows), look)
        self._run = replace(self._run, sheet_id=sheet.sheet_id, url=tables.link(sheet))
        expected = self._content.row_count
        while True:
            # Without the id of the import, whose answer was lost, only the number of rows says that it ended.
            status = tables.import_status(table_id, operation_id) if operation_id else {}
            if _status(status) in ("", *_ENDED):
                imported = number(tables.rows(sheet, limit=1), "row_count")
                if imported == expected:
                    return sheet
                if status:
                    why = text(status, "error_message", "message") or "it does not say why"
                    count = f"{imported} of {expected} rows of {self._run.location}"
                    raise RemoteError(f"the registry imported {count}: {why}", code="import-failed")
            yield

    def _add_columns(self, sheet: SheetId) -> dict[str, str]:
        tables, content = self._tables, self._content
        ids = self._columns(sheet)

        def look(title: str) -> dict[str, Any] | None:
            columns = tables.rows(sheet, limit=1)["columns"]
            return next((column for column in columns if column.get("title") == title), None)

        for body in content.column_bodies(ids):
            title = body["title"]
            column = certain(partial(tables.create_column, sheet, body), partial(look, title))
            ids[title] = str(column.get("id"))
        tables.set_scorecard(sheet, content.scorecard(ids, self._run.origin))
        return ids

    def _columns(self, sheet: SheetId) -> dict[str, str]:
        columns = titles_of(self._tables.rows(sheet, limit=1)["columns"])
        return {title: column for column, title in columns.items()}

    def _compute(self, sheet: SheetId, ids: Mapping[str, str]) -> Iterator[None]:
        tables = self._tables
        titles = [column.title for column in self._content.definition.columns]
        computed = [ids[title] for title in titles if title in ids]

        def active() -> dict[str, Any] | None:
            return next(iter(tables.operations(sheet)), None)

        # A sheet that is taken up may be under way, for another run.
        other = active() if self._is_taken_up else None
        started = other or certain(lambda: tables.recalculate(sheet, computed))
        if started.get("requires_confirmation") is True:
            affected, planned = number(started, "affected_cell_count"), self._content.cells
            if affected is None or affected > planned:
                message = f"the registry would compute {affected or 'more'} cells of {self._run.location}"
                hint = "look at its columns in the PromptLayer dashboard"
                raise RemoteError(f"{message}, not {planned}", hint=hint, code="too-many-cells")
            token = text(started, "confirmation_token")
            started = certain(lambda: tables.recalculate(sheet, computed, token))
        operation_id = text(started, "operation_id")
        if operation_id is None and (other := active()) is None:
            return  # nothing was left to do
        operation_id = operation_id or text(other or {}, "operation_id") or ""
        if other is None:
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

        latest = tables.scorecard(sheet).get("latest_calculation") if self._is_taken_up else None
        calculation_id = text(as_mapping(latest), "id")
        if _status(as_mapping(latest)) not in _UNDER_WAY:
            calculation_id = certain(lambda: tables.score(sheet))
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


def certain(create: Callable[[], _Created], look: Callable[[], _Created | None] = lambda: None) -> _Created:
    """Create something; if the answer is lost, look for it before it is created once more.

    Without ``look``, twice is no more than some cost.
    """
    try:
        return create()
    except FateUnknown:
        existing = look()
        return create() if existing is None else existing

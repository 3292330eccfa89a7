"""Tables: sheets that run a prompt on rows, and score its outputs."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from promptsync.prompt.texts import mappings
from promptsync.registry.address import segment
from promptsync.registry.errors import NotFound
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.paging import PER_PAGE, read_cursored
from promptsync.registry.promptlayer.responses import Answer, fate_unknown_if_unreadable
from promptsync.registry.values import SheetId, number, text

_FILE_NAME: Final = "rows.csv"


class Tables:
    """Tables, their sheets and what computes and scores them. Results are the registry's own objects.

    A write that creates something is never sent twice: after ``FateUnknown``, look for what it created.
    """

    def __init__(self, connection: Connection) -> None:
        self._call = connection.call
        self._dashboard = connection.dashboard
        self._workspace_id: int | None = None

    def titled(self, title: str) -> list[dict[str, Any]]:
        """Return the tables (``id, title, workspace_id, …``) whose titles contain ``title``, newest first."""
        listed = read_cursored(self._call, endpoints.LIST_TABLES, query={"name": title}, fresh=True)[0]
        return [*map(self._seen, listed)]

    def create(self, title: str) -> dict[str, Any]:
        """Create a table without a sheet, and return it."""
        answer = self._call(endpoints.CREATE_TABLE, body={"title": title, "create_default_sheet": False})
        with fate_unknown_if_unreadable():
            return self._seen(_object(answer, "table"))

    def sheets(self, table_id: str) -> list[dict[str, Any]]:
        """Return the sheets of a table (``id, title, row_count, created_at, updated_at, …``), in order."""
        path = {"table_id": table_id}
        return read_cursored(self._call, endpoints.LIST_SHEETS, path=path, fresh=True)[0]

    def import_sheet(self, table_id: str, title: str, csv: bytes) -> tuple[SheetId, str]:
        """Create a sheet with the rows of a CSV text; return it, and the id of the import to wait for."""
        content = base64.b64encode(csv).decode("ascii")
        source = {"type": "file", "file_name": _FILE_NAME, "file_content_base64": content}
        body = {"title": title, "source": source}
        answer = self._call(endpoints.CREATE_SHEET, path={"table_id": table_id}, body=body)
        with fate_unknown_if_unreadable():
            sheet = _object(answer, "sheet")
            return SheetId(table_id, _id(answer, sheet, "id")), _id(answer, answer.object(), "operation_id")

    def import_status(self, table_id: str, operation_id: str) -> dict[str, Any]:
        """Return an import: ``status`` (``pending``, ``running``, ``completed``, ``failed``), …"""
        path = {"table_id": table_id, "operation_id": operation_id}
        return _object(self._call(endpoints.SHEET_IMPORT, path=path, fresh=True), "operation")

    def delete_sheet(self, sheet: SheetId) -> None:
        """Delete a sheet. It is no error if it does not exist any more."""
        with contextlib.suppress(NotFound):
            self._call(endpoints.DELETE_SHEET, path=sheet._asdict()).acknowledge()

    def rows(self, sheet: SheetId, limit: int | None = None) -> dict[str, Any]:
        """Return the ``columns`` of a sheet, its ``row_count``, and all ``rows`` or the first ones.

        A row has its ``row_index``, and its ``cells`` by the ids of their columns.
        """
        query = {"include_columns": True, "limit": limit or PER_PAGE}
        rows, first = read_cursored(
            *(self._call, endpoints.SHEET_ROWS),
            query=query,
            only_first=limit is not None,
            path=sheet._asdict(),
            fresh=True,
        )
        return {**first, "columns": [*mappings(first.get("columns"))], "rows": rows}

    def create_column(self, sheet: SheetId, column: Mapping[str, Any]) -> dict[str, Any]:
        """Create a column (``title, type, config, dependencies``), and return it."""
        answer = self._call(endpoints.CREATE_COLUMN, path=sheet._asdict(), body=column)
        with fate_unknown_if_unreadable():
            return _object(answer, "column")

    def scorecard(self, sheet: SheetId) -> dict[str, Any]:
        """Return the ``scorecard`` of a sheet and its ``latest_calculation``, ``{}`` if it has none."""
        try:
            answer = self._call(endpoints.SCORECARD, path=sheet._asdict(), fresh=True).object()
        except NotFound:
            return {}
        return answer if isinstance(answer.get("scorecard"), dict) else {}

    def set_scorecard(self, sheet: SheetId, scorecard: Mapping[str, Any]) -> None:
        """Set the scorecard (``name, steps, aggregation``) of a sheet."""
        self._call(endpoints.SET_SCORECARD, path=sheet._asdict(), body=scorecard).acknowledge()

    def recalculate(
        self, sheet: SheetId, column_ids: Sequence[str], confirmation_token: str | None = None
    ) -> dict[str, Any]:
        """Start to compute the cells of some columns that are stale or failed.

        Returns an ``operation_id`` unless there was nothing to do, or ``requires_confirmation`` along with a
        ``confirmation_token`` and the ``affected_cell_count``: then nothing was started.
        """
        cells = {"column_ids": list(column_ids), "statuses": ["STALE", "FAILED"]}
        body = without_none(operation="recalculate", **cells, confirmation_token=confirmation_token)
        answer = self._call(endpoints.RECALCULATE, path=sheet._asdict(), body=body)
        with fate_unknown_if_unreadable():
            # A request for a confirmation says success: false, and is no failure.
            started = answer.json()
            if isinstance(started, dict) and started.get("requires_confirmation") is True:
                return started
            return answer.object()

    def operations(self, sheet: SheetId) -> list[dict[str, Any]]:
        """Return the operations that are under way."""
        answer = self._call(endpoints.LIST_OPERATIONS, path=sheet._asdict(), fresh=True)
        return answer.listed("active_operations")

    def operation(self, sheet: SheetId, operation_id: str) -> dict[str, Any]:
        """Return an operation: ``status, cell_count, completed_count, failed_count, pending_count``."""
        path = {**sheet._asdict(), "operation_id": operation_id}
        return _object(self._call(endpoints.READ_OPERATION, path=path, fresh=True), "operation")

    def score(self, sheet: SheetId) -> str:
        """Start to score a sheet, and return the id of the calculation."""
        answer = self._call(endpoints.SCORE, path=sheet._asdict(), body={})
        with fate_unknown_if_unreadable():
            return _id(answer, answer.object(), "calculation_id")

    def calculation(self, sheet: SheetId, calculation_id: str) -> dict[str, Any]:
        """Return a calculation: ``status, aggregate_score`` (0 to 1), ``aggregate_verdict``, …"""
        path = {**sheet._asdict(), "calculation_id": calculation_id}
        return _object(self._call(endpoints.CALCULATION, path=path, fresh=True), "calculation")

    def cancel(self, sheet: SheetId, operation_id: str | None = None) -> None:
        """Cancel an operation, by default the calculation that is under way."""
        operation = endpoints.CANCEL_OPERATION if operation_id else endpoints.CANCEL_SCORE
        self._call(operation, path={**sheet._asdict(), "operation_id": operation_id}).acknowledge()

    def scored_rows(self, sheet: SheetId, calculation_id: str) -> list[dict[str, Any]]:
        """Return ``row_index, aggregate_score, aggregate_verdict`` of all rows of a calculation."""
        query = {"calculation_id": calculation_id}
        path = sheet._asdict()
        return read_cursored(self._call, endpoints.SCORED_ROWS, query=query, path=path, fresh=True)[0]

    def scored_row(self, sheet: SheetId, row_index: int) -> dict[str, Any]:
        """Return the ``step_results`` of a row in the latest calculation, by the ids of the steps."""
        path = {**sheet._asdict(), "row_index": row_index}
        return self._call(endpoints.SCORED_ROW, path=path, fresh=True).object()

    def link(self, sheet: SheetId) -> str:
        """Return the address of a sheet in the dashboard, empty if it is not known."""
        if self._workspace_id is None or not self._dashboard:
            return ""
        place = f"workspace/{self._workspace_id}/smart-tables/{segment(sheet.table_id)}"
        return f"{self._dashboard}/{place}?sheet={segment(sheet.sheet_id)}"

    def _seen(self, table: dict[str, Any]) -> dict[str, Any]:
        self._workspace_id = number(table, "workspace_id")
        return table


def _object(answer: Answer, key: str) -> dict[str, Any]:
    """Return the object under ``key`` in a response."""
    value = answer.object(deep=True).get(key)
    return value if isinstance(value, dict) else answer.fail(f"an object under {key!r}")


def _id(answer: Answer, raw: Mapping[str, Any], key: str) -> str:
    return text(raw, key) or answer.fail(f"a string under {key!r}")

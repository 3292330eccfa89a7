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


class PromptLayerTables:
    """See ``promptsync.registry.protocol.Tables``."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection.call
        self._dashboard = connection.dashboard
        self._workspace_id: int | None = None

    def titled(self, title: str) -> list[dict[str, Any]]:
        listed = read_cursored(self._call, endpoints.LIST_TABLES, query={"name": title}, fresh=True)[0]
        return [*map(self._seen, listed)]

    def create(self, title: str) -> dict[str, Any]:
        answer = self._call(endpoints.CREATE_TABLE, body={"title": title, "create_default_sheet": False})
        with fate_unknown_if_unreadable():
            return self._seen(_object(answer, "table"))

    def sheets(self, table_id: str) -> list[dict[str, Any]]:
        path = {"table_id": table_id}
        return read_cursored(self._call, endpoints.LIST_SHEETS, path=path, fresh=True)[0]

    def import_sheet(self, table_id: str, title: str, csv: bytes) -> tuple[SheetId, str]:
        content = base64.b64encode(csv).decode("ascii")
        source = {"type": "file", "file_name": _FILE_NAME, "file_content_base64": content}
        body = {"title": title, "source": source}
        answer = self._call(endpoints.CREATE_SHEET, path={"table_id": table_id}, body=body)
        with fate_unknown_if_unreadable():
            sheet = _object(answer, "sheet")
            return SheetId(table_id, _id(answer, sheet, "id")), _id(answer, answer.object(), "operation_id")

    def import_status(self, table_id: str, operation_id: str) -> dict[str, Any]:
        path = {"table_id": table_id, "operation_id": operation_id}
        return _object(self._call(endpoints.SHEET_IMPORT, path=path, fresh=True), "operation")

    def delete_sheet(self, sheet: SheetId) -> None:
        with contextlib.suppress(NotFound):
            self._call(endpoints.DELETE_SHEET, path=sheet._asdict()).acknowledge()

    def rows(self, sheet: SheetId, limit: int | None = None) -> dict[str, Any]:
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
        answer = self._call(endpoints.CREATE_COLUMN, path=sheet._asdict(), body=column)
        with fate_unknown_if_unreadable():
            return _object(answer, "column")

    def scorecard(self, sheet: SheetId) -> dict[str, Any]:
        try:
            answer = self._call(endpoints.SCORECARD, path=sheet._asdict(), fresh=True).object()
        except NotFound:
            return {}
        return answer if isinstance(answer.get("scorecard"), dict) else {}

    def set_scorecard(self, sheet: SheetId, scorecard: Mapping[str, Any]) -> None:
        self._call(endpoints.SET_SCORECARD, path=sheet._asdict(), body=scorecard).acknowledge()

    def recalculate(
        self, sheet: SheetId, column_ids: Sequence[str], confirmation_token: str | None = None
    ) -> dict[str, Any]:
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
        answer = self._call(endpoints.LIST_OPERATIONS, path=sheet._asdict(), fresh=True)
        return answer.listed("active_operations")

    def operation(self, sheet: SheetId, operation_id: str) -> dict[str, Any]:
        path = {**sheet._asdict(), "operation_id": operation_id}
        return _object(self._call(endpoints.READ_OPERATION, path=path, fresh=True), "operation")

    def score(self, sheet: SheetId) -> str:
        answer = self._call(endpoints.SCORE, path=sheet._asdict(), body={})
        with fate_unknown_if_unreadable():
            return _id(answer, answer.object(), "calculation_id")

    def calculation(self, sheet: SheetId, calculation_id: str) -> dict[str, Any]:
        path = {**sheet._asdict(), "calculation_id": calculation_id}
        return _object(self._call(endpoints.CALCULATION, path=path, fresh=True), "calculation")

    def cancel(self, sheet: SheetId, operation_id: str | None = None) -> None:
        operation = endpoints.CANCEL_OPERATION if operation_id else endpoints.CANCEL_SCORE
        self._call(operation, path={**sheet._asdict(), "operation_id": operation_id}).acknowledge()

    def scored_rows(self, sheet: SheetId, calculation_id: str) -> list[dict[str, Any]]:
        query = {"calculation_id": calculation_id}
        path = sheet._asdict()
        return read_cursored(self._call, endpoints.SCORED_ROWS, query=query, path=path, fresh=True)[0]

    def scored_row(self, sheet: SheetId, row_index: int) -> dict[str, Any]:
        path = {**sheet._asdict(), "row_index": row_index}
        return self._call(endpoints.SCORED_ROW, path=path, fresh=True).object()

    def link(self, sheet: SheetId) -> str:
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

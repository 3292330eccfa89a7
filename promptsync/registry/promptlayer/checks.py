"""Datasets, evaluations and agents; tables, whose sheets run a prompt on rows; and records of requests."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from promptsync.prompt.prompt import mappings
from promptsync.registry.address import segment
from promptsync.registry.errors import NotFound
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.paging import PER_PAGE, read_cursored, read_whole
from promptsync.registry.promptlayer.responses import listed_in
from promptsync.registry.protocol import SheetId, number, text


class Checks:
    """Datasets, evaluations and agents. Results are the registry's own objects."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection.call

    def list_datasets(self) -> list[dict[str, Any]]:
        """Return all datasets: ``id, version_number, column_names, dataset_group{id, name}, …``."""
        return read_whole(self._call, endpoints.LIST_DATASETS)[0]

    def list_evaluations(self) -> list[dict[str, Any]]:
        """Return all evaluations: ``id, name, workspace_id, …``.

        Each has its ``runs`` (``id, status, score``), if the registry supports that.
        """
        return read_whole(self._call, endpoints.LIST_EVALUATIONS)[0]

    def run_evaluation(self, evaluation_id: int, name: str) -> int:
        """Start an evaluation and return the id of the new report, which ``evaluation`` reads.

        ``name`` is the report's name, 1 to 255 characters.
        """
        path = {"evaluation_id": evaluation_id}
        answer = self._call(endpoints.RUN_EVALUATION, path=path, body={"name": name})
        return answer.number("report_id", "id")

    def evaluation(self, report_id: int) -> dict[str, Any]:
        """Return a report: ``status`` (``RUNNING``, ``COMPLETED``), ``stats.status_counts``, ``report``, …"""
        answer = self._call(endpoints.EVALUATION, path={"report_id": report_id})
        answer.under("status", str)
        return answer.object()

    def evaluation_score(self, report_id: int) -> dict[str, Any]:
        """Return a finished report's score: ``overall_score`` (or ``None``), ``score_type``, ``details``."""
        return self._call(endpoints.EVALUATION_SCORE, path={"report_id": report_id}).under("score", dict)

    def evaluation_rows(self, report_id: int) -> dict[str, Any]:
        """Return a report's ``columns`` and ``rows``. A row is a list of cells, the dataset's cells first."""
        path = {"report_id": report_id}
        rows, first = read_whole(self._call, endpoints.EVALUATION_ROWS, path=path)
        return {"rows": rows, "columns": listed_in(first, ("columns",)) or []}

    def list_agents(self) -> list[dict[str, Any]]:
        """Return all agents (the vendor's workflows): ``id, name, release_labels, latest_version_number``."""
        return read_whole(self._call, endpoints.LIST_AGENTS)[0]

    def agent(
        self, agent: int | str, *, label: str | None = None, version: int | None = None
    ) -> dict[str, Any]:
        """Return one version of an agent: ``version``, ``nodes[]`` with ``name, node_type, configuration``, …

        Pass at most one of ``label`` and ``version``; the default is the latest version.
        """
        query = without_none(label=label, version=version)
        return self._call(endpoints.READ_AGENT, path={"agent": agent}, query=query).object()

    def run_agent(
        self,
        agent: int | str,
        variables: Mapping[str, Any] | None = None,
        *,
        label: str | None = None,
        version: int | None = None,
    ) -> tuple[int | None, dict[str, Any]]:
        """Start an agent, given by id or name: its latest version, or the one of ``label`` or ``version``.

        Returns the id of the run to poll, ``None`` if the response has the outputs, and the response.
        """
        body = without_none(
            input_variables=dict(variables or {}), workflow_label_name=label, workflow_version_number=version
        )
        started = self._call(endpoints.RUN_AGENT, path={"agent": agent}, body=body).object()
        return number(started, "workflow_version_execution_id", "execution_id"), started

    def agent_result(self, execution_id: int) -> tuple[bool, Any]:
        """Return whether the run is done, and then its outputs by node."""
        query = {"workflow_version_execution_id": execution_id, "return_all_outputs": True}
        answer = self._call(endpoints.AGENT_RESULT, query=query)
        return (False, None) if answer.status == 202 else (True, answer.json())


class Tracking:
    """Requests that applications made, and what is recorded about them."""

    def __init__(self, connection: Connection) -> None:
        self._call, self._key = connection.call, connection.key

    def log_request(self, request: Mapping[str, Any]) -> int:
        """Log a request, which has the registry's own shape, and return its id."""
        return self._call(endpoints.LOG_REQUEST, body=request).number("request_id", "id")

    def track(self, request_id: int | str, what: str, **values: Any) -> None:
        """Record a ``prompt``, a ``score`` (0 to 100), ``metadata`` or the ``group`` of a request.

        The values have PromptLayer's keys; those that are ``None`` are left out.
        """
        body = without_none(request_id=request_id, **values)
        self._call(endpoints.TRACK[what], body=body).acknowledge()

    def create_group(self) -> int:
        """Create a group of requests and return its id."""
        # The vendor's SDK sends the key of this request in the body only, so a registry may look there.
        body = {"api_key": self._key} if self._key else {}
        return self._call(endpoints.CREATE_GROUP, body=body).number("id", "group_id")


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
        listed = read_cursored(self._call, endpoints.LIST_TABLES, query={"name": title})[0]
        return [*map(self._seen, listed)]

    def create(self, title: str) -> dict[str, Any]:
        """Create a table without a sheet, and return it."""
        answer = self._call(endpoints.CREATE_TABLE, body={"title": title, "create_default_sheet": False})
        return self._seen(answer.under("table", dict, deep=True))

    def sheets(self, table_id: str) -> list[dict[str, Any]]:
        """Return the sheets of a table (``id, title, row_count, created_at, updated_at, …``), in order."""
        path = {"table_id": table_id}
        return read_cursored(self._call, endpoints.LIST_SHEETS, path=path)[0]

    def import_sheet(self, table_id: str, title: str, csv: bytes) -> tuple[SheetId, str]:
        """Create a sheet with the rows of a CSV text; return it, and the id of the import to wait for."""
        content = base64.b64encode(csv).decode("ascii")
        source = {"type": "file", "file_name": "rows.csv", "file_content_base64": content}
        body = {"title": title, "source": source}
        answer = self._call(endpoints.CREATE_SHEET, path={"table_id": table_id}, body=body)
        sheet_id = text(answer.under("sheet", dict, deep=True), "id") or answer.fail("a string under 'id'")
        return SheetId(table_id, sheet_id), answer.under("operation_id", str)

    def import_status(self, table_id: str, operation_id: str) -> dict[str, Any]:
        """Return an import: ``status`` (``pending``, ``running``, ``completed``, ``failed``), …"""
        path = {"table_id": table_id, "operation_id": operation_id}
        return self._call(endpoints.SHEET_IMPORT, path=path).under("operation", dict, deep=True)

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
            self._call, endpoints.SHEET_ROWS, query=query, only_first=limit is not None, path=sheet._asdict()
        )
        return {**first, "columns": [*mappings(first.get("columns"))], "rows": rows}

    def create_column(self, sheet: SheetId, column: Mapping[str, Any]) -> dict[str, Any]:
        """Create a column (``title, type, config, dependencies``), and return it."""
        answer = self._call(endpoints.CREATE_COLUMN, path=sheet._asdict(), body=column)
        return answer.under("column", dict, deep=True)

    def scorecard(self, sheet: SheetId) -> dict[str, Any]:
        """Return the ``scorecard`` of a sheet and its ``latest_calculation``, ``{}`` if it has none."""
        try:
            answer = self._call(endpoints.SCORECARD, path=sheet._asdict()).object()
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
        # A request for a confirmation says success: false, and is no failure.
        started = answer.json()
        if isinstance(started, dict) and started.get("requires_confirmation") is True:
            return started
        return answer.object()

    def operations(self, sheet: SheetId) -> list[dict[str, Any]]:
        """Return the operations that are under way."""
        return self._call(endpoints.LIST_OPERATIONS, path=sheet._asdict()).listed("active_operations")

    def operation(self, sheet: SheetId, operation_id: str) -> dict[str, Any]:
        """Return an operation: ``status, cell_count, completed_count, failed_count, pending_count``."""
        path = {**sheet._asdict(), "operation_id": operation_id}
        return self._call(endpoints.READ_OPERATION, path=path).under("operation", dict, deep=True)

    def score(self, sheet: SheetId) -> str:
        """Start to score a sheet, and return the id of the calculation."""
        return self._call(endpoints.SCORE, path=sheet._asdict(), body={}).under("calculation_id", str)

    def calculation(self, sheet: SheetId, calculation_id: str) -> dict[str, Any]:
        """Return a calculation: ``status, aggregate_score`` (0 to 1), ``aggregate_verdict``, …"""
        path = {**sheet._asdict(), "calculation_id": calculation_id}
        return self._call(endpoints.CALCULATION, path=path).under("calculation", dict, deep=True)

    def cancel(self, sheet: SheetId, operation_id: str | None = None) -> None:
        """Cancel an operation, by default the calculation that is under way."""
        operation = endpoints.CANCEL_OPERATION if operation_id else endpoints.CANCEL_SCORE
        self._call(operation, path={**sheet._asdict(), "operation_id": operation_id}).acknowledge()

    def scored_rows(self, sheet: SheetId, calculation_id: str) -> list[dict[str, Any]]:
        """Return ``row_index, aggregate_score, aggregate_verdict`` of all rows of a calculation."""
        query, path = {"calculation_id": calculation_id}, sheet._asdict()
        return read_cursored(self._call, endpoints.SCORED_ROWS, query=query, path=path)[0]

    def scored_row(self, sheet: SheetId, row_index: int) -> dict[str, Any]:
        """Return the ``step_results`` of a row in the latest calculation, by the ids of the steps."""
        path = {**sheet._asdict(), "row_index": row_index}
        return self._call(endpoints.SCORED_ROW, path=path).object()

    def link(self, sheet: SheetId) -> str:
        """Return the address of a sheet in the dashboard, empty if it is not known."""
        if self._workspace_id is None or not self._dashboard:
            return ""
        place = f"workspace/{self._workspace_id}/smart-tables/{segment(sheet.table_id)}"
        return f"{self._dashboard}/{place}?sheet={segment(sheet.sheet_id)}"

    def _seen(self, table: dict[str, Any]) -> dict[str, Any]:
        self._workspace_id = number(table, "workspace_id")
        return table

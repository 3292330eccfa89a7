"""Datasets, evaluations and agents, and the records of requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.paging import read_whole
from promptsync.registry.promptlayer.responses import fate_unknown_if_unreadable, listed_in
from promptsync.registry.values import StartedAgent, number

_STILL_RUNNING = 202


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
        with fate_unknown_if_unreadable():
            return number(answer.object(), "report_id", "id") or answer.fail("a number under 'report_id'")

    def evaluation(self, report_id: int) -> dict[str, Any]:
        """Return a report: ``status`` (``RUNNING``, ``COMPLETED``), ``stats.status_counts``, ``report``, …"""
        answer = self._call(endpoints.EVALUATION, path={"report_id": report_id}, fresh=True)
        report = answer.object()
        if not isinstance(report.get("status"), str):
            answer.fail("a string under 'status'")
        return report

    def evaluation_score(self, report_id: int) -> dict[str, Any]:
        """Return a finished report's score: ``overall_score`` (or ``None``), ``score_type``, ``details``."""
        answer = self._call(endpoints.EVALUATION_SCORE, path={"report_id": report_id}, fresh=True)
        score = answer.object().get("score")
        if not isinstance(score, dict):
            answer.fail("an object under 'score'")
        return score

    def evaluation_rows(self, report_id: int) -> dict[str, Any]:
        """Return a report's ``columns`` and ``rows``. A row is a list of cells, the dataset's cells first."""
        path = {"report_id": report_id}
        rows, first = read_whole(self._call, endpoints.EVALUATION_ROWS, path=path, fresh=True)
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
        return self._call(endpoints.READ_AGENT, path={"agent": agent}, query=query, fresh=True).object()

    def run_agent(
        self,
        agent: int | str,
        variables: Mapping[str, Any] | None = None,
        *,
        label: str | None = None,
        version: int | None = None,
    ) -> StartedAgent:
        """Start an agent, given by id or name: its latest version, or the one of ``label`` or ``version``."""
        body = without_none(
            input_variables=dict(variables or {}),
            workflow_label_name=label,
            workflow_version_number=version,
        )
        answer = self._call(endpoints.RUN_AGENT, path={"agent": agent}, body=body)
        with fate_unknown_if_unreadable():
            started = answer.object()
        return StartedAgent(number(started, "workflow_version_execution_id", "execution_id"), started)

    def agent_result(self, execution_id: int) -> tuple[bool, Any]:
        """Return whether the run is done, and then its outputs by node."""
        query = {"workflow_version_execution_id": execution_id, "return_all_outputs": True}
        answer = self._call(endpoints.AGENT_RESULT, query=query, fresh=True)
        if answer.status == _STILL_RUNNING:
            return False, None
        return True, answer.json()


class Tracking:
    """Requests that applications made, and what is recorded about them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._call = connection.call

    def log_request(self, request: Mapping[str, Any]) -> int:
        """Log a request, which has the registry's own shape, and return its id."""
        answer = self._call(endpoints.LOG_REQUEST, body=request)
        with fate_unknown_if_unreadable():
            request_id = number(answer.object(), "request_id", "id")
            return request_id or answer.fail("a number under 'request_id' or 'id'")

    def track(self, request_id: int | str, what: str, **values: Any) -> None:
        """Record a ``prompt``, a ``score`` (0 to 100), ``metadata`` or the ``group`` of a request.

        The values have PromptLayer's keys; those that are ``None`` are left out.
        """
        body = without_none(request_id=request_id, **values)
        self._call(endpoints.TRACK[what], body=body).acknowledge()

    def create_group(self) -> int:
        # The vendor's SDK sends the key of this request in the body only, so a registry may look there.
        """Create a group of requests and return its id."""
        key = self._connection.key
        answer = self._call(endpoints.CREATE_GROUP, body={"api_key": key} if key else {})
        with fate_unknown_if_unreadable():
            return number(answer.object(), "id", "group_id") or answer.fail("a number under 'id'")

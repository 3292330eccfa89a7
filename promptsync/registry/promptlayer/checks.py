"""Datasets, evaluations and agents, which check prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.registry.errors import BadAnswer
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.endpoints import Operation
from promptsync.registry.promptlayer.paging import PER_PAGE, read_whole
from promptsync.registry.promptlayer.responses import Answer, fate_unknown_if_unreadable, listed_in
from promptsync.registry.values import StartedAgent, number

_STILL_RUNNING = 202


class PromptLayerChecks:
    """See ``promptsync.registry.protocol.Checks``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._call = connection.call

    def list_datasets(self) -> list[dict[str, Any]]:
        return self._objects(endpoints.LIST_DATASETS, ("datasets", "items"))

    def list_evaluations(self) -> list[dict[str, Any]]:
        return self._objects(endpoints.LIST_EVALUATIONS, ("evaluations", "items"))

    def run_evaluation(self, evaluation_id: int, name: str) -> int:
        path = {"evaluation_id": evaluation_id}
        answer = self._call(endpoints.RUN_EVALUATION, path=path, body={"name": name})
        with fate_unknown_if_unreadable():
            return number(answer.object(), "report_id", "id") or answer.fail("a number under 'report_id'")

    def evaluation(self, report_id: int) -> dict[str, Any]:
        answer = self._call(endpoints.EVALUATION, path={"report_id": report_id}, fresh=True)
        report = answer.object()
        if not isinstance(report.get("status"), str):
            answer.fail("a string under 'status'")
        return report

    def evaluation_score(self, report_id: int) -> dict[str, Any]:
        answer = self._call(endpoints.EVALUATION_SCORE, path={"report_id": report_id}, fresh=True)
        score = answer.object().get("score")
        if not isinstance(score, dict):
            answer.fail("an object under 'score'")
        return score

    def evaluation_rows(self, report_id: int) -> dict[str, Any]:
        columns: list[Any] = []

        def fetch(page: int) -> Answer:
            answer = self._call(
                endpoints.EVALUATION_ROWS,
                path={"report_id": report_id},
                query={"page": page, "per_page": PER_PAGE},
                fresh=True,
            )
            if page == 1:
                columns[:] = listed_in(answer.object(), ("columns",)) or []
            return answer

        rows, _ = read_whole(fetch, ("rows",))
        return {"rows": rows, "columns": columns}

    def list_agents(self) -> list[dict[str, Any]]:
        return self._objects(endpoints.LIST_AGENTS, ("items", "workflows"))

    def agent(
        self, agent: int | str, *, label: str | None = None, version: int | None = None
    ) -> dict[str, Any]:
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
        body = without_none(
            input_variables=dict(variables or {}),
            workflow_label_name=label,
            workflow_version_number=version,
        )
        answer = self._call(endpoints.RUN_AGENT, path={"agent": agent}, body=body)
        with fate_unknown_if_unreadable():
            started = answer.object()
        return StartedAgent(number(started, "workflow_version_execution_id", "execution_id"), started)

    def agent_result(self, execution_id: int, *, all_outputs: bool = True) -> tuple[bool, Any]:
        query = {
            "workflow_version_execution_id": execution_id,
            "return_all_outputs": "true" if all_outputs else "false",
        }
        answer = self._call(endpoints.AGENT_RESULT, query=query, fresh=True)
        if answer.status == _STILL_RUNNING:
            return False, None
        return True, answer.json()

    def _objects(self, operation: Operation, keys: tuple[str, ...]) -> list[dict[str, Any]]:
        def fetch(page: int) -> Answer:
            return self._call(operation, query={"page": page, "per_page": PER_PAGE})

        items, _ = read_whole(fetch, keys)
        if not all(isinstance(item, dict) for item in items):
            raise BadAnswer(
                f"{self._connection.url} cannot {operation.name}: it listed something that is not an object",
                hint="check the remote's url",
            )
        return items

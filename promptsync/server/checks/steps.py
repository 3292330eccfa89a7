"""The steps of runs: one row of an evaluation, one node of an agent."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Mapping
from typing import Any

from promptsync.prompt.texts import JINJA2
from promptsync.rendering.engine import Engine, render_template
from promptsync.server.checks.model import Model, ModelError
from promptsync.server.checks.scoring import passes
from promptsync.server.http.answer import ApiError
from promptsync.server.prompts import find, snippets, tools
from promptsync.server.store.clock import now
from promptsync.server.store.database import Row, Store, decoded, encoded

QUEUED, COMPLETED, FAILED = "QUEUED", "COMPLETED", "FAILED"
"""States of an evaluation's cell."""
SUCCESS = "SUCCESS"
"""State of an agent's node, besides ``QUEUED`` and ``FAILED``."""

_CALLBACK_SECONDS = 10

_log = logging.getLogger(__name__)


class Steps:
    """The steps that the runner takes, with the model that responds."""

    def __init__(self, store: Store, model: Model) -> None:
        self._store = store
        self._model = model

    def next_row(self, report_id: int) -> bool:
        """Run and score the next row of an evaluation run; true if none remains."""
        with self._store.read() as db:
            report = db.execute("SELECT * FROM reports WHERE id = ?", (report_id,)).fetchone()
            row = db.execute(
                "SELECT * FROM report_rows WHERE report_id = ? AND cells IS NULL ORDER BY position LIMIT 1",
                (report_id,),
            ).fetchone()
        if row is None:
            return True
        # No transaction may be open meanwhile, because the model can take minutes.
        cells = self._cells(report, decoded(row["inputs"]))
        with self._store.write() as db:
            db.execute(
                "UPDATE report_rows SET cells = ? WHERE report_id = ? AND position = ?",
                (encoded(cells), report_id, row["position"]),
            )
            db.execute(
                "UPDATE reports SET updated_at = ?, model = ? WHERE id = ?",
                (now(), self._model.name, report_id),
            )
        return False

    def _cells(self, report: Row, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        scores = decoded(report["spec"])["scores"]
        try:
            with self._store.read() as db:
                version = db.execute(
                    "SELECT * FROM versions WHERE id = ?", (report["version_id"],)
                ).fetchone()
            output = self._answer(version, inputs)
        except (ApiError, ModelError) as error:
            return [cell(FAILED, error=str(error)) for _ in range(len(scores) + 1)]
        return [cell(COMPLETED, output), *(_scored(score, inputs, output) for score in scores)]

    def _answer(self, version: Row, values: Mapping[str, Any]) -> str:
        with self._store.read() as db:
            template, _ = snippets.expanded(db, decoded(version["template"]))
            template, _ = tools.resolved(db, template)
        rendered, _ = render_template(template, values)
        try:
            return self._model.answer(rendered, decoded(version["metadata"]))
        except ModelError:
            raise
        except Exception as error:
            # A template can make the client fail in any way. That must fail this cell only.
            _log.exception("The model %s failed", self._model.name)
            raise ModelError(f"{type(error).__name__}: {error}") from error

    def next_node(self, execution_id: int) -> bool:
        """Run the next node of an agent's execution; true if all are done."""
        with self._store.read() as db:
            execution = db.execute(
                "SELECT e.*, v.spec FROM executions e JOIN workflow_versions v ON v.id = e.version_id"
                " WHERE e.id = ?",
                (execution_id,),
            ).fetchone()
        results = decoded(execution["results"])
        nodes = decoded(execution["spec"])["nodes"]
        node = next((node for node in nodes if node["name"] not in results), None)
        if node is None:
            if execution["callback_url"]:
                _call_back(execution["callback_url"], execution_id, results)
            return True
        results[node["name"]] = self._node(node, decoded(execution["inputs"]), results)
        with self._store.write() as db:
            db.execute("UPDATE executions SET results = ? WHERE id = ?", (encoded(results), execution_id))
        return False

    def _node(
        self, node: Mapping[str, Any], inputs: Mapping[str, Any], results: Mapping[str, Any]
    ) -> dict[str, Any]:
        broken = [name for name, result in results.items() if result["status"] == FAILED]
        if broken:
            return self._result(node, error=f"Skipped, because the node {broken[0]!r} failed.")
        values = {**inputs, **{name: result["value"] for name, result in results.items()}}
        engine = Engine()
        values |= {name: engine(text, JINJA2, values).text for name, text in node["variables"].items()}
        prompt = node["prompt"]
        try:
            with self._store.read() as db:
                template = find.find(db, prompt["name"])
                version = find.version(db, template, prompt["version"], prompt["label"])
            return self._result(node, self._answer(version, values))
        except (ApiError, ModelError) as error:
            return self._result(node, error=str(error))

    def _result(self, node: Mapping[str, Any], value: str | None = None, error: str = "") -> dict[str, Any]:
        return node_result(node, FAILED if error else SUCCESS, value, error) | {"model": self._model.name}


def node_result(
    node: Mapping[str, Any], status: str, value: str | None = None, error: str = ""
) -> dict[str, Any]:
    """Return one node of an agent's execution as in a response."""
    return {
        "status": status,
        "value": value,
        "error_message": error or None,
        "raw_error_message": error or None,
        "is_output_node": node["output"],
    }


def cell(status: str, value: Any = None, error: str | None = None) -> dict[str, Any]:
    """Return a cell of an evaluation's row."""
    return {"type": "eval", "status": status, "value": value, "error_message": error}


def _scored(score: Mapping[str, Any], row: Mapping[str, Any], output: str) -> dict[str, Any]:
    try:
        return cell(COMPLETED, passes(score["kind"], score["value"], row, output))
    except ValueError as error:
        return cell(FAILED, error=str(error))


def _call_back(url: str, execution_id: int, results: Mapping[str, Any]) -> None:
    body = encoded({"workflow_version_execution_id": execution_id, "results": results}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_CALLBACK_SECONDS):
            pass
    except (OSError, ValueError) as error:
        _log.warning("The callback of execution %s failed: %s", execution_id, error)

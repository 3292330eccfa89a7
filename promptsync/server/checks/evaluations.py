"""Evaluations, which most of the vendor's API calls reports: listing, running, reading.

An evaluation of the fixtures file is a pipeline ("blueprint"); a run of it is a report of its own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from promptsync.server.checks.runs import (
    EVALUATION,
    EVALUATION_RUN,
    RunStep,
    create_run,
    is_under_way,
    steps_of,
)
from promptsync.server.http.answer import ApiError, Response, malformed, not_found
from promptsync.server.http.fields import Id, Name
from promptsync.server.http.listing import ItemQuery, Listing, PageQuery
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, encoded

OUTPUT_COLUMN = "output"

_OK = {"success": True, "message": "success"}


class EvaluationsQuery(ItemQuery, frozen=True):
    """The parameters of the list of pipelines."""

    include_runs: bool = False


def list_evaluations(request: Request) -> Response:
    """List the pipelines; with ``include_runs`` also their runs."""
    workspace_id = request.store.workspace_id
    query = request.parameters(EvaluationsQuery)
    listing = Listing.of_kind(query, EVALUATION)
    with request.store.read() as db:
        page, rows = listing.page(db, "i.*", "runs i")
        evaluations = [_summary(row, workspace_id) for row in rows]
        for evaluation in evaluations if query.include_runs else ():
            runs = db.execute("SELECT * FROM runs WHERE parent_id = ? ORDER BY id DESC", (evaluation["id"],))
            evaluation["runs"] = [_outcome(_load(db, run), workspace_id) for run in runs.fetchall()]
    # Clients read one key or the other.
    return Response({**_OK, "evaluations": evaluations, "items": evaluations, **page.counts})


class EvaluationRunBody(msgspec.Struct):
    """The body that starts a run."""

    name: Name | None = None
    dataset_id: Id | None = None
    refresh_dataset: bool | None = None


class ReportRunBody(EvaluationRunBody, kw_only=True):
    """The body that starts a run on the vendor's other path, which requires ``name``."""

    name: Name


def run_evaluation(request: Request) -> Response:
    """Start a run: 201 with its id, which is polled."""
    return _start_run(request, request.id("evaluation_id"), request.read(EvaluationRunBody))


def run_report(request: Request) -> Response:
    """Start a run on the vendor's other path."""
    return _start_run(request, request.id("report_id"), request.read(ReportRunBody))


def _start_run(request: Request, pipeline_id: int, body: EvaluationRunBody) -> Response:
    if body.refresh_dataset:
        raise ApiError(403, "Datasets of this registry come from its fixtures file and cannot be refreshed.")
    with request.store.write() as db:
        pipeline = _by_id(db, pipeline_id)
        if pipeline["kind"] != EVALUATION:
            raise ApiError(
                403, f"The report {pipeline_id} is a run, not a pipeline; run {pipeline['parent_id']}."
            )
        spec = decoded(pipeline["spec"])
        if body.dataset_id is None:
            dataset = items.version(db, items.find(db, spec["dataset"], items.DATASET))
        else:
            dataset = items.version_by_id(db, body.dataset_id, items.DATASET)
        prompt = spec["prompt"]
        try:
            # The version is chosen now, because a publish during the run must not change what is checked.
            version = items.version(db, items.find(db, prompt["name"]), prompt["version"], prompt["label"])
        except ApiError as error:
            raise malformed(f"The evaluation {pipeline['name']!r} cannot run: {error.message}") from error
        run_id = create_run(
            db,
            EVALUATION_RUN,
            version["id"],
            encoded(dataset["body"]["rows"]),
            name=body.name or f"{pipeline['name']} {now()}",
            parent_id=pipeline_id,
            dataset_id=dataset["id"],
            spec=pipeline["spec"],
        )
    request.runner.work_on(run_id)
    return Response({"success": True, "report_id": run_id}, 201)


def get_evaluation(request: Request) -> Response:
    """Return a pipeline or a run, with its status."""
    report_id = request.id(next(iter(request.path)))
    with request.store.read() as db:
        report = _polled(request, db, report_id)
        version = db.execute(
            "SELECT item_id AS prompt_registry_id, number AS prompt_version_number"
            " FROM versions WHERE id = ?",
            (report.row["version_id"],),
        ).fetchone()
    about = dict(version or dict.fromkeys(("prompt_registry_id", "prompt_version_number")))
    outcome = _outcome(report, request.store.workspace_id)
    answer = {key: outcome.pop(key) for key in ("status", "stats")}
    return Response({**_OK, "report": outcome | about, **answer, "report_columns": _report_columns(report)})


def get_score(request: Request) -> Response:
    """Return the score of a run: 400 for a pipeline, which has none."""
    with request.store.read() as db:
        report = _polled(request, db, request.id("report_id"))
    if report.row["kind"] == EVALUATION:
        raise malformed("A pipeline has no score; request that of one of its runs.")
    return Response({**_OK, "score": _score(report)})


def get_rows(request: Request) -> Response:
    """Return a page of rows, each with the cells of the dataset first."""
    with request.store.read() as db:
        report = _polled(request, db, request.id("evaluation_id"))
    page = request.parameters(PageQuery).of(len(report.steps))
    columns = [*report.dataset_columns, OUTPUT_COLUMN, *(score["name"] for score in report.scores)]
    rows = [
        [{"type": "dataset", "value": step.inputs.get(name)} for name in report.dataset_columns]
        + _cells(report, step)
        for step in report.steps[page.offset : page.offset + page.per_page]
    ]
    return Response({**_OK, "columns": columns, "rows": rows, **page.counts})


def _cells(report: Report, step: RunStep) -> list[dict[str, Any]]:
    if step.cells is None:
        cell = {"type": "eval", "status": "QUEUED", "value": None, "error_message": None}
        return [cell] * report.width
    return [
        {
            "type": "eval",
            "status": "COMPLETED" if cell.error is None else "FAILED",
            "value": cell.value,
            "error_message": cell.error,
        }
        for cell in step.cells
    ]


def _by_id(db: Database, report_id: int) -> Row:
    row: Row | None = db.execute(
        "SELECT * FROM runs WHERE id = ? AND kind IN (?, ?) AND NOT deleted",
        (report_id, EVALUATION, EVALUATION_RUN),
    ).fetchone()
    if row is None:
        raise not_found(f"There is no evaluation with the id {report_id}.")
    return row


# -- what a report says -------------------------------------------------------------------------------------


class Report(msgspec.Struct, frozen=True):
    """A pipeline or a run as stored: the steps of a run are the rows of its dataset."""

    row: Row
    scores: list[dict[str, Any]]
    dataset_columns: list[str]
    steps: list[RunStep]

    @property
    def is_under_way(self) -> bool:
        """Whether rows are left to do."""
        return is_under_way(self.steps)

    @property
    def width(self) -> int:
        """How many cells a row has besides those of the dataset: the output, and one for each score."""
        return len(self.scores) + 1

    def shares(self) -> list[float] | None:
        """Return the percentage of rows that pass each score, ``None`` until all rows are done."""
        rows = [step.cells for step in self.steps if step.cells is not None]
        if not rows or len(rows) < len(self.steps):
            return None
        # A failed cell did not pass.
        return [
            100 * sum(cells[index].value is True for cells in rows) / len(rows)
            for index in range(1, self.width)
        ]


def _load(db: Database, row: Row) -> Report:
    dataset = db.execute(
        "SELECT json_extract(body, '$.columns') AS \"columns [json]\" FROM versions WHERE id = ?",
        (row["dataset_id"],),
    ).fetchone()
    columns = [] if dataset is None else dataset["columns"]
    return Report(row, decoded(row["spec"])["scores"], columns, steps_of(db, row["id"]))


def _polled(request: Request, db: Database, report_id: int) -> Report:
    """Return a report, and work on it if it is a run that is under way."""
    report = _load(db, _by_id(db, report_id))
    if report.is_under_way:
        request.runner.work_on(report_id)
    return report


def _summary(row: Row, workspace_id: int) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        # Every result names the model, because an echo checks the prompt and not a model.
        "comment": f"model: {row['model']}" if row["model"] else None,
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "workspace_id": workspace_id,
        "folder_id": None,
        "user_id": None,
        "dataset_id": row["dataset_id"],
        "is_blueprint": row["kind"] == EVALUATION,
        "tags": None,
        "deleted": bool(row["deleted"]),
        "parent_report_id": row["parent_id"],
        "score_configuration": None,
        "external_ids": [],
    }


def _outcome(report: Report, workspace_id: int) -> dict[str, Any]:
    return {
        **_summary(report.row, workspace_id),
        "score": None if report.is_under_way else _score(report),
        "score_matrix": None,
        "score_calculation_error": None,
        "status": "RUNNING" if report.is_under_way else "COMPLETED",
        "stats": {"status_counts": _status_counts(report)},
    }


def _status_counts(report: Report) -> dict[str, int]:
    """Return how many cells are in which state; all cells of the row in progress count as running."""
    cells = [cell for step in report.steps for cell in step.cells or ()]
    failed = sum(cell.error is not None for cell in cells)
    waiting = len(report.steps) * report.width - len(cells)
    running = report.width if waiting else 0
    return {
        "COMPLETED": len(cells) - failed,
        "FAILED": failed,
        "QUEUED": waiting - running,
        "RUNNING": running,
    }


def _score(report: Report) -> dict[str, Any]:
    """Return the score from 0 to 100: the mean of the shares; null until all rows are done."""
    shares = report.shares()
    answer: dict[str, Any] = {"overall_score": None, "score_type": "none", "has_custom_scoring": False}
    if not shares:
        message = "Not finished." if report.is_under_way else "Nothing is scored."
        return answer | {"details": {"message": message}}
    columns = [
        {"column_name": score["name"], "score": share, "score_type": "boolean", "num_skipped": 0}
        for score, share in zip(report.scores, shares, strict=True)
    ]
    answer["overall_score"] = round(sum(shares) / len(shares), 2)
    if len(columns) == 1:
        return answer | {"score_type": "single_column", "details": columns[0]}
    return answer | {"score_type": "multi_column", "details": {"columns": columns}}


def _report_columns(report: Report) -> list[dict[str, Any]]:
    spec = decoded(report.row["spec"])
    shares: list[float] | list[None] = report.shares() or [None] * len(report.scores)
    columns: list[tuple[str, str, dict[str, Any], float | None]] = [
        *(("DATASET", name, {}, None) for name in report.dataset_columns),
        ("PROMPT_TEMPLATE", OUTPUT_COLUMN, {"prompt": spec["prompt"], "model": report.row["model"]}, None),
        *(
            (score["kind"].upper(), score["name"], {score["kind"]: score["value"]}, share)
            for score, share in zip(report.scores, shares, strict=True)
        ),
    ]
    return [
        {
            "id": position,
            "report_id": report.row["id"],
            "column_type": kind,
            "name": name,
            "position": position,
            "is_part_of_score": kind not in ("DATASET", "PROMPT_TEMPLATE"),
            "configuration": configuration,
            "score": share,
        }
        for position, (kind, name, configuration, share) in enumerate(columns, 1)
    ]

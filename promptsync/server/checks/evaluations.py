"""Evaluations, which most of the vendor's API calls reports: listing, running, reading.

An evaluation file is a pipeline ("blueprint"); a run of it is a report of its own.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from promptsync.server.checks.datasets import OK
from promptsync.server.checks.runs import (
    EVALUATION,
    EVALUATION_RUN,
    RunStep,
    chosen_version,
    create_run,
    described,
    steps_of,
)
from promptsync.server.checks.scoring import is_prompt
from promptsync.server.http.answer import ApiError, Response, malformed, not_found
from promptsync.server.http.fields import Id, Name
from promptsync.server.http.listing import ItemQuery, PageQuery
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database

_STATUSES = ("COMPLETED", "FAILED", "QUEUED", "RUNNING")

# The comment of every result names the model, because an echo checks the prompt and not a model.
_SUMMARY = (
    "i.id, i.name, 'model: ' || i.model AS comment, i.created_at, i.updated_at, i.dataset_id,"
    " i.parent_id AS parent_report_id, i.kind = 'evaluation' AS \"is_blueprint [flag]\","
    ' i.deleted AS "deleted [flag]", (SELECT workspace_id FROM registry) AS workspace_id, NULL AS folder_id,'
    " NULL AS user_id, NULL AS tags, NULL AS score_configuration, '[]' AS \"external_ids [json]\""
)
_REPORT = (
    f"SELECT {_SUMMARY}, v.item_id AS prompt_registry_id, v.number AS prompt_version_number,"
    " NULL AS score_matrix, NULL AS score_calculation_error,"
    ' i.spec AS "spec [json]" FROM runs i LEFT JOIN versions v ON v.id = i.version_id'
    f" WHERE i.kind IN ('{EVALUATION}', '{EVALUATION_RUN}') AND NOT i.deleted"
)


class Report(msgspec.Struct, frozen=True):
    """A pipeline or a run as stored.

    The steps of a run are the rows of its dataset, with a cell for each column that is computed. Its columns
    begin with those of the dataset.
    """

    summary: dict[str, Any]
    columns: list[dict[str, Any]]
    steps: list[RunStep]
    dataset: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether rows are left to do."""
        return any(step.cells is None for step in self.steps)

    @property
    def rows(self) -> list[list[dict[str, Any]]]:
        """The cells of all rows as in a response."""
        inputs = [column["name"] for column in self.columns if column["column_type"] == "DATASET"]
        waiting = [None] * (len(self.columns) - len(inputs))
        return [
            [{"type": "dataset", "value": step.inputs.get(name)} for name in inputs]
            + [{"type": "eval", **described(cell, "COMPLETED")} for cell in step.cells or waiting]
            for step in self.steps
        ]

    @property
    def state(self) -> dict[str, Any]:
        """The status as in a response, and how many cells have which."""
        counts = Counter(cell["status"] for cells in self.rows for cell in cells if "status" in cell)
        status = "RUNNING" if self.is_under_way else "COMPLETED"
        return {"status": status, "stats": {"status_counts": dict.fromkeys(_STATUSES, 0) | counts}}

    def scores(self) -> list[float | None]:
        """Return for each column the percentage of rows that pass, ``None`` until all rows are done."""
        if self.is_under_way or not self.steps:
            return [None] * len(self.columns)
        return [
            100 * sum(cell["value"] is True for cell in cells) / len(cells)
            if column["is_part_of_score"]
            else None
            for column, cells in zip(self.columns, zip(*self.rows, strict=True), strict=True)
        ]


class EvaluationsQuery(ItemQuery, frozen=True):
    """The parameters of the list of pipelines."""

    include_runs: bool = False


def list_evaluations(request: Request) -> Response:
    """List the pipelines; with ``include_runs`` also their runs."""
    query = request.parameters(EvaluationsQuery)
    with request.store.read() as db:
        page, rows = query.select_page(db, _SUMMARY, "runs i", f"i.kind = '{EVALUATION}'")
        evaluations = [dict(row) for row in rows]
        for evaluation in evaluations if query.include_runs else ():
            runs = _reports(db, "i.parent_id = ?", evaluation["id"])
            evaluation["runs"] = [_about(report) | report.state for report in runs]
    # Clients read one key or the other.
    return Response({**OK, "evaluations": evaluations, "items": evaluations, **page.counts})


class EvaluationRunBody(msgspec.Struct):
    """The body that starts a run."""

    name: Name | None = None
    dataset_id: Id | None = None
    refresh_dataset: bool | None = None


def run_evaluation(request: Request) -> Response:
    """Start a run: 201 with its id, which is polled."""
    pipeline_id, body = request.id("report_id"), request.read(EvaluationRunBody)
    if body.refresh_dataset:
        raise ApiError(403, "Datasets of this registry come from evaluation files and cannot be refreshed.")
    with request.store.write() as db:
        pipeline = _report(db, pipeline_id)
        name, parent_id = pipeline.summary["name"], pipeline.summary["parent_report_id"]
        if parent_id is not None:
            raise ApiError(403, f"The report {pipeline_id} is a run, not a pipeline; run {parent_id}.")
        if body.dataset_id is None:
            dataset = items.version(db, items.find(db, pipeline.dataset, items.DATASET))
        else:
            dataset = items.version_by_id(db, body.dataset_id, items.DATASET)
        try:
            # The version is chosen now, because a publish during the run must not change what is checked.
            version = chosen_version(db, _template(pipeline.columns))
        except ApiError as error:
            raise malformed(f"The evaluation {name!r} cannot run: {error.message}") from error
        about = {"column_type": "DATASET", "configuration": {}, "is_part_of_score": False}
        inputs = [{"name": name, **about} for name in dataset["body"]["columns"]]
        run_id = create_run(
            db,
            EVALUATION_RUN,
            version["id"],
            dataset["body"]["rows"],
            {"columns": [*inputs, *pipeline.columns]},
            name=body.name or f"{name} {now()}",
            parent_id=pipeline_id,
            dataset_id=dataset["id"],
        )
    request.runner.work_on(run_id)
    return Response({"success": True, "report_id": run_id}, 201)


def run_report(request: Request) -> Response:
    """Start a run on the vendor's other path, which requires a name."""
    if request.read(EvaluationRunBody).name is None:
        raise malformed("name: required.")
    return run_evaluation(request)


def get_evaluation(request: Request) -> Response:
    """Return a pipeline or a run, with its status."""
    report = _polled(request)
    report_id = report.summary["id"]
    columns = [
        {"id": position, "report_id": report_id, "position": position, "score": score, **column}
        for position, (column, score) in enumerate(zip(report.columns, report.scores(), strict=True), 1)
    ]
    return Response({**OK, "report": _about(report), **report.state, "report_columns": columns})


def get_score(request: Request) -> Response:
    """Return the score of a run: 400 for a pipeline, which has none."""
    report = _polled(request)
    if report.summary["is_blueprint"]:
        raise malformed("A pipeline has no score; request that of one of its runs.")
    return Response({**OK, "score": _score(report)})


def get_rows(request: Request) -> Response:
    """Return a page of rows."""
    report = _polled(request)
    page = request.parameters(PageQuery).of(len(report.steps))
    rows = report.rows[page.offset : page.offset + page.per_page]
    columns = [column["name"] for column in report.columns]
    return Response({**OK, "columns": columns, "rows": rows, **page.counts})


def _reports(db: Database, condition: str, *values: int) -> list[Report]:
    """Return pipelines and runs, newest first."""
    reports = []
    for row in db.execute(f"{_REPORT} AND {condition} ORDER BY i.id DESC", values).fetchall():
        summary = dict(row)
        spec = summary.pop("spec")
        reports.append(Report(summary, **spec, steps=steps_of(db, row["id"])))
    return reports


def _report(db: Database, report_id: int) -> Report:
    """Return a pipeline or a run; 404 otherwise."""
    for report in _reports(db, "i.id = ?", report_id):
        return report
    raise not_found(f"There is no evaluation with the id {report_id}.")


def _polled(request: Request) -> Report:
    """Return the report of a request, and work on it if it is a run that is under way."""
    report_id = request.id("report_id")
    with request.store.read() as db:
        report = _report(db, report_id)
    if report.is_under_way:
        request.runner.work_on(report_id)
    return report


def _template(columns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the prompt that a report runs, with its version and label."""
    template = next(column for column in columns if is_prompt(column))["configuration"]["template"]
    return {"version": template.get("version_number"), "label": template.get("label"), **template}


# -- what a report says -------------------------------------------------------------------------------------


def _about(report: Report) -> dict[str, Any]:
    return {**report.summary, "score": None if report.is_under_way else _score(report)}


def _score(report: Report) -> dict[str, Any]:
    """Return the score from 0 to 100: the mean of the scores of columns; null until all rows are done."""
    columns = [
        {"column_name": column["name"], "score": score, "score_type": "boolean", "num_skipped": 0}
        for column, score in zip(report.columns, report.scores(), strict=True)
        if score is not None
    ]
    answer: dict[str, Any] = {"overall_score": None, "score_type": "none", "has_custom_scoring": False}
    if not columns:
        message = "Not finished." if report.is_under_way else "Nothing is scored."
        return answer | {"details": {"message": message}}
    answer["overall_score"] = round(sum(column["score"] for column in columns) / len(columns), 2)
    if len(columns) == 1:
        return answer | {"score_type": "single_column", "details": columns[0]}
    return answer | {"score_type": "multi_column", "details": {"columns": columns}}

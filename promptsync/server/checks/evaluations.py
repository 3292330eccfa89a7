"""Evaluations, which most of the vendor's API calls reports: listing, running, reading.

An evaluation of the fixtures file is a pipeline ("blueprint"); a run of it is a report of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from promptsync.server.checks.runner import enqueue, is_queued
from promptsync.server.checks.steps import QUEUED, cell
from promptsync.server.http.answer import ApiError, Response, malformed, not_found
from promptsync.server.http.listing import Listing, ListPage, read_page
from promptsync.server.http.request import Request
from promptsync.server.prompts import find
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, insert

MAX_NAME = 255
OUTPUT_COLUMN = "output"

_OK = {"success": True, "message": "success"}


def list_evaluations(request: Request) -> Response:
    """List the pipelines; with ``include_runs`` also their runs."""
    workspace_id = request.store.workspace_id
    listing = Listing(request.query)
    listing.by_fixture()
    listing.where("i.parent_id IS NULL")
    with request.store.read() as db:
        page, rows = listing.page(db, "i.*", "reports i", per_page=10)
        evaluations = [_summary(row, workspace_id) for row in rows]
        for evaluation in evaluations if request.query.flag("include_runs") else ():
            runs = db.execute(
                "SELECT * FROM reports WHERE parent_id = ? ORDER BY id DESC", (evaluation["id"],)
            ).fetchall()
            evaluation["runs"] = [_run(_load(db, run), workspace_id) for run in runs]
    # Clients read one key or the other.
    return Response({**_OK, "evaluations": evaluations, "items": evaluations, **page.counts})


def run_evaluation(request: Request) -> Response:
    """Start a run: 201 with its id, which is polled."""
    return _start_run(request, "evaluation_id", request.body().optional_text("name", least=1, most=MAX_NAME))


def run_report(request: Request) -> Response:
    """Start a run on the vendor's other path, which requires ``name``."""
    return _start_run(request, "report_id", request.body().text("name", least=1, most=MAX_NAME))


def _start_run(request: Request, parameter: str, name: str | None) -> Response:
    body = request.body()
    dataset_id = body.optional_id("dataset_id")
    if body.flag("refresh_dataset"):
        raise ApiError(403, "Datasets of this registry come from its fixtures file and cannot be refreshed.")
    with request.store.write() as db:
        pipeline = _by_id(db, request.id(parameter))
        if pipeline["parent_id"] is not None:
            raise ApiError(
                403, f"The report {pipeline['id']} is a run, not a pipeline; run {pipeline['parent_id']}."
            )
        run_id = _create_run(db, pipeline, name or f"{pipeline['name']} {now()}", dataset_id)
        enqueue(db, "report", run_id)
    request.runner.wake()
    return Response({"success": True, "report_id": run_id}, 201)


def _create_run(db: Database, pipeline: Row, name: str, dataset_id: int | None) -> int:
    spec = decoded(pipeline["spec"])
    # Without an id, the newest version of the dataset that the evaluation names.
    dataset = db.execute(
        "SELECT d.* FROM datasets d JOIN dataset_groups g ON g.id = d.group_id"
        " WHERE CASE WHEN :id IS NULL THEN g.name = :name ELSE d.id = :id END ORDER BY d.number DESC LIMIT 1",
        {"id": dataset_id, "name": spec["dataset"]},
    ).fetchone()
    if dataset is None:
        raise not_found(f"There is no dataset {dataset_id or spec['dataset']!r}.")
    prompt = spec["prompt"]
    try:
        # The version is chosen now, because a publish during the run must not change what is checked.
        version = find.version(db, find.find(db, prompt["name"]), prompt["version"], prompt["label"])
    except ApiError as error:
        raise malformed(f"The evaluation {pipeline['name']!r} cannot run: {error.message}") from error
    moment = now()
    run_id = insert(
        db,
        "reports",
        name=name,
        parent_id=pipeline["id"],
        dataset_id=dataset["id"],
        version_id=version["id"],
        spec=pipeline["spec"],
        created_at=moment,
        updated_at=moment,
    )
    db.execute(
        "INSERT INTO report_rows (report_id, position, inputs) SELECT ?, key, value FROM json_each(?)",
        (run_id, dataset["rows"]),
    )
    return run_id


def get_evaluation(request: Request) -> Response:
    """Return a pipeline or a run, with its status."""
    workspace_id = request.store.workspace_id
    with request.store.read() as db:
        row = _by_id(db, request.id(next(iter(request.path))))
        report = _load(db, row)
        version = db.execute(
            "SELECT template_id AS prompt_registry_id, number AS prompt_version_number"
            " FROM versions WHERE id = ?",
            (row["version_id"],),
        ).fetchone()
    about = dict(version or dict.fromkeys(("prompt_registry_id", "prompt_version_number")))
    one = _run(report, workspace_id)
    answer = {key: one.pop(key) for key in ("status", "stats")}
    return Response({**_OK, "report": one | about, **answer, "report_columns": _report_columns(report)})


def get_score(request: Request) -> Response:
    """Return the score of a run: 400 for a pipeline, which has none."""
    with request.store.read() as db:
        row = _by_id(db, request.id("report_id"))
        if row["parent_id"] is None:
            raise malformed("A pipeline has no score; request that of one of its runs.")
        return Response({**_OK, "score": _score(_load(db, row))})


def get_rows(request: Request) -> Response:
    """Return a page of rows, each with the cells of the dataset first."""
    with request.store.read() as db:
        report = _load(db, _by_id(db, request.id("evaluation_id")))
        page = read_page(request.query, 10, len(report.cells))
        rows = _rows(db, report, page)
    columns = [*report.dataset_columns, OUTPUT_COLUMN, *(score["name"] for score in report.scores)]
    return Response({**_OK, "columns": columns, "rows": rows, **page.counts})


def _by_id(db: Database, report_id: int) -> Row:
    row: Row | None = db.execute(
        "SELECT * FROM reports WHERE id = ? AND NOT deleted", (report_id,)
    ).fetchone()
    if row is None:
        raise not_found(f"There is no evaluation with the id {report_id}.")
    return row


# -- what a report says -------------------------------------------------------------------------------------

Cell = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """A pipeline or a run as stored: one list of cells a row, ``None`` for a row that was not reached yet."""

    row: Row
    spec: dict[str, Any]
    dataset_columns: list[str]
    cells: list[list[Cell] | None]
    running: bool

    @property
    def scores(self) -> list[dict[str, Any]]:
        """What is scored, a column each."""
        scores: list[dict[str, Any]] = self.spec["scores"]
        return scores

    def shares(self) -> list[float] | None:
        """Return the percentage of rows that pass each score, ``None`` until all rows are done."""
        done = [cells for cells in self.cells if cells is not None]
        if not done or len(done) < len(self.cells):
            return None
        columns = range(1, len(self.scores) + 1)
        # A failed cell did not pass.
        return [100 * sum(cells[index]["value"] is True for cells in done) / len(done) for index in columns]


def _load(db: Database, row: Row) -> Report:
    dataset = db.execute('SELECT "columns" FROM datasets WHERE id = ?', (row["dataset_id"],)).fetchone()
    cells = db.execute(
        'SELECT cells AS "cells [json]" FROM report_rows WHERE report_id = ? ORDER BY position', (row["id"],)
    )
    return Report(
        row,
        decoded(row["spec"]),
        [] if dataset is None else decoded(dataset["columns"]),
        [found["cells"] for found in cells],
        is_queued(db, "report", row["id"]),
    )


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
        "is_blueprint": row["parent_id"] is None,
        "tags": None,
        "deleted": bool(row["deleted"]),
        "parent_report_id": row["parent_id"],
        "score_configuration": None,
        "external_ids": [],
    }


def _run(report: Report, workspace_id: int) -> dict[str, Any]:
    return {
        **_summary(report.row, workspace_id),
        "score": None if report.running else _score(report),
        "score_matrix": None,
        "score_calculation_error": None,
        "status": "RUNNING" if report.running else "COMPLETED",
        "stats": {"status_counts": _status_counts(report)},
    }


def _status_counts(report: Report) -> dict[str, int]:
    """Return how many cells are in which state; all cells of the row in progress count as running."""
    counts = {"COMPLETED": 0, "FAILED": 0, "QUEUED": 0, "RUNNING": 0}
    for done in (done for cells in report.cells for done in cells or ()):
        counts[done["status"]] += 1
    width, waiting = len(report.scores) + 1, report.cells.count(None)
    counts["RUNNING"] = width if report.running and waiting else 0
    counts["QUEUED"] = width * waiting - counts["RUNNING"]
    return counts


def _score(report: Report) -> dict[str, Any]:
    """Return the score from 0 to 100: the mean of the shares; null until all rows are done."""
    shares = report.shares()
    columns = [
        {"column_name": score["name"], "score": share, "score_type": "boolean", "num_skipped": 0}
        for score, share in zip(report.scores, shares or (), strict=False)
    ]
    answer: dict[str, Any] = {"overall_score": None, "score_type": "none", "has_custom_scoring": False}
    if not shares:
        unfinished = report.scores and shares is None
        return answer | {"details": {"message": "Not finished." if unfinished else "Nothing is scored."}}
    answer["overall_score"] = round(sum(shares) / len(shares), 2)
    if len(columns) == 1:
        return answer | {"score_type": "single_column", "details": columns[0]}
    return answer | {"score_type": "multi_column", "details": {"columns": columns}}


def _rows(db: Database, report: Report, page: ListPage) -> list[list[Cell]]:
    width = len(report.scores) + 1
    found = db.execute(
        'SELECT inputs AS "inputs [json]", cells AS "cells [json]" FROM report_rows WHERE report_id = ?'
        " ORDER BY position LIMIT ? OFFSET ?",
        (report.row["id"], page.per_page, page.offset),
    ).fetchall()
    return [
        [
            *({"type": "dataset", "value": item["inputs"].get(name)} for name in report.dataset_columns),
            *(item["cells"] or [cell(QUEUED)] * width),
        ]
        for item in found
    ]


def _report_columns(report: Report) -> list[dict[str, Any]]:
    output = {"prompt": report.spec["prompt"], "model": report.row["model"]}
    columns: list[tuple[str, str, dict[str, Any], float | None]]
    columns = [("DATASET", name, {}, None) for name in report.dataset_columns]
    columns.append(("PROMPT_TEMPLATE", OUTPUT_COLUMN, output, None))
    shares: Sequence[float | None] = report.shares() or [None] * len(report.scores)
    for score, share in zip(report.scores, shares, strict=True):
        columns.append((score["kind"].upper(), score["name"], {score["kind"]: score["value"]}, share))
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

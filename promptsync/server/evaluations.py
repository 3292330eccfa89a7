"""Evaluations, which most of the vendor's API calls reports: listing, running, reading.

An evaluation of the fixtures file is a pipeline ("blueprint"); a run of it is a report of its own.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from promptsync.server import query, records, reports
from promptsync.server.catalogue_list import Listing, listed
from promptsync.server.clock import now
from promptsync.server.errors import ApiError, invalid, malformed, not_found
from promptsync.server.folders import check_workspace
from promptsync.server.http import MAX_INTEGER, Request, Response, required_id
from promptsync.server.records import Row, decoded
from promptsync.server.runner import enqueue

MAX_NAME = 255
_LISTING = Listing(source="reports i", columns="i.*")


def list_evaluations(request: Request) -> Response:
    """``GET /api/public/v2/evaluations``: the pipelines; with ``include_runs`` also what they ran."""
    asked = request.query
    check_workspace(request, query.integer(asked, "workspace_id"))
    workspace_id = request.context.store.workspace_id
    with request.context.store.read() as db:
        page, total, rows = listed(db, asked, _LISTING, {"i.parent_id IS NULL": None}, per_page=10)
        evaluations = [reports.summary(row, workspace_id) for row in rows]
        if query.boolean(asked, "include_runs"):
            for evaluation in evaluations:
                runs = db.execute(
                    "SELECT * FROM reports WHERE parent_id = ? ORDER BY id DESC", (evaluation["id"],)
                ).fetchall()
                evaluation["runs"] = [reports.run(db, run, workspace_id) for run in runs]
    answer = {"success": True, "message": "success", "evaluations": evaluations}
    return Response(answer | page.numbers(total))


def run_evaluation(request: Request) -> Response:
    """``POST /api/public/v2/evaluations/{id}/run``: 201 with the id of the run, which is polled."""
    return _run(request, "evaluation_id", named=False)


def run_report(request: Request) -> Response:
    """``POST /reports/{report_id}/run``: as above; here ``name`` is required."""
    return _run(request, "report_id", named=True)


def _run(request: Request, parameter: str, *, named: bool) -> Response:
    report_id = required_id(request, parameter)
    body = request.object()
    name = body.get("name")
    if name is None and named:
        raise malformed("name is required.")
    if name is not None and (not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME):
        raise malformed(f"name has to be a string of 1 to {MAX_NAME} characters.")
    if not isinstance(body.get("refresh_dataset"), bool | None):
        raise malformed("refresh_dataset has to be true, false or null.")
    with request.context.store.write() as db:
        pipeline = _pipeline(db, report_id)
        run_id = _start(db, pipeline, name or f"{pipeline['name']} {now()}", body.get("dataset_id"))
        enqueue(db, "report", run_id)
    request.context.runner.wake()
    return Response({"success": True, "report_id": run_id}, 201)


def _pipeline(db: sqlite3.Connection, report_id: int) -> Row:
    row = _by_id(db, report_id)
    if row["parent_id"] is not None:
        raise ApiError(403, f"The report {report_id} is a run, not a pipeline; run {row['parent_id']}.")
    return row


def _by_id(db: sqlite3.Connection, report_id: int) -> Row:
    row: Row | None = db.execute(
        "SELECT * FROM reports WHERE id = ? AND NOT deleted", (report_id,)
    ).fetchone()
    if row is None:
        raise not_found(f"There is no evaluation with the id {report_id}.")
    return row


def _start(db: sqlite3.Connection, pipeline: Row, name: str, dataset_id: Any) -> int:
    spec = decoded(pipeline["spec"])
    dataset = _dataset(db, spec["dataset"], dataset_id)
    # The version is settled now, so that the report can say of which version it is a proof.
    version = _version(db, pipeline["name"], spec["prompt"])
    moment = now()
    created = db.execute(
        "INSERT INTO reports (name, parent_id, dataset_id, version_id, spec, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (name, pipeline["id"], dataset["id"], version["id"], pipeline["spec"], moment, moment),
    )
    run_id = int(created.lastrowid or 0)
    db.executemany(
        "INSERT INTO report_rows (report_id, position, inputs) VALUES (?, ?, ?)",
        [(run_id, index, records.encoded(row)) for index, row in enumerate(decoded(dataset["rows"]))],
    )
    return run_id


def _dataset(db: sqlite3.Connection, name: str, dataset_id: Any) -> Row:
    if dataset_id is None:
        row: Row | None = db.execute(
            "SELECT d.* FROM datasets d JOIN dataset_groups g ON g.id = d.group_id WHERE g.name = ?"
            " ORDER BY d.number DESC LIMIT 1",
            (name,),
        ).fetchone()
    elif not isinstance(dataset_id, int) or isinstance(dataset_id, bool) or abs(dataset_id) > MAX_INTEGER:
        raise malformed("dataset_id has to be an integer or null.")
    else:
        row = db.execute("SELECT * FROM datasets WHERE id = ?", (dataset_id,)).fetchone()
    if row is None:
        raise not_found(f"There is no dataset {name if dataset_id is None else dataset_id!r}.")
    return row


def _version(db: sqlite3.Connection, evaluation: str, prompt: dict[str, Any]) -> Row:
    try:
        template = records.find(db, prompt["name"])
        return records.version(db, template, prompt["version"], prompt["label"])
    except ApiError as error:
        raise malformed(f"The evaluation {evaluation!r} cannot run: {error.message}") from error


def get_evaluation(request: Request) -> Response:
    """``GET /api/public/v2/evaluations/{evaluation_id}`` and ``GET /reports/{report_id}``."""
    report_id = required_id(request, next(iter(request.args)))
    with request.context.store.read() as db:
        return Response(reports.report(db, _by_id(db, report_id), request.context.store.workspace_id))


def get_score(request: Request) -> Response:
    """``GET /reports/{report_id}/score``: 400 for a pipeline, which has none."""
    report_id = required_id(request, "report_id")
    with request.context.store.read() as db:
        row = _by_id(db, report_id)
        if row["parent_id"] is None:
            raise malformed("A pipeline has no score; ask for one of its runs.")
        score = reports.score(db, row)
    return Response({"success": True, "message": "success", "score": score})


def get_rows(request: Request) -> Response:
    """``GET /api/public/v2/evaluations/{evaluation_id}/rows``: the dataset's cells first in each row."""
    report_id = required_id(request, "evaluation_id")
    check_workspace(request, query.integer(request.query, "workspace_id"))
    page = query.page(request.query, 10)
    if page.per_page != (query.integer(request.query, "per_page") or 10):
        raise invalid("per_page is 100 at most.", "query", "per_page")
    with request.context.store.read() as db:
        row = _by_id(db, report_id)
        total = db.execute("SELECT count(*) FROM report_rows WHERE report_id = ?", (report_id,)).fetchone()[0]
        rows = reports.rows(db, row, page)
        columns = reports.column_names(db, row)
    answer = {"success": True, "message": "success", "columns": columns, "rows": rows}
    return Response(answer | page.numbers(total))

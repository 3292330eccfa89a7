"""Evaluations, which most of the vendor's API calls reports: listing, running, reading.

An evaluation file is a pipeline ("blueprint"); a run of it is a report of its own. The rows of the file are a
dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace

from promptsync.prompt.evaluation import cell_text
from promptsync.server.http import Answer, ApiError, Id, Name, Request, checked, malformed, row_of
from promptsync.server.listing import ItemQuery, PageQuery
from promptsync.server.prompts import items
from promptsync.server.store.database import Database, Row, now
from promptsync.server.tables import store
from promptsync.server.tables.compute import RegistryPrompt
from promptsync.server.tables.store import PROMPT, QUEUED, TEXT, SheetCell, SheetColumn

EVALUATION, EVALUATION_RUN = "evaluation", "evaluation run"
"""The kinds of rows in the table of runs. An evaluation is one, because it shares its ids with its runs."""

OK = {"success": True, "message": "success"}

# The comment of every result names the model, because an echo checks the prompt and not a model: also if
# another column asked one.
_REPORT = f"""SELECT i.id, i.name, i.created_at, 'model: ' || (SELECT model FROM cells
        WHERE sheet_id = i.sheet_id AND model IS NOT NULL ORDER BY model <> 'echo' LIMIT 1) AS comment,
    coalesce((SELECT updated_at FROM sheets WHERE id = i.sheet_id), i.updated_at) AS updated_at, i.dataset_id,
    i.parent_id AS parent_report_id, i.kind = 'evaluation' AS "is_blueprint [flag]",
    i.deleted AS "deleted [flag]", (SELECT workspace_id FROM registry) AS workspace_id, NULL AS folder_id,
    NULL AS user_id, NULL AS tags, NULL AS score_configuration, '[]' AS "external_ids [json]",
    v.item_id AS prompt_registry_id, v.number AS prompt_version_number, NULL AS score_matrix,
    NULL AS score_calculation_error, i.spec AS "spec [json]", i.sheet_id,
    ifnull((SELECT row_count FROM sheets WHERE id = i.sheet_id), 0) AS row_count
    FROM runs i LEFT JOIN versions v ON v.id = i.version_id
    WHERE i.kind IN ('{EVALUATION}', '{EVALUATION_RUN}') AND i.id = ? AND i.deleted <= ?"""
_PASSED = """SELECT column_id, 100.0 * sum(value = 'true') / count(*) FROM cells WHERE column_id IN
    (SELECT id FROM columns WHERE sheet_id = ? AND is_output_column) GROUP BY column_id"""


class Report(msgspec.Struct, frozen=True):
    """A pipeline, or a run with its sheet.

    ``about``, ``state`` and ``score`` are as in a response; ``passed`` has the percentages of rows that pass,
    by column, once all cells are done.
    """

    about: dict[str, Any]
    state: dict[str, Any]
    score: dict[str, Any]
    columns: list[SheetColumn]
    passed: dict[str, float]
    sheet_id: str
    row_count: int


def _score(columns: list[SheetColumn], passed: Mapping[str, float], *, is_done: bool) -> dict[str, Any]:
    """Return the score from 0 to 100: the mean of the scores of columns; null until all rows are done."""
    scores: list[dict[str, Any]] = [
        {"column_name": column.title, "score": passed[column.id], "score_type": "boolean", "num_skipped": 0}
        for column in columns
        if column.id in passed
    ]
    answer: dict[str, Any] = {"overall_score": None, "score_type": "none", "has_custom_scoring": False}
    if not scores:
        return answer | {"details": {"message": "Nothing is scored." if is_done else "Not finished."}}
    answer["overall_score"] = round(sum(column["score"] for column in scores) / len(scores), 2)
    if len(scores) == 1:
        return answer | {"score_type": "single_column", "details": scores[0]}
    return answer | {"score_type": "multi_column", "details": {"columns": scores}}


class _EvaluationsQuery(ItemQuery, frozen=True):
    include_runs: bool = False


def list_evaluations(request: Request, db: Database) -> Answer:
    """List the pipelines; with ``include_runs`` also their runs."""
    query = request.parameters(_EvaluationsQuery)
    keys, rows = query.select_page(db, "i.id", "runs i", f"i.kind = '{EVALUATION}'")
    evaluations = [_report(db, row["id"], deleted=True).about for row in rows]
    for evaluation in evaluations if query.include_runs else ():
        sql = "SELECT id FROM runs WHERE parent_id = ? ORDER BY id DESC"
        runs = [_report(db, row["id"]) for row in db.execute(sql, (evaluation["id"],)).fetchall()]
        evaluation["runs"] = [run.about | run.state for run in runs]
    # Clients read one key or the other.
    return {**OK, "evaluations": evaluations, "items": evaluations, **keys}


class _RunBody(msgspec.Struct):
    name: Name | None = None
    dataset_id: Id | None = None
    refresh_dataset: bool | None = None


def run_evaluation(request: Request, db: Database) -> Answer:
    """Start a run: 201 with its id, which is polled."""
    pipeline_id, body = request.path["report_id"], request.read(_RunBody)
    if body.refresh_dataset:
        raise ApiError(403, "Datasets of this registry come from evaluation files and cannot be refreshed.")
    pipeline = _report(db, pipeline_id)
    name, parent_id = pipeline.about["name"], pipeline.about["parent_report_id"]
    if parent_id is not None:
        raise ApiError(403, f"The report {pipeline_id} is a run, not a pipeline; run {parent_id}.")
    if body.dataset_id is None:
        dataset = items.version(db, items.find(db, name, items.DATASET))
    else:
        dataset = items.version_by_id(db, body.dataset_id, items.DATASET)
    try:
        columns, version = _pinned(db, pipeline.columns, dataset["body"]["columns"])
    except ApiError as error:
        raise malformed(f"The evaluation {name!r} cannot run: {error.message}") from error
    run_id, sheet_id = store.create_run(
        *(db, EVALUATION_RUN, version, dataset["body"]["columns"], dataset["body"]["rows"], columns),
        name=body.name or f"{name} {now()}",
        parent_id=pipeline_id,
        dataset_id=dataset["id"],
    )
    request.sheets.append(sheet_id)
    return {"success": True, "report_id": run_id}


def get_evaluation(request: Request, db: Database) -> Answer:
    """Return a pipeline or a run, with its status."""
    report = _polled(request, db)
    columns = [
        {
            "id": position,
            "position": position,
            "report_id": report.about["id"],
            "name": column.title,
            "configuration": column.config,
            "score": report.passed.get(column.id),
            "column_type": "DATASET" if column.type == TEXT else column.type,
            "is_part_of_score": column.is_output_column,
        }
        for position, column in enumerate(report.columns, 1)
    ]
    return {**OK, "report": report.about, **report.state, "report_columns": columns}


def get_score(request: Request, db: Database) -> Answer:
    """Return the score of a run: 400 for a pipeline, which has none."""
    report = _polled(request, db)
    if report.about["is_blueprint"]:
        raise malformed("A pipeline has no score; request that of one of its runs.")
    return {**OK, "score": report.score}


def get_rows(request: Request, db: Database) -> Answer:
    """Return a page of rows."""
    report = _polled(request, db)
    query = request.parameters(PageQuery)
    indices = range(report.row_count)[query.offset :][: query.size]
    rows = store.rows_of(db, report.sheet_id, indices)
    cells = [[_cell(column, row[column.id]) for column in report.columns] for row in rows.values()]
    columns = [column.title for column in report.columns]
    return {**OK, "columns": columns, "rows": cells, **query.keys(report.row_count)}


def _cell(column: SheetColumn, cell: SheetCell) -> Answer:
    if column.type == TEXT:
        return {"type": "dataset", "value": cell.value}
    return {"type": "eval", "status": cell.status, "value": cell.value, "error_message": cell.error}


def _report(db: Database, report_id: int, *, deleted: bool = False) -> Report:
    """Return a pipeline, which may be a deleted one if that is set, or a run; 404 otherwise."""
    missing = f"There is no evaluation with the id {report_id}."
    about = dict(row_of(db, _REPORT, (report_id, deleted), missing))
    spec, sheet_id, row_count = (about.pop(key) for key in ("spec", "sheet_id", "row_count"))
    columns = [SheetColumn("", **column) for column in spec] or store.columns_of(db, sheet_id)
    counts = store.count_statuses(db, sheet_id)
    is_done = not counts[QUEUED]
    passed = dict(map(tuple, db.execute(_PASSED, (sheet_id,)))) if is_done else {}
    score = _score(columns, passed, is_done=is_done)
    about["score"] = score if is_done else None
    shown = {status: counts[status] for status in ("COMPLETED", "FAILED", "QUEUED", "RUNNING")}
    state = {"status": "COMPLETED" if is_done else "RUNNING", "stats": {"status_counts": shown}}
    return Report(about, state, score, columns, passed, sheet_id, row_count)


def _polled(request: Request, db: Database) -> Report:
    """Return the report of a request, which has it computed."""
    report = _report(db, request.path["report_id"])
    request.sheets.append(report.sheet_id)
    return report


def _pinned(db: Database, columns: list[SheetColumn], inputs: list[str]) -> tuple[list[SheetColumn], Row]:
    """Return columns whose prompts have the versions that they have now, and the first of these versions.

    A publish during the run must not change what is checked. Each input is the variable of its name, too.
    """
    pinned, versions = [], []
    for column in columns:
        config = column.config
        if runs_prompt(column.type, config):
            versions.append(checked(config["template"], RegistryPrompt, "template").version(db))
            mappings = config.get("prompt_template_variable_mappings") or {}
            config = {
                "template": {"name": config["template"]["name"], "version_number": versions[-1]["number"]},
                "prompt_template_variable_mappings": {name: name for name in inputs} | mappings,
            }
        pinned.append(replace(column, config=config))
    return pinned, versions[0]


def runs_prompt(kind: str, config: Mapping[str, Any]) -> bool:
    """Whether a column runs a prompt of the registry."""
    template = config.get("template")
    return kind == PROMPT and isinstance(template, dict) and "name" in template


# -- datasets -----------------------------------------------------------------------------------------------


class _DatasetsQuery(ItemQuery, frozen=True):
    dataset_group_id: Id | None = None
    report_id: Id | None = None
    prompt_id: Id | None = None
    prompt_version_id: Id | None = None
    prompt_label_id: Id | None = None

    # The last three select datasets that were made from logged requests; a fixtures file has none.
    filters: ClassVar = ItemQuery.filters | {
        "dataset_group_id": "i.item_id = :dataset_group_id",
        "report_id": "i.id IN (SELECT dataset_id FROM runs WHERE :report_id IN (id, parent_id))",
        **dict.fromkeys(("prompt_id", "prompt_version_id", "prompt_label_id"), "0"),
    }


class _RowsQuery(PageQuery, frozen=True):
    q: str = ""


def list_datasets(request: Request, db: Database) -> Answer:
    """List every version of every dataset, newest first; ``name`` is that of the group."""
    query = request.parameters(_DatasetsQuery)
    columns = """i.id, i.item_id AS dataset_group_id, i.number AS version_number, NULL AS filter_params,
        1 AS user_id, json_extract(i.body, '$.columns') AS "column_names [json]",
        i.deleted AS "is_deleted [flag]", json_object('id', i.item_id, 'name', i.name,
            'workspace_id', (SELECT workspace_id FROM registry),
            'is_deleted', json(iif(i.deleted, 'true', 'false'))) AS "dataset_group [json]",
        '[]' AS "external_ids [json]"
    """
    source = """(SELECT v.*, v.created_at AS updated_at, t.kind, t.name, t.deleted
        FROM versions v JOIN items t ON t.id = v.item_id) i"""
    keys, rows = query.select_page(db, columns, source, f"i.kind = '{items.DATASET}'")
    return {**OK, "datasets": [dict(row) for row in rows], **keys}


def get_dataset_rows(request: Request, db: Database) -> Answer:
    """Return a page of a dataset's rows; ``q`` selects rows with a value that contains it."""
    query = request.parameters(_RowsQuery)
    dataset_id, part = request.path["dataset_id"], query.q.casefold()
    dataset = items.version_by_id(db, dataset_id, items.DATASET)["body"]
    columns = dataset["columns"]
    rows = [[row.get(name) for name in columns] for row in dataset["rows"]]
    rows = [row for row in rows if any(part in cell_text(value).casefold() for value in row) or not part]
    shown = rows[query.offset :][: query.size]
    cells = [[{"type": "dataset", "value": value} for value in row] for row in shown]
    return {**OK, "columns": columns, "rows": cells, **query.keys(len(rows))}

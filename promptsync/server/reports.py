"""Reports as answers: what is in one, how far it is, and its score."""

from __future__ import annotations

import sqlite3
from typing import Any

from promptsync.server.query import Page
from promptsync.server.records import Row, decoded
from promptsync.server.runner import is_queued

OUTPUT_COLUMN = "output"


def summary(row: Row, workspace_id: int) -> dict[str, Any]:
    """What a list says about a pipeline or a run."""
    return {
        "id": row["id"],
        "name": row["name"],
        # Named in every result, because an echo proves the prompt and not a model.
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


def run(db: sqlite3.Connection, row: Row, workspace_id: int) -> dict[str, Any]:
    """What ``include_runs`` says about one run."""
    return {
        **summary(row, workspace_id),
        "score": score(db, row) if status(db, row) == "COMPLETED" else None,
        "score_matrix": None,
        "score_calculation_error": None,
        "status": status(db, row),
        "stats": stats(db, row),
    }


def report(db: sqlite3.Connection, row: Row, workspace_id: int) -> dict[str, Any]:
    """The whole answer about one report, with the prompt's version that it is about."""
    version = db.execute(
        "SELECT template_id, number FROM versions WHERE id = ?", (row["version_id"],)
    ).fetchone()
    about = {
        "prompt_registry_id": version["template_id"] if version else None,
        "prompt_version_number": version["number"] if version else None,
    }
    one = run(db, row, workspace_id)
    state, counts = one.pop("status"), one.pop("stats")
    return {
        "success": True,
        "message": "success",
        "report": one | about,
        "status": state,
        "stats": counts,
        "report_columns": _columns(db, row),
    }


def status(db: sqlite3.Connection, row: Row) -> str:
    """``RUNNING`` until the last row is done."""
    return "RUNNING" if is_queued(db, "report", row["id"]) else "COMPLETED"


def stats(db: sqlite3.Connection, row: Row) -> dict[str, Any]:
    """How many cells are in which state; the row being worked on counts as running."""
    counts = {"COMPLETED": 0, "FAILED": 0, "QUEUED": 0, "RUNNING": 0}
    width = len(decoded(row["spec"]).get("scores", ())) + 1
    running = status(db, row) == "RUNNING"
    for cells in _cells(db, row["id"]):
        if cells is None:
            counts["RUNNING" if running else "QUEUED"] += width
            running = False
        for cell in cells or ():
            counts[cell["status"]] += 1
    return {"status_counts": counts}


def score(db: sqlite3.Connection, row: Row) -> dict[str, Any]:
    """0 to 100: the mean over the score columns of the share of rows that pass; null until all are done."""
    names = [item["name"] for item in decoded(row["spec"])["scores"]]
    done = _cells(db, row["id"])
    finished = bool(done) and None not in done
    columns = [
        {"column_name": name, "score": value, "score_type": "boolean", "num_skipped": 0}
        for name, value in zip(names, _shares(done, len(names)) if finished else [], strict=False)
    ]
    if not columns:
        reason = "Not finished." if names and not finished else "Nothing is scored."
        return _score(None, "none", {"message": reason})
    overall = sum(column["score"] for column in columns) / len(columns)
    if len(columns) == 1:
        return _score(overall, "single_column", columns[0])
    return _score(overall, "multi_column", {"columns": columns})


def _score(overall: float | None, kind: str, details: dict[str, Any]) -> dict[str, Any]:
    return {
        "overall_score": None if overall is None else round(overall, 2),
        "score_type": kind,
        "has_custom_scoring": False,
        "details": details,
    }


def _shares(done: list[list[dict[str, Any]] | None], scores: int) -> list[float]:
    """A failed cell did not pass."""
    return [
        100 * sum(cells[index]["value"] is True for cells in done if cells) / len(done)
        for index in range(1, scores + 1)
    ]


def rows(db: sqlite3.Connection, row: Row, page: Page) -> list[list[dict[str, Any]]]:
    """The cells of one page of rows: first those of the dataset, then those of the run."""
    names = _dataset_columns(db, row)
    queued = {"type": "eval", "status": "QUEUED", "value": None, "error_message": None}
    width = len(decoded(row["spec"])["scores"]) + 1
    found = db.execute(
        "SELECT inputs, cells FROM report_rows WHERE report_id = ? ORDER BY position LIMIT ? OFFSET ?",
        (row["id"], *page.window),
    ).fetchall()
    return [
        [
            *({"type": "dataset", "value": decoded(item["inputs"]).get(name)} for name in names),
            *(decoded(item["cells"]) if item["cells"] else [queued] * width),
        ]
        for item in found
    ]


def column_names(db: sqlite3.Connection, row: Row) -> list[str]:
    """The names of all columns, in the order of the cells."""
    scores = [score["name"] for score in decoded(row["spec"])["scores"]]
    return [*_dataset_columns(db, row), OUTPUT_COLUMN, *scores]


def _columns(db: sqlite3.Connection, row: Row) -> list[dict[str, Any]]:
    spec = decoded(row["spec"])
    kinds: list[tuple[str, str, dict[str, Any], float | None]]
    kinds = [("DATASET", name, {}, None) for name in _dataset_columns(db, row)]
    kinds.append(("PROMPT_TEMPLATE", OUTPUT_COLUMN, {"prompt": spec["prompt"], "model": row["model"]}, None))
    done = _cells(db, row["id"])
    finished = bool(done) and None not in done
    shares = _shares(done, len(spec["scores"])) if finished else [None] * len(spec["scores"])
    for item, share in zip(spec["scores"], shares, strict=True):
        kinds.append((item["kind"].upper(), item["name"], {item["kind"]: item["value"]}, share))
    return [
        {
            "id": position,
            "report_id": row["id"],
            "column_type": kind,
            "name": name,
            "position": position,
            "is_part_of_score": kind not in ("DATASET", "PROMPT_TEMPLATE"),
            "configuration": configuration,
            "score": share,
        }
        for position, (kind, name, configuration, share) in enumerate(kinds, 1)
    ]


def _dataset_columns(db: sqlite3.Connection, row: Row) -> list[str]:
    dataset = db.execute('SELECT "columns" FROM datasets WHERE id = ?', (row["dataset_id"],)).fetchone()
    return [] if dataset is None else list(decoded(dataset["columns"]))


def _cells(db: sqlite3.Connection, report_id: int) -> list[list[dict[str, Any]] | None]:
    found = db.execute(
        "SELECT cells FROM report_rows WHERE report_id = ? ORDER BY position", (report_id,)
    ).fetchall()
    return [None if row["cells"] is None else decoded(row["cells"]) for row in found]

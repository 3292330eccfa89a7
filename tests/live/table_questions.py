"""Questions about Tables that PromptLayer's documentation leaves open, with what promptsync expects."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from findings import Chapter, Differs, Seen
from questions import created
from session import Session

from promptsync.registry.protocol import SheetId

TABLES = Chapter("Open questions: tables, without a model call")
LONG = "long " * 2000
ROWS = [
    ("given", "expected", "long"),
    ("Ana", "Ana", LONG),
    ('["a", "b"]', "Ben", "short"),
]


def sheet(session: Session) -> SheetId:
    return SheetId(session.table, session.sheet)


def rows(session: Session) -> list[dict[str, Any]]:
    """Return the cells of each row by the titles of their columns."""
    read = session.workspace.registry.tables.rows(sheet(session))
    titles = {column["id"]: column["title"] for column in read["columns"]}
    ordered = sorted(read["rows"], key=lambda row: row["row_index"])
    return [{titles[key]: cell for key, cell in row["cells"].items() if key in titles} for row in ordered]


@TABLES.step("a table without a default sheet", "0 sheets")
def table(session: Session) -> Seen:
    session.table = created(session.workspace.create_table("table"))["table"]["id"]
    return f"{len(session.workspace.registry.tables.sheets(session.table))} sheets"


@TABLES.step("a sheet from a CSV file", "the rows in order")
def csv_rows(session: Session) -> Seen:
    lines = "".join(",".join('"{}"'.format(cell.replace('"', '""')) for cell in row) + "\n" for row in ROWS)
    source = {
        "type": "file",
        "file_name": "rows.csv",
        "file_content_base64": base64.b64encode(lines.encode()).decode(),
    }
    started = created(
        session.workspace.table("POST", session.table, "/sheets", {"title": "rows", "source": source})
    )
    session.sheet = started["sheet"]["id"]
    tables = session.workspace.registry.tables
    wait(lambda: tables.import_status(session.table, started["operation_id"])["status"])
    session.columns = {column["title"]: column["id"] for column in tables.rows(sheet(session))["columns"]}
    names = [str(row["expected"].get("value")) for row in rows(session)]
    return "the rows in order" if names == ["Ana", "Ben"] else (False, f"{names}")


def wait(status: Callable[[], str]) -> None:
    """Wait until an import, an operation or a calculation has ended, for at most three minutes."""
    deadline = time.monotonic() + 180
    pause = 0.05
    while (now := status().lower()) not in ("completed", "failed"):
        if time.monotonic() > deadline:
            raise Differs(f"still {now} after three minutes")
        time.sleep(pause)
        pause = min(pause * 2, 5.0)


@TABLES.step("which key of a cell has a long text", "value has all of it")
def long_text(session: Session) -> Seen:
    cell = rows(session)[0]["long"]
    lengths = {key: len(cell[key]) for key in ("value", "display_value") if isinstance(cell.get(key), str)}
    session.exchanges.append(f"sent {len(LONG)} characters; lengths {lengths}")
    is_whole = str(cell.get("value")).strip() == LONG.strip()
    return "value has all of it" if is_whole else (False, f"lengths {lengths}")


@TABLES.step("a JSON list in a cell", "the text that was sent")
def json_cell(session: Session) -> Seen:
    value = rows(session)[1]["given"].get("value")
    return "the text that was sent" if value == ROWS[2][0] else (False, f"{type(value).__name__} {value}")


@TABLES.step("a computed column returns its config as it was sent, with titles", "titles")
def config(session: Session) -> Seen:
    sources = ["given", "expected"]
    body = {
        "title": "same",
        "type": "COMPARE",
        "config": {"sources": sources},
        "dependencies": [
            {
                "column_id": session.columns[title],
                "reference_type": "value",
                "config_key": "sources",
                "config_meta": {"position": position},
            }
            for position, title in enumerate(sources)
        ],
    }
    path = f"/sheets/{session.sheet}/columns"
    created(session.workspace.table("POST", session.table, path, body))
    columns = session.workspace.registry.tables.rows(sheet(session))["columns"]
    session.columns = {column["title"]: column["id"] for column in columns}
    stored = next(column for column in columns if column["title"] == "same")["config"].get("sources")
    ids = [session.columns[title] for title in sources]
    return "titles" if stored == sources else (False, "ids" if stored == ids else f"{stored}")


@TABLES.step("its cells are computed", "true, false")
def computed(session: Session) -> Seen:
    tables = session.workspace.registry.tables
    started = tables.recalculate(sheet(session), [session.columns["same"]])
    if operation := started.get("operation_id"):
        wait(lambda: tables.operation(sheet(session), operation)["status"])
    values = [row["same"].get("value") for row in rows(session)]
    plain = [value.get("value") if isinstance(value, dict) else value for value in values]
    return ", ".join(str(value).lower() for value in plain)


@TABLES.step("a scorecard scores the rows", "0.5")
def score(session: Session) -> Seen:
    tables = session.workspace.registry.tables
    step = {
        "title": "named",
        "order_index": 0,
        "primitive_type": "CONTAINS",
        "primitive_config": {"source": session.columns["given"], "value": "Ana"},
        "source_column_ids": [session.columns["given"]],
        "thresholds": {"pass": 1, "warn": 1},
    }
    card = {"name": "verify", "evaluated_column_ids": [], "aggregation": {}, "steps": [step]}
    created(session.workspace.table("PATCH", session.table, f"/sheets/{session.sheet}/scorecard", card))
    calculation = tables.score(sheet(session))
    wait(lambda: tables.calculation(sheet(session), calculation)["status"])
    return str(tables.calculation(sheet(session), calculation).get("aggregate_score"))


@TABLES.step("the config_hash of a calculation is that of its scorecard", "equal")
def config_hash(session: Session) -> Seen:
    read = session.workspace.registry.tables.scorecard(sheet(session))
    hashes = [(read.get(key) or {}).get("config_hash") for key in ("scorecard", "latest_calculation")]
    return "equal" if hashes[0] == hashes[1] and hashes[0] else (False, f"{hashes}")


@TABLES.step("the table is found by its title", "1 table")
def titled(session: Session) -> Seen:
    return f"{len([table for table in session.workspace.tables() if table['id'] == session.table])} table"


LIST_IN_CELL = Chapter("Open questions: what reaches the model", is_story=False)


@LIST_IN_CELL.step("a JSON list in a cell reaches the prompt as a list", "each item by itself", "model")
def list_in_cell(session: Session) -> Seen:
    provider, name = session.model.split("/", 1)
    text = "Repeat this line exactly: {% for item in items %}<{{ item }}>{% endfor %}"
    message = {"role": "user", "content": text, "template_format": "jinja2"}
    model = {"provider": provider, "name": name, "parameters": {"max_tokens": 64}}
    body = {"name": session.name("lister"), "model": model, "messages": [message]}
    session.write(
        "prompts/lister.yaml", "".join(f"{key}: {json.dumps(value)}\n" for key, value in body.items())
    )
    step = {"title": "list", "type": "CONTAINS", "config": {"source": "Output", "value": "<north><south>"}}
    evaluation = {
        "name": session.name("lists"),
        "prompts": session.name("lister"),
        "rows": [{"items": ["north", "south"]}],
        "scorecard": {"steps": [step]},
    }
    session.write("evaluations/lists.yaml", json.dumps(evaluation))
    session.commit("Check a prompt with a list")
    document = session.run("eval", "run", session.name("lists"), code=None)
    outputs = [str(row.get("output")) for run in document.get("runs", ()) for row in run.get("rows", ())]
    is_list = any("<north><south>" in output for output in outputs)
    return "each item by itself" if is_list else (False, " / ".join(outputs) or "no output")


TABLE_QUESTIONS = (TABLES, LIST_IN_CELL)

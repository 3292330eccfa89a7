"""Questions about Tables that PromptLayer's documentation leaves open, with what promptsync expects."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from typing import Any

from findings import Chapter, Differs
from questions import created
from session import Session

LONG = "long " * 2000
ROWS = [("given", "expected", "long"), ("Ana", "Ana", LONG), ('["a", "b"]', "Ben", "short")]


def rows(session: Session) -> list[dict[str, Any]]:
    """Return the cells of each row by the titles of their columns."""
    read = session.workspace.registry.tables.rows(session.sheet)
    session.columns = {column["title"]: column for column in read["columns"]}
    titles = {column["id"]: title for title, column in session.columns.items()}
    ordered = sorted(read["rows"], key=lambda row: row["row_index"])
    return [{titles[key]: cell for key, cell in row["cells"].items() if key in titles} for row in ordered]


def wait(status: Callable[[], str]) -> None:
    """Wait until an import, an operation or a calculation has ended, for at most three minutes."""
    deadline = time.monotonic() + 180
    pause = 0.05
    while (now := status().lower()) not in ("completed", "failed"):
        if time.monotonic() > deadline:
            raise Differs(f"still {now} after three minutes")
        time.sleep(pause)
        pause = min(pause * 2, 5.0)


TABLES = Chapter("Open questions: tables, without a model call")


@TABLES.step("a table without a default sheet", "0 sheets")
def table(session: Session) -> str:
    session.table = created(session.workspace.create_table("table"))["table"]["id"]
    return f"{len(session.workspace.registry.tables.sheets(session.table))} sheets"


@TABLES.step("a sheet from a CSV file", "the rows in order")
def csv_rows(session: Session) -> str:
    tables, text = session.workspace.registry.tables, io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(ROWS)
    session.sheet, operation = tables.import_sheet(session.table, "rows", text.getvalue().encode())
    wait(lambda: tables.import_status(session.table, operation)["status"])
    names = [str(row["expected"].get("value")) for row in rows(session)]
    return "the rows in order" if names == ["Ana", "Ben"] else f"{names}"


@TABLES.step("which key of a cell has a long text", "value has all of it")
def long_text(session: Session) -> str:
    cell = rows(session)[0]["long"]
    lengths = {key: len(cell[key]) for key in ("value", "display_value") if isinstance(cell.get(key), str)}
    session.exchanges.append(f"sent {len(LONG)} characters; lengths {lengths}")
    is_whole = str(cell.get("value")).strip() == LONG.strip()
    return "value has all of it" if is_whole else f"lengths {lengths}"


@TABLES.step("a JSON list in a cell", "the text that was sent")
def json_cell(session: Session) -> str:
    value = rows(session)[1]["given"].get("value")
    return "the text that was sent" if value == ROWS[2][0] else f"{type(value).__name__} {value}"


@TABLES.step("a computed column returns its config as it was sent, with titles", "titles")
def config(session: Session) -> str:
    sources = ["given", "expected"]
    ids = [session.columns[title]["id"] for title in sources]
    dependencies = [
        {
            "column_id": column,
            "reference_type": "value",
            "config_key": "sources",
            "config_meta": {"position": position},
        }
        for position, column in enumerate(ids)
    ]
    session.workspace.registry.tables.create_column(
        session.sheet,
        {"title": "same", "type": "COMPARE", "config": {"sources": sources}, "dependencies": dependencies},
    )
    rows(session)
    stored = session.columns["same"]["config"].get("sources")
    return {str(sources): "titles", str(ids): "ids"}.get(str(stored), f"{stored}")


@TABLES.step("its cells are computed", "true, false")
def computed(session: Session) -> str:
    tables = session.workspace.registry.tables
    started = tables.recalculate(session.sheet, [session.columns["same"]["id"]])
    if operation := started.get("operation_id"):
        wait(lambda: tables.operation(session.sheet, operation)["status"])
    values = [row["same"].get("value") for row in rows(session)]
    plain = [value.get("value") if isinstance(value, dict) else value for value in values]
    return ", ".join(str(value).lower() for value in plain)


@TABLES.step("a scorecard scores the rows", "0.5")
def score(session: Session) -> str:
    tables, given = session.workspace.registry.tables, session.columns["given"]["id"]
    step = {
        "title": "named",
        "order_index": 0,
        "primitive_type": "CONTAINS",
        "primitive_config": {"source": given, "value": "Ana"},
        "source_column_ids": [given],
        "thresholds": {"pass": 1, "warn": 1},
    }
    card = {"name": "verify", "evaluated_column_ids": [], "aggregation": {}, "steps": [step]}
    tables.set_scorecard(session.sheet, card)
    calculation = tables.score(session.sheet)
    wait(lambda: tables.calculation(session.sheet, calculation)["status"])
    return str(tables.calculation(session.sheet, calculation).get("aggregate_score"))


@TABLES.step("the config_hash of a calculation is that of its scorecard", "equal")
def config_hash(session: Session) -> str:
    read = session.workspace.registry.tables.scorecard(session.sheet)
    hashes = [(read.get(key) or {}).get("config_hash") for key in ("scorecard", "latest_calculation")]
    return "equal" if hashes[0] == hashes[1] and hashes[0] else f"{hashes}"


@TABLES.step("the table is found by its title", "1 table")
def titled(session: Session) -> str:
    return f"{len([table for table in session.workspace.tables() if table['id'] == session.table])} table"


LIST_IN_CELL = Chapter("Open questions: what reaches the model", is_story=False)


@LIST_IN_CELL.step("a JSON list in a cell reaches the prompt as a list", "each item by itself", "model")
def list_in_cell(session: Session) -> str:
    text = "Repeat this line exactly: {% for item in items %}<{{ item }}>{% endfor %}"
    message = {"role": "user", "content": text, "template_format": "jinja2"}
    session.prompt("lister", model=session.model_of(64), messages=[message])
    source = {"source": "Output", "value": "<north><south>"}
    session.evaluation("lists", "lister", [{"items": ["north", "south"]}], source)
    document = session.run("eval", "run", session.name("lists"), code=None)
    outputs = [str(row.get("output")) for run in document.get("runs", ()) for row in run.get("rows", ())]
    is_list = any("<north><south>" in output for output in outputs)
    return "each item by itself" if is_list else " / ".join(outputs) or "no output"


TABLE_QUESTIONS = (TABLES, LIST_IN_CELL)

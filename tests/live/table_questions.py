"""Questions about Tables that PromptLayer's documentation leaves open, with what promptsync expects."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from typing import Any

from findings import Differs, chapter
from questions import created
from session import Session

LONG = "long " * 2000
ROWS = [("given", "expected", "long"), ("Ana", "Ana", LONG), ('["a", "b"]', "Ben", "short")]


def wait(status: Callable[[], str]) -> None:
    """Wait until an import, an operation or a calculation has ended, for at most three minutes."""
    deadline = time.monotonic() + 180
    pause = 0.05
    while (now := status().lower()) not in ("completed", "failed"):
        if time.monotonic() > deadline:
            raise Differs(f"still {now} after three minutes")
        time.sleep(pause)
        pause = min(pause * 2, 5.0)


@chapter("Open questions: tables, without a model call")
def questions(run: Session) -> None:
    tables = run.workspace.registry.tables
    columns: dict[str, dict[str, Any]] = {}

    def rows() -> list[dict[str, Any]]:
        """Return the cells of each row by the titles of their columns."""
        read = tables.rows(sheet)
        columns.update({column["title"]: column for column in read["columns"]})
        titles = {column["id"]: title for title, column in columns.items()}
        ordered = sorted(read["rows"], key=lambda row: row["row_index"])
        return [{titles[key]: cell for key, cell in row["cells"].items() if key in titles} for row in ordered]

    with run.step("a table without a default sheet", "0 sheets") as saw:
        table = created(run.workspace.create_table("table"))["table"]["id"]
        saw(f"{len(tables.sheets(table))} sheets")

    with run.step("a sheet from a CSV file", "the rows in order") as saw:
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(ROWS)
        sheet, importing = tables.import_sheet(table, "rows", text.getvalue().encode())
        wait(lambda: tables.import_status(table, importing)["status"])
        names = [str(row["expected"].get("value")) for row in rows()]
        saw("the rows in order" if names == ["Ana", "Ben"] else names)

    with run.step("which key of a cell has a long text", "value has all of it") as saw:
        cell = rows()[0]["long"]
        texts = {key: cell[key] for key in ("value", "display_value") if isinstance(cell.get(key), str)}
        lengths = {key: len(text) for key, text in texts.items()}
        run.exchanges.append(f"sent {len(LONG)} characters; lengths {lengths}")
        is_whole = str(cell.get("value")).strip() == LONG.strip()
        saw("value has all of it" if is_whole else f"lengths {lengths}")

    with run.step("a JSON list in a cell", "the text that was sent") as saw:
        value = rows()[1]["given"].get("value")
        saw("the text that was sent" if value == ROWS[2][0] else f"{type(value).__name__} {value}")

    with run.step("a computed column returns its config as it was sent, with titles", "titles") as saw:
        sources = ["given", "expected"]
        ids = [columns[title]["id"] for title in sources]
        common = {"reference_type": "value", "config_key": "sources"}
        dependencies = [
            {**common, "column_id": column, "config_meta": {"position": position}}
            for position, column in enumerate(ids)
        ]
        compare = {"title": "same", "type": "COMPARE", "config": {"sources": sources}}
        tables.create_column(sheet, {**compare, "dependencies": dependencies})
        rows()
        stored = columns["same"]["config"].get("sources")
        saw({str(sources): "titles", str(ids): "ids"}.get(str(stored), stored))

    with run.step("its cells are computed", "true, false") as saw:
        started = tables.recalculate(sheet, [columns["same"]["id"]])
        if operation := started.get("operation_id"):
            wait(lambda: tables.operation(sheet, operation)["status"])
        values = [row["same"].get("value") for row in rows()]
        plain = [value.get("value") if isinstance(value, dict) else value for value in values]
        saw(", ".join(str(value).lower() for value in plain))

    with run.step("a scorecard scores the rows", "0.5") as saw:
        given = columns["given"]["id"]
        contains = {"primitive_type": "CONTAINS", "primitive_config": {"source": given, "value": "Ana"}}
        judged = {"source_column_ids": [given], "thresholds": {"pass": 1, "warn": 1}}
        step = {"title": "named", "order_index": 0, **contains, **judged}
        card = {"name": "verify", "evaluated_column_ids": [], "aggregation": {}, "steps": [step]}
        tables.set_scorecard(sheet, card)
        calculation = tables.score(sheet)
        wait(lambda: tables.calculation(sheet, calculation)["status"])
        saw(tables.calculation(sheet, calculation).get("aggregate_score"))

    with run.step("the config_hash of a calculation is that of its scorecard", "equal") as saw:
        read = tables.scorecard(sheet)
        hashes = [(read.get(key) or {}).get("config_hash") for key in ("scorecard", "latest_calculation")]
        saw("equal" if hashes[0] == hashes[1] and hashes[0] else hashes)

    with run.step("the table is found by its title", "1 table") as saw:
        saw(f"{len([found for found in run.workspace.tables() if found['id'] == table])} table")


@chapter("Open questions: what reaches the model", is_story=False)
def list_in_cell(run: Session) -> None:
    title = "a JSON list in a cell reaches the prompt as a list"
    if run.is_given("with-model", title):
        with run.step(title, "each item by itself") as saw:
            text = "Repeat this line exactly: {% for item in items %}<{{ item }}>{% endfor %}"
            message = {"role": "user", "content": text, "template_format": "jinja2"}
            run.prompt("lister", model=run.model_of(64), messages=[message])
            source = {"source": "Output", "value": "<north><south>"}
            run.evaluation("lists", "lister", [{"items": ["north", "south"]}], source)
            document = run.run("eval", "run", run.name("lists"), code=None)
            runs = document.get("runs", ())
            outputs = [str(row.get("output")) for check in runs for row in check.get("rows", ())]
            is_list = any("<north><south>" in output for output in outputs)
            saw("each item by itself" if is_list else " / ".join(outputs) or "no output")


TABLE_QUESTIONS = (questions, list_in_cell)

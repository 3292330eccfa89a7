"""A sheet of the embedded registry for tests: made, computed and scored through the API."""

from __future__ import annotations

import base64
import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from registry_server import Caller
from vendor_spec import SPEC, spec, validate

TABLES = "/api/public/v2/tables"


def csv_file(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([titles, *rows])
    return base64.b64encode(text.getvalue().encode()).decode()


_IDS = {"operations": "operation", "calculations": "calculation", "cells": "cell", "columns": "column"}


def _declared(path: str) -> str:
    """Return a path of a sheet as the vendor's document names it."""
    parts = path.split("/")
    for place in range(1, len(parts)):
        before = parts[place - 1]
        if before == "rows":
            parts[place] = "{row_index}"
        elif before in _IDS and parts[place] != "recalculations":
            parts[place] = f"{{{_IDS[before]}_id}}"
    return "/".join(parts)


@dataclass
class SheetUnderTest:
    """One sheet; ``columns`` are the ids of its columns by title."""

    call: Caller
    table_id: str
    sheet_id: str

    def __call__(self, method: str, path: str = "", body: Any = None, *, status: int = 200) -> Any:
        template = "/api/public/v2/tables/{table_id}/sheets/{sheet_id}"
        answer = self.call(method, f"{TABLES}/{self.table_id}/sheets/{self.sheet_id}{path}", body)
        assert answer.status == status, answer.body
        declared = template + _declared(path.partition("?")[0])
        if SPEC.exists() and method.lower() in spec()["paths"].get(declared, {}):
            validate(declared, method, status, answer.body)
        return answer.body

    def refuses(self, *rows: tuple[Any, ...]) -> None:
        """Send each row, a method, a path and a body; its status and a part of the message follow them."""
        for method, path, body, status, words in rows:
            assert words in self(method, path, body, status=status)["message"], (path, body)

    @property
    def columns(self) -> dict[str, str]:
        return {column["title"]: column["id"] for column in self("GET", "/columns")["data"]}

    @property
    def version(self) -> int:
        return int(self("GET")["sheet"]["version_count"])

    def column(self, title: str, kind: str, **config: Any) -> str:
        body = {"title": title, "type": kind, "config": config}
        column_id: str = self("POST", "/columns", body, status=201)["column"]["id"]
        return column_id

    def cells(self, title: str) -> list[dict[str, Any]]:
        column_id = self.columns[title]
        return [row["cells"][column_id] for row in self("GET", "/rows?limit=100")["data"]]

    def values(self, title: str) -> list[Any]:
        return [cell["value"] for cell in self.cells(title)]

    def recalculate(self, **body: Any) -> dict[str, Any]:
        """Recalculate cells, and wait until the operation is over."""
        started = self("POST", "/operations", body, status=202)
        return self.operation(started["operation_id"])

    def operation(self, operation_id: str) -> dict[str, Any]:
        operation: dict[str, Any] = {"status": "running"}
        while operation["status"] == "running":
            time.sleep(0.005)
            operation = self("GET", f"/operations/{operation_id}")["operation"]
        return operation

    def scorecard(
        self, *steps: dict[str, Any], name: str = "a scorecard", **aggregation: Any
    ) -> dict[str, Any]:
        body = {"name": name, "aggregation": aggregation, "steps": list(steps)}
        scorecard: dict[str, Any] = self("PATCH", "/scorecard", body)["scorecard"]
        return scorecard

    def score(self, **scope: Any) -> dict[str, Any]:
        """Start a calculation, and return it when it is over."""
        return self.calculation(self("POST", "/scorecard/recalculate", scope, status=202)["calculation_id"])

    def calculation(self, calculation_id: str) -> dict[str, Any]:
        """Return a calculation when it is over."""
        calculation: dict[str, Any] = {"status": "queued"}
        while calculation["status"] in ("queued", "running"):
            time.sleep(0.005)
            calculation = self("GET", f"/scorecard/calculations/{calculation_id}")["calculation"]
        return calculation

    def verdicts(self) -> list[str]:
        return [row["aggregate_verdict"] for row in self("GET", "/scorecard/rows?limit=100")["rows"]]


def sheet_of(call: Caller, titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> SheetUnderTest:
    table = call("POST", TABLES, {"title": "Refund quality", "create_default_sheet": False}).body["table"]
    source = {"type": "file", "file_name": "rows.csv", "file_content_base64": csv_file(titles, rows)}
    sheet = call("POST", f"{TABLES}/{table['id']}/sheets", {"title": "Cases", "source": source}).body["sheet"]
    return SheetUnderTest(call, table["id"], sheet["id"])

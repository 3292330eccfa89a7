"""The page about what was verified has the numbers of the comparisons."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import recorded
import table
from mcp_tools import CALLS
from vendor_spec import SPEC

PAGE = (table.ROOT / "docs" / "verified.md").read_text("utf-8")
ROWS = dict(re.findall(r"(?m)^\* ([^:\n]+): (.+)$", PAGE))
WRITTEN = table.Compatibility.read()
FOLDER = os.environ.get("PROMPTLAYER_RECORDINGS")


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\b\d+\b", text)]


def counts(outcomes: list[table.Outcome]) -> list[int]:
    statuses = [outcome.status for outcome in outcomes]
    return [
        count for status in (table.WORKS, table.PARTLY, table.MISSING) if (count := statuses.count(status))
    ]


def test_the_operations_of_the_specification() -> None:
    named = [
        WRITTEN.operations[operation]
        for area, operations in table.OPERATIONS.items()
        if area != table.BESIDE_THE_SPECIFICATION
        for operation in operations
    ]
    assert numbers(ROWS["OpenAPI files, August 2026"])[:3] == counts(named)


def test_the_responses_that_fit_their_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    if not SPEC.exists():
        pytest.skip("the vendor's specification is not available")
    fitting = set()
    validate = table.validate

    def counted(path: str, method: str, status: int, body: object) -> None:
        validate(path, method, status, body)
        fitting.add((path, method))

    monkeypatch.setattr(table, "validate", counted)
    table.call_operations()
    assert numbers(ROWS["OpenAPI files, August 2026"])[3:] == [len(fitting)]


def test_the_calls_of_the_mcp_server() -> None:
    assert numbers(ROWS["MCP server 1.3.0"])[:2] == [len(CALLS), len({tool for tool, _ in CALLS})]


@pytest.mark.skipif(not FOLDER, reason="PROMPTLAYER_RECORDINGS names no folder of recordings")
def test_the_recorded_answers(capsys: pytest.CaptureFixture[str]) -> None:
    recorded.main(Path(FOLDER or ""))
    (source,) = (source for source in ROWS if source.startswith("Recordings"))
    assert numbers(ROWS[source]) == numbers(capsys.readouterr().out.splitlines()[-1])

"""Checks on tables from the first request to the result, on a real registry."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sheets_there import TABLES, check, declare, requests, sheets, table, tables, text, wanted
from worlds import World, asking, failing, fault, made, once

from promptsync.checks.assignment import Check
from promptsync.checks.catalog import NoSuchItem
from promptsync.checks.results import CheckResult
from promptsync.checks.tables import past_results
from promptsync.checks.tested_text import TestedText
from promptsync.errors import RemoteError, UsageError
from promptsync.server.checks.models import Echo

PLAIN = text("Say {question}")
LIVE = text("Tell {question}", version=3)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A model that answers with the question, and that is no echo: what that answers is never reused."""
    with made(tmp_path, model=Echo("parrot")) as world:
        declare(world)
        yield world


def only(world: World, candidate: TestedText, live: TestedText | None = None, **limits: Any) -> CheckResult:
    (result,) = check(world, wanted(candidate, live, **limits)).all
    return result


def test_a_text_is_run_on_all_rows_beside_the_live_one(world: World) -> None:
    (result,) = check(world, wanted(text("Say {expect}"), LIVE), origin="pull request 12").all
    assert (result.passed, result.run.score, result.run.model) == (True, 100, None)
    assert [row.output for row in result.run.rows[:2]] == ["Say case 0 of", "Say case 1 of"]
    assert result.run.rows[0].inputs == {"question": "case 0 of many", "expect": "case 0 of"}
    assert {row.verdict for row in result.run.rows} == {"pass"}
    assert (result.live_version, result.live_score, result.drop) == (3, 100, 0)
    assert result.live_run is not None
    assert result.live_run.rows[0].output == "Tell case 0 of many"
    assert [table["title"] for table in tables(world)] == ["Refunds"]
    titles = [sheet["title"] for sheet in sheets(world)]
    assert len(titles) == 2 and all(re.fullmatch("promptsync ask [0-9a-f]{8}", title) for title in titles)
    (again,) = check(world, wanted(text("Say {expect}"), LIVE), origin="deploy").all
    assert (again.run.reused, again.run.origin) == (True, "pull request 12")


def test_what_fails_a_check(world: World) -> None:
    fails: tuple[tuple[int, dict[str, float], list[str]], ...] = (
        (20, {"min_score": 1, "max_drop": 5}, ["min-score", "max-drop"]),
        (20, {"max_drop": 5}, ["scorecard", "max-drop"]),
        (8, {"max_drop": 5, "min_score": 0}, ["cannot-tell"]),
    )
    for rows, limits, kinds in fails:
        declare(world, rows=rows)
        result = only(world, text("Say it"), LIVE, **limits)
        assert [failure.kind for failure in result.failures] == kinds
        assert result.comparison is not None
        assert len(result.comparison.worse) == rows
        live, new = result.comparison.worse[0]
        assert (live.output, new.output, new.failed_steps) == ("Tell case 0 of many", "Say it", ("Right",))
        assert result.comparison.worse[min(rows, 10) - 1][1].failed_steps == ("Right",)


def test_a_live_text_with_a_variable_that_no_column_has_cannot_be_compared(world: World) -> None:
    result = only(world, PLAIN, text("Say {gone}", version=2), max_drop=5)
    assert [failure.kind for failure in result.failures] == ["cannot-tell"]
    assert "ask has the variable 'gone'" in result.reason


def test_what_the_echo_model_answered_is_never_reused(tmp_path: Path) -> None:
    with made(tmp_path) as echoing:
        declare(echoing)
        first, again = only(echoing, PLAIN, LIVE), only(echoing, PLAIN, LIVE)
        assert (first.run.model, again.run.reused, again.run.rows) == ("echo", False, first.run.rows)
        assert again.live_run is not None and not again.live_run.reused
        # It can still be looked at.
        (past,) = past_results(echoing.library, [wanted(PLAIN, LIVE)])
        assert past is not None and past.run.model == "echo"


def test_a_live_text_whose_run_failed_is_no_noise(world: World) -> None:
    world.configure("evaluations: {on_noise: warn}")
    only(world, PLAIN)
    # The new text is known, so only the live one runs.
    world.faults = [fault(asking("POST", "/operations"), failing(500))]
    results = check(world, wanted(PLAIN, LIVE, max_drop=5))
    assert [failure.kind for failure in results.all[0].failures] == ["cannot-tell"]
    assert isinstance(results.error, RemoteError)


def test_texts_that_ran_on_different_models_are_not_compared(tmp_path: Path) -> None:
    declared_models = "models:\n- {name: gpt-4o, answers: [{answer: case}]}\n"
    other = replace(PLAIN, metadata={"model": {"provider": "openai", "name": "unknown"}})
    with made(tmp_path, fixtures=declared_models) as scripted:
        declare(scripted)
        scripted.configure("evaluations: {on_noise: warn}")
        result = only(scripted, other, LIVE, max_drop=5)
    assert result.reason == (
        "cannot tell: ask v3 is live, and ran on a real model, and the new version on the echo model"
    )


def test_a_table_of_the_dashboard_is_read_and_gets_sheets_beside_its_own(world: World) -> None:
    def run(name: str) -> CheckResult:
        candidate = text("Say {asked}")
        return check(world, replace(wanted(candidate), check=Check("table", name, ("ask",)))).all[0]

    sheet = table(world)
    before = sheet("GET", "/rows")
    result = run("Refund quality")
    assert [(row.output, row.verdict) for row in result.run.rows] == [("Say a", "fail")]
    assert sheet("GET", "/rows") == before
    world.call("PATCH", f"{TABLES}/{sheet.table_id}", {"title": "Renamed"})
    again = run(sheet.table_id)
    assert (again.run.reused, again.run.name) == (True, "Renamed")
    with pytest.raises(NoSuchItem, match="has no table 'Refund quality'"):
        run("Refund quality")
    world.call("POST", TABLES, {"title": "Renamed"})
    with pytest.raises(UsageError, match="several tables named 'Renamed', with the ids"):
        run("Renamed")


def test_the_requests_of_a_run_and_of_the_next_one(world: World) -> None:
    declare(world, rows=50)
    only(world, PLAIN, LIVE)
    polls = {"GET /ID/sheets/operations/ID", "GET /ID/sheets/ID/operations/ID"}
    polls |= {"GET /ID/sheets/ID/scorecard/calculations/ID"}
    counts = Counter({route: count for route, count in requests(world).items() if route not in polls})
    assert counts == {
        "GET ": 1,
        "POST ": 1,
        "POST /ID/sheets": 2,
        "GET /ID/sheets/ID/rows": 2 + 2 + 2,
        "POST /ID/sheets/ID/columns": 2,
        "PATCH /ID/sheets/ID/scorecard": 2,
        "POST /ID/sheets/ID/operations": 2,
        "POST /ID/sheets/ID/scorecard/recalculate": 2,
        "GET /ID/sheets/ID/scorecard/rows": 2,
    }
    world.forget()
    results = check(world, [wanted(text("Shout {question}"), LIVE), wanted(PLAIN, LIVE)])
    assert [result.run.reused for result in results.all] == [False, True]
    counts = requests(world)
    assert [counts[route] for route in ("GET ", "GET /ID/sheets", "POST /ID/sheets")] == [1, 1, 1]
    # Each of two sheets that are there is read once, and the new one as when it is made.
    assert (counts["GET /ID/sheets/ID/rows"], counts["GET /ID/sheets/ID/scorecard"]) == (2 + 3, 2)


def aged(world: World, hours: float) -> None:
    """Make sheets and their calculations older."""
    moment = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    with contextlib.closing(sqlite3.connect(world.root.parent / "registry.db")) as database, database:
        database.execute("UPDATE sheets SET created_at = ?, updated_at = ?", (moment, moment))


def test_a_sheet_that_is_too_old_is_run_again_and_replaced(world: World) -> None:
    first = only(world, PLAIN)
    aged(world, 23)
    assert only(world, PLAIN).run.reused
    aged(world, 25)
    second = only(world, PLAIN)
    assert [sheet["id"] for sheet in sheets(world)] == [second.run.sheet_id] != [first.run.sheet_id]


def test_only_our_own_oldest_sheets_of_the_prompt_are_deleted(world: World) -> None:
    world.configure("evaluations: {keep: 2}")
    made = [only(world, text(f"Say {{question}} {n}")).run.sheet for n in range(2)]
    only(world, text("Say {question}", "other"))
    world.call("POST", f"{TABLES}/{tables(world)[0]['id']}/sheets", {"title": "promptsync ask"})
    aged(world, 1)
    made.append(only(world, PLAIN).run.sheet)
    titles = {sheet["title"] for sheet in sheets(world)}
    assert titles.issuperset({*made[1:], "promptsync ask"})
    assert made[0] not in titles and len(titles) == 4
    only(world, LIVE)
    assert made[1] not in {sheet["title"] for sheet in sheets(world)}
    # What changed within ten minutes may be in use.
    only(world, text("Shout {question}"))
    assert made[2] in {sheet["title"] for sheet in sheets(world)}


def test_two_jobs_at_once_make_two_sheets_of_which_the_newest_counts(world: World) -> None:
    world.faults = [once(asking("POST", "/sheets"), lambda: only(world, PLAIN))]
    assert only(world, PLAIN).passed
    first, second = sheets(world)
    assert first["title"] == second["title"]
    again = only(world, PLAIN)
    assert (again.run.reused, again.run.sheet_id) == (True, sheets(world)[-1]["id"])

"""What goes wrong while a check runs on a table, what is left there, and what the next run does."""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from clock import Clock
from mutations import mutated
from scripted_registry import DROPPED, Reply, Seen
from sheets_there import TABLES, check, declare, place, sheets, spoiled, tables, text, wanted
from worlds import Fault, World, asking, failing, fault, once

from promptsync.checks import runs as waiting
from promptsync.checks.results import CheckResult, Standard
from promptsync.checks.tables import check_tables, plan_tables
from promptsync.errors import PromptsyncError, RemoteError
from promptsync.registry.errors import FateUnknown, Unsupported

COUNTS = {"completed_count": 3, "failed_count": 0, "cell_count": 12}
RUNNING = Reply({"success": True, "operation": {"status": "running", **COUNTS}})


def watching(seen: Seen) -> bool:
    """Whether a request lists or reads operations, but no import."""
    return seen.method == "GET" and "/operations" in seen.path and "/sheets/operations" not in seen.path


def polling(seen: Seen) -> bool:
    return watching(seen) and not seen.path.endswith("/operations")


PLAIN, LIVE = text("Say {question}"), text("Tell {question}", version=3)


def only(world: World, **options: Any) -> CheckResult:
    (result,) = check(world, wanted(PLAIN), **options).all
    return result


@pytest.fixture(autouse=True)
def declared(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows, whose runs are polled often."""
    declare(world, rows=2)
    monkeypatch.setattr(waiting, "_FIRST_PAUSE", 0.005)


def clear(world: World) -> None:
    for table in tables(world):
        world.call("DELETE", f"{TABLES}/{table['id']}")


def length(world: World) -> int:
    """How many requests a whole run sends, whose traces are removed."""
    world.forget()
    only(world)
    clear(world)
    return len(world.seen)


class Killed(BaseException):
    """The process has ended."""


def killed_at(number: int, world: World, *, after: bool) -> None:
    """Run a check in a process that ends at one of its requests."""
    with world.project() as project:
        call, left = project.registry.connection.call, [number]  # type: ignore[attr-defined]

        def counted(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                if after:
                    call(*arguments, **options)
                raise Killed
            return call(*arguments, **options)

        project.registry.tables._call = counted  # type: ignore[attr-defined]
        with contextlib.suppress(Killed):  # some run needs a poll less
            check_tables(project, plan_tables(project, [wanted(PLAIN)]), Standard())


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_request_the_next_run_ends_well(world: World, after: bool) -> None:
    for number in range(1, length(world) + 1):
        killed_at(number, world, after=after)
        result = only(world)
        assert (result.passed, result.run.score, len(tables(world))) == (True, 100, 1)
        # A sheet without all of its columns may belong to another run, so it is left for now.
        assert len(sheets(world)) <= 2
        clear(world)


@pytest.mark.parametrize(("status", "after"), [(429, False), (503, False), (0, False), (0, True)])
def test_a_request_that_fails_once_changes_nothing(world: World, status: int, after: bool) -> None:
    reply = Reply({"message": "later"}, status=status) if status else DROPPED
    for number in range(length(world)):
        world.forget()
        world.faults = [fault(lambda _, at=number: len(world.seen) == at + 1, reply, times=1, after=after)]
        try:
            result = only(world)
        except FateUnknown:  # whether a table was made is seen by the next run
            assert (world.seen[number].method, world.seen[number].path) == ("POST", TABLES)
            result = only(world)
        assert (result.passed, result.run.score, len(tables(world))) == (True, 100, 1), world.seen[number]
        # A sheet that was cut short is left until a later run.
        assert len(sheets(world)) <= 2, world.seen[number]
        clear(world)


def delete(world: World) -> None:
    world.call("DELETE", place(sheets(world)[0]))


def edit_a_row(world: World) -> None:
    rows = world.call("GET", f"{place(sheets(world)[0])}/rows").body
    column = next(column["id"] for column in rows["columns"] if column["title"] == "question")
    cell = rows["data"][0]["cells"][column]["id"]
    body = {"value": "x", "display_value": "x"}
    assert world.call("PATCH", f"{place(sheets(world)[0])}/cells/{cell}", body).status == 200


def operation(**values: Any) -> Reply:
    return Reply({"success": True, "operation": values})


FEWER = Reply({"data": [], "columns": [], "row_count": 3, "next_cursor": None})
FAILED_IMPORT = operation(status="failed", error_message="too many rows")
RECALCULATING = asking("POST", "/recalculate")
WRONG: list[tuple[str, Callable[[World], list[Any]]]] = [
    ("was deleted while it ran", lambda world: [once(RECALCULATING, lambda: delete(world))]),
    ("was edited while it ran", lambda world: [once(RECALCULATING, lambda: edit_a_row(world))]),
    ("was cancelled while it ran", lambda _: [fault(polling, operation(status="cancelled"))]),
    (
        "the registry imported 3 of 2 rows of .*: too many rows",
        lambda _: [
            fault(asking("GET", "/sheets/operations/"), FAILED_IMPORT),
            fault(asking("GET", "/rows"), FEWER),
        ],
    ),
]


@pytest.mark.parametrize(("message", "faults"), WRONG)
def test_what_goes_wrong_is_named(world: World, message: str, faults: Callable[[World], list[Any]]) -> None:
    world.faults = faults(world)
    results = check(world, wanted(PLAIN))
    assert isinstance(results.error, RemoteError) and re.search(message, results.error.message)
    assert f"sheet '{results.all[0].run.sheet}' of table 'Refunds'" in results.error.message
    assert "cancelled" not in message or results.error.hint == "promptsync eval run Refunds"
    world.faults.clear()
    assert only(world).passed


def test_a_registry_without_tables_is_told_by_the_way_out(world: World) -> None:
    world.faults = [fault(asking("GET", TABLES), Reply({"message": "Not Found"}, status=404))]
    with pytest.raises(Unsupported, match="has no Tables") as raised:
        check(world, wanted(PLAIN))
    assert raised.value.hint.startswith("use evaluation instead of table")


def test_a_registry_that_asks_for_a_confirmation_gets_it_up_to_what_was_planned(world: World) -> None:
    declare(world, rows=1001)
    assert only(world).run.score == 100
    assert [seen for seen in world.writes if "confirmation_token" in (seen.body or {})]
    declare(world, rows=2)
    for affected in (3, -1, None):
        clear(world)
        world.forget()
        asks = {"success": False, "requires_confirmation": True, "confirmation_token": "x"}
        reply = Reply({**asks, "affected_cell_count": affected, "message": "sure?"})
        world.faults = [fault(asking("POST", "/operations"), reply)]
        error = check(world, wanted(PLAIN)).error
        assert error is not None and error.code == "too-many-cells"
        assert f"would compute {affected or 'more'} cells" in error.message
        assert not [seen for seen in world.writes if "confirmation_token" in (seen.body or {})]


def press(what: str, ended: int, total: int) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_cancels_what_was_started_and_says_what_takes_it_up(world: World) -> None:
    world.faults = [fault(polling, RUNNING)]
    results = check(world, wanted(PLAIN, LIVE), progress=press)
    assert results.interrupted
    assert results.error is not None and results.error.hint == "promptsync eval run Refunds"
    assert [line.rpartition(": ")[2] for line in results.error.details] == ["cancelled"]
    for sheet in sheets(world):
        under_way = world.call("GET", f"{place(sheet)}/operations").body
        assert under_way["active_operations"] == []
    world.faults.clear()
    assert only(world).passed and len(sheets(world)) == 2


def test_ctrl_c_leaves_what_another_run_started(world: World) -> None:
    check(world, wanted(PLAIN), timeout=0)

    def under_way(seen: Seen, _: Callable[[Seen], Reply]) -> Reply:
        others = Reply({"success": True, "active_operations": [{"operation_id": "another"}]})
        return others if seen.path.endswith("/operations") else RUNNING

    world.forget()
    world.faults = [fault(watching, under_way)]
    results = check(world, wanted(PLAIN), progress=press)
    assert (results.interrupted, results.all[0].run.stopped, world.writes) == (True, "stopped", [])


def test_after_the_time_the_next_run_takes_it_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(world)
    world.faults = [fault(polling, RUNNING)]
    with monkeypatch.context() as patched:  # the next run waits for real cells
        patched.setattr(waiting, "time", Clock())
        (result,) = check(world, wanted(PLAIN), timeout=60).all
    assert result.reason == f"timed out; sheet '{result.run.sheet}' of table 'Refunds' is still running"
    assert result.run.progress == (3, 12)
    world.faults.clear()
    again = only(world)
    assert (again.passed, again.run.sheet_id) == (True, result.run.sheet_id)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_nonsense_in_an_answer(world: World, monkeypatch: pytest.MonkeyPatch, seed: int, again: bool) -> None:
    monkeypatch.setattr(waiting, "time", Clock())
    source = random.Random(seed)
    for number in range(6 if again else length(world)):

        def spoil(seen: Seen, forward: Callable[[Seen], Reply], at: int = number) -> Reply | None:
            if len(world.seen) != at + 1:
                return None
            reply = forward(seen)
            return replace(reply, body=json.dumps(spoiled(source, json.loads(reply.content))))

        if again:
            only(world)
        world.forget()
        world.faults = [spoil]
        with contextlib.suppress(PromptsyncError):
            only(world, timeout=5)
        world.faults = []
        clear(world)


def answering(part: str, change: Callable[[Any], object]) -> Fault:
    """Other answers of the registry to what is read."""

    def answer(seen: Seen, body: Any) -> Any:
        if asking("GET", part)(seen):
            change(body)
        return body

    return mutated(answer)


def scored(**values: Any) -> Callable[[Any], None]:
    return lambda body: [row.update(values) for row in next(v for v in body.values() if isinstance(v, list))]


IMPOSSIBLE = [
    ("/calculations/", lambda body: body["calculation"].update(aggregate_score=1.5), "the score 1.5, not"),
    ("/scorecard/rows?", scored(aggregate_verdict="great"), "2 failed cells: not scored"),
    ("/scorecard/rows?", scored(aggregate_score=5), "the score 5, not 0 to 1"),
    ("/scorecard/rows?", scored(row_index=0), "1 failed cell: not scored"),
]


def test_a_score_or_a_verdict_that_cannot_be_fails(world: World) -> None:
    for part, change, reason in IMPOSSIBLE:
        world.faults = [answering(part, change)]
        result = only(world)
        assert reason in result.reason
        world.faults = []
        clear(world)


def test_a_sheet_whose_cells_failed_has_no_score_while_it_is_taken_up(world: World) -> None:
    world.faults = [answering("/scorecard/rows?", scored(aggregate_verdict="error"))]
    assert only(world).run.score == 100
    world.faults.insert(0, fault(asking("POST", "/operations"), failing(500)))
    result = only(world)
    assert (result.passed, result.run.score) == (False, None)

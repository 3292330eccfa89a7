"""``make verify-live`` against the embedded registry: it is complete, touches nothing else and cleans up."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import forked
import pytest
import verify
from dialect_servers import vendor
from seeds import FUZZ
from session import Finding, Outcome, Report, Session
from workspace import Foreign, Workspace
from worlds import KEY, SHORT_WAITS, Fault, Reply, Run, Seen, World, failing, fault, is_write, made, once

from promptsync.cli import run as promptsync
from promptsync.registry.protocol import Timeouts

MODEL = ("--with-model", "openai/gpt-4o")
PROTECTED = "gold"
PAGE = Path(__file__).parents[2] / "docs" / "verified.md"
WRITES = [
    ("Release labels", "POST /rest/prompt-templates"),
    ("Release labels", "POST /prompts/.*/label"),
    ("Release labels", "PATCH /prompt-labels/"),
    ("Release labels", "DELETE /prompt-labels/"),
    ("Archive", "DELETE .*/folders/entities"),
    ("Deploy", "POST .*/tables"),
    ("Open questions: tables", "POST .*/tables"),
    ("Open questions: tables", "POST .*/sheets"),
    ("Open questions: tables", "PATCH .*/scorecard"),
    ("Open questions: tables", "DELETE .*/tables/"),
]
"""Of each kind of write, where its first one is."""


def each_write(writes: Sequence[tuple[str, str]]) -> pytest.MarkDecorator:
    """With these kinds of writes, and in ``make fuzz`` with every single write."""
    rows = [(chapter, request_line, 1) for chapter, request_line in writes]
    rows += [(chapter, "", number) for chapter in dict(WRITES) for number in range(1, 30) if FUZZ]
    return pytest.mark.parametrize(("chapter", "request_line", "number"), rows)


OUTSIDE = Session.called


@pytest.fixture(autouse=True)
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the commands of a session in this process, which no signal may reach then."""

    def called(session: Session, arguments: Sequence[str]) -> tuple[int, str, str]:
        environ = {**session.environment(), "PROMPTLAYER_API_KEY": session.report.key}
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = promptsync(["-C", str(session.root), *arguments], environ, timeouts=SHORT_WAITS)
        return code, out.getvalue(), err.getvalue()

    monkeypatch.setattr(Session, "called", called)


@pytest.fixture(name="live")
def _live(tmp_path: Path) -> Iterator[World]:
    """A registry with the prompts, labels and tables of others."""
    with made(tmp_path, fixtures=f"protected_labels: [{PROTECTED}]\n") as world:
        world.publish_all("support/refund", "One {name}", "Two {name}")
        world.publish("promptsync-verify/others", "Three {name}")
        world.publish("tone", content="Be kind.")
        world.point("support/refund", prod=1, prod_released=2)
        world.call("POST", "/api/public/v2/tables", {"title": "promptsync-verify/others"})
        yield world


def rows(world: World) -> set[tuple[str, tuple[Any, ...]]]:
    """Every row of the database but the one that keeps changes that wait for approval."""
    with contextlib.closing(sqlite3.connect(world.root.parent / "registry.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            (table, row)
            for table in tables
            if not table.startswith("sqlite_") and table != "registry"
            for row in database.execute(f'SELECT * FROM "{table}"')
        }


def left(world: World) -> list[str]:
    """The names of runs that are still in the registry."""
    prompts = world.call("GET", "/prompt-templates?per_page=100").body["items"]
    tables = world.call("GET", "/api/public/v2/tables?limit=100").body["data"]
    labels = world.call("GET", "/prompt-templates/labels").body["release_labels"]
    names = [prompt["prompt_name"] for prompt in (*prompts, *labels)] + [table["title"] for table in tables]
    return [name for name in names if name.startswith("promptsync-verify/") and "/others" not in name]


def run(
    world: World, *arguments: str, environ: dict[str, str] | None = None, yes: bool = True, **options: Any
) -> Run:
    """Verify the registry of a world."""
    environ = {"PROMPTLAYER_API_KEY": KEY} if environ is None else environ
    out, err = io.StringIO(), io.StringIO()
    options = {"timeouts": SHORT_WAITS, **options}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = verify.main(["--url", world.url, *(["--yes"] * yes), *arguments], environ, **options)
    assert KEY not in out.getvalue() + err.getvalue()
    return Run(code, out.getvalue(), err.getvalue())


def cleaned(world: World, done: Run) -> None:
    """Remove later what a run left, with the command that its hint names."""
    (name,) = re.findall(r"ARGS='--clean (\w+)'", done.err)
    assert run(world, "--clean", name).code == 0
    assert left(world) == []


def test_all_is_as_expected_and_all_is_removed(live: World) -> None:
    before = rows(live)
    done = run(live, *MODEL, "--protected", PROTECTED)
    assert done.code == 0, str(done)
    (steps,) = re.findall(r"It takes (\d+) steps", PAGE.read_text("utf-8"))
    assert f"* {steps} as expected\n" in done.out
    assert "support/refund" not in done.out + done.err
    assert "everything was removed again" in done.out
    assert left(live) == [] and before <= rows(live)


def test_without_a_model_none_is_called_and_the_report_can_go_to_a_file(live: World, tmp_path: Path) -> None:
    place = tmp_path / "report.md"
    assert run(live, "--only", "Deploy", "--report", str(place)).code == 0
    report = place.read_text("utf-8")
    assert "**not tried**: the check passes, and the label moves\n" in report
    assert "5 as expected, 1 not tried" in report
    assert not [seen for seen in live.seen if seen.method != "GET" and "/sheets" in seen.path]


# -- interruptions and failures --------------------------------------------------------------------------


def nth(request_line: str, number: int) -> Callable[[Seen], bool]:
    """Matches the write with a number among those that match."""
    writes = [0]

    def is_that_one(seen: Seen) -> bool:
        is_match = is_write(seen) and bool(re.match(request_line, f"{seen.method} {seen.path}"))
        writes[0] += is_match
        return is_match and writes[0] == number

    return is_that_one


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@each_write([WRITES[4], WRITES[7]])  # each takes a process of its own for every command
def test_ctrl_c_during_a_write_removes_what_it_made(
    live: World, monkeypatch: pytest.MonkeyPatch, chapter: str, request_line: str, number: int
) -> None:
    monkeypatch.setattr(Session, "called", OUTSIDE)
    live.faults.append(once(nth(request_line, number), interrupt, after=True))
    done = run(live, *MODEL, "--only", chapter, command=forked.command())
    assert done.code == 130 or "hint: make verify-live ARGS='--clean" in done.err or FUZZ
    if done.code == 4:  # it came while everything was being removed
        cleaned(live, done)
    assert left(live) == []


def test_one_interruption_while_cleaning_up_names_what_may_be_left(live: World) -> None:
    live.faults.append(once(lambda seen: seen.method == "DELETE", interrupt, after=True))
    done = run(live, "--only", "Prompts")
    assert done.code == 4
    assert "not removed: `unknown, because of Ctrl-C" in done.out
    assert "--clean " in done.err


@each_write(WRITES[::4])
def test_after_a_500_all_is_removed(live: World, chapter: str, request_line: str, number: int) -> None:
    for is_after in (False, True) if FUZZ else (True,):
        before = rows(live)
        live.faults[:] = [fault(nth(request_line, number), failing(500), after=is_after)]
        assert run(live, *MODEL, "--only", chapter).code in (0, 1, 4)
        assert left(live) == [] and before <= rows(live)


def refusing(method: str, part: str) -> Fault:
    return fault(lambda seen: seen.method == method and part in seen.path, failing(500, "out of order"))


def without_ids(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
    if (seen.method, seen.path) != ("GET", "/api/public/v2/tables"):
        return None
    reply = forward(seen)
    return replace(reply, body=reply.body.replace('"id"', '"key"'))


@pytest.mark.parametrize(
    ("refusal", "kept"),
    [
        (refusing("DELETE", "/folders/entities"), "prompt promptsync-verify/"),
        (refusing("DELETE", "/prompt-labels/"), "labels of promptsync-verify/"),
        (refusing("DELETE", "/api/public/v2/tables/"), "table promptsync-verify/"),
        (without_ids, "table promptsync-verify/"),
        (None, "prompts and tables promptsync-verify/"),
    ],
    ids=["prompts", "labels", "tables", "tables without ids", "a key that is revoked on the way"],
)
def test_what_cannot_be_removed_is_named_and_can_be_removed_later(
    live: World, refusal: Fault | None, kept: str
) -> None:
    revoked = fault(lambda seen: len(live.writes) > 3, failing(401, "Invalid API key"))
    live.faults.append(refusal or revoked)
    done = run(live, "--only", "Open questions: labels", "--only", "Open questions: tables")
    assert done.code == 4
    assert f"* not removed: `{kept}" in done.out
    assert f"not removed: {kept}" in done.err
    live.faults.clear()
    cleaned(live, done)


ENVIRON = {"PROMPTLAYER_API_KEY": KEY}
REFUSED: list[tuple[dict[str, str], tuple[str, ...], int, str]] = [
    ({}, (), 2, "is not set"),
    (ENVIRON, (), 2, "pass --yes"),
    ({**ENVIRON, "PROMPTSYNC_READ_ONLY": "1"}, (), 3, "READ_ONLY is set"),
    (ENVIRON, ("--only", "Nothing"), 2, "no chapter starts with Nothing"),
    (ENVIRON, ("--report", "."), 2, ". cannot be written"),
    (ENVIRON, ("--url", "http://127.0.0.1:9", "--yes"), 4, "no connection"),
]


def test_what_cannot_run_writes_nothing(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    short = Timeouts(attempts=1, connect_loopback=0.2)
    for environ, arguments, code, said in REFUSED:
        done = run(live, *arguments, environ=environ, yes=False, timeouts=short)
        assert (done.code, said in done.err) == (code, True), str(done)
    live.faults.append(fault(lambda seen: True, failing(401, f"Invalid API key {KEY}")))
    assert run(live).code == 4
    assert not live.writes


# -- what the report says --------------------------------------------------------------------------------


def test_steps_after_one_that_differs_are_not_tried(live: World) -> None:
    live.faults.append(fault(lambda seen: seen.method == "PATCH", failing(403, "no permission")))
    done = run(live, "--only", "Release labels")
    assert done.code == 1
    assert "1 as expected, 1 differs, 1 not tried" in done.out
    assert "**differs**: label move moves it, keeps" in done.out
    assert "**not tried**: its other steps" in done.out


def test_on_the_vendors_specification_only_what_it_lacks_differs(tmp_path: Path) -> None:
    """The paths and bodies of PromptLayer's OpenAPI file, which has no Tables, and no others."""
    with made(tmp_path, front=vendor) as world:
        done = run(world)
    assert done.code == 1
    assert re.findall(r"\*\*differs\*\*: (.+)", done.out) == [
        "a check on a table is planned without a model call",
        "under which keys lists have their items",
        "a table without a default sheet",
    ]
    assert "everything was removed again" in done.out


def test_names_of_others_are_out_of_reach(live: World) -> None:
    workspace = Workspace(live.url, KEY, "abc", note=lambda line: None, timeouts=SHORT_WAITS)
    with contextlib.closing(workspace):
        for act in (
            lambda: workspace.create_label("nothing", "prod", 1),
            lambda: workspace.create_label("nothing", "verify-abc", 1),
            lambda: workspace.move_label("../../support/refund", "prod", 2),
            lambda: workspace.delete_label("../support/refund", "prod"),
            lambda: workspace.archive("support/refund"),
        ):
            with pytest.raises(Foreign):
                act()
    assert not live.writes


def test_the_report_shows_no_key_no_workspace_and_no_markup() -> None:
    exchange = f'GET /x -> 200 {{"workspace_id": 77, "key": "{KEY}"}} `<b>` \x1b[31m' + "x" * 5000
    report = Report("https://x", "promptsync-verify/abc/", KEY)
    report.add(Finding("Chapter", "step", "two", Outcome.DIFFERS, "one", [exchange]))
    text = report.markdown()
    assert KEY not in text and "77" not in text and "\x1b" not in text
    assert '`GET /x -> 200 {"workspace_id": …, "key": "***"} \'<b>\'' in text
    assert max(map(len, text.splitlines())) < 700

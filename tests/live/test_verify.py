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
from findings import Finding, Outcome, Report
from registry_server import running
from seeds import FUZZ
from session import Session
from workspace import Foreign, Workspace
from worlds import KEY, SHORT_WAITS, Fault, Reply, Seen, World, failing, fault, is_write, made, once

from promptsync.cli import run as promptsync
from promptsync.registry.protocol import Timeouts
from promptsync.server.app import create_app

MODEL = ("--with-model", "openai/gpt-4o")
PROTECTED = "gold"
STEPS = [(chapter, step.title) for chapter in verify.CHAPTERS for step in chapter.steps]
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


OUTSIDE = Session._called


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the commands of a session in this process, which no signal may reach then."""

    def called(session: Session, arguments: Sequence[str]) -> tuple[int, str, str]:
        environ = {**session._environment(), "PROMPTLAYER_API_KEY": session.key}
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = promptsync(["-C", str(session.root), *arguments], environ, timeouts=SHORT_WAITS)
        return code, out.getvalue(), err.getvalue()

    monkeypatch.setattr(Session, "_called", called)


@pytest.fixture(name="live")
def _live(tmp_path: Path, inside: None) -> Iterator[World]:
    """A registry with the prompts, labels and tables of others."""
    with made(tmp_path, fixtures=f"protected_labels: [{PROTECTED}]\n") as world:
        world.publish_all("support/refund", "One {name}", "Two {name}")
        world.publish("promptsync-verify/others", "Three {name}")
        world.publish("tone", content="Be kind.")
        world.point("support/refund", prod=1, prod_released=2)
        table = world.call("POST", "/api/public/v2/tables", {"title": "promptsync-verify/others"}).body[
            "table"
        ]
        assert table["id"]
        world.forget()
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
    names = [
        *(prompt["prompt_name"] for prompt in prompts),
        *(table["title"] for table in tables),
        *(f"{label['prompt_name']} {label['release_label']}" for label in labels),
    ]
    return [name for name in names if name.startswith("promptsync-verify/") and "/others" not in name]


def run(world: World, *arguments: str, key: str = KEY, **options: Any) -> int:
    options = {"timeouts": SHORT_WAITS, **options}
    return verify.main(["--url", world.url, "--yes", *arguments], {"PROMPTLAYER_API_KEY": key}, **options)


def run_of(err: str) -> str:
    """The random part that the hint names."""
    return err.partition("ARGS='--clean ")[2].partition("'")[0]


def test_all_is_as_expected_and_all_is_removed(live: World, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows(live)
    assert run(live, *MODEL, "--protected", PROTECTED) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert f"{len(STEPS)} as expected\n" in out
    assert KEY not in out + err
    assert "support/refund" not in out + err
    assert "everything was removed again" in out
    assert left(live) == []
    assert before <= rows(live)


def test_without_a_model_none_is_called_and_the_report_can_go_to_a_file(live: World, tmp_path: Path) -> None:
    place = tmp_path / "report.md"
    assert run(live, "--only", "Deploy", "--report", str(place)) == 0
    report = place.read_text("utf-8")
    assert "the check passes, and the label moves\n" in report
    assert "1 not tried" in report
    assert not [seen for seen in live.seen if seen.method != "GET" and "/sheets" in seen.path]


def at_write(request_line: str, number: int, react: Callable[[Callable[[], Reply]], Reply]) -> Fault:
    """A fault at the write with a number among those that match."""
    writes = [0]

    def fault(seen: Seen, forward: Any) -> Reply | None:
        writes[0] += is_write(seen) and bool(re.match(request_line, f"{seen.method} {seen.path}"))
        if writes[0] != number:
            return None
        writes[0] += 1
        return react(lambda: forward(seen))

    return fault


@each_write([WRITES[4], WRITES[7]])  # each takes a process of its own for every command
def test_ctrl_c_during_a_write_removes_what_it_made(
    live: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    chapter: str,
    request_line: str,
    number: int,
) -> None:
    monkeypatch.setattr(Session, "_called", OUTSIDE)

    def interrupt(forward: Callable[[], Reply]) -> Reply:
        reply = forward()
        os.kill(os.getpid(), signal.SIGINT)
        return reply

    live.faults.append(at_write(request_line, number, interrupt))
    code = run(live, *MODEL, "--only", chapter, command=forked.command())
    err = capsys.readouterr().err
    assert code == 130 or "hint: make verify-live ARGS='--clean" in err or FUZZ
    if code == 4:  # it came while everything was being removed
        assert run(live, "--clean", run_of(err)) == 0
    assert left(live) == []


@each_write(WRITES[::4])
@pytest.mark.parametrize("is_after", [False, True] if FUZZ else [True])
def test_after_a_500_all_is_removed(
    live: World, chapter: str, request_line: str, number: int, is_after: bool
) -> None:
    before, failed = rows(live), []

    def break_down(forward: Callable[[], Reply]) -> Reply:
        failed.append(forward() if is_after else None)
        return failing(500)

    live.faults.append(at_write(request_line, number, break_down))
    assert run(live, *MODEL, "--only", chapter) in (0, 1, 4)
    assert failed or FUZZ
    assert left(live) == []
    assert before <= rows(live)


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
    live: World, capsys: pytest.CaptureFixture[str], refusal: Fault | None, kept: str
) -> None:
    def revoked(seen: Seen, forward: Any) -> Reply | None:
        return failing(401, "Invalid API key") if len(live.writes) > 3 else None

    live.faults.append(refusal or revoked)
    chapters = ("--only", "Open questions: labels", "--only", "Open questions: tables")
    assert run(live, *chapters) == 4
    out, err = capsys.readouterr()
    assert f"* not removed: `{kept}" in out
    assert f"not removed: {kept}" in err
    live.faults.clear()
    assert run(live, "--clean", run_of(err)) == 0
    assert left(live) == []


def test_a_key_that_is_rejected_changes_nothing(live: World, capsys: pytest.CaptureFixture[str]) -> None:
    live.faults.append(fault(lambda seen: True, failing(401, f"Invalid API key {KEY}")))
    assert run(live) == 4
    out, err = capsys.readouterr()
    assert KEY not in out + err
    assert not live.writes


ENVIRON = {"PROMPTLAYER_API_KEY": KEY}


@pytest.mark.parametrize(
    ("environ", "options", "code", "said"),
    [
        ({}, (), 2, "is not set"),
        (ENVIRON, (), 2, "pass --yes"),
        ({**ENVIRON, "PROMPTSYNC_READ_ONLY": "1"}, (), 3, "READ_ONLY is set"),
        (ENVIRON, ("--only", "Nothing"), 2, "no chapter starts with Nothing"),
        (ENVIRON, ("--report", "."), 2, ". cannot be written"),
        (ENVIRON, ("--url", "http://127.0.0.1:9", "--yes"), 4, "no connection"),
    ],
)
def test_what_cannot_run_writes_nothing(
    live: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    options: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    short = Timeouts(attempts=1, connect_loopback=0.2)
    assert verify.main(["--url", live.url, *options], environ, timeouts=short) == code
    assert said in capsys.readouterr().err
    assert not live.writes


def test_steps_after_one_that_differs_are_not_tried(live: World, capsys: pytest.CaptureFixture[str]) -> None:
    live.faults.append(fault(lambda seen: seen.method == "PATCH", failing(403, "no permission")))
    assert run(live, "--only", "Release labels") == 1
    out = capsys.readouterr().out
    assert "1 as expected, 1 differs, 3 not tried" in out
    assert "**differs**: label move moves it, keeps" in out


def test_on_the_vendors_specification_only_what_it_lacks_differs(
    tmp_path: Path, inside: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The paths and bodies of PromptLayer's OpenAPI file, which has no Tables, and no others."""
    with create_app(tmp_path / "registry.db") as app, running(vendor(app)) as url:
        environ = {"PROMPTLAYER_API_KEY": KEY}
        assert verify.main(["--url", url, "--yes"], environ, timeouts=SHORT_WAITS) == 1
    out = capsys.readouterr().out
    assert re.findall(r"\*\*differs\*\*: (.+)", out) == [
        "a check on a table is planned without a model call",
        "under which keys lists have their items",
        "a table without a default sheet",
    ]
    assert "everything was removed again" in out


@pytest.mark.parametrize(
    "act",
    [
        lambda workspace: workspace.create_label("nothing", "prod", 1),
        lambda workspace: workspace.create_label("nothing", "verify-abc", 1),
        lambda workspace: workspace.move_label("../../support/refund", "prod", 2),
        lambda workspace: workspace.delete_label("../support/refund", "prod"),
        lambda workspace: workspace.archive("support/refund"),
    ],
)
def test_names_of_others_are_out_of_reach(live: World, act: Any) -> None:
    workspace = Workspace(live.url, KEY, "abc", note=lambda line: None, timeouts=SHORT_WAITS)
    with contextlib.closing(workspace), pytest.raises(Foreign):
        act(workspace)
    assert not live.writes


def test_the_report_shows_no_key_no_workspace_and_no_markup() -> None:
    exchanges = (f'GET /x -> 200 {{"workspace_id": 77, "key": "{KEY}"}} `<b>` \x1b[31m' + "x" * 5000,)
    finding = Finding("Chapter", "step", "one", "two", Outcome.DIFFERS, exchanges)
    text = Report("https://x", "promptsync-verify/abc/", KEY, [finding]).markdown()
    assert KEY not in text
    assert "77" not in text
    assert "\x1b" not in text
    assert '`GET /x -> 200 {"workspace_id": …, "key": "***"} \'<b>\'' in text
    assert max(map(len, text.splitlines())) < 700


def test_one_interruption_while_cleaning_up_names_what_may_be_left(
    live: World, capsys: pytest.CaptureFixture[str]
) -> None:
    live.faults.append(
        once(lambda seen: seen.method == "DELETE", lambda: os.kill(os.getpid(), signal.SIGINT), after=True)
    )
    assert run(live, "--only", "Prompts") == 4
    out, err = capsys.readouterr()
    assert "not removed: `unknown, because of Ctrl-C" in out
    assert "--clean " in err

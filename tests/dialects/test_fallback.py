"""Which request is tried in which form, and how often: never a write that may have happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dialect_servers import Dialect, customer, embedded, vendor
from dialect_world import Here, beside

PUBLISH = ("POST", "/rest/prompt-templates")
RUN = "/api/public/v2/evaluations/1/run"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Callable[..., Here]]:
    opened = []

    def start(kind: Callable[[Any], Dialect]) -> Here:
        opened.append(beside(kind, tmp_path))
        return opened[-1].__enter__()

    yield start
    for one in opened:
        one.__exit__(None, None, None)


def count(here: Here, *asked: tuple[str, str]) -> int:
    return sum((method, path) in asked for method, path, _ in here.server.seen)


@pytest.mark.parametrize(("kind", "extra"), [(embedded, 0), (customer, 0), (vendor, 1)])
def test_the_other_path_costs_one_request_for_a_whole_run(
    at: Callable[..., Here], kind: Callable[[Any], Dialect], extra: int
) -> None:
    here = at(kind)
    pipeline = here.call("GET", "/api/public/v2/evaluations").body["evaluations"][0]["id"]
    here.ok("eval", "run", str(pipeline), "--allow-unscored")
    assert count(here, ("POST", RUN), ("POST", "/reports/1/run")) == 1 + extra
    if extra:
        assert count(here, ("GET", "/api/public/v2/evaluations/2")) == 1
    listed = here.call("GET", "/api/public/v2/evaluations?include_runs=1").body["evaluations"]
    assert len(listed[0]["runs"]) == 1


class Broken(Dialect):
    """Does what it is asked, and then answers ``status`` to the requests in ``at``."""

    def __init__(self, inner: Any, status: int, at: tuple[str, ...]) -> None:
        super().__init__(inner, ())
        self.status, self.at = status, at

    def answer(self, environ: Any, method: str, target: str, raw: bytes) -> tuple[int, Any]:
        found = self.ask(method, target, json.loads(raw) if raw else None)
        if method == "POST" and target in self.at:
            return self.status, {"message": "out of order"}
        return found


WRITES = [
    ("track request request.json", "/rest/log-request", "may or may not have been logged"),
    ("track score 1 90", "/rest/track-score", "may or may not have been set"),
    ("track group --new", "/create-group", "may or may not have been created"),
    ("eval run 1", RUN, "may or may not have been started"),
    ("agent run 1", "/workflows/1/run", "may or may not have been started"),
]


@pytest.mark.parametrize(("line", "path", "said"), WRITES, ids=[line for line, _, _ in WRITES])
def test_a_write_that_may_have_happened_is_sent_once_and_told_as_unknown(
    at: Callable[..., Here], line: str, path: str, said: str
) -> None:
    here = at(lambda app: Broken(app, 500, (path,)))
    ran = here.run(*line.split(), "--json")
    assert ran.code == 5
    assert said in ran.document["error"]["message"]
    posts = [(method, target) for method, target, _ in here.server.seen if method != "GET"]
    assert posts == [("POST", path)]
    for run in ran.document.get("runs", []):
        assert (run["status"], run["passed"], run.get("report_id")) == ("maybe-started", False, None)


class Nameless(Dialect):
    """Does what it is asked, and leaves out the ids of what it made."""

    def answer(self, environ: Any, method: str, target: str, raw: bytes) -> tuple[int, Any]:
        status, body = self.ask(method, target, json.loads(raw) if raw else None)
        is_made = method == "POST" and status < 300
        return status, {"success": True, "message": "made"} if is_made else body


@pytest.mark.parametrize(("line", "said"), [(line, said) for line, _, said in WRITES])
def test_what_was_made_without_an_id_is_told_as_unknown(
    at: Callable[..., Here], line: str, said: str
) -> None:
    here = at(lambda app: Nameless(app, ()))
    if line.startswith("track score"):
        assert here.run(*line.split()).code == 0  # it needs no id
        return
    ran = here.run(*line.split(), "--json")
    assert ran.code == 5
    assert said in ran.document["error"]["message"]
    assert {run["status"] for run in ran.document.get("runs", [])} <= {"maybe-started"}


class Stopped(Dialect):
    """Says of every report that it ended with an error; the scores stay as they are."""

    def answer(self, environ: Any, method: str, target: str, raw: bytes) -> tuple[int, Any]:
        status, body = self.ask(method, target, json.loads(raw) if raw else None)
        return status, {**body, "status": "ERROR"} if "report_columns" in body else body


def test_a_report_that_ended_with_an_error_passes_with_no_score(at: Callable[..., Here]) -> None:
    here = at(lambda app: Stopped(app, ()))
    ran = here.run("eval", "run", "1", "--json")
    assert ran.code == 1
    assert ran.document["error"]["message"] == "refund quality: its report ended with the status 'ERROR'"
    assert [run["score"] for run in ran.document["runs"]] == [None]


class Refusing(Dialect):
    """Turns both forms of a publish, and of a run, down with a reason of its own for each."""

    def answer(self, environ: Any, method: str, target: str, raw: bytes) -> tuple[int, Any]:
        body = json.loads(raw) if raw else None
        if (method, target) == PUBLISH:
            return 422, {"message": f"no {'nested' if 'prompt_version' in body else 'flat'} bodies"}
        if target == RUN:
            return 400, {"message": "no runs here"}
        if target == "/reports/1/run":
            return 422, {"message": "nor there"}
        return self.ask(method, target, body)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("push -y", 5, ("no flat bodies", "no nested bodies")),
        ("eval run 1", 4, ("no runs here", "nor there")),
    ],
)
def test_when_both_forms_are_turned_down_both_reasons_are_shown(
    at: Callable[..., Here], line: str, code: int, said: tuple[str, str]
) -> None:
    here = at(lambda app: Refusing(app, ()))
    here.write("tone", "Be nice.")
    ran = here.run(*line.split())
    assert ran.code == code
    assert all(reason in ran.out + ran.err for reason in said)


@pytest.mark.parametrize("status", [401, 403, 409])
def test_a_refusal_that_is_not_about_the_form_is_not_tried_in_another(
    at: Callable[..., Here], status: int
) -> None:
    here = at(lambda app: Broken(app, status, ("/rest/log-request", RUN)))
    for line, path in (("track request request.json", "/rest/log-request"), ("eval run 1", RUN)):
        assert here.run(*line.split()).code == 4
        assert count(here, ("POST", path)) == 1
        assert count(here, ("POST", "/log-request"), ("POST", "/reports/1/run")) == 0


def test_an_agents_outputs_are_taken_from_the_answer_where_they_come_at_once(at: Callable[..., Here]) -> None:
    class AtOnce(Dialect):
        def answer(self, environ: Any, method: str, target: str, raw: bytes) -> tuple[int, Any]:
            if target.endswith("/run"):
                return 200, {"success": True, "outputs": {"answer": "sunny"}}
            return super().answer(environ, method, target, raw)

    here = at(lambda app: AtOnce(app, customer(app).rules))
    ran = here.run("agent", "run", "refund-agent", "--json")
    (run,) = ran.document["runs"]
    assert (ran.code, run["passed"], run["execution_id"]) == (0, True, None)
    assert run["outputs"] == {"answer": {"value": "sunny", "status": "SUCCESS", "error": None}}

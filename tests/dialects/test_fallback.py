"""Which request is tried in which form, and how often; and content that a registry fills in or forgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dialect_servers import customer, embedded, vendor
from dialect_world import Kind, beside, for_each, in_each_dialect, listed
from mutations import mutated
from worlds import PUBLISH, Reply, Seen, World, asking, failing, fault

RUN, REPORT = "/api/public/v2/evaluations/1/run", "/reports/1/run"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with beside(embedded, tmp_path) as world:
        yield world


def count(world: World, *paths: str) -> int:
    """The requests with a body to these paths."""
    return sum(seen.method == "POST" and seen.path in paths for seen in world.seen)


@in_each_dialect
def test_the_other_path_costs_one_request_for_a_whole_run(tmp_path: Path, kind: Kind) -> None:
    with beside(kind, tmp_path) as here:
        here.ok("eval", "run", "1", "--allow-unscored")
        assert count(here, RUN, REPORT) == (2 if kind is vendor else 1)
        if kind is vendor:
            assert [seen.path for seen in here.seen].count("/api/public/v2/evaluations/2") == 1
        listed = here.call("GET", "/api/public/v2/evaluations?include_runs=1").body["evaluations"]
        assert len(listed[0]["runs"]) == 1


LOGGED, SET, CREATED, STARTED = (
    f"may or may not have been {done}" for done in ("logged", "set", "created", "started")
)
WRITES = [
    ("track request request.json", "/rest/log-request", LOGGED),
    ("track score 1 90", "/rest/track-score", SET),
    ("track group --new", "/create-group", CREATED),
    ("eval run 1", RUN, STARTED),
    ("agent run 1", "/workflows/1/run", STARTED),
]


def test_a_write_that_may_have_happened_is_sent_once_and_told_as_unknown(here: World) -> None:
    for line, path, said in WRITES:
        here.forget()
        here.faults[:] = [fault(asking("POST", path), failing(500), after=True)]
        ran = here.exits(5, *line.split(), "--json").document
        assert said in ran["error"]["message"], line
        assert [seen.target for seen in here.writes] == [path]
        for run in ran.get("runs", []):
            assert (run["status"], run["passed"], run.get("report_id")) == ("maybe-started", False, None)


def test_what_was_made_without_an_id_is_told_as_unknown(here: World) -> None:
    here.faults.append(mutated(lambda seen, body: {"success": True, "message": "made"}, "POST"))
    for line, _, said in WRITES:
        if said is SET:  # it needs no id
            here.ok(*line.split())
            continue
        ran = here.exits(5, *line.split(), "--json").document
        assert said in ran["error"]["message"], line
        assert {run["status"] for run in ran.get("runs", [])} <= {"maybe-started"}


def test_a_report_that_ended_with_an_error_passes_with_no_score(here: World) -> None:
    def stopped(seen: Seen, body: Any) -> Any:
        return {**body, "status": "ERROR"} if "report_columns" in body else body

    here.faults.append(mutated(stopped))
    ran = here.exits(1, "eval", "run", "1", "--json").document
    assert ran["error"]["message"] == "refund quality: its report ended with the status 'ERROR'"
    assert [run["score"] for run in ran["runs"]] == [None]


def refusing(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
    """Turn both forms of a publish, and of a run, down with a reason of its own for each."""
    form = "nested" if seen.path == PUBLISH and "prompt_version" in seen.body else "flat"
    reasons = {PUBLISH: f"no {form} bodies", RUN: "no runs here", REPORT: "nor there"}
    return failing(422, reasons[seen.path]) if seen.method == "POST" and seen.path in reasons else None


def test_when_both_forms_are_turned_down_both_reasons_are_shown(here: World) -> None:
    here.faults.append(refusing)
    here.write("tone", "Be nice.")
    for line, code, said in (
        ("push -y", 5, ("no flat bodies", "no nested bodies")),
        ("eval run 1", 4, ("no runs here", "nor there")),
    ):
        ran = here.exits(code, *line.split())
        assert all(reason in ran.out + ran.err for reason in said), line


def test_a_refusal_that_is_not_about_the_form_is_not_tried_in_another(here: World) -> None:
    for status in (401, 403, 409):
        here.faults[:] = [fault(asking("POST", path), failing(status)) for path in ("/rest/log-request", RUN)]
        for line, path, other in (
            ("track request request.json", "/rest/log-request", "/log-request"),
            ("eval run 1", RUN, REPORT),
        ):
            here.forget()
            here.exits(4, *line.split())
            assert (count(here, path), count(here, other)) == (1, 0), (status, line)


def test_an_agents_outputs_are_taken_from_the_answer_where_they_come_at_once(tmp_path: Path) -> None:
    at_once = Reply({"success": True, "outputs": {"answer": "sunny"}})
    with beside(customer, tmp_path) as here:
        here.faults.append(fault(asking("POST", "/run"), at_once))
        (run,) = here.ok("agent", "run", "refund-agent", "--json").document["runs"]
    assert (run["passed"], run["execution_id"]) == (True, None)
    assert run["outputs"] == {"answer": {"value": "sunny", "status": "SUCCESS", "error": None}}


# -- content ------------------------------------------------------------------------------------------------


MODEL = "model: {provider: openai, name: gpt-4o}\n"
FSTRING = f"{MODEL}messages: [{{role: user, content: 'Hello {{x}} and {{y}}'}}]\n"
JINJA = f"{MODEL}template_format: jinja2\nmessages: [{{role: user, content: 'Hello {{{{x}}}}'}}]\n"
TAGGED = "name: tagged\ntags: [billing]\nmessages: [{role: user, content: T}]\n"


@in_each_dialect
def test_a_prompt_with_a_model_and_variables_comes_and_goes(kind: Kind, tmp_path: Path) -> None:
    with beside(kind, tmp_path) as here:
        path = here.put("prompts/asked.yaml", FSTRING)
        here.ok("push", "-y")
        here.edit("asked", "Hello", "Ciao")
        here.ok("push", "-y")
        path.unlink()
        (here.root / ".promptsync/record.json").unlink()
        here.ok("pull", "asked")
        assert "Ciao {x} and {y}" in path.read_text("utf-8")
        assert here.states()["asked"] == "in-sync"


@pytest.mark.parametrize("text", [FSTRING, JINJA])
def test_a_registry_that_forgets_tags_is_not_taken_for_somebody_who_changed_them(
    tmp_path: Path, text: str
) -> None:
    with beside(customer, tmp_path) as here:
        here.put("prompts/asked.yaml", f"tags: [a]\n{text}")
        ran = here.exits(5, "push", "-y", "--json").document
        # A jinja2 text that was filled in cannot be read back as it was sent.
        unverified = ["asked"] if text is JINJA else []
        assert [prompt["name"] for prompt in ran["unverified"]] == unverified
        assert ran["altered"] == ([] if unverified else [{"name": "asked", "fields": ["tags"]}])
        assert here.states()["asked"] == "altered"
        here.edit("asked", "Hello", "Ciao")
        assert here.states()["asked"] == "ahead"


def test_what_only_a_filled_in_form_is_given_of_stops_nobody_else(tmp_path: Path) -> None:
    with beside(customer, tmp_path) as here:
        here.put("prompts/asked.yaml", JINJA)
        here.run("push", "-y")
        here.edit("asked", "Hello", "Ciao")
        ran = here.run("push", "-y", "--json")
        assert ran.document["published"][0]["version"] == 2, ran.out
        assert set(here.states().values()) == {"in-sync"}
        here.put("prompts/other.yaml", "content: Other\n")
        here.ok("push", "-y", "other")


@for_each(embedded, vendor)
def test_tags_are_compared_published_and_pulled_where_only_single_reads_tell_them(
    kind: Kind, tmp_path: Path
) -> None:
    with beside(kind, tmp_path) as here:
        here.publish("tagged", "T", tags=["billing"])
        here.publish("theirs", "T", tags=["support"])
        here.put("prompts/tagged.yaml", TAGGED)
        here.put("prompts/new.yaml", "tags: [b, a]\ncontent: New\n")
        here.ok("push", "-y")
        here.ok("pull")
        assert "support" in here.path("theirs").read_text()
        assert {prompt["state"] for prompt in listed(here)} == {"in-sync"}
        here.put("prompts/tagged.yaml", TAGGED.replace("billing", "refunds"))
        (changed,) = here.run("diff", "--json").document["changes"]
        assert [field["path"] for field in changed["fields"]] == ["tags"]

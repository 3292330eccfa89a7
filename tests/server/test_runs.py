from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from evaluation_files import at_most, contains, declared, evaluation, matches
from registry_server import Caller, chat, completion, flat

from promptsync.server.app import create_app
from promptsync.server.checks.models import Echo, Endpoint, ModelError

CASES = [{"question": "Where is my money?", "expect": "refund"}, {"question": "Hello", "expect": "hello"}]


def judge(prompt, title="judge"):
    return {"title": title, "type": "LLM_ASSERTION", "config": {"source": "output", "prompt": prompt}}


REFUND = "support/refund"
COPY = {"title": "length", "type": "COMPOSITION", "config": {"source": "output"}}
FIXTURES = declared(
    """
models:
  - {name: llm-assertion, answers: [{contains: "Assertion:\\nyes", answer: "yes"}, {answer: "no"}]}
agents:
  - name: refund agent
    labels: [prod]
    nodes:
      - {name: draft, prompt: {name: support/refund}}
      - {name: answer, prompt: {name: polish}, variables: {loud: "{{ draft|upper }}"}, output: true}
  - name: two outputs
    nodes:
      - {name: a, prompt: {name: support/refund}, output: true}
      - {name: b, prompt: {name: polish}, output: true}
  - name: failing
    nodes:
      - {name: first, prompt: {name: nobody}}
      - {name: second, prompt: {name: polish}}
""",
    evaluation("quality", REFUND, CASES, contains(column="question"), contains("money", "contains 2")),
    evaluation("one score", REFUND, CASES, matches("money|Hello")),
    evaluation("unscored", REFUND, CASES),
    evaluation("pinned", REFUND, CASES, contains("Q:"), label="prod"),
    evaluation("first", REFUND, CASES, contains("Q:"), version=1),
    evaluation("no prompt", "nobody", CASES[:1], at_most(1)),
    evaluation("broken score", REFUND, CASES, matches("(")),
    evaluation("no score", REFUND, CASES, COPY),
    evaluation("half", REFUND, CASES, judge('["yes", "no"]'), judge("yes", "second")),
)
EVALUATIONS, DATASETS = "/api/public/v2/evaluations", "/api/public/v2/datasets"
RESULTS = "/workflow-version-execution-results?workflow_version_execution_id="
AGENT = "refund%20agent"
INPUTS = {"input_variables": {"question": "Where?"}}
OPENAI = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}


def publish_prompts(call):
    for name, template in ((REFUND, chat("Q: {question}")), ("polish", completion("{draft}! {loud}"))):
        body = flat(name, template, metadata=OPENAI, release_labels=["prod"])
        assert call("POST", "/rest/prompt-templates", body).status == 201


@pytest.fixture
def call(call):
    publish_prompts(call)
    return call


@pytest.fixture
def slow(slow):
    publish_prompts(Caller(slow))
    return slow


def evaluation_id(call, name):
    listed = call("GET", f"{EVALUATIONS}?per_page=100").body["evaluations"]
    return next(item["id"] for item in listed if item["name"] == name)


def polled(call, path, done):
    while not done(answer := call("GET", path)):
        time.sleep(0.01)
    return answer.body


def finished_report(call, run_id):
    return polled(call, f"/reports/{run_id}", lambda answer: answer.body["status"] == "COMPLETED")


def rows_of(call, run_id, query=""):
    return call("GET", f"{EVALUATIONS}/{run_id}/rows{query}").body["rows"]


def run(call, evaluation, **body):
    answer = call("POST", f"{EVALUATIONS}/{evaluation_id(call, evaluation)}/run", body or None)
    assert answer.status == 201, answer.body
    return answer.body["report_id"]


# -- lists ---------------------------------------------------------------------------------------------


def test_evaluations_are_listed_with_filters_and_pages(call):
    for query, names in (
        ("name=QUAL", ["quality"]),
        ("status=deleted", []),
        ("per_page=2&sort_by=id&sort_order=asc&page=2", ["unscored", "pinned"]),
    ):
        answer = call("GET", f"{EVALUATIONS}?{query}").body
        assert answer["items"] == answer["evaluations"], query
        assert [item["name"] for item in answer["evaluations"]] == names, query
    # They are also at the root of the folders, with the agents and the datasets.
    path = "/api/public/v2/folders/entities?include_metadata=true&sort_by=id&sort_order=asc"
    run(call, "quality")
    kinds = {}
    for entity in call("GET", path).body["entities"]:
        kinds.setdefault(entity["type"], []).append((entity["name"], entity["metadata"]))
    assert kinds["WORKFLOW"][0] == ("refund agent", {"latest_version_number": 1})
    assert kinds["DATASET"][0] == ("quality", {"isDraft": False, "latest_version_number": 1})
    assert kinds["REPORT"][0] == ("quality", {})
    assert len(call("GET", f"{path}&filter_type=REPORT").body["entities"]) == len(kinds["REPORT"]) == 9


def test_datasets_are_listed_and_their_rows_read_in_pages(call):
    (dataset,) = call("GET", f"{DATASETS}?name=quality").body["datasets"]
    assert (dataset["dataset_group"]["name"], dataset["column_names"]) == ("quality", ["question", "expect"])
    run_id = run(call, "quality")
    for query, total in (
        (f"dataset_group_id={dataset['dataset_group_id']}", 1),
        (f"report_id={run_id}", 1),
        (f"report_id={evaluation_id(call, 'quality')}", 1),
        (f"report_id={run_id + 1}", 0),
        ("prompt_id=1", 0),
    ):
        assert call("GET", f"{DATASETS}?{query}").body["total"] == total, query
    for query, values, total in (
        ("", [["Where is my money?", "refund"], ["Hello", "hello"]], 2),
        ("?per_page=1&page=2", [["Hello", "hello"]], 2),
        ("?q=MONEY", [["Where is my money?", "refund"]], 1),
        ("?q=nothing", [], 0),
    ):
        answer = call("GET", f"{DATASETS}/{dataset['id']}/rows{query}").body
        cells = [[{"type": "dataset", "value": value} for value in row] for row in values]
        assert (answer["columns"], answer["rows"], answer["total"]) == (["question", "expect"], cells, total)


# -- evaluations ---------------------------------------------------------------------------------------


def test_a_run_is_polled_to_its_score(call):
    run_id = run(call, "quality", name="nightly")
    report = finished_report(call, run_id)
    shown = ("name", "parent_report_id", "prompt_registry_id", "prompt_version_number", "comment")
    prompt_id = call("GET", "/prompt-templates/support%2Frefund").body["id"]
    about = ["nightly", evaluation_id(call, "quality"), prompt_id, 1, "model: echo"]
    assert [report["report"][key] for key in shown] == about
    assert report["stats"]["status_counts"] == {"COMPLETED": 6, "FAILED": 0, "QUEUED": 0, "RUNNING": 0}
    columns = [
        tuple(column[key] for key in ("name", "column_type", "score")) for column in report["report_columns"]
    ]
    assert columns == [
        ("question", "DATASET", None),
        ("expect", "DATASET", None),
        ("output", "PROMPT_TEMPLATE", None),
        ("contains", "CONTAINS", 100),
        ("contains 2", "CONTAINS", 50),
    ]
    score = call("GET", f"/reports/{run_id}/score").body["score"]
    assert (score["overall_score"], score["score_type"]) == (75, "multi_column")
    assert report["report"]["score"] == score
    assert call("GET", f"{EVALUATIONS}/{run_id}").body == report
    # Rows have the cells of the dataset first.
    answer = call("GET", f"{EVALUATIONS}/{run_id}/rows?per_page=1&page=2").body
    assert (answer["columns"], answer["total"]) == ([name for name, *_ in columns], 2)
    assert [cell["value"] for cell in answer["rows"][0]] == ["Hello", "hello", "Q: Hello", True, False]
    assert [cell["type"] for cell in answer["rows"][0]] == ["dataset", "dataset", "eval", "eval", "eval"]


def test_scores_of_other_evaluations(call):
    for name, overall, kind in (
        ("one score", 100, "single_column"),
        ("unscored", None, "none"),
        ("broken score", 0, "single_column"),
        ("no score", 0, "single_column"),
        ("half", 50, "multi_column"),
    ):
        report = finished_report(call, run(call, name))
        score = report["report"]["score"]
        assert (score["overall_score"], score["score_type"]) == (overall, kind), name
        assert report["stats"]["status_counts"]["FAILED"] == (2 if overall == 0 else 0), name
        # Not the model of the judge, even if that column comes first.
        assert report["report"]["comment"] == "model: echo", name


def test_runs_are_listed_newest_first_on_request(call):
    other = call("GET", f"{DATASETS}?name=no%20prompt").body["datasets"][0]["id"]
    first, second = run(call, "quality", dataset_id=other), run(call, "quality")
    reports = [finished_report(call, run_id) for run_id in (first, second)]
    assert reports[0]["report"]["dataset_id"] == other
    assert [sum(report["stats"]["status_counts"].values()) for report in reports] == [3, 6]
    listed = call("GET", f"{EVALUATIONS}?include_runs=true&name=quality").body["evaluations"][0]
    assert [item["id"] for item in listed["runs"]] == [second, first]
    assert listed["runs"][0]["score"]["overall_score"] == 75
    assert "runs" not in call("GET", EVALUATIONS).body["evaluations"][0]


# -- agents --------------------------------------------------------------------------------------------


def started_run(call, agent, body=None):
    started = call("POST", f"/workflows/{agent}/run", INPUTS if body is None else body)
    assert started.status == 201, started.body
    return started.body["workflow_version_execution_id"]


def finished_run(call, agent, body=None, choice=""):
    path = f"{RESULTS}{started_run(call, agent, body)}"
    polled(call, path, lambda answer: answer.status == 200)
    return call("GET", path + choice).body


BARE = "&return_all_outputs=false"


def test_an_agent_returns_its_bare_output_or_those_of_its_nodes(call):
    agent_id = call("GET", f"/workflows/{AGENT}").body["workflow_id"]
    # Inputs may be called like the nodes that read them.
    inputs = INPUTS["input_variables"] | {"draft": "an input", "answer": "another"}
    for agent, body in ((AGENT, INPUTS), (agent_id, INPUTS), (AGENT, {"input_variables": inputs})):
        assert finished_run(call, agent, body, BARE) == "Q: Where?! Q: WHERE?"
    for agent, choice, values in (
        (AGENT, "", {"answer": "Q: Where?! Q: WHERE?"}),
        ("two%20outputs", BARE, {"a": "Q: Where?", "b": "! "}),
        ("failing", BARE, {"second": None}),
        (AGENT, f"{BARE}&workflow_node_name=draft", {"draft": "Q: Where?"}),
        (AGENT, "&workflow_node_id=2", {"answer": "Q: Where?! Q: WHERE?"}),
    ):
        nodes = finished_run(call, agent, choice=choice)
        assert {name: node["value"] for name, node in nodes.items()} == values, choice
    for choice in ("&workflow_node_name=nobody", "&workflow_node_id=3"):
        assert "has no node" in finished_run(call, AGENT, choice=choice)["message"]
    nodes = finished_run(call, AGENT, choice="&return_all_outputs=true")
    nothing = dict.fromkeys(("error_message", "raw_error_message"))
    about = {"status": "SUCCESS", "value": "Q: Where?", "is_output_node": False}
    assert (list(nodes), nodes["draft"]) == (["draft", "answer"], about | nothing)
    failed = finished_run(call, "failing", choice="&return_all_outputs=true")
    assert [node["status"] for node in failed.values()] == ["FAILED", "FAILED"]
    assert "nobody" in failed["first"]["error_message"]
    assert "'first' failed" in failed["second"]["error_message"]


def test_an_agent_is_described_both_ways_and_listed(call):
    answer = call("GET", f"/workflows/{AGENT}").body
    assert answer["workflow_id"] == answer["workflow"]["id"]
    assert (answer["version"], answer["release_labels"]) == (1, ["prod"])
    assert answer["required_input_variables"] == {"question": "string"}
    started = [call("POST", f"/workflows/{AGENT}/run", body).body["warning"] for body in (None, INPUTS)]
    assert started == ["Missing input variables: question.", None]
    assert [node["name"] for node in answer["nodes"]] == ["draft", "answer"]
    assert answer["edges"][0]["source_node_name"] == "draft"
    (label,) = call("GET", f"/workflows/{AGENT}/labels").body["release_labels"]
    assert (label["release_label"], label["workflow_version_number"]) == ("prod", 1)
    answer = call("GET", "/workflows?sort_by=id&sort_order=asc&per_page=2").body
    assert [item["name"] for item in answer["items"]] == ["refund agent", "two outputs"]
    assert (answer["has_next"], answer["next_num"], answer["total"]) == (True, 2, 3)


def test_what_is_refused(call):
    quality, no_prompt = (f"{EVALUATIONS}/{evaluation_id(call, name)}" for name in ("quality", "no prompt"))
    agent = f"/workflows/{AGENT}"
    both = {"workflow_label_name": "prod", "workflow_version_number": 1}
    call.expect(
        ("POST", f"{quality}/run", {"dataset_id": 999}, 404, "no version of a dataset with the id 999"),
        ("POST", f"{quality}/run", {"refresh_dataset": False, "name": None}, 201),
        ("POST", f"{no_prompt}/run", None, 400, "cannot run: There is no prompt template"),
        ("POST", f"{agent}/run", {"workflow_version_number": 1, "workflow_label_name": None}, 201),
        ("POST", f"{agent}/run", {"workflow_label_name": "nope"}, 404, "no release label 'nope'"),
        ("POST", f"{agent}/run", both, 422, "not both"),
        ("POST", f"{agent}/run", {"channel_name_suffix": "a" * 201}, 422, "channel_name_suffix"),
        ("GET", f"/reports/{evaluation_id(call, 'quality')}/score", None, 400, "A pipeline has no score"),
        ("GET", f"{quality}/rows", None, 200),
        ("GET", f"{DATASETS}/999/rows", None, 404),
        ("GET", "/workflows/nobody/labels", None, 404),
        ("GET", f"{RESULTS}999", None, 404),
        ("GET", f"{agent}?version=2", None, 404, "no version 2"),
        ("GET", f"{agent}?version=1&label=prod", None, 422, "not both"),
        ("GET", "/workflow-version-execution-results", None, 422, "required"),
    )


# -- models --------------------------------------------------------------------------------------------

URL = "http://model.test/v1"


@pytest.fixture
def network(monkeypatch):
    """The requests that are sent over the network, and the responses to them before an answer of a model."""
    seen, responses = [], []

    def handle(transport, request):
        seen.append(request)
        default = httpx.Response(200, json={"choices": [{"message": {"content": "an answer"}}]})
        response = responses.pop(0) if responses else default
        if isinstance(response, Exception):
            raise response
        return response

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    return seen, responses


def test_the_echo_returns_the_last_message():
    for template, answer in (
        (chat("last"), "last"),
        (completion("text"), "text"),
        ({"type": "chat", "messages": []}, ""),
        ({"type": "chat", "messages": [{"role": "assistant", "content": None}]}, ""),
    ):
        assert Echo().answer(template, None) == answer, template


def test_an_endpoint_gets_openai_requests(network):
    seen, _ = network
    assert Endpoint(URL, api_key="sk").answer(chat("Hi"), OPENAI) == "an answer"
    assert (str(seen[0].url), seen[0].headers["Authorization"]) == (f"{URL}/chat/completions", "Bearer sk")
    other = {"model": {"provider": "anthropic", "name": "claude", "parameters": {"max_tokens": 1}}}
    Endpoint(URL).answer(completion("Once"), other)
    Endpoint(URL, model="llama").answer(chat("Hi"), OPENAI)
    first, second, third = (json.loads(request.content) for request in seen)
    assert (first["model"], first["temperature"], third["model"]) == ("gpt-4o", 0, "llama")
    message = {"role": "user", "content": [{"type": "text", "text": "Once"}]}
    assert second == {"messages": [message], "model": "claude"}
    # A tool call is an answer, too.
    called = {"content": None, "tool_calls": [{"id": "1"}]}
    network[1].append(httpx.Response(200, json={"choices": [{"message": called}]}))
    assert Endpoint(URL).answer(chat("Hi"), OPENAI) == '[{"id": "1"}]'


def test_an_endpoint_that_fails_says_why(network):
    seen, responses = network
    for response, says in (
        (httpx.Response(500, text="overloaded"), "returned 500: overloaded"),
        (httpx.Response(307, headers={"Location": "http://elsewhere.test"}), "returned 307"),
        (httpx.ConnectError("refused"), "did not answer: refused"),
        (httpx.Response(200, text="<html>"), "did not answer"),
        (httpx.Response(200, text=" " * 10_000_001), "too long"),
        (httpx.Response(200, text="[]"), "returned no message"),
        (httpx.Response(200, text='{"choices": []}'), "returned no message"),
        (httpx.Response(200, text='{"choices": [{"message": null}]}'), "returned no message"),
    ):
        seen.clear()
        responses.append(response)
        with pytest.raises(ModelError, match=says):
            Endpoint(URL, api_key="sk").answer(chat("Hi"), OPENAI)
        assert len(seen) == 1, says  # a redirect would get the key
    with pytest.raises(ModelError, match="names no model"):
        Endpoint(URL).answer(chat("Hi"), None)


def test_a_run_with_an_endpoint_names_it_and_fails_only_the_cells_that_failed(tmp_path, fixtures, network):
    half = {"choices": [{"message": {"content": "half \ud83d"}}]}
    network[1].extend([httpx.Response(500), httpx.Response(200, content=json.dumps(half))])
    with create_app(tmp_path / "e.db", fixtures=fixtures, model=Endpoint(URL, model="tiny")) as app:
        call = Caller(app)
        publish_prompts(call)
        run_id = run(call, "quality")
        report = finished_report(call, run_id)
        assert report["report"]["comment"] == "model: tiny"
        assert report["stats"]["status_counts"] == {"COMPLETED": 3, "FAILED": 3, "QUEUED": 0, "RUNNING": 0}
        # SQLite stores no half characters.
        assert [row[2]["value"] for row in rows_of(call, run_id)] == [None, "half ?"]


# -- restarts ------------------------------------------------------------------------------------------


def test_progress_can_be_seen_while_it_runs(slow, gate):
    call = Caller(slow)
    run_id, execution = run(call, "one score"), started_run(call, AGENT)
    assert gate.asked.acquire(timeout=120)
    report = call("GET", f"/reports/{run_id}").body
    assert (report["status"], report["report"]["score"]) == ("RUNNING", None)
    assert report["stats"]["status_counts"] == {"COMPLETED": 0, "FAILED": 0, "QUEUED": 4, "RUNNING": 0}
    assert call("GET", f"/reports/{run_id}/score").body["score"]["overall_score"] is None
    assert rows_of(call, run_id)[0][2]["status"] == "QUEUED"
    waiting = call("GET", f"{RESULTS}{execution}")
    assert (waiting.status, waiting.body["answer"]["status"]) == (202, "QUEUED")
    gate.open.release(1000)
    finished_report(call, run_id)


@pytest.mark.parametrize(("name", "version", "score"), [("pinned", 2, 0), ("first", 1, 100)])
def test_a_run_keeps_its_version_and_the_next_run_resolves_the_prompt_again(slow, gate, name, version, score):
    call = Caller(slow)
    run_id = run(call, name)
    assert gate.asked.acquire(timeout=120)
    call("POST", "/rest/prompt-templates", flat("support/refund", chat("second"), release_labels=["prod"]))
    gate.open.release(1000)
    for started, expected in ((run_id, (1, 100)), (None, (version, score))):
        report = finished_report(call, started or run(call, name))["report"]
        assert (report["prompt_version_number"], report["score"]["overall_score"]) == expected
    values = [row[2]["value"] for row in rows_of(call, run_id)]
    assert values == ["true Q: Where is my money?", "true Q: Hello"]


@pytest.mark.parametrize("hangs", [True, False])
def test_a_run_interrupted_by_close_goes_on_when_it_is_polled(slow, gate, app, hangs):
    run_id = run(Caller(slow), "one score")
    assert gate.asked.acquire(timeout=120)
    if not hangs:
        slow.runner.close_seconds = 120
        gate.open.release(1000)
    slow.close()
    report = finished_report(Caller(app), run_id)
    assert report["stats"]["status_counts"]["COMPLETED"] == 4
    # Closing waits for the step that is being done.
    prefix = "" if hangs else "true "
    assert rows_of(Caller(app), run_id)[0][2]["value"] == f"{prefix}Q: Where is my money?"


KILLED = """
import sys, time
from promptsync.server.app import create_app
from registry_server import Caller
from test_runs import publish_prompts, run
class Stuck:
    name, parallel = "stuck", 1
    def answer(self, template, metadata):
        print("asked", flush=True)
        time.sleep(60)
app = create_app(sys.argv[1], fixtures=sys.argv[2], model=Stuck())
call = Caller(app)
publish_prompts(call)
run(call, "one score")
time.sleep(60)
"""


def test_a_run_whose_process_was_killed_goes_on_when_it_is_polled(tmp_path, fixtures):
    here = Path(__file__).parent
    path = os.pathsep.join(str(folder) for folder in (here.parents[1], here.parent, here))
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "k.db"), str(fixtures)]
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"asked\n"
        process.kill()
    with create_app(tmp_path / "k.db", fixtures=fixtures) as app:
        call = Caller(app)
        runs = call("GET", f"{EVALUATIONS}?include_runs=true&name=one").body["evaluations"][0]["runs"]
        assert finished_report(call, runs[0]["id"])["stats"]["status_counts"]["COMPLETED"] == 4

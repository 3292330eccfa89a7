"""Real answers against the vendor's own schemas, if its specification is available."""

from __future__ import annotations

import time

import pytest
from registry_server import chat, completion
from vendor_spec import SPEC, validate

from promptsync.server.app import create_app

if not SPEC.exists():
    pytest.skip("the vendor's specification is not available", allow_module_level=True)


@pytest.fixture
def check(call):
    """Call, and validate the answer against the schema that the specification declares for its status."""

    def checked(method, target, body=None, *, path, status=None):
        answer = call(method, target, body)
        assert status is None or answer.status == status, answer.body
        validate(path, method, answer.status, answer.body)
        return answer.body

    return checked


MODEL = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}, "owner": "x"}
RICH = {
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "@@@tone@@@ {a}"}]},
        {"role": "placeholder", "name": "history"},
        {
            "role": "assistant",
            "content": [],
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "42"}]},
        {
            "role": "user",
            "template_format": "jinja2",
            "content": [
                {"type": "image_url", "image_url": {"url": "http://x"}},
                {"type": "thinking", "thinking": "hm"},
                {"type": "media_variable", "name": "files"},
            ],
        },
    ],
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "auto",
}
TEMPLATE = "/prompt-templates/{identifier}"
ENTITIES = "/api/public/v2/folders/entities"


@pytest.fixture
def world(publish):
    publish("tone", completion("kind {b}"))
    return publish("rich", RICH, metadata=MODEL, tags=["t"], release_labels=["prod"], commit_message="m")


def test_publish_and_patch(check, world):
    path = "/rest/prompt-templates"
    check("POST", path, {"prompt_name": "a", "prompt_template": chat()}, path=path, status=201)
    nested = {
        "prompt_template": {"prompt_name": "a"},
        "prompt_version": {"prompt_template": RICH, "metadata": MODEL},
    }
    check("POST", path, nested, path=path, status=201)
    check(
        "PATCH", f"{path}/rich", {"model_parameters": {"top_p": 1}}, path=f"{path}/{{identifier}}", status=201
    )


def test_reads(check, world):
    check("GET", "/prompt-templates", path="/prompt-templates", status=200)
    check("GET", "/prompt-templates?per_page=1", path="/prompt-templates", status=200)
    for query in ("", "?resolve_snippets=false", "?include_llm_kwargs=true", "?label=prod"):
        check("GET", f"/prompt-templates/rich{query}", path=TEMPLATE, status=200)
    for body in (None, {"input_variables": {"a": "1"}}, {"skip_input_variable_rendering": True}):
        check("POST", "/prompt-templates/rich", body, path=TEMPLATE, status=200)


def test_labels(check, call, world):
    labels = check("GET", "/prompt-templates/rich/labels", path=f"{TEMPLATE}/labels", status=200)
    label = labels["release_labels"][0]["release_label_id"]
    body = {"name": "dev", "prompt_version_number": 1}
    check("POST", f"/prompts/{world['id']}/label", body, path="/prompts/{prompt_id}/label", status=200)
    one = "/prompt-labels/{prompt_label_id}"
    check("PATCH", f"/prompt-labels/{label}", {"prompt_version_number": 1}, path=one, status=200)
    # The specification says 204 without a body, which a client that parses every response cannot read.
    assert call("DELETE", f"/prompt-labels/{label}").status == 200


def test_relations(check, world):
    check("GET", "/prompt-templates/tone/snippet-usage", path=f"{TEMPLATE}/snippet-usage", status=200)


def test_folders(check, world):
    folders = "/api/public/v2/folders"
    check("POST", folders, {"name": "f"}, path=folders, status=201)
    check("GET", f"{folders}/resolve-id?path=f", path=f"{folders}/resolve-id", status=200)
    check("GET", f"{ENTITIES}?include_metadata=true&flatten=true", path=ENTITIES, status=200)
    check(
        "DELETE", ENTITIES, {"entities": [{"id": world["id"], "type": "PROMPT"}]}, path=ENTITIES, status=200
    )


def test_errors(check, world):
    path = "/rest/prompt-templates"
    missing = {"prompt_name": "x", "prompt_template": chat("@@@nobody@@@")}
    check("POST", path, missing, path=path, status=422)
    check("PATCH", f"{path}/rich", {"version": 1, "label": "x"}, path=f"{path}/{{identifier}}", status=400)
    check("POST", "/prompt-templates/rich", {"version": 0}, path=TEMPLATE, status=422)
    folders = "/api/public/v2/folders"
    check("POST", folders, {"name": ""}, path=folders, status=400)
    check("POST", folders, {"name": "x", "parent_id": 9}, path=folders, status=404)
    check("DELETE", ENTITIES, {}, path=ENTITIES, status=400)


def test_tracking(check, call, world):
    turn = {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
    log = {
        "provider": "openai",
        "model": "gpt-4o",
        "input": chat("Hi"),
        "output": {"type": "chat", "messages": [turn]},
        "request_start_time": "2026-01-01T00:00:00Z",
        "request_end_time": "2026-01-01T00:00:01Z",
    }
    request_id = check("POST", "/log-request", log, path="/log-request", status=201)["id"]
    check("POST", "/log-request", {}, path="/log-request", status=400)
    for path, body in [
        ("/rest/track-score", {"score": 1}),
        ("/rest/track-metadata", {"metadata": {}}),
        ("/rest/track-prompt", {"prompt_name": "rich"}),
        ("/rest/track-group", {"group_id": call("POST", "/create-group").body["id"]}),
    ]:
        check("POST", path, {"request_id": request_id, **body}, path=path, status=200)


FIXTURES = """
datasets: [{name: cases, rows: [{a: "1"}]}]
evaluations:
  - {name: two, dataset: cases, prompt: {name: rich}, scores: [{max_length: 99}, {contains: x}]}
agents: [{name: agent, labels: [prod], nodes: [{name: n, prompt: {name: rich}}]}]
"""


@pytest.fixture
def app(tmp_path):
    (tmp_path / "registry.yaml").write_text(FIXTURES)
    with create_app(tmp_path / "registry.db", fixtures=tmp_path / "registry.yaml") as application:
        yield application


def test_datasets_and_evaluations(check, call, world):
    datasets, evaluations = "/api/public/v2/datasets", "/api/public/v2/evaluations"
    check("GET", datasets, path=datasets, status=200)
    check("GET", f"{datasets}?workspace_id=1", path=datasets, status=400)
    one = check("GET", evaluations, path=evaluations, status=200)["evaluations"][0]["id"]
    run, path = f"/reports/{one}/run", "/reports/{report_id}/run"
    report = check("POST", run, {"name": "nightly"}, path=path, status=201)["report_id"]
    check("POST", run, {}, path=path, status=400)
    check("POST", f"/reports/{report}/run", {"name": "x"}, path=path, status=403)
    check("POST", "/reports/99/run", {"name": "x"}, path=path, status=404)
    for _ in range(12_000):
        if (
            check("GET", f"/reports/{report}", path="/reports/{report_id}", status=200)["status"]
            == "COMPLETED"
        ):
            break
        time.sleep(0.01)
    check("GET", f"/reports/{one}", path="/reports/{report_id}", status=200)
    check("GET", f"/reports/{report}/score", path="/reports/{report_id}/score", status=200)
    check("GET", f"{evaluations}?include_runs=true", path=evaluations, status=200)
    rows = "/api/public/v2/evaluations/{evaluation_id}/rows"
    check("GET", f"{evaluations}/{report}/rows", path=rows, status=200)


def test_agents(check, call, world):
    check("GET", "/workflows", path="/workflows", status=200)
    check("GET", "/workflows/agent", path="/workflows/{workflow_id_or_name}", status=200)
    check("GET", "/workflows/agent/labels", path="/workflows/{workflow_id_or_name}/labels", status=200)
    path = "/workflows/{workflow_name}/run"
    started = check("POST", "/workflows/agent/run", {"input_variables": {"a": "1"}}, path=path, status=201)
    check("POST", "/workflows/agent/run", {"input_variables": 3}, path=path, status=400)
    check("GET", "/workflows/nobody", path="/workflows/{workflow_id_or_name}", status=404)
    execution = started["workflow_version_execution_id"]
    results = "/workflow-version-execution-results"
    asked = f"{results}?workflow_version_execution_id={execution}"
    for _ in range(12_000):
        if call("GET", asked).status == 200:
            break
        time.sleep(0.01)
    for everything in ("", "&return_all_outputs=true", "&return_all_outputs=false"):
        check("GET", asked + everything, path=results, status=200)

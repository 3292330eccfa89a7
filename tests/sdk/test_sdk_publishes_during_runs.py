"""Evaluations while somebody publishes with the official SDK: a report is about the version that it names."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from registry_server import Caller, chat, running

from promptsync.server.app import Application, create_app

promptlayer = pytest.importorskip("promptlayer")

FIXTURES = """
datasets:
  - {name: cases, rows: [{question: one}, {question: two}, {question: three}]}
evaluations:
  - {name: latest, dataset: cases, prompt: ask, scores: [contains: first]}
  - {name: labelled, dataset: cases, prompt: {name: ask, label: prod}, scores: [contains: first]}
  - {name: pinned, dataset: cases, prompt: {name: ask, version: 1}, scores: [contains: first]}
"""
EVALUATIONS = "/api/public/v2/evaluations"


class Waiting:
    """An echo that does not answer until its gate is open."""

    name, parallel = "waiting", 1

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        self.asked.set()
        assert self.go_on.wait(120)
        return str(template["messages"][-1]["content"][0]["text"])


@pytest.fixture
def model() -> Iterator[Waiting]:
    model = Waiting()
    yield model
    model.go_on.set()


@pytest.fixture
def app(tmp_path: Path, model: Waiting) -> Iterator[Application]:
    (tmp_path / "registry.yaml").write_text(FIXTURES, "utf-8")
    with create_app(tmp_path / "r.db", fixtures=tmp_path / "registry.yaml", model=model) as app:
        yield app
        model.go_on.set()


@pytest.fixture
def call(app: Application) -> Caller:
    return Caller(app)


@pytest.fixture
def publish(app: Application) -> Iterator[Any]:
    with running(app) as url:
        sdk = promptlayer.PromptLayer(api_key="pl_test", base_url=url)

        def published(text: str) -> int:
            body = {"prompt_name": "ask", "prompt_template": chat(text), "release_labels": ["prod"]}
            return int(sdk.templates.publish(body)["version_number"])

        yield published


def started(call: Caller, name: str) -> int:
    ids = {item["name"]: item["id"] for item in call("GET", EVALUATIONS).body["evaluations"]}
    answer = call("POST", f"/reports/{ids[name]}/run", {"name": "nightly"})
    assert answer.status == 201
    return int(answer.body["report_id"])


def ended(call: Caller, report: int) -> dict[str, Any]:
    for _ in range(12_000):
        answer: dict[str, Any] = call("GET", f"/reports/{report}").body
        if answer["status"] != "RUNNING":
            return answer
        time.sleep(0.01)
    raise AssertionError(answer)


@pytest.mark.parametrize(
    ("name", "version", "score"), [("latest", 2, 0), ("labelled", 2, 0), ("pinned", 1, 100)]
)
def test_a_run_keeps_its_version_and_the_next_run_resolves_the_prompt_again(
    call: Caller, publish: Any, model: Waiting, name: str, version: int, score: float
) -> None:
    assert publish("first {question}") == 1
    report = started(call, name)
    assert model.asked.wait(120)
    # The publish moves the label in the middle of the run.
    assert publish("second {question}") == 2
    running_report = call("GET", f"{EVALUATIONS}/{report}").body
    assert running_report["status"] == "RUNNING"
    assert running_report["report"]["prompt_version_number"] == 1
    model.go_on.set()
    assert ended(call, report)["report"]["prompt_version_number"] == 1
    assert call("GET", f"/reports/{report}/score").body["score"]["overall_score"] == 100
    rows = call("GET", f"{EVALUATIONS}/{report}/rows").body["rows"]
    assert [cells[1]["value"] for cells in rows] == ["first one", "first two", "first three"]
    again = ended(call, started(call, name))["report"]
    assert (again["prompt_version_number"], again["score"]["overall_score"]) == (version, score)

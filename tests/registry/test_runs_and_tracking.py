"""Archiving, logging, evaluations, agents and rendering, by either document."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scripted_registry import DROPPED, Reply, Scripted, client, template, version
from strict_registries import Customer, Strict, Vendor

from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Prompt
from promptsync.registry.errors import ConnectionLost, NotFound, Rejected
from promptsync.registry.protocol import Registry

MODEL = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}}
PROMPT = Prompt("support/refund", template("Hi {b} and {a}"), MODEL, ("billing", "x"))


@pytest.mark.parametrize(("is_snippet", "kinds"), [(False, ["PROMPT"]), (True, ["SNIPPET", "PROMPT"])])
def test_a_prompt_is_archived_as_the_kind_that_the_registry_accepts(
    is_snippet: bool, kinds: list[str]
) -> None:
    vendor = Vendor()
    with client(vendor) as registry:
        registry.prompts.publish(PROMPT, message="m")
        registry.prompts.get(1, PROMPT.name)
        registry.prompts.archive(1, is_snippet)
    assert [one["entities"] for one in vendor.archived] == [[{"id": 1, "type": kind}] for kind in kinds]
    assert {one["workspace_id"] for one in vendor.archived} == {9}


def test_archiving_nothing_is_an_error() -> None:
    with (
        client(Scripted(Reply({"moved_count": 0}))) as registry,
        pytest.raises(NotFound, match="has no prompt with the id 1"),
    ):
        registry.prompts.archive(1, False)


@pytest.mark.parametrize(("kind", "request_id", "paths"), [(Customer, 123, 1), (Vendor, 8801, 2)])
def test_requests_are_logged_by_either_path(kind: Callable[[], Strict], request_id: int, paths: int) -> None:
    registry_there = kind()
    with client(registry_there) as registry:
        assert registry.tracking.log_request({"provider": "openai", "model": "gpt-4o"}) == request_id
        assert registry.tracking.log_request({"provider": "openai", "model": "gpt-4o"}) == request_id
    assert len(registry_there.seen) == paths + 1


def test_requests_are_annotated_with_the_values_passed() -> None:
    script = Scripted(Reply({"success": True, "id": 614}))
    with client(script) as registry:
        registry.tracking.track_prompt(1, "greet", version=2, variables={"name": "Ana"})
        registry.tracking.track_prompt("1", "greet")
        registry.tracking.track_score(1, 90)
        registry.tracking.track_score(1, 90, name="tone")
        registry.tracking.track_metadata(1, {"k": "v"})
        registry.tracking.track_group(1, 614)
        assert registry.tracking.create_group() == 614
    assert [(one.path, one.body) for one in script.seen[:-1]] == [
        (
            "/rest/track-prompt",
            {
                "request_id": 1,
                "prompt_name": "greet",
                "version": 2,
                "prompt_input_variables": {"name": "Ana"},
            },
        ),
        ("/rest/track-prompt", {"request_id": "1", "prompt_name": "greet"}),
        ("/rest/track-score", {"request_id": 1, "score": 90}),
        ("/rest/track-score", {"request_id": 1, "score": 90, "name": "tone"}),
        ("/rest/track-metadata", {"request_id": 1, "metadata": {"k": "v"}}),
        ("/rest/track-group", {"request_id": 1, "group_id": 614}),
    ]
    assert script.seen[-1].path == "/create-group"


def test_an_unknown_request_is_not_an_unsupported_operation() -> None:
    gone = Reply({"message": "There is no request 9."}, status=404)
    with client(Scripted(gone)) as registry, pytest.raises(NotFound, match="no request 9"):
        registry.tracking.track_score(9, 1)


@pytest.mark.parametrize("kind", [Customer, Vendor])
def test_an_evaluation_runs_and_is_read_on_either_path(kind: Callable[[], Strict]) -> None:
    with client(kind()) as registry:
        report = registry.checks.run_evaluation(44, "nightly")
        assert report == 45
        assert registry.checks.evaluation(report)["status"] in {"RUNNING", "COMPLETED"}
        asked = registry.requests
        registry.checks.evaluation(report)
        assert registry.requests == asked + 1


def test_scores_and_all_rows_of_an_evaluation_are_read() -> None:
    with client(Vendor()) as registry:
        assert registry.checks.evaluation_score(45)["overall_score"] == 87.5
        found = registry.checks.evaluation_rows(45)
        assert found["columns"] == ["q"]
        assert [row[0]["value"] for row in found["rows"]] == [*range(150)]


def test_an_evaluation_that_does_not_exist_is_not_found() -> None:
    with client(Vendor()) as registry, pytest.raises(NotFound, match="Report not found"):
        registry.checks.run_evaluation(1, "nightly")


def test_an_evaluation_without_requests_does_not_blame_the_key() -> None:
    with client(Vendor()) as registry, pytest.raises(Rejected, match="No requests found") as caught:
        registry.checks.run_evaluation(46, "nightly")
    assert "PROMPTLAYER_API_KEY" not in caught.value.message + caught.value.hint


def test_an_agent_runs_and_its_outputs_are_polled_or_come_at_once() -> None:
    with client(Customer()) as registry:
        assert [one["name"] for one in registry.checks.list_agents()] == ["refund-agent"]
        assert [one["name"] for one in registry.checks.list_evaluations()] == ["quality"]
        run = registry.checks.run_agent("refund-agent", {"order": "A-17"})
        assert run.execution_id is None
        assert run.raw["outputs"] == {"answer": "sunny"}
    with client(Vendor()) as registry:
        assert registry.checks.agent_result(1) == (False, None)
        assert registry.checks.agent_result(2) == (True, {"answer": {"status": "SUCCESS"}})
        assert registry.checks.agent_result(2, all_outputs=False) == (True, "sunny")


def test_an_agent_run_sends_label_or_version_only_if_set() -> None:
    script = Scripted(Reply({"success": True, "workflow_version_execution_id": 552}, status=201))
    with client(script) as registry:
        assert registry.checks.run_agent(3).execution_id == 552
        registry.checks.run_agent("a/b", {"x": 1}, label="prod")
    assert [(one.path, one.body) for one in script.seen] == [
        ("/workflows/3/run", {"input_variables": {}}),
        ("/workflows/a%2Fb/run", {"input_variables": {"x": 1}, "workflow_label_name": "prod"}),
    ]


@pytest.mark.parametrize(
    "use", [lambda one: one.checks.run_agent(3), lambda one: one.checks.run_evaluation(44, "n")]
)
def test_runs_are_never_started_twice(use: Callable[[Registry], object]) -> None:
    script = Scripted(DROPPED)
    with client(script) as registry, pytest.raises(ConnectionLost):
        use(registry)
    assert len(script.seen) == 1


def test_a_prompt_is_rendered_by_the_registry() -> None:
    script = Scripted(Reply({**version("greet"), "llm_kwargs": {"model": "gpt-4o"}}))
    with client(script) as registry:
        found = registry.prompts.render("greet", label="prod", provider="openai", variables={"name": "Ana"})
        assert found["llm_kwargs"] == {"model": "gpt-4o"}
        with pytest.raises(RemoteError, match="expected the prompt 'other'"):
            registry.prompts.render("other")
    assert script.seen[0].body == {"label": "prod", "provider": "openai", "input_variables": {"name": "Ana"}}

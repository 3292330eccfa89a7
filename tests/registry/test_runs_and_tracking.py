"""Archiving, logging, evaluations, agents and rendering, by either document."""

from __future__ import annotations

import pytest
from scripted_registry import Reply, Scripted, client, version
from test_listing import asked

from promptsync.errors import RemoteError
from promptsync.registry.errors import NotFound, Rejected


@pytest.mark.parametrize(("is_snippet", "kinds"), [(False, ["PROMPT"]), (True, ["SNIPPET", "PROMPT"])])
def test_a_prompt_is_archived_as_the_kind_that_the_registry_accepts(
    is_snippet: bool, kinds: list[str]
) -> None:
    script = Scripted(Reply(version()), *[Reply({"moved_count": int(kind == "PROMPT")}) for kind in kinds])
    with client(script) as registry:
        registry.prompts.get(7, "greet")
        registry.prompts.archive(7, is_snippet)
    bodies = [seen.body for seen in script.seen[1:]]
    assert [body["entities"] for body in bodies] == [[{"id": 7, "type": kind}] for kind in kinds]
    assert {body["workspace_id"] for body in bodies} == {9}


def test_what_is_missing_is_no_unsupported_operation() -> None:
    gone = Reply({"message": "There is no request 9."}, status=404)
    with client(Scripted(gone)) as registry, pytest.raises(NotFound, match="no request 9"):
        registry.tracking.track(9, "score", score=1)
    with (
        client(Scripted(Reply({"moved_count": 0}))) as registry,
        pytest.raises(NotFound, match="has no prompt with the id 1"),
    ):
        registry.prompts.archive(1, False)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [(404, "Report not found", NotFound), (401, "No requests found for the given criteria", Rejected)],
)
def test_an_evaluation_that_cannot_run_says_why(status: int, message: str, error: type[RemoteError]) -> None:
    script = Scripted(Reply({"detail": "Not Found"}, 404), Reply({"message": message}, status))
    with client(script) as registry, pytest.raises(error, match=message) as caught:
        registry.checks.run_evaluation(1, "nightly")
    assert [seen.path for seen in script.seen] == ["/api/public/v2/evaluations/1/run", "/reports/1/run"]
    assert "PROMPTLAYER_API_KEY" not in caught.value.message + caught.value.hint


def test_the_outputs_of_an_agent_are_polled() -> None:
    nodes = {"answer": {"status": "SUCCESS"}}
    script = Scripted(Reply({"success": True}, 202), Reply(nodes), Reply('"sunny"'))
    with client(script) as registry:
        assert registry.checks.agent_result(1) == (False, None)
        assert registry.checks.agent_result(1) == (True, nodes)
        assert registry.checks.agent_result(1) == (True, "sunny")
    assert {asked(seen)["return_all_outputs"] for seen in script.seen} == {"true"}


def test_a_prompt_is_rendered_by_the_registry() -> None:
    script = Scripted(Reply({**version("greet"), "llm_kwargs": {"model": "gpt-4o"}}))
    with client(script) as registry:
        rendered = registry.prompts.render("greet", label="prod", provider="openai", variables={"name": "A"})
        assert rendered["llm_kwargs"] == {"model": "gpt-4o"}
        with pytest.raises(RemoteError, match="expected the prompt 'other'"):
            registry.prompts.render("other")
    assert script.seen[0].body == {"label": "prod", "provider": "openai", "input_variables": {"name": "A"}}

"""Labels, archiving, logging, evaluations, agents and rendering, in every form in which registries answer."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_registry import Reply, Scripted, client, version
from test_listing import asked

from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Label
from promptsync.registry.errors import NotFound, Rejected

PROD = {"release_label": "prod", "release_label_id": 12, "prompt_version_number": 3}
OWNED = {**PROD, "prompt_id": 71, "prompt_name": "greet"}
LABEL = Label("prod", 3, 12, 71, "greet")
SHORT = {"name": "prod", "version": 3, "id": 12, "prompt_name": "greet"}

LABEL_LISTS: list[tuple[Any, list[Label] | None]] = [
    *((body, [LABEL]) for body in ([OWNED], {"success": True, "release_labels": [OWNED]})),
    *(({key: [OWNED]}, [LABEL]) for key in ("labels", "items")),
    ([SHORT], [Label("prod", 3, 12, None, "greet")]),
    ([], []),
    *((body, None) for body in ([PROD], [{**OWNED, "prompt_version_number": None}], ["prod"])),
    *((body, None) for body in ({"names": ["prod"]}, {"items": [OWNED], "pages": 2})),
    ({**version("labels"), "labels": []}, None),
]


def test_a_list_of_all_labels_is_used_only_if_it_is_complete() -> None:
    for body, labels in LABEL_LISTS:
        with client(Scripted(Reply(body))) as registry:
            assert registry.labels.all() == labels, body


def test_a_list_of_all_labels_may_be_missing_but_not_forbidden() -> None:
    for status in (400, 404, 405, 422, 401, 403):
        with client(Scripted(Reply({"message": "'labels' is not an id"}, status=status))) as registry:
            if status in (401, 403):
                with pytest.raises(Rejected):
                    registry.labels.all()
            else:
                assert registry.labels.all() is None, status


def test_the_labels_of_a_prompt_are_a_list_or_in_an_object_and_nothing_else() -> None:
    for body in ([PROD], {"release_labels": [PROD]}):
        with client(Scripted(Reply(body))) as registry:
            assert registry.labels.of(71, "greet") == [LABEL]
    for wrong in ({}, {"release_labels": {}}, [{"release_label": "prod"}], "<html>"):
        with client(Scripted(Reply(wrong))) as registry, pytest.raises(RemoteError, match="expected"):
            registry.labels.of(71, "greet")


def test_a_forbidden_label_names_the_missing_permission() -> None:
    with client(Scripted(Reply("", status=403))) as registry, pytest.raises(Rejected) as caught:
        registry.labels.set(71, "greet", "prod", 3, LABEL)
    assert "permission" in caught.value.hint
    assert caught.value.code == "forbidden"


# -- the others ------------------------------------------------------------------------------------------


def test_a_prompt_is_archived_as_the_kind_that_the_registry_accepts() -> None:
    for is_snippet, kinds in ((False, ["PROMPT"]), (True, ["SNIPPET", "PROMPT"])):
        moved = [Reply({"moved_count": int(kind == "PROMPT")}) for kind in kinds]
        script = Scripted(Reply(version()), *moved)
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
    nothing = Scripted(Reply({"moved_count": 0}))
    with client(nothing) as registry, pytest.raises(NotFound, match="has no prompt with the id 1"):
        registry.prompts.archive(1, False)


def test_an_evaluation_that_cannot_run_says_why() -> None:
    for status, message, error in (
        (404, "Report not found", NotFound),
        (401, "No requests found for the given criteria", Rejected),
    ):
        script = Scripted(Reply({"detail": "Not Found"}, 404), Reply({"message": message}, status))
        with client(script) as registry, pytest.raises(error, match=message) as caught:
            registry.checks.run_evaluation(1, "nightly")
        assert [seen.path for seen in script.seen] == ["/api/public/v2/evaluations/1/run", "/reports/1/run"]
        assert "PROMPTLAYER_API_KEY" not in caught.value.message + caught.value.hint


def test_the_outputs_of_an_agent_are_polled() -> None:
    nodes = {"answer": {"status": "SUCCESS"}}
    script = Scripted(Reply({"success": True}, 202), Reply(nodes), Reply('"sunny"'))
    with client(script) as registry:
        results = [registry.checks.agent_result(1) for _ in range(3)]
    assert results == [(False, None), (True, nodes), (True, "sunny")]
    assert {asked(seen)["return_all_outputs"] for seen in script.seen} == {"true"}


def test_a_prompt_is_rendered_by_the_registry() -> None:
    script = Scripted(Reply({**version("greet"), "llm_kwargs": {"model": "gpt-4o"}}))
    with client(script) as registry:
        rendered = registry.prompts.render("greet", label="prod", provider="openai", variables={"name": "A"})
        assert rendered["llm_kwargs"] == {"model": "gpt-4o"}
        with pytest.raises(RemoteError, match="expected the prompt 'other'"):
            registry.prompts.render("other")
    assert script.seen[0].body == {"label": "prod", "provider": "openai", "input_variables": {"name": "A"}}

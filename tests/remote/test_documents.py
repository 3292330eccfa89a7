"""The same client against a registry of the customer's document alone, and one of the vendor's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from scripted_registry import DROPPED, Reply, Scripted, Seen, client, template, version
from strict_registries import Customer, Strict, Vendor

from promptsync.core.canonical import digest
from promptsync.core.prompt import Label, Prompt
from promptsync.errors import RemoteError
from promptsync.remote.client import Registry
from promptsync.remote.errors import (
    ConnectionLost,
    FateUnknown,
    NotFound,
    NotReadableRaw,
    Rejected,
    Unsupported,
)

MODEL = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}}
PROMPT = Prompt("support/refund", template("Hi {b} and {a}"), MODEL, ("billing", "x"))


def completion(name: str, text: str) -> Prompt:
    return Prompt(name, {"type": "completion", "content": [{"type": "text", "text": text}]})


@pytest.mark.parametrize(("kind", "first_costs"), [(Customer, 1), (Vendor, 2)])
def test_a_prompt_comes_back_as_it_was_published(kind: Callable[[], Strict], first_costs: int) -> None:
    with client(kind()) as registry:
        registry.publish(PROMPT, message="first")
        made = registry.publish(PROMPT, message="second")
        assert (made.template_id, made.version) == (1, 2)
        for number, message in ((1, "first"), (2, "second")):
            found = registry.get(1, PROMPT.name, version=number)
            assert digest(found.prompt) == digest(PROMPT)
            assert found.prompt.tags == PROMPT.tags
            assert found.message in {message, None}
        assert [one.name for one in registry.list()] == [PROMPT.name]


def publishes(registry: Strict) -> list[dict[str, Any]]:
    return [one.body for one in registry.seen if one.path == "/rest/prompt-templates"]


def test_the_flat_body_comes_first_and_the_nested_one_after_it() -> None:
    vendor = Vendor()
    with client(vendor) as registry:
        registry.publish(
            Prompt(PROMPT.name, PROMPT.template, MODEL, ("t",), {"provider_base_url_name": "eu"}),
            message="m",
            labels=["dev"],
        )
    flat, nested = publishes(vendor)
    sent = {
        "type": "chat",
        "messages": [{**template("Hi {b} and {a}")["messages"][0], "input_variables": ["a", "b"]}],
        "input_variables": ["a", "b"],
    }
    content = {
        "prompt_template": sent,
        "commit_message": "m",
        "metadata": MODEL,
        "provider_base_url_name": "eu",
    }
    assert flat == {**content, "prompt_name": PROMPT.name, "tags": ["t"], "release_labels": ["dev"]}
    assert nested == {
        "prompt_template": {"prompt_name": PROMPT.name, "tags": ["t"]},
        "prompt_version": content,
        "release_labels": ["dev"],
    }


def test_the_shape_that_works_is_found_once_even_by_many_publishers_at_once() -> None:
    vendor = Vendor()
    with client(vendor) as registry, ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda n: registry.publish(Prompt(f"p{n}", template()), message="m"), range(24))
        assert [one.version for one in made] == [1] * 24
    assert len(publishes(vendor)) == 25


def test_tags_and_type_are_always_sent_and_variables_sorted() -> None:
    customer = Customer()
    jinja = {
        "messages": [
            {
                "role": "user",
                "template_format": "jinja2",
                "content": [{"type": "text", "text": "{{ z }}{{ y }}"}],
            },
            {"role": "placeholder", "name": "history"},
        ]
    }
    with client(customer) as registry:
        registry.publish(Prompt("p", jinja), message="m")
        registry.publish(Prompt("c", {"content": [{"type": "text", "text": "{q}"}]}), message="m")
    chat, text = publishes(customer)
    assert chat["tags"] == [] and "metadata" not in chat and "release_labels" not in chat
    assert chat["prompt_template"]["type"] == "chat"
    assert chat["prompt_template"]["input_variables"] == ["history", "y", "z"]
    assert [one["input_variables"] for one in chat["prompt_template"]["messages"]] == [
        ["y", "z"],
        ["history"],
    ]
    assert text["prompt_template"]["type"] == "completion"
    assert text["prompt_template"]["input_variables"] == ["q"]


def test_a_snippet_that_does_not_exist_is_the_cause_and_the_other_shape_is_noise() -> None:
    with client(Vendor()) as registry, pytest.raises(Rejected) as caught:
        registry.publish(Prompt("p", template("@@@gone@@@")), message="m")
    assert (caught.value.status, caught.value.code) == (422, "rejected")
    assert "The snippet gone does not exist" in caught.value.message
    assert "Field required" not in caught.value.message
    assert "Field required" in caught.value.details[0]


def test_a_commit_message_that_is_too_long_is_the_cause() -> None:
    with client(Customer()) as registry, pytest.raises(Rejected) as caught:
        registry.publish(PROMPT, message="m" * 73)
    assert "72 characters" in caught.value.message and "prompt_name" not in caught.value.message


def test_both_refusals_are_shown_when_neither_names_the_cause() -> None:
    script = Scripted(Reply({"message": "flat is wrong"}, 400), Reply({"message": "nested is wrong"}, 422))
    with client(script) as registry, pytest.raises(Rejected, match=r"flat is wrong.*nested is wrong"):
        registry.publish(PROMPT, message="m")


@pytest.mark.parametrize("first", [400, 404, 405, 422])
@pytest.mark.parametrize("second", [500, None])
def test_the_second_shape_is_never_followed_by_a_third_attempt(first: int, second: int | None) -> None:
    script = Scripted(
        Reply({"message": "no"}, status=first), DROPPED if second is None else Reply("", second)
    )
    with client(script) as registry, pytest.raises(FateUnknown):
        registry.publish(PROMPT, message="m")
    assert len(script.seen) == 2


def test_a_version_that_the_answer_does_not_tell_is_read_back() -> None:
    def react(seen: Seen) -> Reply:
        if seen.method == "POST":
            return Reply({"id": 7, "prompt_name": "greet", "prompt_template": {}}, status=201)
        return Reply(version("greet", 12))

    with client(react) as registry:
        made = registry.publish(Prompt("greet", template()), message="m")
        assert (made.template_id, made.version) == (7, 12)
        assert registry.requests == 2


@pytest.mark.parametrize("read", [Reply("", status=404), Reply("", status=500), Reply(version("other", 1))])
def test_a_publish_whose_version_cannot_be_read_back_is_of_unknown_outcome(read: Reply) -> None:
    def react(seen: Seen) -> Reply:
        return Reply({"id": 7}, status=201) if seen.path == "/rest/prompt-templates" else read

    with (
        client(react) as registry,
        pytest.raises(ConnectionLost, match="published, but not as which version"),
    ):
        registry.publish(Prompt("greet", template()), message="m")


def test_an_answer_for_another_prompt_is_of_unknown_outcome() -> None:
    script = Scripted(Reply({"id": 7, "prompt_name": "other", "version": 1}, status=201))
    with client(script) as registry, pytest.raises(ConnectionLost, match="may be published or not"):
        registry.publish(Prompt("greet", template()), message="m")


# -- what only the customer's document leaves out ----------------------------------------------------------


@pytest.mark.parametrize("takes_extras", [True, False])
def test_without_a_raw_read_a_plain_prompt_is_read_rendered(takes_extras: bool) -> None:
    customer = Customer(takes_extras=takes_extras)
    with client(customer) as registry:
        registry.publish(PROMPT, message="first")
        registry.get(1, PROMPT.name)
        asked = len(customer.seen)
        registry.get(1, PROMPT.name)
    assert "GET /prompt-templates/1" not in customer.asked()[asked:]
    assert len(customer.seen) - asked == (1 if takes_extras else 2)


def test_without_a_raw_read_a_missing_prompt_is_missing() -> None:
    with client(Customer()) as registry, pytest.raises(NotFound, match="no prompt 'greet'"):
        registry.get(None, "greet")


PARENTS = [
    ("Be kind.", "@@@tone@@@ Answer.", ""),
    ("Be kind.", "Answer. @@@tone@version_number:1@@@", ""),
    ("Be kind.", "@@@outer@@@", "Listen: @@@tone@@@"),
]


@pytest.mark.parametrize("tells_snippets", [True, False])
@pytest.mark.parametrize(("tone", "parent", "outer"), PARENTS)
def test_a_snippets_parent_is_never_taken_with_the_snippet_inlined(
    tells_snippets: bool, tone: str, parent: str, outer: str
) -> None:
    with client(Customer(tells_snippets=tells_snippets)) as registry:
        registry.publish(completion("tone", tone), message="m")
        registry.publish(completion("tone", "Be short."), message="m")
        if outer:
            registry.publish(completion("outer", outer), message="m")
        registry.publish(Prompt("parent", template(parent)), message="m")
        registry.publish(Prompt("other", template("Unrelated")), message="m")
        with pytest.raises(NotReadableRaw) as caught:
            registry.get(None, "parent")
        assert caught.value.exit_code == 4 and "'parent'" in caught.value.message
        assert registry.get(None, "other").prompt.name == "other"
        assert registry.get(None, "tone").version == 2


class ExpandsEverywhere(Customer):
    """Its list shows expanded bodies too, and nothing says which snippets were used."""

    def __init__(self) -> None:
        super().__init__(tells_snippets=False)

    def listed(self, name: str) -> dict[str, Any]:
        found = super().listed(name)
        return {**found, "prompt_template": self.expanded(found["prompt_template"], [])}


@pytest.mark.parametrize("reference", ["@@@tone@@@", "@@@tone@version_number:1@@@"])
def test_an_inlined_snippet_is_recognised_by_the_text_of_any_of_its_versions(reference: str) -> None:
    with client(ExpandsEverywhere()) as registry:
        registry.publish(completion("tone", "Be kind."), message="m")
        registry.publish(completion("tone", "Be short."), message="m")
        registry.publish(Prompt("parent", template(f"{reference} Answer.")), message="m")
        with pytest.raises(NotReadableRaw, match="'tone'"):
            registry.get(None, "parent")


def test_a_prompt_whose_variables_are_filled_in_is_not_taken_for_its_source() -> None:
    with client(Customer(renders=True)) as registry:
        registry.publish(PROMPT, message="m")
        with pytest.raises(NotReadableRaw, match="variables a, b"):
            registry.get(None, PROMPT.name)


LACKING: list[Callable[[Registry], object]] = [
    lambda registry: registry.labels(1, "p"),
    lambda registry: registry.set_label(1, "p", "prod", 1, None),
    lambda registry: registry.set_label(1, "p", "prod", 1, Label("prod", 1, 4)),
    lambda registry: registry.archive(1, False),
    lambda registry: registry.snippet_usage(1, "p"),
    lambda registry: registry.agent_result(1),
    lambda registry: registry.evaluation_score(1),
    lambda registry: registry.evaluation_rows(1),
    lambda registry: registry.list_datasets(),
    lambda registry: registry.create_group(),
]


@pytest.mark.parametrize("use", LACKING)
@pytest.mark.parametrize(
    "no_route",
    [
        Reply({"detail": "Not Found"}, 404),
        Reply({"success": False, "message": "Not found.", "error": "x"}, 404),
        Reply("<!doctype html><title>404 Not Found</title>", 404),
        Reply({"message": "The requested URL was not found on the server."}, 404),
        Reply("", 404),
        Reply({"message": "Method Not Allowed"}, 405),
        Reply("", 501),
    ],
)
def test_what_a_registry_lacks_is_named_with_the_operation_and_the_registry(
    use: Callable[[Registry], object], no_route: Reply
) -> None:
    customer = Customer()
    customer.no_route = no_route
    with client(customer) as registry, pytest.raises(Unsupported) as caught:
        use(registry)
    assert caught.value.exit_code == 4
    assert f"{registry.url} has no operation to " in caught.value.message


# -- labels ------------------------------------------------------------------------------------------------


def test_labels_are_created_moved_and_deleted() -> None:
    vendor = Vendor()
    with client(vendor) as registry:
        registry.publish(PROMPT, message="m")
        registry.publish(PROMPT, message="m")
        registry.set_label(1, PROMPT.name, "prod", 1, None)
        (prod,) = registry.labels(1, PROMPT.name)
        assert prod == Label("prod", 1, 1, 1, PROMPT.name)
        registry.set_label(1, PROMPT.name, "prod", 2, prod)
        assert registry.labels(1, PROMPT.name)[0].version == 2
        registry.delete_label(prod)
        registry.delete_label(prod)
        assert registry.labels(1, PROMPT.name) == []


PROD = {"release_label": "prod", "release_label_id": 12, "prompt_version_number": 3}
OWNED = {**PROD, "prompt_id": 71, "prompt_name": "greet"}
LABEL = Label("prod", 3, 12, 71, "greet")

LABEL_LISTS: list[tuple[Any, list[Label] | None]] = [
    ([OWNED], [LABEL]),
    ({"success": True, "release_labels": [OWNED]}, [LABEL]),
    ({"labels": [OWNED]}, [LABEL]),
    ({"items": [OWNED]}, [LABEL]),
    (
        [{"name": "prod", "version": 3, "id": 12, "prompt_name": "greet"}],
        [Label("prod", 3, 12, None, "greet")],
    ),
    ([], []),
    ([PROD], None),
    ([{**OWNED, "prompt_version_number": None}], None),
    (["prod"], None),
    ({"names": ["prod"]}, None),
    ({"items": [OWNED], "pages": 2}, None),
    ({**version("labels"), "labels": []}, None),
]


@pytest.mark.parametrize(("body", "labels"), LABEL_LISTS)
def test_the_list_of_all_labels_is_understood_or_not_used(body: Any, labels: list[Label] | None) -> None:
    with client(Scripted(Reply(body))) as registry:
        assert registry.all_labels() == labels
        asked = registry.requests
        assert registry.all_labels() == labels
        assert registry.requests == (asked if labels is None else asked + 1)


@pytest.mark.parametrize("status", [400, 404, 405, 422])
def test_a_registry_without_a_list_of_all_labels_is_asked_per_prompt(status: int) -> None:
    with client(Scripted(Reply({"message": "'labels' is not an id"}, status=status))) as registry:
        assert registry.all_labels() is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_list_of_labels_is_no_missing_one(status: int) -> None:
    with client(Scripted(Reply("", status=status))) as registry, pytest.raises(Rejected):
        registry.all_labels()


@pytest.mark.parametrize("body", [[PROD], {"release_labels": [PROD]}])
def test_the_labels_of_a_prompt_come_bare_or_in_an_object(body: Any) -> None:
    with client(Scripted(Reply(body))) as registry:
        assert registry.labels(71, "greet") == [LABEL]


@pytest.mark.parametrize("body", [{}, {"release_labels": {}}, [{"release_label": "prod"}], "<html>"])
def test_labels_of_another_shape_are_refused(body: Any) -> None:
    with client(Scripted(Reply(body))) as registry, pytest.raises(RemoteError, match="expected"):
        registry.labels(71, "greet")


def test_a_forbidden_label_says_that_the_permission_is_missing() -> None:
    with client(Scripted(Reply("", status=403))) as registry, pytest.raises(Rejected) as caught:
        registry.set_label(71, "greet", "prod", 3, LABEL)
    assert "permission" in caught.value.hint
    assert caught.value.code == "forbidden"


class LosesAnswers(Vendor):
    """The first answer to each label that is created gets lost, before or after the label is there."""

    def __init__(self, *, is_made: bool, version: int | None = None) -> None:
        super().__init__()
        self.is_made, self.version, self.lost = is_made, version, False

    def create_label(self, seen: Seen, number: str) -> Reply:
        if self.lost:
            return super().create_label(seen, number)
        self.lost = True
        if self.is_made:
            super().create_label(seen, number)
            if self.version is not None:
                self.pointers[1]["prompt_version_number"] = self.version
        return DROPPED


@pytest.mark.parametrize(("is_made", "elsewhere"), [(True, None), (False, None), (True, 1)])
def test_a_label_whose_creation_got_lost_is_looked_for_before_it_is_made_again(
    is_made: bool, elsewhere: int | None
) -> None:
    with client(LosesAnswers(is_made=is_made, version=elsewhere)) as registry:
        registry.publish(PROMPT, message="m")
        registry.set_label(1, PROMPT.name, "prod", 2, None)
        assert [(one.name, one.version) for one in registry.labels(1, PROMPT.name)] == [("prod", 2)]


# -- the rest ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("is_snippet", "kinds"), [(False, ["PROMPT"]), (True, ["SNIPPET", "PROMPT"])])
def test_a_prompt_is_archived_under_the_kind_that_the_registry_takes_it_for(
    is_snippet: bool, kinds: list[str]
) -> None:
    vendor = Vendor()
    with client(vendor) as registry:
        registry.publish(PROMPT, message="m")
        registry.get(1, PROMPT.name)
        registry.archive(1, is_snippet)
    assert [one["entities"] for one in vendor.archived] == [[{"id": 1, "type": kind}] for kind in kinds]
    assert {one["workspace_id"] for one in vendor.archived} == {9}


def test_archiving_nothing_is_an_error() -> None:
    with (
        client(Scripted(Reply({"moved_count": 0}))) as registry,
        pytest.raises(NotFound, match="archived nothing"),
    ):
        registry.archive(1, False)


@pytest.mark.parametrize(("kind", "request_id", "paths"), [(Customer, 123, 1), (Vendor, 8801, 2)])
def test_requests_are_logged_by_either_path(kind: Callable[[], Strict], request_id: int, paths: int) -> None:
    registry_there = kind()
    with client(registry_there) as registry:
        assert registry.log_request({"provider": "openai", "model": "gpt-4o"}) == request_id
        assert registry.log_request({"provider": "openai", "model": "gpt-4o"}) == request_id
    assert len(registry_there.seen) == paths + 1


def test_requests_are_annotated_with_what_was_given() -> None:
    script = Scripted(Reply({"success": True, "id": 614}))
    with client(script) as registry:
        registry.track_prompt(1, "greet", version=2, variables={"name": "Ana"})
        registry.track_prompt("1", "greet")
        registry.track_score(1, 90)
        registry.track_score(1, 90, name="tone")
        registry.track_metadata(1, {"k": "v"})
        registry.track_group(1, 614)
        assert registry.create_group() == 614
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


def test_an_unknown_request_is_no_missing_operation() -> None:
    gone = Reply({"message": "There is no request 9."}, status=404)
    with client(Scripted(gone)) as registry, pytest.raises(NotFound, match="no request 9"):
        registry.track_score(9, 1)


@pytest.mark.parametrize("kind", [Customer, Vendor])
def test_an_evaluation_runs_and_is_read_by_either_path(kind: Callable[[], Strict]) -> None:
    with client(kind()) as registry:
        report = registry.run_evaluation(44, "nightly")
        assert report == 45
        assert registry.evaluation(report)["status"] in {"RUNNING", "COMPLETED"}
        asked = registry.requests
        registry.evaluation(report)
        assert registry.requests == asked + 1


def test_scores_and_rows_of_an_evaluation_are_read_whole() -> None:
    with client(Vendor()) as registry:
        assert registry.evaluation_score(45)["overall_score"] == 87.5
        found = registry.evaluation_rows(45)
        assert found["columns"] == ["q"]
        assert [row[0]["value"] for row in found["rows"]] == [*range(150)]


def test_an_evaluation_that_does_not_exist_is_not_found() -> None:
    with client(Vendor()) as registry, pytest.raises(NotFound, match="Report not found"):
        registry.run_evaluation(1, "nightly")


def test_an_evaluation_without_requests_does_not_blame_the_key() -> None:
    with client(Vendor()) as registry, pytest.raises(Rejected, match="No requests found") as caught:
        registry.run_evaluation(46, "nightly")
    assert "PROMPTLAYER_API_KEY" not in caught.value.message + caught.value.hint


def test_an_agent_runs_and_its_outputs_are_polled_or_come_at_once() -> None:
    with client(Customer()) as registry:
        assert [one["name"] for one in registry.list_agents()] == ["refund-agent"]
        assert [one["name"] for one in registry.list_evaluations()] == ["quality"]
        run = registry.run_agent("refund-agent", {"order": "A-17"})
        assert run.execution_id is None
        assert run.raw["outputs"] == {"answer": "sunny"}
    with client(Vendor()) as registry:
        assert registry.agent_result(1) == (False, None)
        assert registry.agent_result(2) == (True, {"answer": {"status": "SUCCESS"}})
        assert registry.agent_result(2, all_outputs=False) == (True, "sunny")


def test_an_agent_run_names_label_or_version_only_when_given() -> None:
    script = Scripted(Reply({"success": True, "workflow_version_execution_id": 552}, status=201))
    with client(script) as registry:
        assert registry.run_agent(3).execution_id == 552
        registry.run_agent("a/b", {"x": 1}, label="prod", metadata={"k": "v"})
    assert [(one.path, one.body) for one in script.seen] == [
        ("/workflows/3/run", {"input_variables": {}}),
        (
            "/workflows/a%2Fb/run",
            {"input_variables": {"x": 1}, "workflow_label_name": "prod", "metadata": {"k": "v"}},
        ),
    ]


@pytest.mark.parametrize("use", [lambda one: one.run_agent(3), lambda one: one.run_evaluation(44, "n")])
def test_runs_are_never_started_twice(use: Callable[[Registry], object]) -> None:
    script = Scripted(DROPPED)
    with client(script) as registry, pytest.raises(ConnectionLost):
        use(registry)
    assert len(script.seen) == 1


def test_a_prompt_is_rendered_by_the_registry() -> None:
    script = Scripted(Reply({**version("greet"), "llm_kwargs": {"model": "gpt-4o"}}))
    with client(script) as registry:
        found = registry.render("greet", label="prod", provider="openai", variables={"name": "Ana"})
        assert found["llm_kwargs"] == {"model": "gpt-4o"}
        with pytest.raises(RemoteError, match="expected the prompt 'other'"):
            registry.render("other")
    assert script.seen[0].body == {"label": "prod", "provider": "openai", "input_variables": {"name": "Ana"}}

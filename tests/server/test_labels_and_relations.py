from __future__ import annotations

import pytest
from registry_server import chat, completion

BIG = 10**30


@pytest.fixture
def prompt(publish):
    first = publish("a", release_labels=["prod"])
    second = publish("a")
    return first, second


def labels_of(call, name="a"):
    labels = call("GET", f"/prompt-templates/{name}/labels").body["release_labels"]
    return {label["release_label"]: label["prompt_version_number"] for label in labels}


@pytest.mark.parametrize(
    ("number", "status"), [(2, 200), (9, 404), (0, 422), (BIG, 422), (None, 422), ("2", 422)]
)
def test_a_label_names_its_version_by_number(call, prompt, number, status):
    wanted = {"prompt_version_number": number}
    created = call("POST", f"/prompts/{prompt[0]['id']}/label", {"name": "dev", **wanted})
    moved = call("PATCH", "/prompt-labels/1", wanted)
    assert (created.status, moved.status) == (status, status)
    assert labels_of(call) == ({"dev": 2, "prod": 2} if status == 200 else {"prod": 1})


def test_all_labels_name_their_prompts(call, publish, prompt):
    publish("b", release_labels=["prod"])
    labels = call("GET", "/prompt-templates/labels").body["release_labels"]
    assert [(label["prompt_name"], label["release_label"]) for label in labels] == [
        ("a", "prod"),
        ("b", "prod"),
    ]
    assert labels[0]["prompt_id"] == prompt[0]["id"]
    # An existing one is a conflict that names the move.
    answer = call("POST", f"/prompts/{prompt[0]['id']}/label", {"name": "prod", "prompt_version_number": 2})
    assert (answer.status, "PATCH /prompt-labels/1" in answer.body["message"]) == (409, True)
    assert labels_of(call) == {"prod": 1}


def test_invalid_label_changes_are_refused(call, prompt):
    for method, path, body, status in (
        ("POST", "/prompts/1/label", {}, 422),
        ("POST", "/prompts/1/label", {"name": ""}, 422),
        ("POST", "/prompts/1/label", {"name": "x" * 256}, 422),
        ("POST", "/prompts/a/label", {"name": "x", "prompt_version_number": 1}, 404),
        ("POST", f"/prompts/{BIG}/label", {"name": "x", "prompt_version_number": 1}, 404),
        ("POST", "/prompts/9/label", {"name": "x", "prompt_version_number": 1}, 404),
        ("PATCH", "/prompt-labels/9", {"prompt_version_number": 1}, 404),
        ("PATCH", "/prompt-labels/x", {"prompt_version_number": 1}, 404),
        ("DELETE", "/prompt-labels/x", None, 404),
        ("GET", "/prompt-templates/nobody/labels", None, 404),
    ):
        assert call(method, path, body).status == status, path


def test_labels_of_an_archived_prompt_are_hidden_and_kept(call, publish, archive, prompt):
    archive(prompt[0]["id"])
    assert call("GET", "/prompt-templates/labels").body["release_labels"] == []
    assert call("PATCH", "/prompt-labels/1", {"prompt_version_number": 2}).status == 404
    publish("a")
    assert labels_of(call) == {"prod": 1}


# -- snippet usage -------------------------------------------------------------------------------------


@pytest.fixture
def used(publish):
    publish("tone", completion("v1"), release_labels=["prod"])
    publish("tone", completion("v2"))
    publish("latest", chat("@@@tone@@@ @@@tone@@@"))
    publish("latest", chat("@@@tone@@@"))
    publish("pinned", chat("@@@tone@version_number:1@@@"))
    publish("labelled", chat("@@@tone@label:prod@@@"))


def test_snippet_usage_lists_who_references_which_version(call, used):
    for query, usage in (
        ("", {"latest": [1, 2], "pinned": [1], "labelled": [1]}),
        ("?prompt_version_number=2", {"latest": [1, 2]}),
        ("?prompt_version_number=1", {"pinned": [1], "labelled": [1]}),
    ):
        answer = call("GET", f"/prompt-templates/tone/snippet-usage{query}").body
        assert {item["prompt_name"]: item["version_numbers"] for item in answer["snippet_usage"]} == usage, (
            query
        )
        assert answer["total_prompts_using_snippet"] == len(usage), query
        labelled = [item["prompt_name"] for item in answer["label_usage"]]
        assert labelled == (["labelled"] if "labelled" in usage else []), query
    assert call("GET", "/prompt-templates/latest/snippet-usage").body["snippet_usage"] == []
    assert call("GET", "/prompt-templates/nobody/snippet-usage").status == 404
    assert call("GET", "/prompt-templates/tone/snippet-usage?prompt_version_number=9").status == 404
    assert call("GET", "/prompt-templates/tone/snippet-usage?prompt_version_number=x").status == 422

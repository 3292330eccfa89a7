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


def test_a_label_names_its_version_by_number(call, prompt):
    path = f"/prompts/{prompt[0]['id']}/label"
    for number, status in ((9, 422), (0, 422), (BIG, 422), (None, 422), ("2", 422), (2, 200)):
        wanted = {"prompt_version_number": number}
        call.expect(
            ("POST", path, {"name": "dev", **wanted}, status), ("PATCH", "/prompt-labels/1", wanted, status)
        )
        assert labels_of(call) == ({"dev": 2, "prod": 2} if status == 200 else {"prod": 1})


def test_all_labels_name_their_prompts_and_invalid_changes_are_refused(call, publish, prompt):
    publish("b", release_labels=["prod"])
    labels = call("GET", "/prompt-templates/labels").body["release_labels"]
    shown = [(label["prompt_id"], label["prompt_name"], label["release_label"]) for label in labels]
    assert shown == [(prompt[0]["id"], "a", "prod"), (2, "b", "prod")]
    to = {"prompt_version_number": 1}
    call.expect(
        ("POST", "/prompts/1/label", {"name": "prod", **to}, 422, "PATCH /prompt-labels/1"),
        *(("POST", "/prompts/1/label", {"name": name, **to}, 422) for name in (None, "", "x" * 256)),
        *(("POST", f"/prompts/{prompt_id}/label", {"name": "x", **to}, 404) for prompt_id in ("a", BIG, 9)),
        *(("PATCH", f"/prompt-labels/{label_id}", to, 404) for label_id in (9, "x")),
        ("DELETE", "/prompt-labels/x", None, 404),
        ("GET", "/prompt-templates/nobody/labels", None, 404),
    )
    assert labels_of(call) == {"prod": 1}


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
        shown = {item["prompt_name"]: item["version_numbers"] for item in answer["snippet_usage"]}
        assert shown == usage, query
        assert answer["total_prompts_using_snippet"] == len(usage), query
        labelled = [item["prompt_name"] for item in answer["label_usage"]]
        assert labelled == (["labelled"] if "labelled" in usage else []), query
    assert call("GET", "/prompt-templates/latest/snippet-usage").body["snippet_usage"] == []
    call.expect(
        ("GET", "/prompt-templates/nobody/snippet-usage", None, 404),
        ("GET", "/prompt-templates/tone/snippet-usage?prompt_version_number=9", None, 404),
    )

from __future__ import annotations

from registry_server import chat, completion, flat

PUBLISH = "/rest/prompt-templates"
OPENAI = {"model": {"provider": "openai", "name": "gpt-4o"}}


def nested(name: str, **version):
    return {"prompt_template": {"prompt_name": name, "tags": ["t"]}, "prompt_version": version}


def test_a_flat_body_is_published(call):
    body = flat("a", chat(), commit_message="first", tags=["x", "y", "x"], release_labels=["prod", "dev"])
    answer = call("POST", PUBLISH, body)
    assert (answer.status, answer.body["prompt_template"]["type"]) == (201, "chat")
    shown = {key: value for key, value in answer.body.items() if key != "prompt_template"}
    ids = dict.fromkeys(("id", "prompt_version_id", "version_number"), 1)
    lists = {"external_ids": [], "tags": ["x", "y"], "release_labels": ["prod", "dev"]}
    assert shown == {"prompt_name": "a", "commit_message": "first", "metadata": None} | ids | lists


def test_a_malformed_body_is_a_422_that_says_what_is_wrong(call):
    overridden = {"snippet_overrides": {"tone": "loud"}}
    for body, says in (
        ({}, "prompt_name"),
        ({"prompt_version": 3}, "prompt_version"),
        (nested("a"), "prompt_template"),
        (nested("", prompt_template=chat()), "prompt_name"),
        (flat("a", commit_message="x" * 73), "commit_message"),
        (flat("a", folder_id=7), "folder"),
        (flat("a", **overridden), "no snippet_overrides"),
        (nested("a", prompt_template=chat()) | overridden, "no snippet_overrides"),
        (flat("a", provider_id=3), "provider_id"),
        (nested("a", prompt_template=chat(), inference_client_name="own"), "inference_client_name"),
        (flat("a", metadata={"model": 3}), "metadata.model"),
        (flat("a", {"type": "poem"}), "type"),
        (flat("a", {"messages": [{"role": "user", "content": "Hi", "name": 3}]}), "messages[0].name"),
        (flat("a", chat(functions=[{"name": "f", "description": 3}])), "functions[0].description"),
        # All that a template may not be: tests/push/test_rejected.py compares the registry with lint.
        (flat("a", {"messages": [{"role": "user", "content": [3]}]}), "messages[0].content[0]"),
    ):
        call.expect(("POST", PUBLISH, body, 422, says))
        assert call("GET", "/prompt-templates").body["total"] == 0, says
    external = flat("a", external_ids=[{"source": "s", "external_id": "x"}])
    call.expect(("POST", PUBLISH, external, 400, "no external ids"))


def test_names_are_case_sensitive_and_tags_that_are_not_given_stay(publish):
    assert [publish(name)["id"] for name in ("a", "A", "A", "b")] == [1, 2, 2, 3]
    for name, message in (("x" * 512, "m" * 72), ("\N{PILE OF POO}" * 512, "ä" * 72)):
        assert publish(name, commit_message=message)["commit_message"] == message
    sent = ({"tags": ["x"]}, {}, {"tags": None}, {"tags": ["y"]}, {"tags": []})
    published = [publish("tagged", **tags) for tags in sent]
    assert [version["tags"] for version in published] == [["x"], ["x"], ["x"], ["y"], []]
    assert [version["version_number"] for version in published] == [1, 2, 3, 4, 5]


def test_labels_move_to_the_new_version_and_others_stay(call, publish):
    publish("a", release_labels=["prod", "dev"])
    assert publish("a", release_labels=None)["release_labels"] is None
    publish("a", release_labels=["dev"])
    labels = call("GET", "/prompt-templates/a/labels").body["release_labels"]
    assert {label["release_label"]: label["prompt_version_number"] for label in labels} == {
        "prod": 1,
        "dev": 3,
    }


def test_an_archived_name_comes_back_under_its_id_with_its_versions(call, publish, archive):
    first = publish("a", tags=["t"])
    archive(first["id"])
    assert call("GET", "/prompt-templates/a").status == 404
    assert call("GET", f"/prompt-templates/{first['id']}").status == 404
    again = publish("a")
    assert (again["id"], again["version_number"], again["tags"]) == (first["id"], 2, ["t"])
    assert call("GET", "/prompt-templates/a?version=1").status == 200


# -- snippets ------------------------------------------------------------------------------------------


def test_a_reference_to_a_missing_snippet_is_a_422(call, publish, archive):
    publish("tone", completion("kind"))
    publish("talk")
    archive(publish("gone", completion("x"))["id"], "SNIPPET")
    for reference, says in (
        ("@@@nobody@@@", "the name 'nobody'"),
        ("@@@tone@version_number:2@@@", "'tone' has no version 2"),
        ("@@@tone@label:prod@@@", "'tone' has no release label 'prod'"),
        ("@@@Tone@@@", "the name 'Tone'"),
        ("@@@talk@@@", "only completion templates"),
        ("@@@gone@@@", "the name 'gone'"),
    ):
        call.expect(("POST", PUBLISH, flat("parent", chat(f"Be {reference}")), 422, says))
        assert call("GET", "/prompt-templates/parent").status == 404, reference


def test_references_are_kept_as_written_and_malformed_ones_are_text(publish):
    publish("tone", completion("kind"), release_labels=["prod"])
    valid = ("@@@tone@@@", "@@@tone@version_number:1@@@", "@@@tone@label:prod@@@")
    for text in (*valid, "@@@", "@@@ @@@", "@@@x@version_number:abc@@@", "a @@@ b"):
        assert publish("parent", chat(text))["prompt_template"]["messages"][0]["content"][0]["text"] == text
    # Outside of text blocks, they are not expanded and not checked.
    tool = {"type": "function", "function": {"name": "f", "description": "@@@nobody@@@"}}
    publish("a", chat(tools=[tool]))


def test_cycles_are_refused_with_their_path(call, publish):
    publish("a", completion("end"))
    publish("b", completion("@@@a@@@"))
    publish("c", completion("@@@b@@@"))
    call.expect(
        ("POST", PUBLISH, flat("a", completion("@@@c@@@")), 422, "c -> b -> a -> c"),
        ("POST", PUBLISH, flat("a", completion("@@@a@@@")), 422),
        ("POST", PUBLISH, flat("a", chat("@@@a@@@")), 422),
    )
    assert call("GET", "/prompt-templates/a").body["version"] == 1
    # An older version of itself makes no cycle.
    publish("a", completion("@@@a@version_number:1@@@ two"))
    assert call("GET", "/prompt-templates/a").body["prompt_template"]["content"][0]["text"] == "end two"


def test_a_label_that_this_publish_moves_counts_for_cycles(call, publish):
    publish("a", completion("one"), release_labels=["prod"])
    publish("b", completion("@@@a@label:prod@@@"))
    body = flat("a", completion("@@@b@@@"), release_labels=["prod"])
    assert call("POST", PUBLISH, body).status == 422
    body["release_labels"] = ["dev"]
    assert call("POST", PUBLISH, body).status == 201

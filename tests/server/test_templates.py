from __future__ import annotations

from urllib.parse import quote

import pytest
from registry_server import chat, completion

OPENAI = {"model": {"provider": "openai", "name": "gpt-4o"}}


def names(answer):
    return [item["prompt_name"] for item in answer.body["items"]]


# -- the list ------------------------------------------------------------------------------------------


def test_publish_get_and_list_give_the_same_template_with_the_recorded_keys(call, publish, app):
    published = publish("a", metadata=OPENAI, commit_message="m", tags=["t"])
    listed = call("GET", "/prompt-templates").body["items"][0]
    raw = call("GET", "/prompt-templates/a").body
    rendered = call("POST", "/prompt-templates/a", {"skip_input_variable_rendering": True}).body
    for other in (listed, raw, rendered):
        for key in ("prompt_template", "metadata"):
            assert list(other[key].items()) == list(published[key].items())
        assert (other["version"], other["commit_message"], other["tags"]) == (1, "m", ["t"])
    known = {"commit_message", "id", "metadata", "prompt_name", "prompt_template", "tags", "version"}
    folder = {"external_ids", "folder_id", "full_folder_path", "is_snippet", "parent_folder_name"}
    assert listed.keys() == known | folder
    kwargs = {"custom_provider", "llm_kwargs", "provider_base_url", "provider_id", "request_id"}
    assert rendered.keys() == known | kwargs | {"snippets", "warning", "workspace_id"}
    assert (rendered["workspace_id"], len(rendered["request_id"])) == (app.store.workspace_id, 32)


def test_pages_are_stable_complete_and_capped(call, publish):
    for number in range(7):
        publish(f"p{number}")
    seen = []
    for page in (1, 2, 3):
        answer = call("GET", f"/prompt-templates?per_page=3&page={page}")
        seen += names(answer)
        keys = ("page", "pages", "total", "per_page", "has_next", "next_num", "prev_num")
        following, before = page + 1 if page < 3 else None, page - 1 if page > 1 else None
        assert [answer.body[key] for key in keys] == [page, 3, 7, 3, page < 3, following, before]
    assert seen == [f"p{number}" for number in reversed(range(7))]
    assert names(call("GET", "/prompt-templates?per_page=3&page=4")) == []
    for number in range(101):
        publish(str(number))
    counts = [len(names(call("GET", f"/prompt-templates{query}"))) for query in ("?per_page=500", "")]
    assert counts == [100, 30]


@pytest.fixture
def shelf(publish, archive):
    publish("support/Refund", tags=["billing", "support"])
    publish("tone", completion("kind"))
    publish("greeting", chat("@@@tone@@@ old"), tags=["support"], release_labels=["prod"])
    publish("greeting", chat("@@@tone@@@ new"))
    archive(publish("100%_gone")["id"])


def test_filters_and_the_version_that_a_label_shows(call, shelf):
    for query, expected in (
        ("", ["greeting", "tone", "support/Refund"]),
        ("sort_by=name&sort_order=asc", ["greeting", "support/Refund", "tone"]),
        ("sort_by=updated_at", ["greeting", "tone", "support/Refund"]),
        ("name=REFUND", ["support/Refund"]),
        ("name=%25", []),
        ("name=_", []),
        ("status=deleted", ["100%_gone"]),
        ("status=all&sort_by=name", ["tone", "support/Refund", "greeting", "100%_gone"]),
        ("tags=support", ["greeting", "support/Refund"]),
        ("tags=support&tags=billing", ["support/Refund"]),
        ("tags[]=support&tags[]=billing", ["support/Refund"]),
        ("tags=supp", []),
        ("label=prod", ["greeting"]),
        ("is_snippet=true", ["tone"]),
        ("is_snippet=false", ["greeting", "support/Refund"]),
    ):
        answer = call("GET", f"/prompt-templates?{query}")
        assert names(answer) == expected, query
        assert answer.body["total"] == len(expected), query
    item = call("GET", "/prompt-templates?label=prod").body["items"][0]
    assert (item["version"], "old" in str(item["prompt_template"])) == (1, True)


def test_names_fold_case_beyond_ascii_and_win_over_ids(call, publish):
    first = publish("ÜBER straße")
    assert names(call("GET", "/prompt-templates?name=%C3%BCber%20STRASSE")) == ["ÜBER straße"]
    second = publish(str(first["id"]))
    assert call("GET", f"/prompt-templates/{first['id']}").body["id"] == second["id"]
    assert call("GET", f"/prompt-templates/{second['id']}").body["prompt_name"] == str(first["id"])


# -- which template ------------------------------------------------------------------------------------


def test_which_template_and_version_is_read(call, publish):
    publish("a", release_labels=["prod"])
    publish("a")
    path = "/prompt-templates/a"
    unknown = ("nobody", "999", "0", "-1", "9" * 40, quote("٣"), "x" * 5000)
    call.expect(
        *(
            (method, f"/prompt-templates/{identifier}", None, 404, "prompt template")
            for identifier in unknown
            for method in ("GET", "POST")
        ),
        ("GET", f"{path}?version=1&label=prod", None, 422, "not both"),
        ("GET", f"{path}?version=3", None, 404, "no version 3"),
        ("GET", f"{path}?label=nope", None, 404, "no release label 'nope'"),
        *(("GET", f"{path}?version={version}", None, 422) for version in ("0", "x", "9" * 21)),
        *(("POST", path, {"version": version}, 422) for version in (0, 10**30, True, "1")),
        ("POST", path, {"label": "nope"}, 404),
        ("POST", path, {"metadata_filters": {"plan": 1}}, 422),
        ("POST", path, {"provider": "acme"}, 422),
    )
    for method, query, body, version in (
        ("GET", "", None, 2),
        ("GET", "?version=1", None, 1),
        ("GET", "?label=prod", None, 1),
        ("POST", "", {"version": None, "label": None}, 2),
        ("POST", "", {"version": 1}, 1),
        ("POST", "", {"version": 2, "label": "prod"}, 1),
        ("POST", "", {"metadata_filters": {"plan": "free"}}, 2),
    ):
        assert call(method, path + query, body).body["version"] == version, body


# -- rendered ------------------------------------------------------------------------------------------


def rendered_text(answer):
    return answer.body["prompt_template"]["messages"][0]["content"][0]["text"]


def test_variables_are_applied_as_the_sdk_mirrors_it(call, publish):
    everything = {"input_variables": {"name": "Ana", "x": 3}}
    for metadata, body, text, warning in (
        (None, {}, "Hi {name}, {x}", None),
        (None, {"input_variables": {}}, "Hi {name}, {x}", None),
        (None, {"provider": "openai"}, "Hi , ", "'name'"),
        (OPENAI, {}, "Hi , ", "'x'"),
        (OPENAI, everything, "Hi Ana, 3", None),
        (None, {"input_variables": {"name": "Ana"}}, "Hi Ana, ", "'x'"),
        (OPENAI, {**everything, "skip_input_variable_rendering": True}, "Hi {name}, {x}", None),
    ):
        publish("a", chat("Hi {name}, {x}"), metadata=metadata)
        answer = call("POST", "/prompt-templates/a", body)
        assert rendered_text(answer) == text, body
        assert (warning or "") in (answer.body["warning"] or ""), body
        assert (answer.body["warning"] is None) is (warning is None), body


# -- snippets ------------------------------------------------------------------------------------------


@pytest.fixture
def nested_snippets(publish):
    publish("inner", completion("{mood} v1"), release_labels=["prod"])
    publish("outer", completion("[@@@inner@label:prod@@@]"))
    publish("parent", chat("@@@outer@@@ {x} @@@inner@version_number:1@@@"))
    publish("inner", completion("v2"))


def test_snippets_are_expanded_on_read_and_their_variables_join(call, nested_snippets):
    raw = call("GET", "/prompt-templates/parent")
    assert rendered_text(raw) == "[{mood} v1] {x} {mood} v1"
    assert raw.body["prompt_template"]["input_variables"] == ["mood", "x"]
    used = [{"prompt_name": "outer", "version": 1}, {"prompt_name": "inner", "version": 1}]
    assert raw.body["snippets"] == [used[0], used[1] | {"label": "prod"}, used[1]]
    rendered = call("POST", "/prompt-templates/parent", {"input_variables": {"mood": "calm", "x": 1}})
    assert rendered_text(rendered) == "[calm v1] 1 calm v1"
    # A raw read can keep the references.
    raw = call("GET", "/prompt-templates/parent?resolve_snippets=false")
    assert rendered_text(raw) == "@@@outer@@@ {x} @@@inner@version_number:1@@@"
    assert (raw.body["prompt_template"]["input_variables"], raw.body["snippets"]) == (["x"], used)


def test_what_becomes_of_a_snippet_shows_in_its_parents(call, publish, archive, nested_snippets):
    outer = publish("outer", completion("changed @@@inner@label:prod@@@"))["id"]
    raw = call("GET", "/prompt-templates/parent")
    assert (raw.body["version"], rendered_text(raw)[:8]) == (1, "changed ")
    archive(outer, "SNIPPET")
    assert rendered_text(call("GET", "/prompt-templates/parent")).startswith("changed ")
    label = call("GET", "/prompt-templates/inner/labels").body["release_labels"][0]
    call("DELETE", f"/prompt-labels/{label['release_label_id']}")
    assert call("GET", "/prompt-templates/parent").status == 422
    assert call("POST", "/prompt-templates/parent").status == 422
    publish("outer", completion("without it"))
    unresolved = call("GET", "/prompt-templates/outer?version=2&resolve_snippets=false")
    assert (unresolved.status, unresolved.body["snippets"]) == (200, [])


def test_a_name_with_unencoded_slashes_is_found(call, publish):
    """The SDK for JavaScript requests it like this."""
    for name in ("a/b", "a/b c/d", "a/labels/x"):
        publish(name, chat("Hi {x}"))
        path = f"/prompt-templates/{name.replace(' ', '%20')}"
        assert call("GET", path).body["prompt_name"] == name
        assert call("POST", path, {"version": 1}).body["prompt_name"] == name


def test_a_text_that_needs_too_much_is_returned_unrendered_with_a_warning(call, publish):
    texts = ["{{ 'a'.center(10**10) }}", "Hi {{ name }}"]
    content = [{"type": "text", "text": text} for text in texts]
    publish("big", {"type": "completion", "template_format": "jinja2", "content": content})
    answer = call("POST", "/prompt-templates/big", {"input_variables": {"name": "Ana"}})
    assert [block["text"] for block in answer.body["prompt_template"]["content"]] == [texts[0], "Hi Ana"]
    reason = "rendering needs more than 512 MB of memory"
    assert answer.body["warning"] == f"The text of the content was left unrendered: {reason}."


# -- another provider -----------------------------------------------------------------------------------

GPT = {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0, "max_tokens": 5}}


def test_a_request_for_another_model_gets_its_arguments_and_its_metadata(call, publish):
    claude = {"provider": "anthropic", "model": "claude-sonnet-4"}
    own = {**GPT, "parameters": {"model": "gpt-4o-mini"}}
    other = {"provider": "mistral", "name": "m", "api_type": "x"}
    for stored, wanted, model, arguments in (
        (
            GPT,
            claude | {"model_parameter_overrides": {"top_k": 3}},
            {"provider": "anthropic", "name": "claude-sonnet-4", "parameters": {}, "display_params": {}},
            {"model": "claude-sonnet-4", "max_tokens": 4096, "top_k": 3},
        ),
        (
            GPT,
            {"provider": "anthropic"},
            {"provider": "anthropic", "name": "gpt-4o", "parameters": {}},
            {"model": "gpt-4o", "max_tokens": 4096},
        ),
        # The same provider keeps the parameters.
        (GPT, {"model": "gpt-4"}, {**GPT, "name": "gpt-4"}, GPT["parameters"]),
        (GPT, {"provider": "openai", "model": "gpt-4"}, {**GPT, "name": "gpt-4"}, GPT["parameters"]),
        # A model among the parameters stays, as recorded.
        (own, {"provider": "openai", "model": "gpt-3.5-turbo"}, {"name": "gpt-4o"}, own["parameters"]),
        (
            other,
            {"provider": "openai.azure", "model": "n"},
            {"name": "n", "api_type": "chat-completions"},
            {},
        ),
        (other, {"provider": "google", "model": "n"}, {"name": "n", "api_type": None}, {}),
    ):
        publish("a", metadata={"owner": "x", "model": stored})
        answer = call("POST", "/prompt-templates/a", {**wanted, "input_variables": {"name": "A"}}).body
        assert {key: answer["metadata"]["model"].get(key) for key in model} == model, wanted
        assert answer["metadata"]["owner"] == "x", wanted
        assert {key: answer["llm_kwargs"][key] for key in arguments} == arguments, wanted
        warning = "No model was passed for anthropic, so gpt-4o is used, the prompt's model of openai."
        assert answer["warning"] == (None if "model" in wanted else warning), wanted
        # What is stored stays.
        assert call("GET", "/prompt-templates/a").body["metadata"]["model"]["name"] == stored["name"], wanted

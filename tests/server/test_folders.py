from __future__ import annotations

import pytest
from registry_server import completion

FOLDERS = "/api/public/v2/folders"
ENTITIES = f"{FOLDERS}/entities"


@pytest.fixture
def make(call):
    def made(name, parent_id=None, **more):
        answer = call("POST", FOLDERS, {"name": name, "parent_id": parent_id, **more})
        assert answer.status == 201, answer.body
        return answer.body["folder"]["id"]

    return made


def listed(call, query=""):
    return [
        (entity["type"], entity["name"])
        for entity in call("GET", f"{ENTITIES}?sort_by=name&sort_order=asc&{query}").body["entities"]
    ]


def test_a_folder_knows_where_it_is(call, make, app):
    outer = make("outer")
    folder = call(
        "POST", FOLDERS, {"name": "inner", "parent_id": outer, "workspace_id": app.store.workspace_id}
    ).body["folder"]
    assert folder["path"] == [{"id": outer, "name": "outer"}]
    assert (folder["parent_id"], folder["external_ids"]) == (outer, [])
    assert call("POST", FOLDERS, {"name": "top"}).body["folder"]["path"] is None


def test_invalid_folders_and_lists_are_refused(call, make):
    make("taken")
    for body, status in (
        ({"name": "x", "parent_id": 99}, 404),
        ({}, 400),
        *(({"name": name}, 400) for name in ("", "x" * 256, 3, "taken", "a/b")),
        *(({"name": "x", key: value}, 400) for key, value in (("parent_id", "1"), ("workspace_id", 1))),
        ({"name": "x", "external_ids": [{"source": "git", "external_id": "1"}]}, 400),
    ):
        assert call("POST", FOLDERS, body).status == status, body
    for query, status in (
        ("folder_id=99", 404),
        ("folder_id=x", 422),
        ("filter_type=POEM", 422),
        ("workspace_id=1", 400),
        ("sort_by=x", 422),
        ("search_query=a&semantic_search=true", 422),
        ("external_source=git&external_id=1", 400),
    ):
        assert call("GET", f"{ENTITIES}?{query}").status == status, query


def test_paths_are_resolved_with_dots_or_slashes(call, make):
    a = make("a")
    ids = {"a": a, "a/b": make("b", a)}
    ids["x/y"] = make("x.y")  # rather than the folder y in x
    make("y", make("x"))
    for path, status in (
        ("a.b", 200),
        ("a/b", 200),
        ("/a/b/", 200),
        ("a", 200),
        ("b", 404),
        ("a/b/c", 404),
        ("", 400),
        ("x.y", 200),
    ):
        answer = call("GET", f"{FOLDERS}/resolve-id?path={path}")
        assert answer.status == status, path
        if status == 200:
            assert answer.body == {"success": True, "id": ids[path.replace(".", "/").strip("/")]}, path


def test_prompts_are_published_into_folders_and_listed_with_them(call, make, publish):
    outer = make("outer")
    inner = make("inner", outer)
    publish("at root")
    publish("deep", folder_id=inner)
    publish("tone", completion("x"), folder_id=outer)
    assert listed(call) == [("PROMPT", "at root"), ("FOLDER", "outer")]
    assert listed(call, f"folder_id={outer}") == [("FOLDER", "inner"), ("SNIPPET", "tone")]
    assert listed(call, f"folder_id={outer}&flatten=true") == [
        ("PROMPT", "deep"),
        ("FOLDER", "inner"),
        ("SNIPPET", "tone"),
    ]
    assert len(listed(call, "flatten=true")) == 5
    # The start of a name is not a folder above.
    assert listed(call, f"folder_id={make('out')}&flatten=true") == []
    assert listed(call, "flatten=true&filter_type=SNIPPET&filter_type=PROMPT&search_query=EE") == [
        ("PROMPT", "deep")
    ]
    item = call("GET", "/prompt-templates?name=deep").body["items"][0]
    assert (item["folder_id"], item["parent_folder_name"], item["full_folder_path"]) == (
        inner,
        "inner",
        "outer/inner",
    )
    publish("deep")
    assert call("GET", "/prompt-templates?name=deep").body["items"][0]["folder_id"] == inner


def test_entities_carry_paths_and_metadata_when_asked(call, make, publish):
    inner = make("inner", make("outer"))
    publish("deep", folder_id=inner, tags=["t"])
    entity = call("GET", f"{ENTITIES}?folder_id={inner}&include_metadata=true&tags=t").body["entities"][0]
    assert entity["path"] == ["outer", "inner"]
    assert entity["metadata"] == {"type": "chat", "latest_version_number": 1}
    folder = call("GET", f"{ENTITIES}?include_metadata=true").body["entities"][0]
    assert (folder["name"], folder["metadata"]) == ("outer", {})
    assert call("GET", f"{ENTITIES}?folder_id={inner}&tags=u").body["entities"] == []


def test_only_prompts_and_snippets_are_archived(call, make, publish):
    make("folder")
    publish("p")
    for entities, status in (
        ([{"id": 9, "type": "PROMPT"}], 404),
        ([{"id": 1, "type": "PROMPT"}, {"id": 9, "type": "PROMPT"}], 404),
        *(([{"id": 1, "type": kind}], 400) for kind in ("FOLDER", "WORKFLOW", "POEM", ["FOLDER"])),
        *(
            (entities, 400)
            for entities in ([{"id": 0, "type": "PROMPT"}], [{"type": "PROMPT"}], [3], "x", None)
        ),
    ):
        assert call("DELETE", ENTITIES, {"entities": entities, "cascade": True}).status == status, entities
        assert listed(call) == [("FOLDER", "folder"), ("PROMPT", "p")], entities
    twice = {"entities": [{"id": 1, "type": "PROMPT"}, {"id": 1, "type": "SNIPPET"}]}
    assert call("DELETE", ENTITIES, twice).body["moved_count"] == 1
    assert listed(call) == [("FOLDER", "folder")]

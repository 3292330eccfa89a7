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


def test_a_folder_knows_where_it_is_and_its_path_is_resolved(call, make, app):
    a = make("a")
    body = {"name": "b", "parent_id": a, "workspace_id": app.store.workspace_id}
    folder = call("POST", FOLDERS, body).body["folder"]
    assert (folder["path"], folder["parent_id"]) == ([{"id": a, "name": "a"}], a)
    odd = make("x.y")  # rather than the folder y in x
    make("y", make("x"))
    for path, found in (
        ("a.b", folder["id"]),
        ("a/b", folder["id"]),
        ("/a/b/", folder["id"]),
        ("a", a),
        ("x.y", odd),
    ):
        assert call("GET", f"{FOLDERS}/resolve-id?path={path}").body == {"success": True, "id": found}, path
    for path, status in (("b", 404), ("a/b/c", 404), ("", 400)):
        assert call("GET", f"{FOLDERS}/resolve-id?path={path}").status == status, path


def test_invalid_folders_and_lists_are_refused(call, make):
    make("taken")
    call.expect(
        ("POST", FOLDERS, {"name": "x", "parent_id": 99}, 404),
        *(("POST", FOLDERS, {"name": name}, 400) for name in ("taken", "a/b")),
        *(("POST", FOLDERS, {"name": name}, 422) for name in ("", "x" * 256, 3, None)),
        ("POST", FOLDERS, {"name": "x", "external_ids": [{"source": "git", "external_id": "1"}]}, 400),
        ("GET", f"{ENTITIES}?folder_id=99", None, 404),
        ("GET", f"{ENTITIES}?filter_type=POEM", None, 422),
        ("GET", f"{ENTITIES}?search_query=a&semantic_search=true", None, 422),
        ("GET", f"{ENTITIES}?external_source=git&external_id=1", None, 400),
    )


def test_prompts_are_published_into_folders_and_listed_with_them(call, make, publish):
    outer = make("outer")
    inner = make("inner", outer)
    publish("at root")
    publish("deep", folder_id=inner, tags=["t"])
    publish("tone", completion("x"), folder_id=outer)
    out = make("out")  # the start of a name is not a folder above
    deep, tone, folder = ("PROMPT", "deep"), ("SNIPPET", "tone"), ("FOLDER", "inner")
    for query, entities in (
        ("", [("PROMPT", "at root"), ("FOLDER", "out"), ("FOLDER", "outer")]),
        (f"folder_id={outer}", [folder, tone]),
        (f"folder_id={outer}&flatten=true", [deep, folder, tone]),
        (f"folder_id={out}&flatten=true", []),
        ("flatten=true&filter_type=SNIPPET&filter_type=PROMPT&search_query=EE", [deep]),
        ("flatten=true&tags=t", [deep]),
        (f"folder_id={inner}&tags=u", []),
    ):
        assert listed(call, query) == entities, query
    publish("deep")  # it stays there
    item = call("GET", "/prompt-templates?name=deep").body["items"][0]
    keys = ("folder_id", "parent_folder_name", "full_folder_path")
    assert [item[key] for key in keys] == [inner, "inner", "outer/inner"]
    for place, shown, path, metadata in (
        (inner, "deep", ["outer", "inner"], {"type": "chat", "latest_version_number": 2}),
        (outer, "inner", ["outer"], {}),
    ):
        entities = call("GET", f"{ENTITIES}?folder_id={place}&include_metadata=true&sort_by=id").body[
            "entities"
        ]
        (entity,) = [entity for entity in entities if entity["name"] == shown]
        assert (entity["path"], entity["metadata"]) == (path, metadata)


def test_only_prompts_and_snippets_are_archived(call, make, publish):
    make("folder")
    publish("p")
    for entities, status in (
        ([{"id": 1, "type": "PROMPT"}, {"id": 9, "type": "PROMPT"}], 404),
        *(([{"id": 1, "type": kind}], 400) for kind in ("FOLDER", "WORKFLOW")),
        *(
            (entities, 422)
            for entities in ([{"id": 1, "type": "POEM"}], [{"type": "PROMPT"}], [3], "x", None)
        ),
    ):
        call.expect(("DELETE", ENTITIES, {"entities": entities, "cascade": True}, status))
        assert listed(call) == [("FOLDER", "folder"), ("PROMPT", "p")], entities
    twice = {"entities": [{"id": 1, "type": "PROMPT"}, {"id": 1, "type": "SNIPPET"}]}
    assert call("DELETE", ENTITIES, twice).body["moved_count"] == 1
    assert listed(call) == [("FOLDER", "folder")]

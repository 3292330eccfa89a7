"""The tool registry: tools with versions and labels, and prompts that reference them."""

from __future__ import annotations

import queue
from typing import Any

import pytest
from registry_server import Caller, chat, completion, flat

from promptsync.server.app import create_app
from promptsync.server.checks.fixtures import FixtureError
from promptsync.server.checks.model import Echo

TOOLS = "/api/public/v2/tool-registry"
PUBLISH = "/rest/prompt-templates"
OPENAI = {"model": {"provider": "openai", "name": "gpt-4o"}}
ANTHROPIC = {"model": {"provider": "anthropic", "name": "claude-sonnet-4"}}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CODE = {"type": "code", "language": "python", "code": "return args"}


def function(name: str = "get_weather", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def reference(tool: int, **pin: Any) -> dict[str, Any]:
    return {"type": "registry", "tool_registry_id": tool, **pin}


@pytest.fixture
def create(call):
    def created(name, definition=None, **more):
        answer = call("POST", TOOLS, {"name": name, "tool_definition": definition or function(), **more})
        assert answer.status == 201, answer.body
        return answer.body["tool_registry"]["id"]

    return created


def test_a_tool_has_versions_that_do_not_change(call) -> None:
    body = {"name": "weather", "tool_definition": function(), "description": "d", "commit_message": "first"}
    made = call("POST", TOOLS, {**body, "execution": CODE, "external_ids": []}).body
    assert (made["success"], made["external_ids"]) == (True, [])
    assert made["version"]["execution"] == CODE
    more = {"tool_definition": function("second"), "response_schema": {"type": "object"}}
    answer = call("POST", f"{TOOLS}/weather/versions", more)
    assert (answer.status, answer.body["version"]["number"]) == (201, 2)
    # The latest version has no code, and does not inherit any.
    assert "execution" not in answer.body["version"]
    assert answer.body["version"]["response_schema"] == {"type": "object"}
    tool_id = made["tool_registry"]["id"]
    for identifier in ("weather", str(tool_id)):
        found = call("GET", f"{TOOLS}/{identifier}").body["tool_registry"]
        assert (found["id"], found["name"], found["description"]) == (tool_id, "weather", "d")
        assert (found["labels"], found["version"]["number"]) == ([], 2)
        assert found["tool_definition"] == function("second")
        first = call("GET", f"{TOOLS}/{identifier}?version=1").body["tool_registry"]
        assert first["tool_definition"] == first["version"]["tool_definition"] == function()
        assert first["version"]["commit_message"] == "first"


def test_the_list_has_the_tool_that_was_updated_last_first(call, create) -> None:
    for name in ("a", "b", "c"):
        create(name)
    call("POST", f"{TOOLS}/a/versions", {"tool_definition": function()})

    def names(query: str = "") -> list[str]:
        return [tool["name"] for tool in call("GET", f"{TOOLS}{query}").body["tool_registries"]]

    assert names() == ["a", "c", "b"]
    assert names("?sort_by=name&sort_order=asc") == ["a", "b", "c"]
    assert names("?external_source=git&external_id=1") == names("?created_by_email=x@y.z") == []
    assert names("?created_before=2020-01-01") == []


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"name": None}, 422, "name must be"),
        ({"name": "x" * 256}, 422, "name must be"),
        ({"name": "taken"}, 409, "'taken' already"),
        ({"tool_definition": None}, 422, "tool_definition must be"),
        ({"tool_definition": "x"}, 422, "tool_definition must be an object"),
        ({"tool_definition": {"type": "web_search"}}, 422, "must be an object with the type function"),
        ({"tool_definition": {"type": "function"}}, 422, "tool_definition.function.name must be"),
        ({"tool_definition": {"function": "f"}}, 422, "tool_definition.function must be an object"),
        ({"tool_definition": function(parameters=[])}, 422, "function.parameters must be an object"),
        ({"execution": {"type": "shell"}}, 422, "execution must have the type code"),
        ({"execution": {**CODE, "language": ["python"]}}, 422, "execution must have the type code"),
        ({"execution": {**CODE, "code": 1}}, 422, "execution.code must be a string"),
        ({"response_schema": []}, 422, "response_schema must be an object"),
        ({"folder_id": 99}, 422, "no folder with the id 99"),
        ({"external_ids": [{"source": "a", "external_id": "b"}]}, 422, "external_ids must be empty"),
        ({"workspace_id": 1}, 400, "workspace_id"),
    ],
    ids=str,
)
def test_a_tool_that_is_refused(call, create, change, status, words) -> None:
    create("taken")
    answer = call("POST", TOOLS, {"name": "new", "tool_definition": function(), **change})
    assert (answer.status, words in answer.body["message"]) == (status, True), answer.body
    assert len(call("GET", TOOLS).body["tool_registries"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nobody", 404),
        ("POST", "/nobody/versions", 404),
        ("GET", "/weather?version=2", 404),
        ("GET", "/weather?label=prod", 404),
        ("GET", "/weather?label=prod&version=1", 422),
        ("GET", "/weather?version=x", 422),
    ],
)
def test_what_does_not_exist(call, create, method, path, status) -> None:
    create("weather")
    body = {"tool_definition": function()} if method == "POST" else None
    assert call(method, f"{TOOLS}{path}", body).status == status


# -- references ---------------------------------------------------------------------------------------------

INLINE = function("other", description="Other", strict=True, parameters={"type": "object"})


@pytest.fixture
def weather(create):
    return create("weather", function(description="Look it up", parameters=PARAMETERS))


def test_a_prompt_renders_with_the_function_and_keeps_the_reference(call, publish, weather) -> None:
    tools = [INLINE, reference(weather)]
    published = publish("p", chat("Hello", tools=tools, tool_choice="auto"), metadata=OPENAI)
    whole = function(description="Look it up", parameters=PARAMETERS, strict=False)
    assert published["prompt_template"]["tools"] == tools
    rendered = call("POST", "/prompt-templates/p", {}).body
    assert rendered["prompt_template"]["tools"] == rendered["llm_kwargs"]["tools"] == [INLINE, whole]
    assert (rendered["llm_kwargs"]["tool_choice"], rendered["warning"]) == ("auto", None)
    raw = call("GET", "/prompt-templates/p?include_llm_kwargs=true").body
    assert raw["prompt_template"]["tools"] == tools
    assert raw["llm_kwargs"]["tools"] == [INLINE, whole]
    assert call("GET", "/prompt-templates").body["items"][0]["prompt_template"]["tools"] == tools


def test_anthropic_gets_the_function_in_its_own_form(call, publish, weather) -> None:
    publish("p", chat(tools=[reference(weather)]), metadata=ANTHROPIC)
    assert call("POST", "/prompt-templates/p", {}).body["llm_kwargs"]["tools"] == [
        {"name": "get_weather", "description": "Look it up", "input_schema": PARAMETERS}
    ]


def test_a_new_version_takes_effect_at_once_and_a_pin_stays(call, publish, weather) -> None:
    publish("latest", chat(tools=[reference(weather, label=None, version_number=None)]))
    publish("pinned", chat(tools=[reference(weather, version_number=1)]))
    call("POST", f"{TOOLS}/weather/versions", {"tool_definition": function("second")})

    def name(prompt: str) -> str:
        rendered = call("POST", f"/prompt-templates/{prompt}", {}).body
        return str(rendered["prompt_template"]["tools"][0]["function"]["name"])

    assert (name("latest"), name("pinned")) == ("second", "get_weather")


@pytest.mark.parametrize(
    ("pin", "words"),
    [
        ({"tool_registry_id": "1"}, "tools[1].tool_registry_id must be a positive integer"),
        ({"tool_registry_id": None}, "tools[1].tool_registry_id must be a positive integer"),
        ({"tool_registry_id": True}, "tools[1].tool_registry_id must be a positive integer"),
        ({"version_number": 0}, "tools[1].version_number must be a positive integer"),
        ({"version_number": 10**30}, "tools[1].version_number must be a positive integer"),
        ({"label": 1}, "tools[1].label must be a string"),
        ({"label": "prod", "version_number": 1}, "cannot be combined with label"),
    ],
    ids=str,
)
def test_a_reference_that_could_name_no_tool_refuses_the_publish(call, publish, weather, pin, words) -> None:
    publish("p")
    template = chat(tools=[INLINE, {**reference(weather), **pin}])
    for answer in (
        call("POST", PUBLISH, flat("p", template)),
        call("PATCH", f"{PUBLISH}/p", {"tools": template["tools"]}),
        call("PUT", "/prompt-templates/by-external-id/git/1", flat("p", template)),
    ):
        assert (answer.status, words in answer.body["message"]) == (422, True), answer.body
    assert call("GET", "/prompt-templates/p").body["version"] == 1


@pytest.mark.parametrize(
    ("pin", "what"),
    [
        ({"tool_registry_id": 99}, "The tool 99"),
        ({"version_number": 2}, "The tool 1 in version 2"),
        ({"label": "prod"}, "The tool 1 with the label 'prod'"),
    ],
    ids=str,
)
def test_a_tool_of_another_workspace_is_left_out_of_what_is_rendered(
    call, publish, weather, pin, what
) -> None:
    pinned = {**reference(weather), **pin}
    publish("p", chat("Hello", tools=[pinned, INLINE]), metadata=OPENAI)
    assert call("GET", "/prompt-templates/p").body["prompt_template"]["tools"][0] == pinned
    rendered = call("POST", "/prompt-templates/p", {}).body
    assert rendered["warning"] == f"{what} does not exist in this registry, and is left out."
    assert [tool["type"] for tool in rendered["llm_kwargs"]["tools"]] == ["function"]


def test_a_completion_template_has_no_tools(call, publish) -> None:
    # Its unknown keys are kept, whatever they are.
    publish("p", completion("x", tools=[reference(99)]))
    assert call("POST", "/prompt-templates/p", {}).body["prompt_template"]["tools"] == [reference(99)]


# -- declared in a file -------------------------------------------------------------------------------------

FIXTURES = """
tools:
  - {id: 7, name: weather, version: 3, labels: [prod], function: {name: get_weather}}
  - {id: 9, name: time, function: {name: get_time}}
"""


def test_a_file_declares_tools_with_ids_labels_and_version_numbers(tmp_path) -> None:
    file = tmp_path / "registry.yaml"

    def opened(text: str):
        file.write_text(text)
        return create_app(tmp_path / "r.db", fixtures=file)

    def tools() -> Any:
        return call("POST", "/prompt-templates/p", {}).body["prompt_template"]["tools"]

    pins = [reference(7, label="prod"), reference(7, version_number=3), reference(9)]
    with opened(FIXTURES) as app:
        call = Caller(app)
        found = call("GET", f"{TOOLS}/weather?label=prod").body["tool_registry"]
        assert (found["id"], found["version"]["number"]) == (7, 3)
        labels = [(label["name"], label["version_number"]) for label in found["labels"]]
        assert labels == [("prod", 3)]
        assert call("POST", PUBLISH, flat("p", chat(tools=pins))).status == 201
        assert [tool["function"]["name"] for tool in tools()] == ["get_weather", "get_weather", "get_time"]
        by_hand = call("POST", TOOLS, {"name": "mine", "tool_definition": function()}).body["tool_registry"]
        assert by_hand["id"] > 9
        kept = call("POST", TOOLS, {"name": "kept", "tool_definition": function()}).body["tool_registry"]
    with opened(FIXTURES.replace("get_weather", "look_up").replace("[prod]", "[beta]")) as app:
        call = Caller(app)
        found = call("GET", f"{TOOLS}/7?label=beta").body["tool_registry"]
        assert found["version"]["number"] == 3
        assert call("GET", f"{TOOLS}/7?label=prod").status == 404
        warning = call("POST", "/prompt-templates/p", {}).body["warning"]
        assert "The tool 7 with the label 'prod' does not exist in this registry" in warning
        assert call("GET", "/prompt-templates/p").body["prompt_template"]["tools"] == pins
    with opened("tools: [{id: 9, name: mine, function: {name: get_time}}]") as app:
        call = Caller(app)
        # What the file no longer declares is deleted, and its references are left out.
        assert [tool["function"]["name"] for tool in tools()] == ["get_time"]
        rendered = call("POST", "/prompt-templates/p", {}).body
        assert (
            "The tool 7 in version 3 does not exist in this registry, and is left out." in rendered["warning"]
        )
        # What a request created stays, unless the file has another tool of that name.
        listed = {tool["id"]: tool["name"] for tool in call("GET", TOOLS).body["tool_registries"]}
        assert listed == {9: "mine", kept["id"]: "kept"}


def test_a_file_cannot_declare_the_id_of_a_tool_that_a_request_created(tmp_path) -> None:
    file = tmp_path / "registry.yaml"
    file.write_text("tools: [{id: 1, name: weather, function: {name: get_weather}}]")
    with create_app(tmp_path / "r.db") as app:
        assert Caller(app)("POST", TOOLS, {"name": "mine", "tool_definition": function("f")}).status == 201
    with pytest.raises(FixtureError, match="'weather' with the id 1, which the tool 'mine' has"):
        create_app(tmp_path / "r.db", fixtures=file)
    with create_app(tmp_path / "r.db") as app:
        found = Caller(app)("GET", f"{TOOLS}/mine").body["tool_registry"]
        assert (found["id"], found["tool_definition"]) == (1, function("f"))


def test_the_model_of_an_agent_gets_the_function(tmp_path) -> None:
    seen: queue.Queue[Any] = queue.Queue()

    class Recorder(Echo):
        def answer(self, template, metadata):
            seen.put(template["tools"])
            return ""

    file = tmp_path / "registry.yaml"
    file.write_text(FIXTURES + "agents: [{name: a, nodes: [{name: n, prompt: p}]}]")
    with create_app(tmp_path / "r.db", fixtures=file, model=Recorder()) as app:
        call = Caller(app)
        assert call("POST", PUBLISH, flat("p", chat("Hello", tools=[reference(9)]))).status == 201
        assert call("POST", "/workflows/a/run", {}).status == 201
        assert [tool["function"]["name"] for tool in seen.get(timeout=120)] == ["get_time"]

"""Prompts that reference tools, which the fixtures file declares."""

from __future__ import annotations

import queue
from typing import Any

import pytest
from registry_server import Caller, chat, completion, flat

from promptsync.server.app import create_app
from promptsync.server.checks.models import Echo

PUBLISH = "/rest/prompt-templates"
OPENAI = {"model": {"provider": "openai", "name": "gpt-4o"}}
FIXTURES = """
tools:
  - id: 7
    name: weather
    version: 3
    labels: [prod]
    function: {name: get_weather, description: Look it up, parameters: {type: object, properties: {}}}
  - {id: 9, name: time, function: {name: get_time}}
"""


def function(name: str = "get_weather", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def reference(tool: int, **pin: Any) -> dict[str, Any]:
    return {"type": "registry", "tool_registry_id": tool, **pin}


INLINE = function("other", description="Other", strict=True, parameters={"type": "object"})
PARAMETERS = {"type": "object", "properties": {}}
WEATHER = function(description="Look it up", parameters=PARAMETERS, strict=False)


@pytest.fixture
def opened(tmp_path):
    def opened(text: str):
        (tmp_path / "registry.yaml").write_text(text)
        return create_app(tmp_path / "registry.db", fixtures=tmp_path / "registry.yaml")

    return opened


def test_a_prompt_renders_with_the_function_and_keeps_the_reference(call, publish) -> None:
    tools = [INLINE, reference(7)]
    published = publish("p", chat("Hello", tools=tools, tool_choice="auto"), metadata=OPENAI)
    assert published["prompt_template"]["tools"] == tools
    rendered = call("POST", "/prompt-templates/p", {}).body
    assert rendered["prompt_template"]["tools"] == rendered["llm_kwargs"]["tools"] == [INLINE, WEATHER]
    assert (rendered["llm_kwargs"]["tool_choice"], rendered["warning"]) == ("auto", None)
    assert "llm_kwargs" not in call("GET", "/prompt-templates/p").body
    raw = call("GET", "/prompt-templates/p?include_llm_kwargs=true").body
    assert raw["prompt_template"]["tools"] == tools
    assert raw["llm_kwargs"]["tools"] == [INLINE, WEATHER]
    assert call("GET", "/prompt-templates").body["items"][0]["prompt_template"]["tools"] == tools
    # A completion has no tools: its unknown keys are kept, whatever they are.
    publish("c", completion("x", tools=[reference(99)]))
    assert call("POST", "/prompt-templates/c", {}).body["prompt_template"]["tools"] == [reference(99)]


MANAGED = (
    {"type": "mcp", "mcp_server_id": 12},
    {"type": "mcp", "mcp_server_id": 12, "mcp_server": {"id": 12, "name": "GitHub"}, "tool_name": "search"},
    {"type": "mcp", "mcp_server_id": 12, "tool_name": "search", "version_number": None},
    reference(7, mcp_server_id=12, version_number=3),
)
"""References to tools of MCP servers that PromptLayer manages; the third follows the newest version."""


def test_a_reference_to_a_managed_mcp_tool_keeps_its_server(call, publish) -> None:
    tools = [INLINE, *MANAGED]
    metadata = {"model": {"provider": "openrouter", "name": "openai/gpt-4o"}}
    assert publish("p", chat("Hello", tools=tools), metadata=metadata)["prompt_template"]["tools"] == tools
    raw = call("GET", "/prompt-templates/p?resolve_snippets=false").body
    assert raw["prompt_template"]["tools"] == tools
    assert publish("p", raw["prompt_template"], metadata=raw["metadata"])["prompt_template"]["tools"] == tools
    # Only PromptLayer knows the tools of the server.
    rendered = call("POST", "/prompt-templates/p", {}).body
    assert rendered["prompt_template"]["tools"] == [INLINE, *MANAGED[:3], WEATHER]
    assert [tool["type"] for tool in rendered["llm_kwargs"]["tools"]] == ["function"] * 2


def test_a_reference_that_could_name_no_tool_refuses_the_publish(call, publish) -> None:
    publish("p")
    for pin, path in (
        ({"tool_registry_id": "1"}, "tools[1].tool_registry_id"),
        ({"version_number": 0}, "tools[1].version_number"),
        ({"label": "prod", "version_number": 1}, "label"),
    ):
        call.expect(("POST", PUBLISH, flat("p", chat(tools=[INLINE, reference(7) | pin])), 422, path))
    assert call("GET", "/prompt-templates/p").body["version"] == 1


def test_a_tool_of_another_workspace_is_left_out_of_what_is_rendered(call, publish) -> None:
    for pin, what in (
        ({"tool_registry_id": 99}, "There is no tool with the id '99'."),
        ({"version_number": 2}, "The tool 'weather' has no version 2."),
        ({"label": "beta"}, "The tool 'weather' has no release label 'beta'."),
    ):
        publish("p", chat("Hello", tools=[reference(7) | pin, INLINE]), metadata=OPENAI)
        assert call("GET", "/prompt-templates/p").body["prompt_template"]["tools"][0] == reference(7) | pin
        rendered = call("POST", "/prompt-templates/p", {}).body
        assert rendered["warning"] == f"tools[0] is left out. {what}"
        assert [tool["type"] for tool in rendered["llm_kwargs"]["tools"]] == ["function"]


def test_a_file_that_changes_changes_what_references_mean(opened) -> None:
    pins = [reference(7, label="prod"), reference(7, version_number=3), reference(9), reference(7)]
    with opened(FIXTURES) as app:
        assert Caller(app)("POST", PUBLISH, flat("p", chat(tools=pins))).status == 201
    changed = FIXTURES.replace("get_weather", "look_up").replace("[prod]", "[beta]")
    no_label = "tools[0] is left out. The tool 'weather' has no release label 'prod'."
    for text, names, lost in (
        (FIXTURES, ["get_weather", "get_weather", "get_time", "get_weather"], ""),
        (changed, ["look_up", "get_time", "look_up"], no_label),
        (
            FIXTURES.replace("version: 3", "version: 4"),
            ["get_weather", "look_up", "get_time", "get_weather"],
            "",
        ),
        # A renamed tool keeps its versions.
        (changed.replace("name: weather", "name: sky"), ["look_up", "get_time", "get_weather"], "prod"),
        ("tools: [{id: 8, name: other, function: {name: f}}]", [], "There is no tool with the id '9'."),
    ):
        with opened(text) as app:
            rendered = Caller(app)("POST", "/prompt-templates/p", {}).body
            raw = Caller(app)("GET", "/prompt-templates/p").body
        assert [tool["function"]["name"] for tool in rendered["prompt_template"]["tools"]] == names
        assert lost in (rendered["warning"] or "")
        assert raw["prompt_template"]["tools"] == pins


def test_the_model_of_an_agent_gets_the_function(opened, monkeypatch) -> None:
    seen: queue.Queue[Any] = queue.Queue()
    monkeypatch.setattr(Echo, "answer", lambda self, template, metadata: seen.put(template["tools"]) or "")
    with opened(FIXTURES + "agents: [{name: a, nodes: [{name: n, prompt: p}]}]") as app:
        call = Caller(app)
        assert call("POST", PUBLISH, flat("p", chat("Hello", tools=[reference(9)]))).status == 201
        assert call("POST", "/workflows/a/run", {}).status == 201
        assert [tool["function"]["name"] for tool in seen.get(timeout=120)] == ["get_time"]


def test_a_tool_is_read_by_its_id_or_name_at_a_version_or_label(call) -> None:
    path = "/api/public/v2/tool-registry"
    for identifier in ("7", "weather", "7?version=3", "7?label=prod"):
        tool = call("GET", f"{path}/{identifier}").body["tool_registry"]
        assert (tool["id"], tool["name"], tool["description"]) == (7, "weather", "Look it up")
        assert tool["tool_definition"] == tool["version"]["tool_definition"] == WEATHER
        assert tool["version"]["number"] == 3
    # 1 and 2 are not ids of tools, only numbers of the database.
    for identifier in ("1", "2", "8", "nothing", "7?version=4", "7?label=x"):
        assert call("GET", f"{path}/{identifier}").status == 404

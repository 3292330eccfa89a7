"""The registry answers any input in JSON and never with a server error."""

from __future__ import annotations

import json
import sqlite3
import urllib.parse
from contextlib import suppress
from importlib import import_module

import msgspec
import pytest
from evaluation_files import contains, declared, evaluation, put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_server import Caller, completion, flat
from seeds import examples

from promptsync.server.app import create_app
from promptsync.server.providers import FORMS
from promptsync.server.routes import ROUTES
from promptsync.server.store.database import insert, now

SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(-2, 5), st.text(max_size=5)),
    st.sampled_from([10**30, -(10**20), 2**63, 0.5, 1e300]),
    st.sampled_from(
        ["", "a", "1", "prod", "chat", "user", "FOLDER", "@@@a@@@", "@@@a", "{x", "{{ x }}", "\0", "ü"]
    ),
)


def words(text):
    return text.split()


def tried(count):
    health = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=examples(count), deadline=None, suppress_health_check=health)


def fields():
    """The names of the fields in bodies and queries."""
    for module in {route.handler.rpartition(".")[0] for route in ROUTES}:
        for shape in vars(import_module(f"promptsync.server.{module}")).values():
            if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
                yield from shape.__struct_encode_fields__


FIELDS = sorted(
    {
        *fields(),
        # What is in values that no field describes.
        *words(
            "messages content text model provider parameters response_format template_format image_url "
            "image_variable tool_calls function tools functions tool_choice source sources external_id "
            "external_ids workspace_id api_key code response_schema args choices message usage prompt system "
            "input_schema prompt_tokens resourceSpans scopeSpans spanId traceId key stringValue "
            "tool_definition execution target regex_pattern json_path comparison_type column_id 0"
        ),
    }
)
KEYS = st.sampled_from(FIELDS)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
REFERENCES = st.fixed_dictionaries(
    {"type": st.just("registry"), "tool_registry_id": st.just(1) | SCALARS},
    optional={"label": SCALARS, "version_number": SCALARS},
)
BODIES = st.none() | JSON | st.dictionaries(KEYS, JSON, max_size=6)
SEGMENTS = st.sampled_from(
    ["a", "b", "1", "2", "0", "-1", "9" * 25, "labels", "nobody", "%", "a/b"]
) | st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from([*FIELDS, *words("external_source path capability x workspace_id")]),
        st.sampled_from(
            [*words("1 a true 2026-01-01 id -5 workflows:1:run:a workflow_updates:1 zip"), "", "9" * 30]
        )
        | st.text(max_size=4),
    ),
    max_size=4,
)


FIXTURES = declared(
    """
agents: [{name: a, nodes: [{name: n, prompt: a}]}]
tools: [{id: 1, name: a, labels: [prod], function: {name: f}}]
""",
    evaluation("e", "a", [{"x": 1}], contains("x")),
)


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fuzz")
    put(directory, FIXTURES)
    with create_app(directory / "registry.db", fixtures=directory / "registry.yaml") as app:
        caller = Caller(app)
        caller("POST", "/rest/prompt-templates", flat("a", completion("x"), release_labels=["prod"]))
        caller("POST", "/rest/prompt-templates", flat("b"))
        caller("POST", "/api/public/v2/folders", {"name": "f"})
        caller("POST", "/api/public/v2/skill-collections", {"name": "a", "files": [{"path": "a"}]})
        yield caller


def add_table(app):
    """Add a table whose id, and that of everything in it, is 1, unless it is there."""
    about = {"id": "1", "title": "a", "created_at": now(), "updated_at": now()}
    column = {"title": "a", "config": "{}", "position_rank": 0, "type": "TEXT", "dependencies": "[]"}
    with app.store.write() as db, suppress(sqlite3.IntegrityError):
        insert(db, "smart_tables", **about)
        insert(db, "sheets", table_id="1", **about)
        insert(db, "columns", id="1", sheet_id="1", **column)
        cell = {"row_index": 0, "status": "COMPLETED", "updated_at": now()}
        insert(db, "cells", id="1", sheet_id="1", column_id="1", **cell)


def target(data, path):
    parts = []
    for part in path.split("/"):
        value = urllib.parse.quote(data.draw(SEGMENTS), safe="") if part.startswith("<") else part
        parts.append(value)
    query = urllib.parse.urlencode(data.draw(QUERIES), errors="replace")
    return "/".join(parts) + (f"?{query}" if query else "")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
@tried(60)
@given(data=st.data())
def test_no_input_is_a_server_error(call, route, data):
    method, path = route.method, route.path
    if "/tables" in path:
        add_table(call.app)
    body = data.draw(BODIES) if method != "GET" else None
    answer = call(method, target(data, path), raw=json.dumps(body).encode() if body is not None else b"")
    assert answer.status < 500, answer.body
    if answer.headers.get("Content-Type") != "application/zip":
        assert answer.status == 204 or answer.raw.endswith(b"\n")
    if answer.status >= 400:
        assert answer.body["success"] is False
        assert isinstance(answer.body["message"], str)


def some(keys, values, **limits):
    return st.dictionaries(st.sampled_from(words(keys)), values, **limits)


def optional(**values):
    return st.fixed_dictionaries({}, optional=values)


TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"])},
    optional={
        "content": st.sampled_from(["", '{"a": {"b": [1, null]}}', "[" * 9_000, "1" * 5_000]) | JSON,
        "tool_calls": st.lists(optional(function=JSON, id=JSON)),
    },
)
TURNS = st.lists(some("role content name tool_calls function_call tool_call_id x", JSON) | TURN, max_size=3)
# What the other providers' calls and responses have, so that each of their shapes is met with odd values.
TYPES = words(
    "text tool_use tool_result function_call function_call_output assistant reasoning input_text "
    "image_generation_call model user tool"
)
BLOCKS = some(
    "type text thought toolUse toolResult functionCall function_response json reasoningContent "
    "inline_data image_url name id call_id arguments content role parts output result summary data "
    "mime_type toolUseId response",
    JSON | st.sampled_from(TYPES) | some("name id args content response data text", JSON),
    max_size=4,
)
SAID = JSON | st.lists(BLOCKS | optional(role=st.just("user"), parts=st.lists(BLOCKS)), max_size=3)
CALLED = some("input history contents system instructions prompt tools modelId", SAID) | optional(
    generation_config=JSON | optional(system_instruction=SAID, tools=SAID),
    toolConfig=JSON | optional(tools=SAID),
    inferenceConfig=JSON,
)
ANSWERED = (
    optional(output=SAID | optional(message=BLOCKS))
    | optional(candidates=st.lists(optional(content=BLOCKS), max_size=1))
    | optional(data=SAID, output_format=JSON)
)
CONDITIONS = [
    {"field": "input_text", "operator": "contains", "value": "a"},
    {"field": "cost", "operator": "gt", "value": 0},
    {"field": "tool_names", "operator": "contains", "value": "a"},
    {"field": "output", "operator": "key_contains", "value": "a", "nested_key": "a"},
]


@tried(150)
@given(
    kwargs=JSON | CALLED | optional(messages=TURNS, model=JSON, tools=JSON),
    response=JSON
    | ANSWERED
    | optional(choices=st.lists(optional(message=JSON), max_size=1))
    | optional(content=TURNS, usage=JSON),
    more=st.dictionaries(KEYS, JSON, max_size=3),
)
def test_whatever_is_tracked_can_be_read_and_searched(call, kwargs, response, more):
    body = {**more, "kwargs": kwargs, "request_response": response, "return_prompt_blueprint": True}
    tracked = call("POST", "/track-request", body)
    if tracked.status == 400:  # for example a prompt_id that is none
        return
    assert tracked.status == 200
    logged = call("GET", f"/api/public/v2/requests/{tracked.body['request_id']}")
    assert logged.status == 200
    assert logged.body["prompt_blueprint"] == tracked.body["prompt_blueprint"]
    for condition in CONDITIONS:
        search = {"filters": [condition], "q": "a", "sort_by": "cost"}
        assert call("POST", "/api/public/v2/requests/search", search).status == 200


@tried(150)
@given(
    body=st.binary(max_size=60)
    | st.binary(max_size=40).map(lambda inner: b"\n" + bytes([len(inner)]) + inner)
)
def test_no_bytes_are_a_server_error(call, body):
    answer = call("POST", "/v1/traces", raw=body, content_type="application/x-protobuf")
    assert answer.status in (200, 400)


CONTENT = st.fixed_dictionaries(
    {"type": st.sampled_from(words("text image_url media thinking media_variable new"))},
    optional=dict.fromkeys(words("text name"), SCALARS)
    | dict.fromkeys(words("image_url media image_variable"), JSON),
)


@tried(150)
@given(
    message=st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "placeholder"])},
        optional={"content": st.lists(CONTENT)}
        | dict.fromkeys(words("name tool_call_id"), SCALARS)
        | dict.fromkeys(words("tool_calls function_call input_variables raw_request_display_role"), JSON),
    ),
    tools=st.none() | st.lists(JSON | REFERENCES, max_size=2),
    parameters=st.dictionaries(KEYS, JSON, max_size=3),
    provider=st.sampled_from(list(FORMS)),
    values=st.dictionaries(st.sampled_from(["x", "a"]), JSON),
)
def test_whatever_is_accepted_can_be_read_rendered_and_published_again(
    call, message, tools, parameters, provider, values
):
    model = {"provider": provider, "name": "m", "parameters": parameters}
    template = {"messages": [message], "tools": tools}
    sent = call("POST", "/rest/prompt-templates", flat("fuzz", template, metadata={"model": model}))
    assert sent.status in (201, 400, 422)
    if sent.status != 201:
        return
    for read in (
        call("GET", "/prompt-templates/fuzz?include_llm_kwargs=1"),
        call("POST", "/prompt-templates/fuzz", {"input_variables": values}),
        call("POST", "/prompt-templates/fuzz", {"skip_input_variable_rendering": True}),
        call("POST", "/prompt-templates/fuzz", {"model": "n", "model_parameter_overrides": parameters}),
        call("POST", "/prompt-templates/fuzz", {"provider": "google", "model": "n"}),
        call("GET", "/prompt-templates?name=fuzz"),
    ):
        assert read.status == 200, read.body
    raw = call("GET", "/prompt-templates/fuzz?resolve_snippets=false").body
    again = call(
        "POST", "/rest/prompt-templates", flat("fuzz", raw["prompt_template"], metadata=raw["metadata"])
    )
    assert again.body["prompt_template"] == raw["prompt_template"]
    assert again.body["metadata"] == raw["metadata"]


@tried(200)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "", "options", "\0"]),
    path=st.text(max_size=30),
    raw=st.binary(max_size=40),
)
def test_no_request_line_is_a_server_error(call, method, path, raw):
    assert call(method, "/" + path, raw=raw).status < 500

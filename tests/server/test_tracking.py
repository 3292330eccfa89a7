from __future__ import annotations

from registry_server import Caller, completion, log_of
from stored import stored_chat, stored_message, stored_model

LOG = log_of()


def request_of(call, request_id):
    return call("GET", f"/api/public/v2/requests/{request_id}").body


def rows(app, sql, *values):
    with app.store.read() as db:
        return [tuple(row) for row in db.execute(sql, values)]


FAILURE = {"status": "ERROR", "error_type": "PROVIDER_ERROR", "error_message": "no"}


def test_a_log_answers_with_its_id_and_its_prompt_version(call):
    once = {"input": completion("Once"), "output": completion("upon")}
    # A large time counts milliseconds.
    answer = call("POST", "/log-request", LOG | FAILURE | once | {"request_start_time": 1767225600000})
    assert request_of(call, 1)["request_start_time"] == "2026-01-01T00:00:00.000000Z"
    assert (answer.status, answer.body["request_id"], answer.body["id"]) == (201, 1, 1)
    assert {key: answer.body[key] for key in FAILURE} == FAILURE
    # A completion has no turns, so only the output fits.
    assert answer.body["prompt_version"]["prompt_template"]["content"][0]["text"] == "upon"


def test_a_log_is_tied_to_the_prompt_that_it_names(app, call, publish):
    first, second = publish("a"), publish("a")
    for more in ({"prompt_name": "a", "prompt_version_number": 1}, {"prompt_id": first["id"]}):
        assert call("POST", "/log-request", LOG | more | {"score": 80, "score_name": "tone"}).status == 201
    used = [(version["prompt_version_id"],) for version in (first, second)]
    assert rows(app, "SELECT version_id FROM requests ORDER BY id") == used
    assert request_of(call, 1)["scores"] == [{"name": "tone", "score": 80}]
    call.expect(
        ("POST", "/log-request", LOG | {"prompt_name": "nobody"}, 404),
        ("POST", "/log-request", LOG | {"prompt_name": "a", "prompt_version_number": 9}, 404),
    )


def test_malformed_logs_and_notes_are_refused(call, publish):
    publish("a")
    call("POST", "/log-request", LOG)
    unreadable = (
        {"input": {"messages": []}},
        {"input": {"type": "chat", "messages": [{"role": "user", "content": "a string"}]}},
        {"output": {"type": "completion", "content": "a string"}},
        *({"request_end_time": time} for time in ("yesterday", 1e300)),
    )
    refused = (
        *({"request_end_time": time} for time in (None, True)),
        {"metadata": {"a": 1}},
        {"score": 101},
        {"price": 10**400},
        {"output_tokens": 2**63},
        {"error_message": "x" * 1025},
        {"prompt_name": "a", "prompt_version_number": 0},
    )
    call.expect(
        *(("POST", "/log-request", LOG | change, 422) for change in refused),
        *(("POST", "/log-request", LOG | change, 400) for change in unreadable),
        ("POST", "/rest/track-score", {"request_id": 1, "score": -1}, 422),
        ("POST", "/rest/track-score", {"request_id": 9, "score": 1}, 400),
        ("POST", "/rest/track-score", {"request_id": "x", "score": 1}, 422),
        ("POST", "/rest/track-score", {"request_id": 10**30, "score": 1}, 422),
        ("POST", "/rest/track-metadata", {"request_id": 1, "metadata": {"a": None}}, 422),
        ("POST", "/rest/track-prompt", {"request_id": 1, "prompt_name": "nobody"}, 400),
        ("POST", "/rest/track-prompt", {"request_id": 1, "prompt_name": "a", "label": "nope"}, 400),
        ("POST", "/rest/track-group", {"request_id": 1, "group_id": 9}, 400),
    )


TRACKED = {
    "function_name": "openai.chat.completions.create",
    "provider_type": "openai",
    "args": [],
    "kwargs": {"model": "gpt-4o", "temperature": 0, "messages": [{"role": "user", "content": "Hi"}]},
    "request_response": {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]},
    "request_start_time": 1.5,
    "request_end_time": 2.5,
    "api_key": "pl_in_body_only",
}


def test_a_tracked_request_answers_with_its_id_and_no_blueprint(app, tmp_path):
    answer = Caller(app, None)("POST", "/track-request", TRACKED)
    assert (answer.status, answer.body["request_id"], answer.body["prompt_blueprint"]) == (200, 1, None)
    assert all(b"pl_in_body_only" not in file.read_bytes() for file in tmp_path.iterdir())


def blueprint_of(call, **more):
    answer = call("POST", "/track-request", {**TRACKED, **more, "return_prompt_blueprint": True})
    assert (answer.status, answer.body["message"]) == (200, "Request tracked successfully")
    return answer.body["prompt_blueprint"]


def _message(role, text, **more):
    """A message of a blueprint as the real service was recorded to return it."""
    return stored_message(text, role, raw_request_display_role=role, **more)


EXTRAS = {"refusal": None, "audio": None, "annotations": [], "function_call": None, "tool_calls": None}
OBJECT = {"type": "object"}
TOOL = {"name": "find", "description": "", "strict": False, "parameters": OBJECT}
FIND = {"name": "find", "arguments": '{"q":1}'}
CALLED = {"tool_id": None, "id": "c1", "type": "function", "function": FIND}
SYSTEM, USER = ({"role": role, "content": text} for role, text in (("system", "Hello"), ("user", "Hello")))
LOOKED = [
    {"citations": None, "text": "I look", "type": "text"},
    {"type": "tool_use", "id": "c1", "name": "find", "input": {"q": 1}},
]
HELLO, HI = _message("user", "Hello"), _message("assistant", "Hi")
CALLS = [
    (
        {"messages": [SYSTEM], "stream": False},
        {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hi", **EXTRAS}}]},
        [_message("system", "Hello"), HI],
    ),
    # An older way to log a stream: the message is the choice.
    ({"messages": [USER]}, {"choices": [{"role": "assistant", "content": "Hi"}]}, [HELLO, HI]),
    # A failed call has no response.
    ({"messages": [USER]}, {"error": "x"}, [HELLO]),
    ({"messages": [USER]}, "text", [HELLO]),
    ({"messages": [USER]}, {"choices": [{"message": {"role": "nobody"}}]}, []),
    ({"prompt": "Hello"}, {"choices": [{"text": "Hi", "index": 0}]}, [HELLO, HI]),
    (
        {
            "system": "Be kind",
            "messages": [USER],
            "tools": [{"name": "find", "description": "", "input_schema": OBJECT}],
        },
        {"content": LOOKED},
        [_message("system", "Be kind"), HELLO, _message("assistant", "I look", tool_calls=[CALLED])],
    ),
]
NULLS = ("commit_message", "provider_base_url_name", "report_id", "inference_client_name", "provider_id")


def test_a_blueprint_has_the_keys_that_were_recorded(call):
    for arguments, response, messages in CALLS:
        kwargs = {**arguments, "model": "m", "max_tokens": 256, "temperature": 0.5}
        streamed = {key: value for key, value in arguments.items() if key == "stream"}
        tools = [{"type": "function", "function": TOOL}] if "tools" in arguments and messages else []
        shown = {"max_tokens": "256", "temperature": "0.5"} | streamed
        parameters = {"max_tokens": 256, "temperature": 0.5} | streamed
        model = stored_model("openai", "m", parameters, display_params=shown, api_type="chat-completions")
        assert blueprint_of(call, kwargs=kwargs, request_response=response) == dict.fromkeys(NULLS) | {
            "prompt_template": stored_chat(*messages, functions=[], tools=tools),
            "metadata": {"model": model},
        }, arguments


CALL = {"id": "c1", **FIND}
OUTPUT = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
FUNCTION_CALL = {"type": "function_call", "id": "fc", "call_id": "c1", **FIND}
REASONING = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm"}]}
IMAGE = {"type": "image_generation_call", "id": "ig", "result": "aGk="}
WEBP = {"inlineData": {"mimeType": "image/webp", "data": "-_8="}}
SYSTEM_PARTS = {"systemInstruction": {"parts": [{"text": "Be kind"}]}}
FILE = {"role": "user", "parts": [{"text": None, "file_data": {"file_uri": "gs://a"}}]}
OTHER_CALLS = {
    "responses": (
        {"instructions": "Be kind", "input": "Find it"},
        {"object": "response", "output": [REASONING, OUTPUT, FUNCTION_CALL, IMAGE]},
        [
            ("system", "Be kind"),
            ("user", "Find it"),
            ("assistant", "thinking Hm", "Hi", CALL, "data:image/png;base64,aGk="),
        ],
    ),
    "gemini in camel case, as a text": (
        {"contents": "Draw", "generationConfig": SYSTEM_PARTS},
        {"candidates": [{"content": {"parts": [{"text": "Hm", "thought": True}, WEBP]}}]},
        [
            ("system", "Be kind"),
            ("user", "Draw"),
            ("assistant", "thinking Hm", "data:image/webp;base64,+/8="),
        ],
    ),
    "an unknown block": ({"contents": [FILE]}, {"data": [{"embedding": [1]}]}, [("user", "file_data")]),
}


def _shown(message):
    for block in message["content"]:
        kinds = {"text": "{text}", "thinking": "thinking {thinking}", "output_media": "{url}"}
        yield kinds.get(block["type"], "{type}").format(**block)


def test_the_calls_of_other_apis_have_a_conversation(call):
    """The usual calls of each are in ``tests/sdk/test_run_with_providers.py``."""
    for name, (arguments, response, said) in OTHER_CALLS.items():
        kwargs = {"model": "m", **arguments}
        blueprint = blueprint_of(call, kwargs=kwargs, request_response=response, provider_type="x")
        conversation = []
        for message in blueprint["prompt_template"]["messages"]:
            calls = [{"id": made["id"], **made["function"]} for made in message.get("tool_calls") or ()]
            conversation.append((message["role"], *_shown(message), *calls))
        in_any_order = [[sorted(map(str, turn)) for turn in turns] for turns in (conversation, said)]
        assert in_any_order[0] == in_any_order[1], name
        model = blueprint["metadata"]["model"]
        assert (model["name"], model["parameters"]) == ("m", {}), name
        assert model.get("api_type") == (name if name == "responses" else None), name


def test_the_blueprint_of_an_image_is_a_completion(call):
    response = {"data": [{"b64_json": "aGk="}, {"url": "https://a"}], "output_format": "webp"}
    blueprint = blueprint_of(call, kwargs={"prompt": "Draw"}, request_response=response)
    template = blueprint["prompt_template"]
    assert (template["type"], blueprint["metadata"]["model"]["api_type"]) == ("completion", "images")
    shown = [block.get("text") or block["url"] for block in template["content"]]
    assert shown == ["Draw", "data:image/webp;base64,aGk=", "https://a"]


def test_a_tracked_request_is_kept_even_if_its_prompt_does_not_exist(app, call, publish):
    prompt = publish("a")
    call("POST", "/create-group")
    body = TRACKED | {"prompt_id": prompt["id"], "prompt_version": 1, "group_id": 1}
    for more in ({}, {"prompt_id": 99, "group_id": 99}):
        assert call("POST", "/track-request", body | more).status == 200
    kept = rows(app, "SELECT version_id, group_id FROM requests ORDER BY id")
    assert kept == [(prompt["prompt_version_id"], 1), (None, None)]


def test_a_body_whose_values_are_one_place_off_is_understood(call, publish, app):
    """The SDK's asynchronous client sends it like this."""
    publish("a")
    call("POST", "/log-request", LOG)
    shifted = {"request_id": True, "prompt_name": 1, "prompt_input_variables": "a", "version": {"x": "y"}}
    assert call("POST", "/library-track-prompt", {**shifted, "label": None}).status == 200
    assert call("POST", "/library-track-prompt", {**shifted, "label": 7}).status == 400
    assert rows(app, "SELECT version_id, prompt_input_variables FROM requests") == [(1, '{"x":"y"}')]

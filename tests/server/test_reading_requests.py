"""What was logged can be read and searched."""

from __future__ import annotations

import pytest
from registry_server import Caller, flat, log_of
from stored import span

from promptsync.server.app import create_app
from promptsync.server.tracking.search import FIELDS

LOG = log_of(
    *("Where is my Money?", "In your Straße"),
    provider="anthropic",
    model="claude-sonnet-4",
    parameters={"max_tokens": 9},
    input_tokens=10,
    output_tokens=5,
    price=0.25,
    score=70,
    tags=["prod", "mail"],
    metadata={"user": "42", "plan": "free"},
    prompt_name="ask",
    prompt_input_variables={"name": "Ana", "unused": "x"},
)
CALL = {
    "function_name": "openai.chat.completions.create",
    "provider_type": "openai",
    "kwargs": {"model": "gpt-4o", "temperature": 0, "messages": [{"role": "user", "content": "Hi"}]},
    "request_response": {
        "choices": [{"message": {"role": "assistant", "content": '{"mood": {"now": "good"}, "n": [1, 2]}'}}],
        "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
    },
    "request_start_time": 1767225700,
    "request_end_time": 1767225700.25,
    "tags": None,
    "metadata": {"user": "7"},
    "span_id": "00000000000000ab",
}
TOOL_CALLS = [
    {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    for call_id, name, arguments in (("c1", "find", '{"query": "Active users"}'), ("c2", "send", "x"))
]
FAILED = {
    **CALL,
    "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Call\0the tool"}]},
    "request_response": {"choices": [{"message": {"content": None, "tool_calls": TOOL_CALLS}}]},
    "request_start_time": 1767225800,
    "request_end_time": 1767225801,
    "metadata": None,
    "span_id": None,
    "status": "ERROR",
    "error_type": "PROVIDER_TIMEOUT",
    "error_message": "too slow",
}
REQUESTS = "/api/public/v2/requests"


@pytest.fixture
def three(call):
    """Requests 1 to 3: a log with everything, a call that returned JSON, and a failed one with tool calls."""
    call("POST", "/rest/prompt-templates", flat("ask"))
    assert call("POST", "/log-request", LOG).body["id"] == 1
    assert call("POST", "/track-request", CALL).body["request_id"] == 2
    assert call("POST", "/track-request", FAILED).body["request_id"] == 3
    call("POST", "/rest/track-score", {"request_id": "1", "score": 90, "name": "tone"})
    call("POST", "/rest/track-metadata", {"request_id": 1, "metadata": {"plan": "paid"}})
    call("POST", "/create-group")
    call("POST", "/rest/track-group", {"request_id": 1, "group_id": 1})


def test_a_log_is_read_with_all_that_was_noted_about_it(call, three):
    answer = call("GET", f"{REQUESTS}/1")
    assert answer.status == 200
    logged = answer.body
    messages = logged.pop("prompt_blueprint")["prompt_template"]["messages"]
    assert [message["content"][0]["text"] for message in messages] == ["Where is my Money?", "In your Straße"]
    assert logged.pop("created_at").endswith("Z")
    assert logged == (
        {"success": True, "request_id": 1, "id": 1, "group_id": 1, "trace_id": None, "span_id": None}
        | {"provider": "anthropic", "provider_type": "anthropic"}
        | {"model": "claude-sonnet-4", "engine": "claude-sonnet-4"}
        | {"input_tokens": 10, "output_tokens": 5, "tokens": 15, "price": 0.25}
        | {"request_start_time": "2026-01-01T00:00:00.000000Z", "latency_ms": 1500}
        | {"request_end_time": "2026-01-01T00:00:01.500000Z", "latency": 1.5}
        | {"status": "SUCCESS", "error_type": None, "error_message": None}
        | {"tags_array": ["prod", "mail"], "metadata": [{"user": "42"}, {"plan": "paid"}]}
        | {"scores": [{"name": "default", "score": 70}, {"name": "tone", "score": 90}]}
        | {"prompt_id": 1, "prompt_name": "ask", "prompt_version_number": 1}
        | {"prompt_input_variables": {"name": "Ana", "unused": "x"}}
    )
    for request_id in ("9", "0", "x", "9" * 30):
        assert call("GET", f"{REQUESTS}/{request_id}").status == 404, request_id


def test_a_call_is_read_with_the_tokens_of_its_response(call, three):
    logged, failed = (call("GET", f"{REQUESTS}/{request_id}").body for request_id in (2, 3))
    keys = ("provider", "model", "input_tokens", "output_tokens", "tokens", "latency_ms", "span_id")
    assert [logged[key] for key in keys] == ["openai", "gpt-4o", 8, 2, 10, 250, "00000000000000ab"]
    failure = [failed[key] for key in ("status", "error_type", "error_message")]
    assert failure == ["ERROR", "PROVIDER_TIMEOUT", "too slow"]
    # What the registry does not know is not there, because the vendor's schema has no null for it.
    assert ("price" in logged, {"tokens", "input_tokens"} & failed.keys()) == (False, set())


ODD = [
    {"tags": 3},
    {"tags": ["a", 1], "provider_type": {}, "status": "FINE", "span_id": 5},
    {"prompt_id": 0},
    {"kwargs": [], "metadata": "x", "prompt_version": "x", "group_id": "abc", "price": "1"},
    {"kwargs": {"messages": [{"role": 3}], "model": []}, "request_response": []},
    *({"request_end_time": time} for time in ("never", 1e300, 10**400, True, [])),
]


def test_a_call_that_was_made_is_logged_without_what_cannot_be_read(call):
    for number, odd in enumerate(ODD, 1):
        body = {"error_message": "kept", "price": 0.5, "input_tokens": 3.0, **odd}
        assert call("POST", "/track-request", body).status == 200, odd
        logged = call("GET", f"{REQUESTS}/{number}").body
        assert (logged["error_message"], logged["input_tokens"], logged["tags_array"]) == ("kept", 3, [])
        assert logged.get("price") == (None if "price" in odd else 0.5)
        assert logged["prompt_blueprint"]["prompt_template"]["messages"] == []
        assert {"model", "latency"} & logged.keys() == set()
    for usage in ({"input_tokens": "9", "output_tokens": -1}, {"prompt_tokens": 10**4300 - 1}):
        call("POST", "/track-request", {"request_response": {"usage": usage}})
        number += 1
        assert "tokens" not in call("GET", f"{REQUESTS}/{number}").body


def search(call, **body):
    answer = call("POST", f"{REQUESTS}/search", body)
    assert answer.status == 200, answer.body
    return [item["id"] for item in answer.body["items"]]


def where(field, operator, value=None, nested_key=None):
    condition = {"field": field, "operator": operator, "value": value, "nested_key": nested_key}
    return {key: value for key, value in condition.items() if value is not None}


FILTERS = [
    (where("engine", "is", "gpt-4o"), [3, 2]),
    (where("engine", "is", "GPT-4O"), []),
    (where("engine", "is_not", "gpt-4o"), [1]),
    (where("status", "in", ["ERROR", "WARNING"]), [3]),
    (where("provider_type", "not_in", ["anthropic"]), [3, 2]),
    (where("pl_id", "in", [1, 3]), [3, 1]),
    # A request without the value has none of the values, and is no smaller or larger one.
    (where("prompt_id", "eq", 1), [1]),
    (where("prompt_version_number", "not_in", [1]), [3, 2]),
    (where("cost", "neq", 0.25), [3, 2]),
    (where("cost", "gt", 0), [1]),
    (where("cost", "gte", 0.25), [1]),
    (where("input_tokens", "lt", 10), [2]),
    (where("input_tokens", "lte", 10), [2, 1]),
    (where("output_tokens", "gt", 2), [1]),
    (where("latency_ms", "between", [250, 1000]), [3, 2]),
    (where("cost", "is_null"), [3, 2]),
    (where("cost", "is_not_null"), [1]),
    # Texts are folded, beyond ASCII and beyond a zero character, and have no wildcards.
    (where("input_text", "contains", "MY MONEY"), [1]),
    (where("input_text", "contains", "y_m"), []),
    (where("input_text", "contains", ""), [3, 2, 1]),
    (where("input_text", "not_contains", "money"), [3, 2]),
    (where("input_text", "starts_with", "[USER]: h"), [2]),
    (where("input_text", "ends_with", "TOOL"), [3]),
    (where("output_text", "ends_with", "STRASSE"), [1]),
    (where("output_text", "ends_with", ""), [3, 2, 1]),
    (where("output_text", "contains", "mood.now: good"), [2]),
    (where("output_text", "contains", "active users"), [3]),
    (where("request_start_time", "is", "2026-01-01T01:00:00+01:00"), [1]),
    (where("request_start_time", "is_not", "2026-01-01T01:00:00+01:00"), [3, 2]),
    (where("request_start_time", "before", "2026-01-01T00:01:40Z"), [1]),
    (where("request_end_time", "after", "2026-01-01T00:01:41Z"), [3]),
    (where("request_start_time", "between", ["2026-01-01T00:00:00Z", "2026-01-01T00:01:40Z"]), [2, 1]),
    (where("is_json", "is_true"), [2]),
    (where("is_plain_text", "is_false"), [3, 2]),
    (where("is_tool_call", "is_true"), [3]),
    (where("tags", "contains", "prod"), [1]),
    (where("tags", "contains", "pro"), []),
    (where("tags", "not_contains", "prod"), [3, 2]),
    (where("tags", "in", ["mail", "x"]), [1]),
    (where("tags", "is_empty"), [3, 2]),
    (where("metadata_keys", "is_not_empty"), [2, 1]),
    (where("tool_names", "contains", "find"), [3]),
    (where("output_keys", "contains", "mood.now"), [2]),
    (where("metadata", "key_equals", "paid", "plan"), [1]),
    (where("metadata", "key_equals", "free", "plan"), []),
    (where("metadata", "key_equals", 7, "user"), [2]),
    (where("metadata", "key_not_equals", "paid", "plan"), [3, 2]),
    (where("metadata", "not_in", ["7"], "user"), [3, 1]),
    (where("metadata", "is_empty", None, "plan"), [3, 2]),
    (where("output", "key_equals", "good", "mood.now"), [2]),
    (where("output", "key_equals", 2, "n"), [2]),
    (where("output", "key_contains", "ACTIVE", "tool_calls.function.arguments.query"), [3]),
    (where("output", "key_equals", "send", "tool_calls.function.name"), [3]),
    (where("input_variables", "key_equals", "Ana", "name"), [1]),
    # Only the variables of the prompt are searched.
    (where("input_variable_keys", "contains", "unused"), []),
    # Groups.
    ({"filters": []}, [3, 2, 1]),
    ({"filters": [where("pl_id", "eq", 1), where("pl_id", "eq", 3)]}, []),
    ({"logic": "OR", "filters": [where("pl_id", "eq", 1), {"filters": [where("pl_id", "eq", 3)]}]}, [3, 1]),
]
# What has no value comes last in either direction.
SORTED = [
    *(("request_start_time", "asc", [1, 2, 3]), ("input_tokens", "desc", [1, 2, 3])),
    *(("output_tokens", "asc", [2, 1, 3]), ("cost", "asc", [1, 3, 2]), ("cost", "desc", [1, 3, 2])),
    *(("latency_ms", "asc", [2, 3, 1]), ("status", "asc", [3, 2, 1])),
]


def test_each_filter_and_free_text_selects_and_what_is_found_is_sorted(call, three):
    tested = [condition for condition, _ in FILTERS if "field" in condition]
    assert {condition["field"] for condition in tested} == FIELDS.keys()
    operators = {operator for kind, _ in FIELDS.values() for operator in kind.operators}
    assert {condition["operator"] for condition in tested} == operators
    for condition, expected in FILTERS:
        assert search(call, filter_group={"filters": [condition]}) == expected, condition
        assert search(call, filters=[condition]) == expected, condition
    # Free text matches the starts of words.
    for q, expected in (("mon", [1]), ("MONEY stras", [1]), ("oney", []), ("good", [2]), ("", [3, 2, 1])):
        assert search(call, q=q) == expected, q
    for field, order, expected in SORTED:
        assert search(call, sort_by=field, sort_order=order) == expected, (field, order)


def test_free_text_with_many_words_is_found_at_once(call):
    words = " ".join(f"w{number}" for number in range(20_000))
    call("POST", "/track-request", {"kwargs": {"messages": [{"role": "user", "content": words}]}})
    # Each word compared with each would take hours.
    assert search(call, q=" ".join(["w9", "w19999", "w5"] * 30_000)) == [1]
    assert search(call, q="w9 w20000") == []


def test_results_come_in_pages(call, three):
    first, last = (call("POST", f"{REQUESTS}/search", {"per_page": 2, "page": page}).body for page in (1, 2))
    keys = ("page", "pages", "per_page", "total", "has_next", "has_prev")
    assert [first[key] for key in keys] == [1, 2, 2, 3, True, False]
    assert [item["id"] for item in [*first["items"], *last["items"]]] == [3, 2, 1]
    assert search(call, page=2**62) == []
    # The name of the prompt comes when it is wanted.
    assert all("prompt_name" not in item for item in first["items"])
    named = call("POST", f"{REQUESTS}/search", {"include_prompt_name": True}).body["items"]
    assert [item["prompt_name"] for item in named] == [None, None, "ask"]


REFUSED = [
    ({"per_page": 26}, "per_page: expected int <= 25"),
    ({"sort_order": "asc"}, "sort_order requires sort_by"),
    ({"q": " ".join(map(str, range(101)))}, "q can have at most 100 different words"),
    ({"metadata_cost_breakdown_key": "user"}, "unknown field metadata_cost_breakdown_key"),
    ({"filter_group": {}}, "field must be one of pl_id, "),
    ({"filter_group": {"filters": [], "operator": "is"}}, "either a field or filters"),
    ({"filter_group": {"filters": [], "logics": "OR"}}, "filter_group: object contains unknown field logics"),
    ({"filters": [where("nothing", "is", "x")]}, "field must be one of pl_id, "),
    ({"filters": [where("engine", "contains", "gpt")]}, "operator must be one of is, is_not, in, not_in"),
    ({"filters": [where("engine", "in", ["a"] * 101)]}, "value: expected array of length <= 100"),
    ({"filters": [where("cost", "between", [1])]}, "value: expected array of length 2"),
    ({"filters": [where("cost", "is_null", 1)]}, "value: expected null"),
    ({"filters": [where("request_start_time", "before", "soon")]}, "ISO 8601"),
    ({"filters": [where("metadata", "key_equals", "x")]}, "nested_key"),
    ({"filters": [where("engine", "is", "x", "user")]}, "does not apply to other fields"),
    ({"filters": [where("pl_id", "eq", 1)] * 101}, "at most 100 filters"),
    ({"filters": [{"filters": [where("engine", "gt", 1)]}]}, "engine: operator must be one of"),
]


def test_what_cannot_be_searched_is_refused_and_never_ignored(call, three):
    for body, said in REFUSED:
        is_shape = "expected" in said or "unknown field" in said
        call.expect(("POST", f"{REQUESTS}/search", body, 422 if is_shape else 400, said))


def test_the_oldest_requests_are_deleted_with_their_texts_and_traces(tmp_path):
    of_call = span("ab")
    with create_app(tmp_path / "registry.db", logged_requests=2) as app:
        call = Caller(app)
        call("POST", "/track-request", CALL)
        call("POST", "/spans-bulk", {"spans": [of_call]})
        assert call("GET", "/api/public/v2/traces/t").status == 200
        for _ in range(2):
            call("POST", "/track-request", FAILED)
        assert call("GET", f"{REQUESTS}/1").status == 404
        assert call("GET", "/api/public/v2/traces/t").status == 404
        assert (search(call), search(call, q="good"), search(call, q="call")) == ([3, 2], [], [3, 2])
        with app.store.read() as db:
            assert db.execute("SELECT count(*) FROM request_values WHERE request_id = 1").fetchone()[0] == 0
        # Spans that no request names are counted themselves.
        for number in range(25):
            call("POST", "/spans-bulk", {"spans": [span(f"b{number}")]})
        assert len(call("GET", "/api/public/v2/traces/t").body["spans"]) == 20
    # The limit belongs to the database, so that a program without it keeps it.
    with create_app(tmp_path / "registry.db") as app:
        assert Caller(app)("POST", "/track-request", FAILED).body["request_id"] == 4
        assert search(Caller(app)) == [4, 3]


def test_requests_are_kept_for_some_days(tmp_path):
    with create_app(tmp_path / "registry.db", days=3) as app:
        for _ in range(3):
            Caller(app)("POST", "/track-request", CALL)
        with app.store.write() as db:
            db.execute(
                "UPDATE requests SET created_at = '2026-01-0' || id || 'T00:00:00.000000Z' WHERE id < 3"
            )
        Caller(app)("POST", "/track-request", CALL)
        assert search(Caller(app)) == [4, 3]
    with create_app(tmp_path / "registry.db", days=0) as app:
        with app.store.write() as db:
            db.execute("UPDATE requests SET created_at = '2026-01-01T00:00:00.000000Z'")
        Caller(app)("POST", "/track-request", CALL)
        assert search(Caller(app)) == [5, 4, 3]
    with create_app(tmp_path / "registry.db", days=1) as app:
        assert search(Caller(app)) == [5]

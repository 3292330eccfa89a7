"""The search in SQL finds what a search in Python finds, for random requests and conditions."""

from __future__ import annotations

import json
import operator
import re
from random import Random

import pytest
from registry_server import log_of
from seeds import numbers, seed_of

from promptsync.server.tracking.search import FIELDS as SEARCHED

TEXTS = [
    *("", "Money", "my money", "STRASSE", "Straße 5", "a_b a-b", "x\0y", "ﬁne", "e\u0301te", '"q" \' *'),
    "名前",
]
AMOUNTS = [0, 1, 2, 2.5, 2**53 + 1, 2**63 - 1]
DAYS = [f"2026-01-0{day}T00:00:00.000000Z" for day in (1, 2, 3)]
STATUSES = ["SUCCESS", "WARNING", "ERROR"]
KEYS = ["k", "k.l", "é"]
EXACT = ["is", "is_not", "in", "not_in"]
AMOUNT = ["eq", "neq", "gt", "gte", "lt", "lte", "between", "is_null", "is_not_null"]
TEXT = ["contains", "not_contains", "starts_with", "ends_with"]
TIME = ["is", "is_not", "before", "after", "between"]
ARRAY = ["contains", "not_contains", "in", "not_in", "is_empty", "is_not_empty"]
NESTED = ["key_equals", "key_not_equals", "key_contains", *ARRAY[2:]]
FIELDS = {
    "pl_id": (EXACT + AMOUNT, AMOUNTS),
    **dict.fromkeys(("engine", "provider_type"), (EXACT, TEXTS)),
    "status": (EXACT, STATUSES),
    **dict.fromkeys(("input_text", "output_text"), (TEXT, [*TEXTS, "[user]: m", "K: "])),
    **dict.fromkeys(
        ("input_tokens", "output_tokens", "cost", "latency_ms"), (AMOUNT, [*AMOUNTS, 86_400_000])
    ),
    **dict.fromkeys(("request_start_time", "request_end_time"), (TIME, DAYS)),
    **dict.fromkeys(("is_json", "is_plain_text"), (["is_true", "is_false"], [])),
    "tags": (ARRAY, TEXTS),
    **dict.fromkeys(("metadata_keys", "output_keys"), (ARRAY, KEYS)),
    **dict.fromkeys(("metadata", "output"), (NESTED, TEXTS)),
}
SORTED = ["request_start_time", "input_tokens", "output_tokens", "cost", "latency_ms", "status"]


def request_of(random):
    """A random log; its output is a text or a JSON object."""
    objects = [
        {key: random.choice(TEXTS) for key in random.sample(KEYS, random.randint(0, 3))} for _ in range(2)
    ]
    optional = {
        "input_tokens": random.randint(0, 3),
        "output_tokens": random.randint(0, 3),
        "price": random.choice(AMOUNTS),
        "status": random.choice(STATUSES),
        "tags": random.sample(TEXTS, random.randint(0, 3)),
        "metadata": objects[0],
    }
    return {
        "provider": random.choice(TEXTS),
        "model": random.choice(TEXTS),
        "input": random.choice(TEXTS),
        "output": random.choice([*TEXTS, objects[1], objects[1], objects[1]]),
        "request_start_time": random.choice(DAYS),
        "request_end_time": random.choice(DAYS),
        **{key: value for key, value in optional.items() if random.random() < 0.7},
    }


def filter_of(random, field, test):
    operators, values = FIELDS[field]
    condition = {"field": field, "operator": test} | ({"nested_key": "k"} if operators is NESTED else {})
    if test in ("in", "not_in"):
        condition["value"] = random.sample(values, random.randint(0, 3))
    elif test == "between":
        condition["value"] = sorted(random.sample(values, 2))
    elif not test.endswith(("_null", "_empty", "_true", "_false")):
        condition["value"] = random.choice(values)
    return condition


def logged(number, request):
    """The values of a request by the field of a search."""
    metadata, output = request.get("metadata", {}), request["output"]
    is_json = isinstance(output, dict)
    days = [int(request[f"request_{end}_time"][9]) for end in ("start", "end")]
    return {
        "pl_id": number,
        "engine": request["model"],
        "provider_type": request["provider"],
        "status": request.get("status", "SUCCESS"),
        "input_text": f"[user]: {request['input']}",
        "output_text": "\n".join(f"{key}: {text}" for key, text in output.items()) if is_json else output,
        "input_tokens": request.get("input_tokens"),
        "output_tokens": request.get("output_tokens"),
        "cost": request.get("price"),
        "latency_ms": (days[1] - days[0]) * 86_400_000,
        "request_start_time": request["request_start_time"],
        "request_end_time": request["request_end_time"],
        "is_json": is_json,
        "is_plain_text": not is_json,
        "tags": request.get("tags", []),
        "metadata_keys": [*metadata],
        "output_keys": [*output] if is_json else [],
        "metadata": [metadata["k"]] if "k" in metadata else [],
        "output": [output["k"]] if is_json and "k" in output else [],
    }


OPPOSITES = {
    "is_not": "is",
    "neq": "eq",
    "not_in": "in",
    "not_contains": "contains",
    "is_true": "is_false",
    "key_not_equals": "key_equals",
    "is_not_null": "is_null",
    "is_not_empty": "is_empty",
}
COMPARED = {
    **dict.fromkeys(("gt", "after"), operator.gt),
    **dict.fromkeys(("lt", "before"), operator.lt),
    "gte": operator.ge,
    "lte": operator.le,
    "between": lambda value, wanted: wanted[0] <= value <= wanted[1],
}


def matches(values, condition):
    """Whether a request, by ``logged``, meets a filter or a group."""
    if "filters" in condition:
        results = [matches(values, inner) for inner in condition["filters"]]
        return all(results) if condition["logic"] == "AND" or not results else any(results)
    value, wanted, test = values[condition["field"]], condition.get("value"), condition["operator"]
    if test in OPPOSITES:
        return not matches(values, condition | {"operator": OPPOSITES[test]})
    if test in COMPARED:
        return value is not None and COMPARED[test](value, wanted)
    members = value if isinstance(value, list) else [value]
    match test:
        case "is" | "eq" | "key_equals":
            return wanted in members
        case "in":
            return any(member in wanted for member in members)
        case "contains" | "key_contains" if isinstance(value, str) or test == "key_contains":
            return any(wanted.casefold() in member.casefold() for member in members)
        case "contains":
            return wanted in value
        case "starts_with":
            return value.casefold().startswith(wanted.casefold())
        case "ends_with":
            return value.casefold().endswith(wanted.casefold())
        case "is_null" | "is_empty" | "is_false":
            return value is None or value is False or value == []


def has_words(values, q):
    have = re.findall(r"\w+", f"{values['input_text']}\n{values['output_text']}".casefold())
    return all(any(word.startswith(start) for word in have) for start in re.findall(r"\w+", q.casefold()))


def test_all_fields_and_their_operators_are_compared():
    """The others are in a table in ``test_reading_requests.py``."""
    others = {"prompt_id", "prompt_version_number", "is_tool_call", "tool_names"}
    assert SEARCHED.keys() - FIELDS == {*others, "input_variables", "input_variable_keys"}
    for field, (names, _) in FIELDS.items():
        assert set(names) == set(SEARCHED[field][0].operators)


@pytest.mark.parametrize("number", numbers(2, fuzz=200))
def test_a_search_finds_what_python_finds(call, number):
    random = Random(seed_of(number))
    requests = [request_of(random) for _ in range(20)]
    for request in requests:
        output = request["output"]
        answer = output if isinstance(output, str) else json.dumps(output)
        kept = {key: value for key, value in request.items() if key not in ("input", "output")}
        assert call("POST", "/log-request", log_of(request["input"], answer, **kept)).status == 201
    newest_first = [logged(number, request) for number, request in enumerate(requests, 1)][::-1]

    def check(condition, q="", key="cost", order="desc"):
        expected = [values for values in newest_first if matches(values, condition) and has_words(values, q)]
        known = [values for values in expected if values[key] is not None]
        known.sort(key=lambda values: values[key], reverse=order == "desc")
        expected = known + [values for values in expected if values[key] is None]
        body = {"filters": [condition], "q": q, "sort_by": key, "sort_order": order, "per_page": 25}
        answer = call("POST", "/api/public/v2/requests/search", body)
        assert answer.status == 200, answer.body
        assert [item["id"] for item in answer.body["items"]] == [values["pl_id"] for values in expected], body

    pairs = [(field, test) for field, (tests, _) in FIELDS.items() for test in tests]
    conditions = [filter_of(random, *pair) for pair in pairs * 2]
    for condition in conditions:
        check(condition)
    for _ in range(100):
        logic, filters = random.choice(["AND", "OR"]), random.sample(conditions, random.randint(0, 3))
        conditions.append({"logic": logic, "filters": filters})
        q = random.choice(TEXTS) if random.random() < 0.3 else ""
        check(conditions[-1], q, random.choice(SORTED), random.choice(["asc", "desc"]))

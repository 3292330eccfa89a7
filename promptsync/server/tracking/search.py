"""Searching logged requests, as the vendor documents it: filters, free text, sorting and pages.

Requests are read and tested one by one, because their bodies can be any JSON.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from operator import itemgetter
from typing import Any

from promptsync.prompt.limits import MAX_BODY_DEPTH, is_deeper
from promptsync.prompt.texts import mappings
from promptsync.server.http.answer import Response, malformed
from promptsync.server.http.fields import Fields
from promptsync.server.http.listing import ListPage
from promptsync.server.http.request import Request
from promptsync.server.tracking import operators
from promptsync.server.tracking.conversation import Turn
from promptsync.server.tracking.operators import Operators
from promptsync.server.tracking.requests import SELECT, Logged

MAX_PER_PAGE = 25
MAX_FILTERS = 100

Test = Callable[[Logged], bool]


def search_requests(request: Request) -> Response:
    """Return a page of the requests that match every condition, by default the newest first."""
    body = request.body()
    _only(body, "filter_group filters q sort_by sort_order page per_page include_prompt_name")
    test, (value, backwards) = _conditions(body), _order(body)
    size = 10 if body.get("per_page") is None else body.integer("per_page", 1, MAX_PER_PAGE)
    number, named = body.optional_id("page") or 1, body.flag("include_prompt_name")
    with request.store.read() as db:
        found = [
            (value(logged), logged.row["id"])
            for logged in map(Logged, db.execute(f"{SELECT} ORDER BY r.id DESC"))
            if test(logged)
        ]
        # A request without the value comes last in either direction.
        known = sorted((one for one in found if one[0] is not None), key=itemgetter(0), reverse=backwards)
        ids = [one[1] for one in [*known, *(one for one in found if one[0] is None)]]
        page = ListPage(number, size, len(ids))
        shown = ids[page.offset : page.offset + size]
        rows = db.execute(f"{SELECT} WHERE r.id IN ({','.join(map(str, shown))})")
        items = sorted((Logged(row).summary() for row in rows), key=lambda item: shown.index(item["id"]))
    for item in () if named else items:
        del item["prompt_name"]
    return Response({"success": True, "items": items, **page.counts, **page.neighbours})


def _order(body: Fields) -> tuple[Callable[[Logged], Any], bool]:
    """Return the sort key, and whether the order is descending."""
    key, direction = body.choice("sort_by", _SORTED), body.choice("sort_order", ("asc", "desc"))
    if key is None and direction is not None:
        raise body.fault("sort_order", "requires sort_by")
    return (lambda _: None) if key is None else _SORTED[key], direction != "asc"


def _conditions(body: Fields) -> Test:
    leaves: list[Test] = []
    group, filters, text = body.object("filter_group"), body.get("filters"), body.optional_text("q")
    groups = [] if group is None else [body.within("filter_group", group)]
    groups += [] if filters is None else [Fields({"filters": filters})]
    tests = [_group(one, leaves) for one in groups]
    if text is not None:
        wanted = set(_words(text))
        tests.append(lambda logged: _has_words(logged, wanted))
    return lambda logged: all(test(logged) for test in tests)


def _has_words(logged: Logged, wanted: Collection[str]) -> bool:
    """Whether each wanted word begins a word of the input or output."""
    # Both can be a million words long. In a sorted list, the words that start with a part follow it.
    words = [*sorted(set(_words(f"{_input_text(logged)}\n{_output_text(logged)}"))), ""]
    return all(words[bisect_left(words, part, hi=len(words) - 1)].startswith(part) for part in wanted)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _group(group: Fields, leaves: list[Test]) -> Test:
    _only(group, "logic filters")
    is_any = group.choice("logic", ("AND", "OR")) == "OR"
    if group.get("filters") is None:
        raise group.fault("filters", "is required")
    tests = []
    for one in group.objects("filters"):
        tests.append(_group(one, leaves) if "filters" in one.values else _filter(one))
        leaves.append(tests[-1])
        if len(leaves) > MAX_FILTERS:
            raise malformed(f"A search can have at most {MAX_FILTERS} filters.")
    if is_any and tests:
        return lambda logged: any(test(logged) for test in tests)
    return lambda logged: all(test(logged) for test in tests)


def _filter(one: Fields) -> Test:
    _only(one, "field operator value nested_key")
    field = one.text("field")
    if field in ("user_intent", "agent_intent"):
        raise one.fault("field", f"cannot be {field}, because this registry does not classify texts")
    if field not in _FIELDS:
        raise one.fault("field", f"must be one of {', '.join(_FIELDS)}")
    kind, found = _FIELDS[field]
    operator = one.text("operator")
    if operator not in kind:
        raise one.fault("operator", f"must be one of {', '.join(kind)} for {field}")
    read, check = kind[operator]
    wanted = read(one, one.get("value"))
    if kind is not operators.NESTED:
        if one.get("nested_key") is not None:
            raise one.fault("nested_key", f"does not apply to {field}")
        return lambda logged: check(found(logged), wanted)
    key = one.text("nested_key", least=1)
    return lambda logged: check([value for name, value in found(logged) if name == key], wanted)


def _only(fields: Fields, names: str) -> None:
    for name in fields.values:
        if name not in names.split():
            raise fields.fault(name[:100], "is not supported in a search")


# -- what is searched ----------------------------------------------------------------------------------------


def _input_text(logged: Logged) -> str:
    return "\n\n".join(f"[{turn.get('role')}]: {_said(turn)}" for turn in logged.parts[0])


def _output_text(logged: Logged) -> str:
    lines = [_said(turn) for turn in logged.parts[1]]
    if _parsed(logged) is not None:
        lines = []
    return "\n".join([*lines, *(f"{key}: {value}" for key, value in _output(logged))])


def _said(turn: Turn) -> str:
    content = turn.get("content")
    texts = [content] if isinstance(content, str) else [block.get("text") for block in mappings(content)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _calls(logged: Logged) -> list[Mapping[str, Any]]:
    return [call for turn in logged.parts[1] for call in mappings(turn.get("tool_calls"))]


def _tool_names(logged: Logged) -> list[Any]:
    return [value for key, value in _output(logged) if key == "tool_calls.function.name"]


def _parsed(logged: Logged) -> dict[str, Any] | None:
    """Return the output if it is a JSON object and not a tool call."""
    return None if _calls(logged) else _json_object("".join(map(_said, logged.parts[1])))


def _json_object(text: Any) -> dict[str, Any] | None:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and not is_deeper(found, MAX_BODY_DEPTH) else None


def _output(logged: Logged) -> list[tuple[str, str]]:
    """Return the values of a JSON object or of tool calls, each with its path."""
    calls = []
    for call in _calls(logged):
        function = call.get("function")
        named = dict(function) if isinstance(function, Mapping) else {}
        arguments = named.get("arguments")
        named["arguments"] = _json_object(arguments) or arguments
        calls.append({**call, "function": named})
    return [*_flat({"tool_calls": calls} if calls else _parsed(logged) or {})]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value with its path. List positions are not part of a path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from _flat(item, path)
    else:
        yield path, operators.written(value)


def _keys(flat: Callable[[Logged], list[tuple[str, str]]]) -> Callable[[Logged], list[str]]:
    return lambda logged: [key for key, _ in flat(logged)]


def _metadata(logged: Logged) -> list[tuple[str, str]]:
    return [*_flat(logged.metadata)]


def _variables(logged: Logged) -> list[tuple[str, str]]:
    return [*_flat(logged.variables)]


_AMOUNTS = ("input_tokens", "output_tokens", "cost", "latency_ms")
_SORTED: dict[str, Callable[[Logged], Any]] = {
    "request_start_time": lambda logged: logged.start,
    "input_tokens": lambda logged: logged.input_tokens,
    "output_tokens": lambda logged: logged.output_tokens,
    "cost": lambda logged: logged.price,
    "latency_ms": lambda logged: logged.latency_ms,
    "status": lambda logged: logged.status,
}
_FIELDS: dict[str, tuple[Operators, Callable[[Logged], Any]]] = {
    "pl_id": (operators.ID, lambda logged: logged.row["id"]),
    "prompt_id": (operators.ID, lambda logged: logged.row["template_id"]),
    "prompt_version_number": (operators.ID, lambda logged: logged.row["number"]),
    "engine": (operators.STRING, lambda logged: logged.model),
    "provider_type": (operators.STRING, lambda logged: logged.provider),
    "status": (operators.STRING, _SORTED["status"]),
    "input_text": (operators.TEXT, _input_text),
    "output_text": (operators.TEXT, _output_text),
    **{key: (operators.AMOUNT, _SORTED[key]) for key in _AMOUNTS},
    "request_start_time": (operators.TIME, _SORTED["request_start_time"]),
    "request_end_time": (operators.TIME, lambda logged: logged.end),
    "is_json": (operators.FLAG, lambda logged: _parsed(logged) is not None),
    "is_tool_call": (operators.FLAG, _calls),
    "is_plain_text": (operators.FLAG, lambda logged: not _calls(logged) and _parsed(logged) is None),
    "tags": (operators.ARRAY, lambda logged: logged.tags),
    "tool_names": (operators.ARRAY, _tool_names),
    "metadata": (operators.NESTED, _metadata),
    "metadata_keys": (operators.ARRAY, _keys(_metadata)),
    "output": (operators.NESTED, _output),
    "output_keys": (operators.ARRAY, _keys(_output)),
    "input_variables": (operators.NESTED, _variables),
    "input_variable_keys": (operators.ARRAY, _keys(_variables)),
}

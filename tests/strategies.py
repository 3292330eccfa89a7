"""Prompts, names and texts of every kind that the registry can hold, for property tests."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from promptsync.prompt.prompt import Local, Prompt

_MARKS = "' \" \\ | > &a *a !tag % @ ` ? - , [ ] << = ~"
_SCALARS = """
yes no on off true False null ~ 0 -1 1.5 1e3 1_000 0x1F 010 0o17 1:30 12:30:45 2024-01-01
.inf .nan << = NULL y n +1 1. .5 -.5 -.inf 0b1 1.0e+3
"""
_PARTS = """
@@@tone@@@ @@@a@version_number:3@@@ {name} { } }} {# --- ... # word é 中文 עברית 👩‍👩‍👧
"""
_ODD_PIECES = [
    *("\n", "\n\n", " ", "  ", "\t", " \n", "\t\n", "\n ", "\n  ", "\n\t"),
    *("\r", "\r\n", "\x85", "\u2028", "\u2029"),
    *("\x00", "\x07", "\x1b[31m", "\x7f", "\x9f", "\ufeff", "\u200b", "\u202e", "\ufffe", "\uffff", "\u00a0"),
    *("{{ name }}", "{% if x %}", "\n---\n", "\n...\n", " # no comment", "\n# heading\n", ": ", "key: value"),
    *("- item", "e\u0301", "two words", "Your answer.", *_PARTS.split(), *_MARKS.split()),
]
_LOOKALIKES = [
    "",
    "2024-01-01 10:00:00",
    *_SCALARS.split(),
    *("\n", " ", "\t", "|-", "- ", "? ", "a: b", "a #b", ":"),
]


@cache
def texts() -> st.SearchStrategy[str]:
    """Texts as users write them and as they should not: blanks at line ends, control characters, markers."""
    pieces = st.lists(st.sampled_from(_ODD_PIECES), max_size=12).map("".join)
    lines = st.lists(
        st.sampled_from(["", "  indented", "You answer.", "ends in a blank ", "\ttab", "# x"]), max_size=6
    )
    anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    return st.one_of(st.sampled_from(_LOOKALIKES), pieces, lines.map("\n".join), anything)


@cache
def names() -> st.SearchStrategy[str]:
    """Names of prompts: mostly plain, some hostile."""
    plain = st.from_regex(r"[a-z]{1,6}(/[a-z-]{1,6}){0,2}", fullmatch=True)
    paths = ".. ../../x /etc/passwd a/ a//b con a:b x.yaml a.yaml/b .git/config 42 no a\\b é/ü %2e%2e"
    blanks = ("tab\there", "new\nline", "Example: page", "trailing ")
    hostile = st.sampled_from([*paths.split(), *blanks, "e" * 512])
    anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
    return st.one_of(plain, plain, hostile, anything)


@cache
def json_values() -> st.SearchStrategy[Any]:
    """User JSON: nulls, numbers, texts and their nesting."""
    numbers = st.one_of(st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False))
    leaf = st.one_of(st.none(), st.booleans(), numbers, texts())
    keys = st.one_of(st.sampled_from(["type", "name", "description"]), texts())
    return st.recursive(
        leaf,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
        max_leaves=6,
    )


@cache
def json_objects() -> st.SearchStrategy[dict[str, Any]]:
    """Objects of user JSON."""
    return st.dictionaries(texts(), json_values(), max_size=3)


def _fields(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


@cache
def blocks() -> st.SearchStrategy[dict[str, Any]]:
    """Content blocks of all twenty types, and of one that nobody knows."""
    text, obj, some = texts(), json_objects(), st.lists(json_objects(), max_size=1)
    png, spans = st.just("image/png"), {"start_index": 0, "end_index": None}
    citation = st.just({"type": "url_citation", "title": "t", "url": "u", **spans})
    media = _fields({}, title=text, type=png, url=_maybe(text), format=st.just("url"))
    image = _fields({"url": text}, detail=_maybe(text))
    result = st.lists(_fields({}, url=text, page_age=st.none()), max_size=2)
    has_id = {"id": _maybe(st.just("b1"))}
    annotations = _maybe(st.lists(citation, max_size=1))
    kinds: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "text": (
            {"text": text},
            {"id": _maybe(text), "annotations": annotations, "thought_signature": st.none()},
        ),
        "thinking": ({"thinking": text}, {"signature": _maybe(text)}),
        "code": ({"code": text}, {"container_id": _maybe(text)}),
        "image_url": ({"image_url": image}, {"image_variable": _maybe(text)}),
        "media": ({"media": media}, {}),
        "media_variable": ({"name": text}, {}),
        "output_media": ({"url": text}, {"mime_type": png, "provider_metadata": _maybe(obj)}),
        "server_tool_use": ({"id": text, "name": text}, {"input": obj}),
        "web_search_tool_result": ({"tool_use_id": text}, {"content": result}),
        "code_execution_result": ({"output": text}, {"outcome": st.just("OUTCOME_OK")}),
        "mcp_list_tools": ({}, {**has_id, "server_label": text, "tools": some, "error": st.none()}),
        "mcp_call": ({}, {**has_id, "name": text, "arguments": text, "output": _maybe(text)}),
        "mcp_approval_request": ({}, {**has_id, "name": text, "arguments": text}),
        "mcp_approval_response": ({"approval_request_id": text, "approve": st.booleans()}, {}),
        "bash_code_execution_tool_result": ({"tool_use_id": text}, {"content": obj}),
        "text_editor_code_execution_tool_result": ({"tool_use_id": text}, {"content": obj}),
        "shell_call": ({}, {**has_id, "action": obj, "status": _maybe(text)}),
        "shell_call_output": ({}, {**has_id, "output": some}),
        "apply_patch_call": ({}, {**has_id, "operation": obj}),
        "apply_patch_call_output": ({}, {**has_id, "output": _maybe(text)}),
        "hologram": ({}, {**has_id, "beam width": json_values()}),
    }
    return st.one_of(
        *(_fields({"type": st.just(kind), **needed}, **more) for kind, (needed, more) in kinds.items())
    )


@cache
def _content() -> st.SearchStrategy[list[dict[str, Any]]]:
    plain = texts().map(lambda text: [{"type": "text", "text": text}])
    filled_in = texts().map(lambda text: [{"type": "text", "text": text, "id": None, "annotations": None}])
    return st.one_of(plain, plain, filled_in, st.lists(blocks(), max_size=3))


@cache
def messages() -> st.SearchStrategy[dict[str, Any]]:
    """Messages of all roles, with and without what a server fills in."""
    common: dict[str, Any] = {
        "input_variables": st.just([]),
        "template_format": st.sampled_from(["f-string", "jinja2"]),
        "dataset_examples": st.just([]),
        "raw_request_display_role": st.sampled_from(["", "user", "bot"]),
        "beyond": json_values(),
    }
    text = texts()
    call = _fields({"name": text, "arguments": text})
    tool_call = _fields({"id": text, "function": call}, type=st.just("function"), tool_id=st.none())
    return st.one_of(
        _fields(
            {"role": st.sampled_from(["system", "user", "developer"]), "content": _content()},
            name=_maybe(text),
            **common,
        ),
        _fields(
            {"role": st.just("assistant")},
            content=_maybe(_content()),
            tool_calls=_maybe(st.lists(tool_call, max_size=2)),
            function_call=_maybe(call),
            **common,
        ),
        _fields({"role": st.just("tool"), "content": _content(), "tool_call_id": text}, **common),
        _fields(
            {"role": st.sampled_from(["function", "placeholder"]), "name": text},
            content=_maybe(_content()),
            **common,
        ),
    )


@cache
def _tools() -> st.SearchStrategy[dict[str, Any]]:
    text = texts()
    function = _fields({"name": text}, description=text, strict=st.booleans(), parameters=json_objects())
    number = st.integers(1, 99)
    managed = {"tool_name": text, "version_number": _maybe(number), "mcp_server": json_objects()}
    return st.one_of(
        _fields({"type": st.just("mcp"), "mcp_server_id": number}, **managed),
        _fields({"type": st.just("function"), "function": function}),
        _fields({"type": st.just("web_search"), "id": text, "name": text, "config": json_objects()}),
        _fields({"type": st.just("registry"), "tool_registry_id": st.integers(1, 99)}, label=_maybe(text)),
        _fields({"type": st.just("variable"), "name": text}),
    )


@cache
def templates() -> st.SearchStrategy[dict[str, Any]]:
    """Chat and completion templates."""
    function = _fields({"name": texts()}, description=texts(), parameters=json_objects())
    chat = _fields(
        {"type": st.just("chat"), "messages": st.lists(messages(), max_size=4)},
        functions=_maybe(st.lists(function, max_size=1)),
        function_call=st.one_of(st.none(), st.just("none"), _fields({"name": texts()})),
        tools=_maybe(st.lists(_tools(), max_size=3)),
        tool_choice=st.one_of(
            st.none(), st.just("auto"), st.just({"type": "function", "function": {"name": "f"}})
        ),
        input_variables=st.just(["x"]),
        dataset_examples=st.just([]),
        unheard_of=json_values(),
    )
    completion = _fields(
        {"type": st.just("completion"), "content": _content()},
        template_format=st.sampled_from(["f-string", "jinja2", None]),
        input_variables=st.just([]),
        unheard_of=json_values(),
    )
    return st.one_of(chat, chat, completion)


@cache
def _metadata() -> st.SearchStrategy[dict[str, Any]]:
    model = _fields(
        {"provider": st.sampled_from(["openai", "anthropic"]), "name": texts()},
        parameters=json_objects(),
        display_params=st.just({}),
        api_type=st.sampled_from([None, "chat-completions", "responses"]),
        base_model=st.none(),
    )
    return st.one_of(st.just({}), _fields({"model": model}, owner=texts()), json_objects())


@cache
def prompts() -> st.SearchStrategy[Prompt]:
    """Prompts with everything that the registry can hold."""
    return st.builds(
        Prompt,
        name=names(),
        template=templates(),
        metadata=_metadata(),
        tags=st.lists(texts(), max_size=3, unique=True).map(tuple),
        extra=st.one_of(st.just({}), st.fixed_dictionaries({"new_field": json_values()})),
    )


@cache
def locals_() -> st.SearchStrategy[Local]:
    """What a file says beside the content."""
    return st.builds(
        Local,
        evaluations=st.lists(names(), max_size=2).map(tuple),
        agents=st.lists(_fields({"name": names()}, input_variables=json_objects()), max_size=1).map(tuple),
        examples=st.lists(json_objects(), max_size=1).map(tuple),
        synced=st.one_of(
            st.just({}),
            st.just({"": ("7-3fa9c1a",)}),
            st.dictionaries(
                st.sampled_from(["local", "no"]),
                st.lists(st.sampled_from(["7-3fa9c1a", "12-0123456"]), min_size=1, max_size=2).map(tuple),
            ),
        ),
    )

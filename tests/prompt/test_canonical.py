from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from registry_filler import filled, reordered
from seeds import examples
from strategies import prompts
from vendor_fields import grown

from promptsync.prompt.additions import added_fields, without_additions
from promptsync.prompt.canonical import canonical, comparable, digest, encode
from promptsync.prompt.prompt import Prompt, tag_set


def chat(*messages: dict[str, Any], **more: Any) -> Prompt:
    template = {"type": "chat", "messages": list(messages)}
    fields = {key: more.pop(key) for key in ("metadata", "tags", "extra") if key in more}
    return Prompt("greet", {**template, **more}, **fields)


def user(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def model(**more: Any) -> Prompt:
    return chat(user(), metadata={"model": {"provider": "openai", "name": "gpt-4o", **more}})


def tool(**function: Any) -> Prompt:
    return chat(user(), tools=[{"type": "function", "function": {"name": "f", **function}}])


SAME = {
    # what the property of the registry's additions below does not draw
    "a block without a type but a text": (chat(user([{"text": "Hi"}])), chat(user("Hi"))),
    "write-only version fields": (chat(user(), extra={"provider_id": 3, "report_id": None}), chat(user())),
    "a null that a future server adds": (chat(user([text("Hi", sparkle=None)], glow=None)), chat(user("Hi"))),
    "tuples are lists": (Prompt("a", {"type": "chat", "messages": (user(),)}), chat(user())),
}

DIFFERENT = {
    "composed accents": (chat(user("\u00e9")), chat(user("e\u0301"))),
    "lone surrogates": (chat(user("\ud800")), chat(user("\ud801"))),
    "boolean beside number": (model(parameters={"t": True}), model(parameters={"t": 1})),
    "null in parameters": (model(parameters={"stop": None}), model(parameters={})),
    "null in tool parameters": (tool(parameters={"default": None}), tool(parameters={})),
    "null in the config of a built-in tool": (
        chat(tools=[{"type": "mcp", "config": {"headers": None}}]),
        chat(tools=[{"type": "mcp", "config": {}}]),
    ),
    "zero is not false": (tool(strict=0), tool()),
    "other api type": (model(api_type="responses"), model()),
    "a call is forbidden": (
        chat(user(), functions=[{"name": "f"}], function_call="none"),
        chat(user(), functions=[{"name": "f"}]),
    ),
    "odd content": (chat(user({"odd": None})), chat(user("x"))),
    "odd blocks": (chat(user([1, None, "x", {"type": 3}])), chat(user("x"))),
}


@pytest.mark.parametrize(("left", "right"), SAME.values(), ids=SAME)
def test_values_that_the_registry_fills_in_do_not_change_the_digest(left: Prompt, right: Prompt) -> None:
    assert canonical(left) == canonical(right)
    assert digest(left) == digest(right)


@pytest.mark.parametrize(("left", "right"), DIFFERENT.values(), ids=DIFFERENT)
def test_changes_of_an_author_change_the_digest(left: Prompt, right: Prompt) -> None:
    assert digest(left) != digest(right)


def test_the_form_is_minimal_and_has_no_name_and_tags() -> None:
    prompt = chat(
        user([text("{q}", id=None)], template_format="f-string", input_variables=["q"]),
        tools=[],
        tags=("b", "a"),
        metadata={"owner": None, "model": {"provider": "openai", "name": "gpt-4o", "parameters": {"n": 2.0}}},
        extra={"provider_id": 4},
    )
    assert canonical(prompt) == {
        "template": {"type": "chat", "messages": [{"role": "user", "content": "{q}"}]},
        "metadata": {
            "owner": None,
            "model": {"provider": "openai", "name": "gpt-4o", "parameters": {"n": 2}},
        },
    }
    assert tag_set(prompt) == {"a", "b"}


def test_the_digest_is_stable_across_releases() -> None:
    # It is kept in caches and in fingerprints of approved plans.
    prompt = chat(user("Grüße {name}"), metadata={"model": {"provider": "openai", "name": "gpt-4o"}})
    assert digest(prompt) == "sha256:98cdee4b230a5169aa5d0c8efe0cb9e553618d82077cdc26162bc8b21d7e403b"


REFERENCE = {"type": "registry", "tool_registry_id": 4, "label": "prod"}
OTHER, INSERTED, DEFINITION = (
    {"type": "function", "function": {"name": name}} for name in ("other", "inserted", "lookup")
)
TOOLS: list[tuple[Any, Any]] = [
    # what the registry returns for OTHER and REFERENCE, and what is compared with them, if it is not the same
    ([OTHER, DEFINITION], [OTHER, REFERENCE]),
    ([DEFINITION, OTHER], [REFERENCE, OTHER]),
    ([OTHER, INSERTED, DEFINITION], None),  # nobody can tell which of them it is
    ([OTHER, REFERENCE], None),
    ([OTHER, {**REFERENCE, "tool_registry_id": 5}], None),
    *((odd, None) for odd in (None, 7, True, "x", [])),
]


@pytest.mark.parametrize(("tools", "expected"), TOOLS)
def test_a_reference_to_a_tool_stands_for_the_one_definition_that_it_can_mean(
    tools: Any, expected: Any
) -> None:
    local, remote = chat(user(), tools=[OTHER, REFERENCE]), chat(user(), tools=tools)
    if expected is None:
        assert comparable(local, remote) is remote
    else:
        assert comparable(local, remote).template["tools"] == expected


@given(prompts())
def test_canonical_form_is_idempotent_and_does_not_change_its_input(prompt: Prompt) -> None:
    before = copy.deepcopy(prompt)
    form = canonical(prompt)
    again = Prompt(prompt.name, form["template"], form.get("metadata", {}), (), form.get("extra", {}))
    assert prompt == before
    assert json.dumps(canonical(again), sort_keys=True) == json.dumps(form, sort_keys=True)


@given(prompts(), st.randoms(use_true_random=False))
def test_the_digest_survives_everything_that_a_registry_does(prompt: Prompt, random: Random) -> None:
    returned = filled(prompt, random)
    assert canonical(returned) == canonical(prompt)
    assert digest(returned) == digest(prompt)
    assert tag_set(returned) == tag_set(prompt)


@given(prompts(), st.randoms(use_true_random=False), st.data())
def test_the_digest_differs_when_any_part_of_the_form_changes_goes_or_moves(
    prompt: Prompt, random: Random, data: Any
) -> None:
    form = copy.deepcopy(canonical(prompt))
    changes = [*_changes(form)]
    assume(changes)
    data.draw(st.sampled_from(changes))()
    parts = (form["template"], form.get("metadata", {}), form.get("extra", {}))
    template, metadata, extra = (reordered(part, random) for part in parts)
    assert digest(Prompt("n", template, metadata, (), extra)) != digest(prompt)


def _changes(value: Any) -> Iterator[Callable[[], object]]:
    """Ways to make a form say something else: no part of it is there for nothing."""
    if isinstance(value, list):
        yield from (partial(value.pop, at) for at in range(len(value)))
        pairs = [at for at in range(len(value) - 1) if encode(value[at]) != encode(value[at + 1])]
        yield from (partial(value.insert, at, value[at + 1]) for at in pairs)
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            yield from _changes(item)
        elif key not in ("type", "provider", "api_type", "function_call"):  # an author cannot choose any
            yield partial(value.__setitem__, key, _another(item))
            if isinstance(value, dict):
                yield partial(value.pop, key)


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value if value else 1
    if isinstance(value, int | float):
        return 0.5 if value != 0.5 else True
    return "other" if value != "other" else "one"


# -- keys that a registry adds: an oracle inserts them -------------------------------------------------------


@settings(max_examples=examples(60))
@given(prompts(), st.integers(0, 1 << 30))
def test_what_was_sent_comes_out_again_and_nothing_of_the_file_is_left_out(sent: Prompt, seed: int) -> None:
    """The file may be another text by now: what it has in common with the version must stay comparable."""
    stored = grown(sent, seed)
    assert digest(without_additions(sent, stored)[0]) == digest(sent)
    assert digest(without_additions(sent, stored, stored)[0]) == digest(sent)
    kept, added = without_additions(sent, stored, sent)
    assert (kept.template, kept.metadata, added) == (stored.template, stored.metadata, frozenset())
    assert without_additions(stored, stored) == (stored, frozenset())
    assert without_additions(stored, sent) == (sent, frozenset())
    assert added_fields([(sent, sent), (stored, stored)]) == []


SENT = chat({"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "x": 1})
FIRST, SECOND = SENT.template["messages"]

KEPT: dict[str, Prompt] = {
    "a known key": chat({**FIRST, "name": "ann"}, SECOND),
    "another value of a key that was sent": chat(FIRST, {**SECOND, "x": 2}),
    "a message": chat(FIRST, SECOND, {"role": "user", "content": []}),
    "custom metadata": replace(SENT, metadata={"owner": "ann"}),
    "a key that is gone": chat(FIRST, {"role": "assistant"}),
}


@pytest.mark.parametrize("what", KEPT)
def test_what_may_be_an_edit_stays_a_difference(what: str) -> None:
    stored = KEPT[what]
    assert without_additions(SENT, stored) == (stored, frozenset())
    assert canonical(stored) != canonical(SENT)


LONGER = {**FIRST, "content": [*FIRST["content"], {"type": "code", "code": "", "z": 1}]}
ADDED = {
    "messages[].y": chat(FIRST, SECOND, {"role": "user", "content": [], "y": 1}),
    "messages[].content[].z": chat(LONGER, SECOND),
}


@pytest.mark.parametrize("key", ADDED)
def test_unknown_keys_are_left_out_of_lists_of_another_length(key: str) -> None:
    found, added = without_additions(SENT, ADDED[key])
    assert added == {key} and "'y'" not in repr(found) and "'z'" not in repr(found)

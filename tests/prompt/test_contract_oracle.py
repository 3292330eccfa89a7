"""The rules against an independent validator: a version without breaking changes makes no document that the
live schema rejects.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from seeds import examples

from promptsync.prompt.contract import schema_changes

NAMES = ["a", "b", "c"]
VALUES = [None, True, False, 0, 1, 2, 3, 7, 0.5, "", "a", "b", "abc", "2026-01-01"]


@st.composite
def schemas(draw: st.DrawFn, depth: int = 3) -> Any:
    """Schemas of the kinds that people write; some are true, false or contradictory."""
    kinds = ["string", "number", "enum", "types", "any"]
    kind = draw(st.sampled_from(kinds + ["object", "object", "array", "anyOf", "allOf", "map"] * (depth > 0)))
    below = schemas(depth - 1)
    schema: dict[str, Any] = {}
    if kind == "string":
        schema = {"type": "string", **draw(_bounds("minLength", "maxLength"))}
        schema |= draw(st.sampled_from([{}, {}, {"pattern": "^a"}, {"pattern": "b"}]))
    elif kind == "number":
        schema = {"type": draw(st.sampled_from(["integer", "number"])), **draw(_bounds("minimum", "maximum"))}
        schema |= draw(st.sampled_from([{}, {}, {"multipleOf": 2}, {"exclusiveMinimum": 0}]))
    elif kind == "enum":
        values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3))
        schema = {"const": values[0]} if draw(st.booleans()) else {"enum": values}
    elif kind == "types":
        types = ["string", "null", "integer", "number", "boolean", "array", "object"]
        schema = {"type": draw(st.lists(st.sampled_from(types), min_size=1, max_size=3, unique=True))}
    elif kind == "any":
        return draw(st.sampled_from([True, {}, False]))
    elif kind == "object":
        properties = draw(st.dictionaries(st.sampled_from(NAMES), below, max_size=3))
        required = draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))
        schema = {"type": "object", "properties": properties, "required": required}
        schema |= draw(st.sampled_from([{}, {}, {"minProperties": 1}]))
    elif kind == "map":
        schema = {"type": "object", "additionalProperties": draw(below)}
    elif kind == "array":
        schema = {"type": "array", "items": draw(below), **draw(_bounds("minItems", "maxItems"))}
        schema |= {"prefixItems": draw(st.lists(below, max_size=2))} if draw(st.booleans()) else {}
    else:
        schema = {kind: draw(st.lists(below, min_size=1, max_size=2))}
        schema |= draw(st.sampled_from([{}, {}, {"type": "object"}, {"minimum": 1}]))
    return schema


def _bounds(low: str, high: str) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries({}, optional={low: st.integers(0, 2), high: st.integers(1, 3)})


def edited(schema: Any, other: Any, choose: random.Random) -> Any:
    """A schema with one to three keys, at random places, as another one has them or without them."""
    schema = deepcopy(schema)
    for _ in range(choose.randint(1, 3)):
        place, model = (
            choose.choice([{}, *(place for place in _places(side) if isinstance(place, dict))])
            for side in (schema, other)
        )
        key = choose.choice([*place, *model, "type"])
        place.pop(key, None)
        place |= {key: deepcopy(model[key])} if key in model else {}
    return schema


def _places(schema: Any) -> Iterator[Any]:
    yield schema
    if isinstance(schema, dict):
        below = [
            *schema.get("properties", {}).values(),
            schema.get("additionalProperties"),
            schema.get("items"),
        ]
        for part in [*below, *(schema.get(key) or [] for key in ("prefixItems", "anyOf", "allOf"))]:
            for item in part if isinstance(part, list) else [part]:
                yield from _places(item)


def documents(schema: Any, choose: random.Random) -> Any:
    """A document that may fit a schema: its keys and values are taken from there, most of the time."""
    if not isinstance(schema, dict) or choose.random() < 0.05:
        return choose.choice([*VALUES, [], {}, {choose.choice(NAMES): choose.choice(VALUES)}])
    if "const" in schema or "enum" in schema:
        return choose.choice(schema.get("enum", [schema.get("const")]))
    if parts := schema.get("anyOf", schema.get("allOf")):
        return documents(choose.choice(parts), choose)
    kind = schema.get("type", choose.choice(["object", "string", "number"]))
    kind = choose.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        named = schema.get("properties", {})
        names = {*schema.get("required", ()), *(name for name in NAMES if choose.random() < 0.4)}
        return {
            name: documents(named.get(name, schema.get("additionalProperties")), choose) for name in names
        }
    if kind == "array":
        first, items = schema.get("prefixItems", []), schema.get("items")
        return [documents((*first[at : at + 1], items)[0], choose) for at in range(choose.randint(0, 3))]
    checks = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    return choose.choice([value for value in VALUES if isinstance(value, checks[kind])])


def witness(old: Any, new: Any, choose: random.Random) -> Any:
    """A document of the new schema that a reader of the old one cannot read; ``...`` if none turned up."""
    before, after = Draft202012Validator(old), Draft202012Validator(new)
    found = (documents(choose.choice([old, new, new]), choose) for _ in range(40))
    return next((one for one in found if after.is_valid(one) and not before.is_valid(one)), ...)


@settings(max_examples=examples(3000))
@given(schemas(), schemas(), st.integers(), st.booleans(), st.booleans())
def test_without_breaking_changes_the_old_schema_accepts_every_document_of_the_new(
    old, other, seed, is_edit, is_closed
):
    choose = random.Random(seed)
    new = edited(old, other, choose) if is_edit else other
    if not schema_changes(old, new, "", is_closed=is_closed):
        assert witness(old, new, choose) is ...

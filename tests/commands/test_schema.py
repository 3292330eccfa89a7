"""``promptsync schema``: the schemas that editors and other tools read."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import jsonschema_rs
import pytest
from bundles import bundle
from worlds import World

from promptsync.prompt.bundle import encode

BUNDLE = json.loads(encode(bundle()))
AGENT = {"agents": [{"name": "a", "nodes": [{"name": "n", "prompt": "p"}]}]}
KINDS: list[tuple[str, Any, Any]] = [
    ("prompt", {"content": "x", "tags": ["a"]}, {"content": "x", "tag": "a"}),
    ("config", {"remotes": {"local": {"url": "local:"}}}, {"remotes": {"local": {"url": "ftp://x"}}}),
    ("bundle", BUNDLE, {**BUNDLE, "format": "promptsync-bundle/0"}),
    ("fixtures", AGENT, {"agents": [{"name": "a", "nodes": []}]}),
]


@pytest.mark.parametrize(("kind", "good", "bad"), KINDS)
def test_the_schema_is_json_schema_and_tells_good_from_bad(
    world: World, kind: str, good: Any, bad: Any
) -> None:
    schema = json.loads(world.ok("schema", kind).out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(good) and not validator.is_valid(bad)
    document = world.ok("schema", kind, "--json").document
    assert (document["kind"], document["json_schema"]) == (kind, schema)


def test_strict_validators_resolve_the_documents_of_every_command(world: World) -> None:
    """A reference is a URI, so a blank in the name of a command must be escaped."""
    schema = json.loads(world.ok("schema", "output").out)
    for name in schema["$defs"]:
        reference = f"#/$defs/{name.replace(' ', '%20')}"
        jsonschema_rs.validator_for({**schema, "$ref": reference, "$id": "urn:documents"})


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "prompts"]])
def test_another_kind_is_a_usage_error_that_names_them_all(world: World, arguments: list[str]) -> None:
    done = world.run(*arguments)
    assert done.code == 2
    assert all(kind in done.err for kind in ("prompt", "config", "fixtures", "request", "bundle", "output"))

"""``promptsync schema``: the schemas that editors and other tools read."""

from __future__ import annotations

import json

import jsonschema
import jsonschema_rs
import pytest

from promptsync.cli import run


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("prompt", {"content": "x", "tags": ["a"]}, {"content": "x", "tag": "a"}),
        ("config", {"remotes": {"local": {"url": "local:"}}}, {"remotes": {"local": {"url": "ftp://x"}}}),
        (
            "fixtures",
            {"agents": [{"name": "a", "nodes": [{"name": "n", "prompt": "p"}]}]},
            {"agents": [{"name": "a", "nodes": []}]},
        ),
    ],
)
def test_the_schema_is_json_schema_and_tells_good_from_bad(
    kind: str, good: object, bad: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schema", kind], {}) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


def test_strict_validators_resolve_the_documents_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A reference is a URI, so a blank in the name of a command must be escaped."""
    assert run(["schema", "output"], {}) == 0
    schema = json.loads(capsys.readouterr().out)
    for name in schema["$defs"]:
        one = {**schema, "$ref": f"#/$defs/{name.replace(' ', '%20')}", "$id": "urn:documents"}
        jsonschema_rs.validator_for(one)


def test_the_json_document_holds_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "prompt", "--json"], {}) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["kind"]) == (1, "prompt")
    assert document["json_schema"]["title"] == "promptsync prompt file"


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "prompts"]])
def test_another_kind_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments, {}) == 2
    assert "prompt" in capsys.readouterr().err

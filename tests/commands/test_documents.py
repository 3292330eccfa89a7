"""Every JSON document is what the published schema says, also when its verb fails."""

from __future__ import annotations

import json

import jsonschema
import pytest

from promptsync.cli import run
from promptsync.files.schema import schema

PROMPT = "messages:\n  - {role: user, content: Hello {name}}\n"


def document(arguments: list[str], directory, capsys) -> dict[str, object]:
    code = run([*arguments, "--json", "-C", str(directory)], {"CI": "true"})
    out = capsys.readouterr().out
    found = json.loads(out)
    assert found["exit_code"] == code
    whole = schema("output")
    jsonschema.validate(found, whole)
    groups = ("label", "eval", "agent", "dataset")
    verb = " ".join(arguments[:2]) if arguments[0] in groups else arguments[0]
    part = {**whole, **whole["$defs"][verb], "$id": f"urn:{verb.replace(' ', '-')}"}
    jsonschema.validate(found, part)
    return found


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/a.yaml").write_text("content: Hello\n", "utf-8")
    (tmp_path / "promptsync.yaml").write_text('remotes: {local: {url: "local:"}}\n', "utf-8")
    return tmp_path


FAILING = [
    ["status"],
    ["diff"],
    ["push"],
    ["pull"],
    ["lint", "nowhere.yaml"],
    ["ls-remote"],
    ["log", "a"],
    ["label", "list"],
    ["label", "move", "a", "prod"],
    ["promote", "a", "b"],
    ["rollback", "a", "--label", "prod"],
    ["eval", "list"],
    ["eval", "run", "e"],
    ["eval", "show", "e"],
    ["agent", "list"],
    ["agent", "run", "a"],
    ["agent", "show", "a"],
    ["agent", "show", "7"],
    ["dataset", "list"],
]


@pytest.mark.parametrize("arguments", FAILING, ids=" ".join)
def test_a_failure_prints_one_document_with_the_keys_of_its_verb(arguments, tmp_path, capsys):
    found = document(arguments, tmp_path, capsys)
    assert found["exit_code"] != 0
    assert found["error"]["message"]  # type: ignore[index]


def test_a_working_day_prints_documents_that_fit_the_schema(copy, capsys):
    for arguments in (
        ["status"],
        ["diff"],
        ["push", "--dry-run"],
        ["push"],
        ["push"],
        ["lint"],
        ["ls-remote"],
        ["log", "a"],
        ["label", "set", "a", "staging"],
        ["label", "list"],
        ["promote", "staging", "prod"],
        ["pull", "--dry-run"],
        ["status", "--exit-code"],
        ["doctor"],
        ["doctor", "--offline"],
        ["completion", "bash"],
    ):
        assert document(arguments, copy, capsys)["exit_code"] == 0, arguments

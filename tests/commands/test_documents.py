"""Every JSON document is what the published schema says, also when its verb fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import pytest
from bundles import bundle
from worlds import World, template

from promptsync.cli import run
from promptsync.files.schema import schema
from promptsync.prompt.bundle import encode

FAILING = """
status
diff
push
pull
lint nowhere.yaml
ls-remote
log a
label list
label move a prod
promote a b
rollback a --label prod
eval list
eval run e
eval show e
eval pull t
agent list
agent run a
agent show a
agent show 7
dataset list
"""

DAY = """
status
diff
push --dry-run
push
push
lint
ls-remote
log a
label set a staging
label list
promote staging prod
pull --dry-run
status --exit-code
doctor
doctor --offline
completion bash
"""


def test_a_failure_prints_one_document_with_the_keys_of_its_verb(world: World) -> None:
    (world.root / "promptsync.yaml").unlink()
    for line in FAILING.strip().splitlines():
        found = world.run(*line.split(), "--json").document
        assert found["exit_code"] == 2
        assert found["error"]["message"]
        jsonschema.validate(found, schema("output"))


def test_a_working_day_prints_documents_that_fit_the_schema(local: World) -> None:
    local.write("a")
    local.commit()
    for line in DAY.strip().splitlines():
        found = local.ok(*line.split(), "--json").document
        jsonschema.validate(found, schema("output"))


# -- ``promptsync schema``: the schemas that editors and other tools read ---------------------------------


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


# -- ``--format`` of the verbs, whatever they answer ------------------------------------------------------


@template
def edited(world: World) -> None:
    """``a`` ahead, ``b`` behind, both published once."""
    for name in "ab":
        world.write(name)
    world.commit("Say hello")
    world.ok("push")
    world.edit("a", "Hello", "Good morning")
    world.publish("b", "Theirs {name}")


def test_the_plan_of_a_push_comes_with_its_differences(edited: World) -> None:
    out = edited.ok("push", "--dry-run", "--format", "markdown").out
    assert out.startswith("**1 prompt to publish** · `team (")
    assert "  update  a  v1 -> v2" in out and "  skipped  b: behind, changed in the registry" in out
    assert "+Good morning {name}" in out and "Theirs" not in out


def test_a_conflict_is_reported_in_the_form_that_was_asked_for(edited: World) -> None:
    edited.edit("b", "Hello", "Ours")
    done = edited.run("push", "--dry-run", "--format", "markdown")
    assert done.code == 3
    assert done.out.startswith("**Refused**") and "Theirs {name}" in done.out
    assert "What to do:" in done.out and "error: " in done.err


def test_a_status_lists_what_is_not_in_sync(edited: World) -> None:
    edited.write("c")
    out = edited.ok("status", "--format", "markdown").out
    assert out.startswith("**1 ahead, 1 behind, 1 new**")
    assert "behind  b  v1 -> v2  prompts/b.yaml" in out
    edited.path("c").write_text("messages: [", "utf-8")
    done = edited.run("status", "--format", "markdown")
    assert done.code == 1 and "prompts/c.yaml:2:1:" in done.out


def test_json_is_one_of_the_forms_and_excludes_the_others(edited: World) -> None:
    for verb, other in {
        "status": "markdown",
        "diff": "markdown",
        "lint": "github",
        "push": "markdown",
    }.items():
        assert json.loads(edited.run(verb, "--format", "json").out)["schema"] == 1
        assert edited.run(verb, "--json", "--format", other).code == 2


def test_runs_and_deploys_come_as_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[2] / "example-repo"
    root = tmp_path / "copy"
    shutil.copytree(example, root, ignore=shutil.ignore_patterns(".promptsync", ".git*"))

    def markdown(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run(["-C", str(root), *arguments, "--format", "markdown"], {}) == code
        return capsys.readouterr().out

    planned = markdown("deploy", "--label", "prod", "--allow-dirty", "--dry-run", "--rehearse")
    assert planned.startswith("**7 prompts to release to `prod`**")
    assert "**Rehearsal passed, with" in planned and "<code>support/refund</code>: new" in planned
    deployed = markdown("deploy", "--label", "prod", "--allow-dirty", "--yes")
    assert deployed.startswith("**7 prompts released to `prod`**")
    runs = markdown("eval", "run", "refund quality")
    assert runs.startswith("```text\nPROMPT ") and "ran on the echo model" in runs
    assert "refund-agent" in markdown("agent", "run", "refund-agent", "--var", "question=x")
    failed = markdown("eval", "run", "nothing", code=2)
    assert failed.startswith("**Failed**") and "nothing" in failed

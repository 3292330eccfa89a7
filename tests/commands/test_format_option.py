"""``--format`` of the verbs, whatever they answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from worlds import World, template

from promptsync.cli import run


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

"""The example repository: everything in it works, as its README says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from promptsync.cli import run
from promptsync.files.evaluation import load_evaluations
from promptsync.files.prompt_file import scan
from promptsync.files.schema import schema
from promptsync.prompt.canonical import digest

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "example-repo"
FILES = scan(EXAMPLE, "prompts").files
EVALUATIONS = load_evaluations(EXAMPLE)
EXAMPLES = [(name, index) for name, file in FILES.items() for index, _ in enumerate(file.local.examples, 1)]


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(EXAMPLE, tmp_path / "copy", ignore=shutil.ignore_patterns(".promptsync"))
    yield tmp_path / "copy"


def body(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["-C", str(root), *arguments, "--json"], {}) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_it_lints_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(EXAMPLE), "lint", "--strict"], {}) == 0
    assert capsys.readouterr().out == f"{len(FILES) + len(EVALUATIONS)} files checked, no problems\n"


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_example_renders_offline_with_all_its_variables(
    name: str, example: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = body(EXAMPLE, capsys, "render", name, "--offline", "--example", str(example))
    assert not [warning for warning in found["warnings"] if "Missing" in warning]


def test_one_push_publishes_it_and_a_new_copy_can_pull_it(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed = body(copy, capsys, "push")
    assert {one["name"] for one in pushed["published"]} == set(FILES)
    assert run(["-C", str(copy), "status", "--exit-code"], {}) == 0
    assert body(copy, capsys, "push")["published"] == []
    assert body(copy, capsys, "render", "support/refund", "--example", "1")["warnings"] == []
    other = tmp_path / "other"
    shutil.copytree(copy / ".promptsync", other / ".promptsync")
    shutil.copy(copy / "promptsync.yaml", other)
    body(other, capsys, "pull")
    pulled = scan(other, "prompts").files
    assert {name: digest(file.prompt) for name, file in pulled.items()} == {
        name: digest(file.prompt) for name, file in FILES.items()
    }


def test_the_readme_names_every_file_and_its_commands_run(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    for file in (copy / "prompts" / "support").iterdir():
        assert file.name in readme
    commands = re.findall(r"^\$ promptsync ([^#\n]+)", readme, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        assert run(["-C", str(copy), *command.split()], {}) == 0, command
    capsys.readouterr()


def test_the_hooks_fit_the_files_that_people_keep() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    (lint,) = [hook for hook in hooks if hook["id"] == "promptsync-lint"]
    assert lint["entry"] == "promptsync lint --deleted" and lint["always_run"]
    assert (lint["language"], lint["types"], lint["pass_filenames"]) == ("python", ["yaml"], True)
    fitting = ("prompts/a.yaml", "service/prompts/a/b.yml", "promptsync.yaml", "service/promptsync.yaml")
    others = ("registry.yaml", ".github/workflows/check.yml", "myprompts/a.yaml")
    for path in (*fitting, "evaluations/a.yaml", *others):
        assert bool(re.search(lint["files"], path)) is (path not in others), path


def test_its_fixtures_fit_their_schema_and_hold_for_a_model_too() -> None:
    declared = yaml.safe_load((EXAMPLE / "registry.yaml").read_text("utf-8"))
    jsonschema.validate(declared, schema("fixtures"))
    agents = {agent["name"] for file in FILES.values() for agent in file.local.agents}
    assert agents <= {agent["name"] for agent in declared["agents"]}
    assert {file.prompts for file in EVALUATIONS} == {("support/refund",), ("support/triage",)}
    (triage,) = [file for file in EVALUATIONS if file.name == "triage accuracy"]
    jsonschema.validate(yaml.safe_load(triage.text), schema("evaluation"))
    (pattern,) = [step.config["regex_pattern"] for step in triage.scorecard.steps if step.type == "REGEX"]
    answer = {"category": "refund", "urgency": "low", "language": "en", "order_number": "A-17", "reason": "r"}
    assert re.search(pattern, json.dumps(answer, indent=1))

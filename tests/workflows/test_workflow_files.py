"""The workflow files and the action: what the linters say, and rules that are easy to break in an edit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from actions import ROOT
from team import EXAMPLE, SPEC, example

NAMES = ("check", "deploy", "drift")
_PLACE = ".github/workflows"
_KEY = "${{ secrets.PROMPTLAYER_API_KEY }}"
PERMISSIONS = {
    "check": {"contents": "read", "pull-requests": "write"},
    "deploy": {"contents": "read"},
    "drift": {"contents": "write", "pull-requests": "write"},
}
USES_THE_KEY = {"check": ["Evaluations", "Plan"], "deploy": ["Deploy"], "drift": ["Pull"]}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example after ``init`` said what to install."""
    root = tmp_path_factory.mktemp("written")
    subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
    example(root)
    return root


def read(root: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A workflow and its one job."""
    workflow = yaml.load((root / _PLACE / f"{name}.yml").read_text("utf-8"), yaml.BaseLoader)
    (job,) = workflow["jobs"].values()
    return workflow, job


def tool(name: str) -> str:
    """A program that the test group installs beside Python; it has none for every system."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def run(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_and_zizmor_accept_the_workflows_as_shipped_and_as_written_by_init(written: Path) -> None:
    files = [*(EXAMPLE / _PLACE).glob("*.yml"), *(written / _PLACE).glob("*.yml")]
    assert len(files) == 2 * len(NAMES)
    run(tool("actionlint"), "-shellcheck", tool("shellcheck"), *files)
    options = ("--offline", "--no-config", "--no-progress", "--strict-collection")
    hooks = [root / ".pre-commit-config.yaml" for root in (EXAMPLE, written)]
    run(tool("zizmor"), *options, *files, *hooks, ROOT / "action.yml")


def test_shellcheck_accepts_the_scripts_of_the_action(tmp_path: Path) -> None:
    steps = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"]
    texts = [step["run"] for step in steps if "run" in step]
    scripts = [tmp_path / f"{number}.sh" for number in range(3)]
    for script, text in zip(scripts, texts, strict=True):
        script.write_text(text, "utf-8")
    run(tool("shellcheck"), "--shell=bash", "--enable=all", "--exclude=SC2154,SC2250,SC2312", *scripts)


def test_everything_from_others_is_pinned_to_a_commit_with_its_version_beside_it(written: Path) -> None:
    files = [ROOT / "action.yml", *(written / _PLACE / f"{name}.yml" for name in NAMES)]
    used = [one for file in files for one in re.findall(r"(?m)^ +(?:- )?uses: (.*)", file.read_text("utf-8"))]
    assert len(used) == 8
    for one in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@pytest.mark.parametrize("name", NAMES)
def test_each_job_has_only_the_permissions_and_the_key_that_it_needs(written: Path, name: str) -> None:
    workflow, job = read(EXAMPLE, name)
    # What ships installs nothing until init says what.
    assert workflow["env"]["PROMPTSYNC_PACKAGE"] == ""
    assert job["steps"][1]["run"] == 'pipx install --quiet "$PROMPTSYNC_PACKAGE"'
    assert read(written, name)[0]["env"]["PROMPTSYNC_PACKAGE"] == SPEC
    assert workflow["permissions"] == {} and job["permissions"] == PERMISSIONS[name]
    assert int(job["timeout-minutes"]) <= 60
    assert [step["name"] for step in job["steps"] if _KEY in str(step)] == USES_THE_KEY[name]
    text = (EXAMPLE / _PLACE / f"{name}.yml").read_text("utf-8")
    assert text.count(_KEY) == len(USES_THE_KEY[name])
    # No value becomes part of a script. Whoever may start a workflow from outside only chooses when.
    assert [step["name"] for step in job["steps"] if "${{" in step.get("run", "")] == []
    assert "client_payload" not in text
    # One runs at a time, and no deploy is cancelled.
    cancels = workflow["concurrency"]["cancel-in-progress"]
    assert cancels == ("true" if name == "check" else "false")
    assert "pull_request" not in workflow["concurrency"]["group"]


def test_they_run_on_what_they_should() -> None:
    events = {name: sorted(read(EXAMPLE, name)[0]["on"]) for name in NAMES}
    assert events == {
        "check": ["merge_group", "pull_request"],
        "deploy": ["push", "repository_dispatch", "workflow_dispatch"],
        "drift": ["repository_dispatch", "schedule", "workflow_dispatch"],
    }


def test_the_action_declares_what_its_steps_read_and_the_manual_lists_it() -> None:
    action = yaml.load((ROOT / "action.yml").read_text("utf-8"), yaml.BaseLoader)
    text = str(action["runs"])
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action["inputs"])
    for name, output in action["outputs"].items():
        step = "page.outputs.artifact-url" if name == "page-url" else f"run.outputs.{name}"
        assert output["value"] == f"${{{{ steps.{step} }}}}"
    page = (ROOT / "docs" / "github-actions.md").read_text("utf-8")
    (lists,) = re.findall(r"Inputs: (.*?\.)\s+Outputs: (.*?\.)", page, re.DOTALL)
    for kind, listed in zip(("inputs", "outputs"), lists, strict=True):
        assert set(re.findall(r"`([\w-]+)`", listed)) == set(action[kind])
        assert all(part["description"] for part in action[kind].values())

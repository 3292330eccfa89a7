"""The workflow files: what the linters say, and rules that are easy to break in an edit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from actions import ROOT, WORKFLOWS

FILES = sorted(WORKFLOWS.glob("*.yml"))
_KEY = "${{ secrets.PROMPTLAYER_API_KEY }}"
PERMISSIONS = {
    "check": {"contents": "read", "pull-requests": "write"},
    "deploy": {"contents": "read"},
    "drift": {"contents": "write", "pull-requests": "write"},
}
ASKS_THE_REGISTRY = {"check": ["Plan and rehearsal"], "deploy": ["Deploy"], "drift": ["Pull"]}

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def read(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A workflow and its one job."""
    workflow = yaml.load(file.read_text("utf-8"), yaml.BaseLoader)
    (job,) = workflow["jobs"].values()
    return workflow, job


def tool(name: str) -> str:
    """A program that the test group installs beside Python; it has none for every system."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def test_actionlint_and_shellcheck_accept_them() -> None:
    command = [tool("actionlint"), "-shellcheck", tool("shellcheck"), *map(str, FILES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@each_file
def test_actions_are_pinned_to_commits_with_their_version_beside_them(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text("utf-8"))
    assert len(used) == 2
    for one in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@each_file
def test_a_job_may_do_what_it_needs_and_nothing_may_more(file: Path) -> None:
    workflow, job = read(file)
    assert workflow["permissions"] == {}
    assert job["permissions"] == PERMISSIONS[file.stem]
    assert int(job["timeout-minutes"]) <= 60


@each_file
def test_only_the_steps_that_ask_the_registry_get_the_key(file: Path) -> None:
    _, job = read(file)
    steps = [step for step in job["steps"] if _KEY in step.get("env", {}).values()]
    assert [step["name"] for step in steps] == ASKS_THE_REGISTRY[file.stem]
    assert file.read_text("utf-8").count(_KEY) == 1


@each_file
def test_no_value_becomes_part_of_a_script(file: Path) -> None:
    _, job = read(file)
    assert [step["name"] for step in job["steps"] if "${{" in step.get("run", "")] == []


@each_file
def test_one_at_a_time_and_no_deploy_is_cancelled(file: Path) -> None:
    workflow, _ = read(file)
    cancels = workflow["concurrency"]["cancel-in-progress"]
    assert cancels == ("true" if file.stem == "check" else "false")


def test_they_run_on_what_they_should() -> None:
    events = {file.stem: sorted(read(file)[0]["on"]) for file in FILES}
    assert events == {
        "check": ["pull_request"],
        "deploy": ["push", "workflow_dispatch"],
        "drift": ["repository_dispatch", "schedule", "workflow_dispatch"],
    }

"""promptsync's own workflows: what the linters say, which rights a job has, and what they run on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(
        (ROOT / ".github/workflows" / f"{name}.yml").read_text("utf-8"), yaml.BaseLoader
    )
    return found


def test_actionlint_and_shellcheck_accept_them() -> None:
    programs = Path(sys.executable).parent
    actionlint, shellcheck = (shutil.which(name, path=str(programs)) for name in ("actionlint", "shellcheck"))
    if actionlint is None or shellcheck is None:
        pytest.skip("actionlint and shellcheck are not installed for every system")
    command = [actionlint, "-shellcheck", shellcheck, *map(str, FILES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@each_file
def test_actions_are_pinned_to_commits_with_their_version_beside_them(file: Path) -> None:
    used = [one for one in re.findall(r"uses: (.*)", file.read_text("utf-8")) if not one.startswith("./")]
    assert used
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@each_file
def test_a_job_has_only_the_rights_that_it_names_and_no_secret(file: Path) -> None:
    workflow = read(file.stem)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        needed = {"id-token": "write"} if name == "publish" else {"contents": "read"}
        assert job["permissions"] == needed, name
    assert "secrets." not in file.read_text("utf-8")


@each_file
def test_no_value_becomes_part_of_a_script(file: Path) -> None:
    steps = [step for job in read(file.stem)["jobs"].values() for step in job.get("steps", ())]
    assert [step for step in steps if "${{" in step.get("run", "")] == []


def test_the_job_that_publishes_runs_no_code_of_this_repository_and_waits_for_everything_else() -> None:
    jobs = read("release")["jobs"]
    publish = jobs["publish"]
    assert publish["environment"] == "pypi"
    assert [step["uses"].partition("@")[0] for step in publish["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]
    assert publish["steps"][1]["with"]["attestations"] == "true"
    assert sorted(publish["needs"]) == ["build", "test"]
    assert jobs["build"]["needs"] == jobs["test"]["needs"] == "check"
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert read("release")["on"] == {"push": {"tags": ["v*"]}}


def test_every_supported_python_is_checked_on_every_system() -> None:
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(PYPROJECT["classifiers"]))
    assert PYPROJECT["requires-python"] == f">={declared[0]}"
    jobs = read("ci")["jobs"]
    for job in jobs.values():
        assert job["strategy"]["matrix"]["python"] == declared
    assert jobs["elsewhere"]["strategy"]["matrix"]["system"] == ["macOS", "Windows"]
    assert [step["run"] for step in jobs["linux"]["steps"] if "run" in step] == [".ci/run"]

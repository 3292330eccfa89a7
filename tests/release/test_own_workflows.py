"""promptsync's own workflows: what the linters say, which rights a job has, and what they run on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_workflow_files import run, tool

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def read(name: str) -> dict[str, Any]:
    text = (ROOT / ".github/workflows" / f"{name}.yml").read_text("utf-8")
    found: dict[str, Any] = yaml.load(text, yaml.BaseLoader)
    return found


def test_actionlint_and_shellcheck_accept_them() -> None:
    run(tool("actionlint"), "-shellcheck", tool("shellcheck"), *FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_workflow_uses_and_may_do(file: Path) -> None:
    text, workflow = file.read_text("utf-8"), read(file.stem)
    used = [action for action in re.findall(r"uses: (.*)", text) if not action.startswith("./")]
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert workflow["permissions"] == {} and "secrets." not in text
    publishing = {"publish": {"id-token": "write"}, "publish-image": {"packages": "write"}}
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == publishing.get(name, {"contents": "read"}), name
        # No value becomes part of a script.
        assert [step for step in job.get("steps", ()) if "${{" in step.get("run", "")] == []


def test_the_job_that_publishes_runs_no_code_of_this_repository_and_waits_for_everything_else() -> None:
    jobs = read("release")["jobs"]
    publish = jobs["publish"]
    assert publish["environment"] == "pypi"
    used = [step["uses"].partition("@")[0] for step in publish["steps"]]
    assert used == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]
    assert publish["steps"][1]["with"]["attestations"] == "true"
    assert sorted(publish["needs"]) == ["build", "test"]
    assert jobs["build"]["needs"] == jobs["test"]["needs"] == "check"
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert read("release")["on"] == {"push": {"tags": ["v*"]}}


def test_the_published_image_is_the_one_that_ci_built_and_tried() -> None:
    job = read("release")["jobs"]["publish-image"]
    assert job["needs"] == "publish"
    download, push = job["steps"]
    assert download["uses"].startswith("actions/download-artifact@")
    built = read("ci")["jobs"]["image"]
    platforms = [entry["platform"] for entry in built["strategy"]["matrix"]["include"]]
    assert f"for platform in {' '.join(platforms)}; do" in push["run"]
    tried, saved, uploaded = built["steps"][1:]
    assert tried["run"] == "make image ENGINE=docker"
    assert saved["if"] == uploaded["if"] == "github.ref_type == 'tag'"
    assert saved["run"].endswith(" promptsync:try") and "docker tag promptsync:try " in push["run"]
    assert 'IMAGE = "promptsync:try"' in (ROOT / ".ci/image.py").read_text("utf-8")
    assert uploaded["with"]["path"].startswith("image-")
    assert download["with"]["pattern"] == "image-*"


def test_every_supported_python_is_checked_on_every_system() -> None:
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(PYPROJECT["classifiers"]))
    assert PYPROJECT["requires-python"] == f">={declared[0]}"
    jobs = read("ci")["jobs"]
    for name in ("linux", "elsewhere"):
        assert jobs[name]["strategy"]["matrix"]["python"] == declared
    assert jobs["elsewhere"]["strategy"]["matrix"]["system"] == ["macOS", "Windows"]
    assert [step["run"] for step in jobs["linux"]["steps"] if "run" in step] == [".ci/run"]

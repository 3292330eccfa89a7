"""The file of jobs for GitLab: what GitLab's schema and ShellCheck say, and rules that are easy to break."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from actions import ROOT
from gitcopy import git
from gitlab_team import Runner
from host import GITLAB, Host
from team import SPEC
from test_workflow_files import run, tool

from promptsync.cli import run as promptsync

STARTER = ROOT / "promptsync/starter/gitlab"
JOBS = ".gitlab/promptsync.gitlab-ci.yml"
NAMES = ("prompts-check", "prompts-deploy", "prompts-drift")
CONFIG = 'remotes: {"a$b": {url: https://api.example.com}}\nlabels: {main: prod, release/1: prod}\n'

EDITED, APPROVED = {"PROMPTSYNC_EVENT": "drift"}, {"PROMPTSYNC_EVENT": "approved"}
"""What ``promptsync relay`` sends with a trigger."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose prompts are in a directory, after ``init`` and a commit."""
    root = tmp_path_factory.mktemp("written")
    git(root, "init", "-q", "-b", "main")
    (root / "app").mkdir()
    (root / "app/promptsync.yaml").write_text(CONFIG)
    assert promptsync(["-C", str(root / "app"), "-q", "init", "--gitlab", "--package", SPEC], {}) == 0
    git(root, "add", "--all")
    git(root, "commit", "-qm", "Begin")
    return root


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def test_the_files_and_the_rules_of_the_manual_follow_the_schema_of_gitlab(
    written: Path, tmp_path: Path
) -> None:
    workflow, rules = re.findall(r"(?ms)^```yaml\n(.*?)^```", (ROOT / "docs/gitlab.md").read_text("utf-8"))
    other = tmp_path / ".gitlab-ci.yml"
    other.write_text(f"{workflow}\nship:\n  script: [./ship.sh]\n{rules}", "utf-8")
    assert [rule.get("when") for rule in read(other)["workflow"]["rules"]] == [None, "never", "always"]
    assert read(other)["ship"]["rules"][0]["when"] == "never"
    files = [*STARTER.glob("*.yml"), written / JOBS, written / ".gitlab-ci.yml", other]
    assert len(files) == 5
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", *files)


def test_shellcheck_accepts_the_scripts_for_any_shell(tmp_path: Path) -> None:
    jobs = read(STARTER / "promptsync.gitlab-ci.yml")
    scripts = [tmp_path / f"{name}.sh" for name in NAMES]
    for name, script in zip(NAMES, scripts, strict=True):
        script.write_text("\n".join([*jobs[".promptsync"]["before_script"], *jobs[name]["script"]]), "utf-8")
    # Each job reads some of the variables that all of them set; GitLab sets those in capital letters.
    optional = "--enable=all", "--exclude=SC2034,SC2154,SC2250,SC2310,SC2311,SC2312"
    run(tool("shellcheck"), "--shell=sh", *optional, *scripts)


def test_what_ships_installs_nothing_until_init_says_what(written: Path) -> None:
    shipped = read(STARTER / "promptsync.gitlab-ci.yml")[".promptsync"]["variables"]
    variables = read(written / JOBS)[".promptsync"]["variables"]
    assert (shipped["PROMPTSYNC_PACKAGE"], variables["PROMPTSYNC_PACKAGE"]) == ("", SPEC)
    assert (variables["PROMPTSYNC_DIRECTORY"], variables["PROMPTSYNC_REMOTE"]) == ("app", "a$$b")
    assert variables["GIT_DEPTH"] == "0"


def test_each_job_is_bounded_in_a_stage_that_every_pipeline_has_and_no_deploy_is_cancelled() -> None:
    jobs = read(STARTER / "promptsync.gitlab-ci.yml")
    for name, stage in zip(NAMES, ("test", "deploy", "test"), strict=True):
        job = jobs[name]
        assert (job["extends"], job["stage"]) == (".promptsync", stage)
        assert int(job["timeout"].split()[0]) <= 60
        assert ("resource_group" in job) == (name != "prompts-check")
        assert job.get("interruptible", False) == (name == "prompts-check")


CHECK, DEPLOY, DRIFT = ([name] for name in NAMES)
REQUEST, PUSH, TRIGGER = "merge_request_event", "push", "trigger"


# The source of a pipeline, its variables, and the jobs by branches.
RUNS: list[tuple[str, dict[str, str], dict[str, list[str]]]] = [
    (REQUEST, {}, {"main": CHECK, "release/1": CHECK, "topic": []}),
    (PUSH, {}, {"main": DEPLOY, "topic": []}),
    (PUSH, {"CI_COMMIT_TAG": "v1"}, {"": []}),
    ("web", {}, {"release/1": DEPLOY}),
    ("schedule", {}, {"main": DRIFT}),
    ("schedule", EDITED, {"main": DRIFT}),
    (TRIGGER, EDITED, {"main": DRIFT}),
    (TRIGGER, APPROVED, {"main": DEPLOY, "release/1": DEPLOY, "topic": []}),
    (TRIGGER, {}, {"main": []}),
]


def test_they_run_on_what_they_should(written: Path, tmp_path: Path) -> None:
    runner = Runner(tmp_path, Host(GITLAB, written))
    for source, variables, jobs_by_branch in RUNS:
        variable = "CI_MERGE_REQUEST_TARGET_BRANCH_NAME" if source == REQUEST else "CI_COMMIT_BRANCH"
        for branch, jobs in jobs_by_branch.items():
            event = {"CI_PIPELINE_SOURCE": source, **variables, **({variable: branch} if branch else {})}
            assert [*runner.pipeline("main", event)] == jobs, event

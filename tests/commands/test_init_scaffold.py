"""``init --github --pre-commit``: files for a repository that is there, never over one of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptsync.cli import run
from promptsync.files.config import load
from promptsync.setup.scaffold import StarterKind

EXAMPLE = Path(__file__).parents[2] / "example-repo"
WORKFLOWS = [f".github/workflows/{name}.yml" for name in ("check", "deploy", "drift")]
HOOKS = ".pre-commit-config.yaml"
GITLAB = [".gitlab-ci.yml", ".gitlab/promptsync.gitlab-ci.yml"]
SPEC = "promptsync==1.2.3"
PACKAGE = ("--package", SPEC)
FLAGS = ("init", "--github", "--pre-commit", *PACKAGE)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A git repository with a working copy in it."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", tmp_path], check=True)
    (tmp_path / "promptsync.yaml").write_text("remotes: {production: {url: https://api.example.com}}\n")
    return tmp_path


def document(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["-C", str(root), *(arguments or FLAGS), "--json"], {}) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def steps(found: dict[str, Any]) -> str:
    return "\n".join(step["do"] for step in found["next"])


@pytest.mark.parametrize("kind", [StarterKind.GITHUB, StarterKind.PRE_COMMIT])
def test_the_example_has_the_very_files_that_init_writes(kind: StarterKind) -> None:
    for path in kind.paths:
        assert (EXAMPLE / path).read_text("utf-8") == kind.starter_text(path)


def test_there_is_no_other_file_to_write() -> None:
    kinds = set(StarterKind) - {StarterKind.AGENTS}
    assert {kind: [*kind.paths] for kind in kinds} == {
        StarterKind.GITHUB: WORKFLOWS,
        StarterKind.GITLAB: GITLAB,
        StarterKind.PRE_COMMIT: [HOOKS],
    }


def test_a_repository_gets_what_it_lacks_and_is_reported_what_is_left_to_do(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(top, capsys)
    assert found["created"] == ["prompts/", ".gitignore", *WORKFLOWS, HOOKS]
    assert found["kept"] == ["promptsync.yaml"]
    assert found["package"] == SPEC
    assert steps(found).splitlines() == [
        f"printf '\\n%s\\n' 'labels: {{main: prod}}' >> {top}/promptsync.yaml",
        f"git -C {top} add promptsync.yaml .gitignore {' '.join([*WORKFLOWS, HOOKS])}",
        f"git -C {top} commit -m 'Set up promptsync'",
        f"gh repo create --private --source {top} --remote origin",
        "gh secret set PROMPTLAYER_API_KEY",
        "gh api -X PUT 'repos/{owner}/{repo}/actions/permissions/workflow' "
        "-F can_approve_pull_request_reviews=true",
        "pre-commit install",
        "pre-commit install --hook-type pre-push",
        f"git -C {top} push -u origin HEAD",
    ]


@pytest.mark.parametrize("path", [*WORKFLOWS, HOOKS])
def test_what_is_written_says_what_to_install_and_is_the_example_otherwise(
    top: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    document(top, capsys)
    lines = (EXAMPLE / path).read_text("utf-8").splitlines()
    added = [line for line in (top / path).read_text("utf-8").splitlines() if line not in lines]
    assert added and all(SPEC in line for line in added)


def test_doing_it_again_changes_nothing(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document(top, capsys)
    before = {path: path.read_bytes() for path in top.rglob("*") if path.is_file()}
    found = document(top, capsys)
    assert (found["created"], found["changed"]) == ([], [])
    assert set(found["kept"]) >= {*WORKFLOWS, HOOKS}
    assert {path: path.read_bytes() for path in top.rglob("*") if path.is_file()} == before
    assert "git" not in steps(found).split()


@pytest.mark.parametrize(
    ("option", "written"), [("--github", WORKFLOWS), ("--gitlab", GITLAB), ("--pre-commit", [HOOKS])]
)
def test_one_of_both_can_be_had_alone(
    top: Path, capsys: pytest.CaptureFixture[str], option: str, written: list[str]
) -> None:
    found = document(top, capsys, "init", option, *PACKAGE)
    assert [path for path in found["created"] if path in (*WORKFLOWS, *GITLAB, HOOKS)] == written


def test_files_that_are_there_are_kept(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (top / ".github" / "workflows").mkdir(parents=True)
    (top / WORKFLOWS[1]).write_text("name: ours\n")
    (top / WORKFLOWS[2]).symlink_to("nowhere.yml")
    (top / HOOKS).write_text("repos: []\n")
    found = document(top, capsys)
    assert [path for path in found["created"] if "." in path[1:]] == [WORKFLOWS[0]]
    assert (top / WORKFLOWS[1]).read_text() == "name: ours\n"
    assert (top / HOOKS).read_text() == "repos: []\n"
    assert (top / WORKFLOWS[2]).is_symlink()
    assert set(found["kept"]) >= {*WORKFLOWS[1:], HOOKS}


def test_a_copy_of_the_example_gets_everything_that_init_would_write(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (top / ".github" / "workflows").mkdir(parents=True)
    for path in (*WORKFLOWS, HOOKS):
        (top / path).write_bytes((EXAMPLE / path).read_bytes())
    subprocess.run(["git", "symbolic-ref", "HEAD", "refs/heads/trunk"], cwd=top, check=True)
    found = document(top, capsys)
    assert found["changed"] == [*WORKFLOWS, HOOKS]
    assert "branches: [trunk]" in (top / WORKFLOWS[0]).read_text("utf-8")
    assert f"add promptsync.yaml .gitignore {' '.join([*WORKFLOWS, HOOKS])}" in steps(found)


def test_a_new_working_copy_can_have_all_of_it_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", tmp_path], check=True)
    found = document(tmp_path, capsys)
    assert {"promptsync.yaml", "prompts/hello.yaml", *WORKFLOWS, HOOKS} <= set(found["created"])
    # The embedded registry is on this machine alone, so the workflows need another one.
    assert "/promptsync.yaml:  production: {url: https://api.promptlayer.com}" in steps(found)


def test_the_printed_commands_can_be_pasted_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tools, root, origin = tmp_path / "bin", tmp_path / "it's here", tmp_path / "origin.git"
    tools.mkdir()
    for name in ("gh", "pre-commit"):
        (tools / name).write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/called\n')
        (tools / name).chmod(0o755)
    subprocess.run(["git", "init", "-q", "--initial-branch=main", root], check=True)
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", origin], check=True)
    subprocess.run(["git", "remote", "add", "origin", origin], cwd=root, check=True)
    assert run(["-C", str(root), *FLAGS], {}) == 0
    out = capsys.readouterr().out
    lines = re.findall(r"(?m)^ +(\d+)\. (.*)$", out)
    assert [int(number) for number, _ in lines] == list(range(1, 13))
    environ = {
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        **{
            f"GIT_{who}_{what}": "a@example.com"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    for _, line in lines:
        if line.startswith("uncomment in "):
            path, _, remote = line.removeprefix("uncomment in ").partition(":  ")
            (config_file,) = map(Path, shlex.split(path))
            text = (tmp_path / config_file).read_text("utf-8")
            assert text.count(f"# {remote}") == 1
            (tmp_path / config_file).write_text(text.replace(f"# {remote}", remote), "utf-8")
            continue
        done = subprocess.run(["bash", "-c", line], env=environ, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    config = load(root / "promptsync.yaml")
    assert (config.labels, config.remotes["production"].url) == (
        {"main": "prod"},
        "https://api.promptlayer.com",
    )
    assert len((tmp_path / "called").read_text().splitlines()) == 4
    pushed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "main"],
        cwd=origin,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(pushed.stdout.split()) >= {"promptsync.yaml", "prompts/hello.yaml", *WORKFLOWS, HOOKS}
    status = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True)
    assert status.stdout == ""


@pytest.mark.parametrize("option", ["--github", "--gitlab"])
def test_a_configuration_without_a_remote_for_workflows_needs_one(
    top: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    (top / "promptsync.yaml").write_text("prompts: prompts")  # no newline at the end
    found = document(top, capsys, "init", option, *PACKAGE)
    first, second, *_ = steps(found).splitlines()
    line = "production: {url: https://api.promptlayer.com}"
    assert first == f"add to remotes: in {top}/promptsync.yaml:  {line}"
    subprocess.run(["sh", "-c", second], check=True)
    assert load(top / "promptsync.yaml").labels == {"main": "prod"}


def test_without_a_default_branch_of_origin_the_current_one_is_used(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "symbolic-ref", "HEAD", "refs/heads/topic/a"], cwd=top, check=True)
    assert run(["-C", str(top), *FLAGS, "--json"], {}) == 0
    found = capsys.readouterr()
    assert "labels: {topic/a: prod}" in found.out
    for path in WORKFLOWS[:2]:
        assert "branches: [topic/a]" in (top / path).read_text("utf-8")
    assert (top / WORKFLOWS[0]).read_text("utf-8").count("branches: [topic/a]") == 2


def test_a_clone_uses_the_default_branch_of_its_origin_and_has_nothing_to_note(
    top: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "checkout", "-q", "-b", "trunk"], cwd=top, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Begin"], cwd=top, check=True)
    clone = tmp_path_factory.mktemp("clone") / "clone"
    subprocess.run([*git, "clone", "-q", top, clone], check=True)
    subprocess.run([*git, "checkout", "-q", "-b", "topic"], cwd=clone, check=True)
    worktree = clone.with_name("worktree")  # where .git is a file
    subprocess.run([*git, "worktree", "add", "-q", "-b", "other", worktree], cwd=clone, check=True)
    for root in (clone, worktree):
        assert run(["-C", str(root), *FLAGS], {}) == 0
        found = capsys.readouterr()
        assert "note:" not in found.err
        assert "push -u origin HEAD" in found.out
        assert "branches: [trunk]" in (root / WORKFLOWS[1]).read_text("utf-8")


def test_a_detached_head_that_nothing_explains_is_refused_before_anything_is_written(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Begin"], cwd=top, check=True)
    subprocess.run([*git, "checkout", "-q", "--detach"], cwd=top, check=True)
    assert run(["-C", str(top), *FLAGS], {}) == 2
    assert "git remote set-head origin --auto" in capsys.readouterr().err
    assert sorted(path.name for path in top.iterdir()) == [".git", "promptsync.yaml"]
    with (top / "promptsync.yaml").open("a") as file:
        file.write("labels: {release/1: prod, main: staging}\n")
    document(top, capsys)
    assert "branches: [release/1, main]" in (top / WORKFLOWS[1]).read_text("utf-8")


def test_outside_of_git_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(tmp_path), *FLAGS], {}) == 2
    err = capsys.readouterr().err
    assert "is not in a git repository" in err
    assert "hint: git init" in err
    assert list(tmp_path.iterdir()) == []


def test_below_a_configuration_it_must_be_said_which_one_is_meant(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = top / "docs"
    place.mkdir()
    assert run(["-C", str(place), *FLAGS], {}) == 2
    assert f"promptsync -C {top} init" in capsys.readouterr().err
    assert list(place.iterdir()) == []


def test_without_a_remote_for_workflows_the_drift_hook_compares_with_the_default_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", tmp_path], check=True)
    document(tmp_path, capsys, "init", "--pre-commit", *PACKAGE)
    _, drift = yaml.safe_load((tmp_path / HOOKS).read_text("utf-8"))["repos"][0]["hooks"]
    assert run(["-C", str(tmp_path), "status", "--drift", *drift["args"]], {}) == 0


@pytest.mark.parametrize("below", ["bot", "services/my-bot", "it's a #1", "0123"])
def test_in_a_monorepo_the_files_stand_at_the_top_and_name_the_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", tmp_path], check=True)
    root = tmp_path / below
    root.mkdir(parents=True)
    (root / "promptsync.yaml").write_text(
        "prompts: texts\nremote: eu\nremotes: {eu: {url: https://eu.example.com}}\nlabels: {trunk: live}\n"
    )
    up = "../" * len(Path(below).parts)
    found = document(root, capsys)
    assert {f"{up}{path}" for path in (*WORKFLOWS, HOOKS)} <= set(found["created"])
    literal = below.replace("'", "''")
    for path in WORKFLOWS:
        text = yaml.safe_load((tmp_path / path).read_text("utf-8"))
        (job,) = text["jobs"].values()
        expected = f"${{{{ vars.PROMPTSYNC_DIRECTORY || '{literal}' }}}}"
        assert text["env"]["PROMPTSYNC_DIRECTORY"] == expected
        inside = next(
            (step for step in job["steps"] if "working-directory" in step), job.get("defaults", {}).get("run")
        )
        assert inside["working-directory"] == "${{ env.PROMPTSYNC_DIRECTORY }}"
        assert text["env"]["PROMPTSYNC_REMOTE"] == "${{ vars.PROMPTSYNC_REMOTE || 'eu' }}"
    assert yaml.safe_load((tmp_path / WORKFLOWS[1]).read_text("utf-8"))[True]["push"]["branches"] == ["trunk"]
    lint, drift = yaml.safe_load((tmp_path / HOOKS).read_text("utf-8"))["repos"][0]["hooks"]
    assert drift["args"] == ["-C", below, "--remote", "eu"]
    assert re.search(lint["files"], f"{below}/texts/a/b.yaml")
    assert re.search(lint["files"], f"{below}/promptsync.yaml")
    assert not re.search(lint["files"], "texts/a.yaml")
    assert document(root, capsys)["created"] == []


# -- GitLab ----------------------------------------------------------------------------------------------

IN_GITLAB = ("init", "--gitlab", *PACKAGE)
INCLUDE = "/.gitlab/promptsync.gitlab-ci.yml"


def test_a_repository_gets_jobs_for_gitlab_and_is_told_what_is_left(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(top), *IN_GITLAB], {}) == 0
    out = capsys.readouterr().out
    assert "remote add origin https://gitlab.com/GROUP/PROJECT.git" in out and "gh " not in out
    settings = out.partition("On GitLab:\n")[2]
    for word in ("PROMPTSYNC_TOKEN", "PROMPTLAYER_API_KEY", "Pipeline schedules: add one for main"):
        assert word in settings
    assert max(map(len, settings.splitlines())) <= 80
    start = yaml.safe_load((top / GITLAB[0]).read_text("utf-8"))
    assert start == {"include": [{"local": INCLUDE}]}
    before = {path: path.read_bytes() for path in top.rglob("*") if path.is_file()}
    found = document(top, capsys, *IN_GITLAB)
    assert (found["created"], found["changed"]) == ([], []) and set(found["kept"]) >= {*GITLAB}
    assert {path: path.read_bytes() for path in top.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("below", ["", "it's bot"])
@pytest.mark.parametrize("text", ["stages: [build]", "include:\n  - local: /ci/build.yml\n"])
def test_a_pipeline_that_exists_is_kept_and_what_it_lacks_is_a_step(
    top: Path, capsys: pytest.CaptureFixture[str], below: str, text: str
) -> None:
    if below:
        (top / below).mkdir()
        (top / "promptsync.yaml").rename(top / below / "promptsync.yaml")
    (top / GITLAB[0]).write_text(text)
    found = document(top / below, capsys, *IN_GITLAB)
    path = f"../{GITLAB[0]}" if below else GITLAB[0]
    assert path in found["kept"] and (top / GITLAB[0]).read_text() == text
    step = f"add to {top / below}/{path}:  include: [{INCLUDE}]  (and to its stages: test, deploy)\n"
    assert step in steps(found)
    assert run(["-C", str(top / below), *IN_GITLAB], {}) == 0
    assert "Your own jobs need rules, too" in capsys.readouterr().out
    assert f"{path.replace(GITLAB[0], GITLAB[1])} {path}\n" in steps(found)
    (top / GITLAB[0]).write_text(f"{text}\ninclude: [{INCLUDE}]\n")
    assert "include:" not in steps(document(top / below, capsys, *IN_GITLAB))


def test_github_and_gitlab_can_be_had_together(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(top, capsys, "init", "--github", "--gitlab", *PACKAGE)
    assert {*WORKFLOWS, *GITLAB} <= set(found["created"])
    assert "gh secret set" in steps(found) and "gitlab.com" not in steps(found)

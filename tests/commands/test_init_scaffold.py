"""``init --github --pre-commit``: files for a repository that is there, never over one of its own."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptsync.cli import run
from promptsync.setup import scaffold

EXAMPLE = Path(__file__).parents[2] / "example-repo"
WORKFLOWS = [f".github/workflows/{name}.yml" for name in ("check", "deploy", "drift")]
HOOKS = ".pre-commit-config.yaml"
FLAGS = ("init", "--github", "--pre-commit")


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


@pytest.mark.parametrize("path", [*WORKFLOWS, HOOKS])
def test_the_example_has_the_very_files_that_init_writes(path: str) -> None:
    assert (EXAMPLE / path).read_text("utf-8") == scaffold.starter_text(path)


def test_there_is_no_other_file_to_write() -> None:
    assert list(scaffold.workflows()) == WORKFLOWS


def test_a_repository_gets_what_it_lacks_and_is_reported_what_is_left_to_do(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(top, capsys)
    assert found["created"] == ["prompts/", ".gitignore", *WORKFLOWS, HOOKS]
    assert found["kept"] == ["promptsync.yaml"]
    for path in (*WORKFLOWS, HOOKS):
        assert (top / path).read_bytes() == (EXAMPLE / path).read_bytes()
    for word in (
        "gh secret set PROMPTLAYER_API_KEY",
        "Settings > Branches",
        "labels: {main: prod}",
        "drift.yml",
        "pre-commit install",
        f"git -C {top} add promptsync.yaml .gitignore {' '.join([*WORKFLOWS, HOOKS])}",
    ):
        assert word in steps(found)


def test_doing_it_again_changes_nothing(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document(top, capsys)
    before = {path: path.read_bytes() for path in top.rglob("*") if path.is_file()}
    found = document(top, capsys)
    assert (found["created"], found["changed"]) == ([], [])
    assert set(found["kept"]) >= {*WORKFLOWS, HOOKS}
    assert {path: path.read_bytes() for path in top.rglob("*") if path.is_file()} == before
    assert "diff" not in steps(found)
    assert "git" not in steps(found).split()


@pytest.mark.parametrize(("option", "written"), [("--github", WORKFLOWS), ("--pre-commit", [HOOKS])])
def test_one_of_both_can_be_had_alone(
    top: Path, capsys: pytest.CaptureFixture[str], option: str, written: list[str]
) -> None:
    found = document(top, capsys, "init", option)
    assert [path for path in found["created"] if path in (*WORKFLOWS, HOOKS)] == written


def test_files_that_are_there_are_kept_and_named_with_what_to_compare(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (top / ".github" / "workflows").mkdir(parents=True)
    (top / WORKFLOWS[1]).write_text("name: ours\n")
    (top / WORKFLOWS[2]).symlink_to("nowhere.yml")
    (top / HOOKS).write_text("repos: []\n")
    found = document(top, capsys)
    assert [path for path in found["created"] if "." in path[1:]] == [WORKFLOWS[0]]
    assert (top / WORKFLOWS[1]).read_text() == "name: ours\n"
    assert (top / HOOKS).read_text() == "repos: []\n"
    assert (top / WORKFLOWS[2]).is_symlink()
    aside = top / ".promptsync/starter" / Path(WORKFLOWS[1]).name
    assert f"diff {top / WORKFLOWS[1]} {aside}" in steps(found)
    assert yaml.safe_load(aside.read_text("utf-8"))["name"] == "prompts / deploy"
    assert "Add to .pre-commit-config.yaml, which was kept:" in steps(found)
    assert "- id: promptsync-lint" in steps(found)
    (top / HOOKS).write_text(f"# ours\n{scaffold.starter_text(HOOKS)}")
    assert "Add to" not in steps(document(top, capsys))


def test_a_new_working_copy_can_have_all_of_it_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", tmp_path], check=True)
    found = document(tmp_path, capsys)
    assert {"promptsync.yaml", "prompts/hello.yaml", *WORKFLOWS, HOOKS} <= set(found["created"])
    assert "remotes: {production:" in steps(found)  # the embedded one is on this machine alone


def test_what_a_repository_calls_its_branch_is_what_workflows_name(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "symbolic-ref", "HEAD", "refs/heads/master"], cwd=top, check=True)
    found = document(top, capsys)
    assert "labels: {master: prod}" in steps(found)
    for path in WORKFLOWS[:2]:
        assert "branches: [master]" in (top / path).read_text("utf-8")


def test_a_clone_is_asked_what_its_origin_is_released_from(
    top: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "checkout", "-q", "-b", "trunk"], cwd=top, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Begin"], cwd=top, check=True)
    clone = tmp_path_factory.mktemp("clone") / "clone"
    subprocess.run([*git, "clone", "-q", top, clone], check=True)
    subprocess.run([*git, "checkout", "-q", "-b", "topic"], cwd=clone, check=True)
    document(clone, capsys)
    assert "branches: [trunk]" in (clone / WORKFLOWS[1]).read_text("utf-8")


def test_files_name_the_commit_that_this_program_was_installed_from(
    top: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaffold, "installed_commit", lambda: "a" * 40)
    found = document(top, capsys)
    for path in WORKFLOWS:
        assert f"promptsync/promptsync@{'a' * 40}\n" in (top / path).read_text("utf-8")
    assert yaml.safe_load((top / HOOKS).read_text("utf-8"))["repos"][0]["rev"] == "a" * 40
    assert "autoupdate" not in steps(found)


@pytest.mark.parametrize("path", [".github", ".github/workflows"])
def test_something_else_in_the_place_of_a_directory_is_reported_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", tmp_path], check=True)
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).symlink_to(tmp_path / "elsewhere")
    assert run(["-C", str(tmp_path), *FLAGS], {}) == 2
    assert f"{tmp_path / path} is not a directory" in capsys.readouterr().err
    assert not (tmp_path / "promptsync.yaml").exists()


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
        assert job["defaults"]["run"]["working-directory"] == expected
        assert text["env"]["PROMPTSYNC_REMOTE"] == "${{ vars.PROMPTSYNC_REMOTE || 'eu' }}"
    assert yaml.safe_load((tmp_path / WORKFLOWS[1]).read_text("utf-8"))[True]["push"]["branches"] == ["trunk"]
    lint, drift = yaml.safe_load((tmp_path / HOOKS).read_text("utf-8"))["repos"][0]["hooks"]
    assert drift["args"] == ["-C", below, "--remote", "eu"]
    assert re.search(lint["files"], f"{below}/texts/a/b.yaml")
    assert re.search(lint["files"], f"{below}/promptsync.yaml")
    assert not re.search(lint["files"], "texts/a.yaml")
    assert document(root, capsys)["created"] == []

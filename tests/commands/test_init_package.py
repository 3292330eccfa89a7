"""What ``init --github --pre-commit`` writes as the source of promptsync, and when it refuses to guess."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import promptsync
from promptsync.cli import run

COMMIT = "5eed" * 10
DEPLOY = ".github/workflows/deploy.yml"
HOOKS = ".pre-commit-config.yaml"
GIT = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com"]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository to add workflows to."""
    root = tmp_path / "prompts"
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", root], check=True)
    return root


class Installed:
    """What the installation of promptsync left: the metadata that Python finds first."""

    def __init__(self, place: Path) -> None:
        self.info = place / f"promptsync-{promptsync.__version__}.dist-info"
        self.info.mkdir(parents=True)
        self.metadata()

    def metadata(self, *lines: str, version: str = promptsync.__version__) -> None:
        text = "\n".join(["Metadata-Version: 2.4", "Name: promptsync", f"Version: {version}", *lines, ""])
        (self.info / "METADATA").write_text(text, "utf-8")

    def record(self, **noted: Any) -> None:
        """Write what pip records (PEP 610)."""
        (self.info / "direct_url.json").write_text(json.dumps(noted), "utf-8")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return Installed(tmp_path / "site")


@pytest.fixture
def checkout(tmp_path: Path, installed: Installed) -> Path:
    """A clone with the code that runs here, from which promptsync was installed; its commit is pushed."""
    root = tmp_path / "clone of promptsync"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(promptsync.__file__).parent, root / "promptsync", ignore=ignored)
    subprocess.run(["git", "init", "-q", "--initial-branch=main", root], check=True)
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "server.git"], check=True)
    git(root, "add", "--all")
    git(root, "commit", "-q", "-m", "Begin")
    git(root, "remote", "add", "origin", str(tmp_path / "server.git"))
    git(root, "push", "-q", "-u", "origin", "main")
    git(root, "remote", "set-url", "origin", "git@github.com:acme/promptsync.git")
    installed.record(url=root.as_uri(), dir_info={"editable": True})
    return root


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run([*GIT, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def written(top: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """What workflows use, and the repository of the hooks."""
    assert run(["-C", str(top), "-q", "init", "--github", "--pre-commit", *options], {}) == 0
    (used,) = [
        line.partition("uses: ")[2]
        for line in (top / DEPLOY).read_text("utf-8").splitlines()
        if "uses: " in line and "actions/" not in line
    ]
    (repo,) = yaml.safe_load((top / HOOKS).read_text("utf-8"))["repos"]
    return used, repo


def refused(top: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The error of a run that must write nothing."""
    capsys.readouterr()
    assert run(["-C", str(top), "init", "--github", "--pre-commit", *options], {}) == 2
    assert [path.name for path in top.iterdir()] == [".git"]
    return capsys.readouterr().err


# -- what pip recorded -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "repo"),
    [
        ("https://github.com/acme/promptsync", "https://github.com/acme/promptsync"),
        ("https://github.com/acme/promptsync.git", "https://github.com/acme/promptsync.git"),
        ("https://token:x@github.com/acme/promptsync", "https://github.com/acme/promptsync"),
        ("ssh://git@github.com/acme/promptsync.git", "ssh://git@github.com/acme/promptsync.git"),
    ],
)
def test_a_commit_that_pip_installed_from_git_is_named(
    top: Path, installed: Installed, url: str, repo: str
) -> None:
    installed.record(url=url, vcs_info={"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"})
    used, hooks = written(top)
    assert used == f"acme/promptsync@{COMMIT}"
    assert (hooks["repo"], hooks["rev"]) == (repo, COMMIT)


def test_the_tag_that_was_requested_stands_beside_its_commit(top: Path, installed: Installed) -> None:
    vcs = {"vcs": "git", "commit_id": COMMIT, "requested_revision": "v0.1.0"}
    installed.record(url="https://github.com/acme/promptsync", vcs_info=vcs)
    used, _ = written(top)
    assert used == f"acme/promptsync@{COMMIT} # v0.1.0"
    assert f"rev: {COMMIT} # frozen: v0.1.0\n" in (top / HOOKS).read_text("utf-8")


def test_a_github_server_of_the_company_is_used_by_repositories_on_it(
    top: Path, installed: Installed, capsys: pytest.CaptureFixture[str]
) -> None:
    vcs = {"vcs": "git", "commit_id": COMMIT}
    installed.record(url="https://git.acme.example/tools/promptsync", vcs_info=vcs)
    assert "is not a repository on github.com" in refused(top, capsys)
    git(top, "remote", "add", "origin", "git@git.acme.example:shop/prompts.git")
    used, hooks = written(top)
    assert used == f"tools/promptsync@{COMMIT}"
    assert hooks["repo"] == "https://git.acme.example/tools/promptsync"


def test_hooks_alone_work_with_every_git_server(top: Path, installed: Installed) -> None:
    vcs = {"vcs": "git", "commit_id": COMMIT}
    installed.record(url="https://gitlab.com/acme/tools/promptsync", vcs_info=vcs)
    assert run(["-C", str(top), "-q", "init", "--pre-commit"], {}) == 0
    assert "repo: https://gitlab.com/acme/tools/promptsync\n" in (top / HOOKS).read_text("utf-8")


@pytest.mark.parametrize(
    ("noted", "why"),
    [
        ({"url": "file:///x/promptsync.whl", "archive_info": {}}, "installed from the file file:///x/"),
        (
            {"url": "file:///x/promptsync", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            "exists on this machine only",
        ),
        (
            {
                "url": "https://github.com/acme/mono",
                "subdirectory": "promptsync",
                "vcs_info": {"vcs": "git", "commit_id": COMMIT},
            },
            "from a subdirectory of",
        ),
        ({"url": "file:///does/not/exist", "dir_info": {}}, "which is not a clone of its repository"),
        ({"url": "https://github.com/acme/promptsync", "vcs_info": {}}, "no record"),
        ({"vcs_info": None}, "no record"),
    ],
    ids=["file", "local repository", "subdirectory", "directory that is gone", "incomplete", "broken"],
)
def test_what_others_cannot_install_is_refused_with_the_option_that_names_it(
    top: Path, installed: Installed, capsys: pytest.CaptureFixture[str], noted: dict[str, Any], why: str
) -> None:
    installed.record(**noted)
    err = refused(top, capsys)
    assert "cannot tell which promptsync" in err and why in err and "nothing was written" in err
    assert f"hint: promptsync -C {top} init --github --pre-commit --package OWNER/REPO@REF" in err


# -- a checkout ------------------------------------------------------------------------------------------


def test_an_installation_from_a_clone_names_its_commit_once_that_is_pushed(top: Path, checkout: Path) -> None:
    used, hooks = written(top)
    assert used == f"acme/promptsync@{git(checkout, 'rev-parse', 'HEAD')}"
    assert hooks["repo"] == "git@github.com:acme/promptsync.git"


def test_its_tag_stands_beside_the_commit(top: Path, checkout: Path) -> None:
    git(checkout, "tag", "v99.0.0")
    git(checkout, "tag", f"v{promptsync.__version__}")
    assert written(top)[0].endswith(f" # v{promptsync.__version__}")


def test_a_commit_that_nobody_else_has_is_refused(
    top: Path, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(checkout, "commit", "-q", "--allow-empty", "-m", "Try")
    err = refused(top, capsys)
    assert "was not pushed to a server" in err
    assert f"hint: git -C '{checkout}' push" in err


def test_a_remote_on_this_machine_does_not_count(
    top: Path, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(checkout, "remote", "set-url", "origin", str(top))
    assert "was not pushed to a server" in refused(top, capsys)


def test_another_remote_that_has_the_commit_will_do(top: Path, checkout: Path, tmp_path: Path) -> None:
    git(checkout, "remote", "rename", "origin", "company")
    git(checkout, "remote", "add", "origin", "https://github.com/somebody/else")
    assert written(top)[0].startswith("acme/promptsync@")


def test_a_clone_that_has_moved_on_since_is_refused(
    top: Path, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout / "promptsync" / "cli.py"
    path.write_text(path.read_text("utf-8") + "# more\n", "utf-8")
    git(checkout, "commit", "-q", "-a", "-m", "Change")
    git(checkout, "update-ref", "refs/remotes/origin/main", "HEAD")
    err = refused(top, capsys)
    assert "promptsync/cli.py differs from commit" in err and "status" in err


def test_a_copy_inside_of_another_repository_is_not_that_repository(
    top: Path, checkout: Path, installed: Installed, capsys: pytest.CaptureFixture[str]
) -> None:
    git(checkout, "mv", "promptsync", "vendored")
    (checkout / "tools").mkdir()
    git(checkout, "mv", "vendored", "tools/promptsync")
    git(checkout, "commit", "-q", "-m", "Vendor it")
    git(checkout, "update-ref", "refs/remotes/origin/main", "HEAD")
    installed.record(url=(checkout / "tools").as_uri(), dir_info={})
    assert "which is not a clone of its repository" in refused(top, capsys)


# -- a released version ------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["Source", "Repository", "source code"])
def test_a_released_version_names_its_tag_in_the_repository_of_its_metadata(
    top: Path, installed: Installed, label: str
) -> None:
    installed.metadata(
        "Project-URL: Homepage, https://example.com",
        f"Project-URL: {label}, https://github.com/acme/promptsync/",
        version="1.2.3",
    )
    used, hooks = written(top)
    assert used == "acme/promptsync@v1.2.3"
    assert (hooks["repo"], hooks["rev"]) == ("https://github.com/acme/promptsync", "v1.2.3")


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        ([], "1.2.3"),
        (["Project-URL: Homepage, https://github.com/acme/promptsync"], "1.2.3"),
        (["Project-URL: Source, http://github.com/acme/promptsync"], "1.2.3"),
        (["Project-URL: Source, https://github.com/acme/promptsync"], "1.2.4.dev3"),
        (["Project-URL: Source, https://github.com/acme/promptsync"], "1.2.3+local"),
    ],
)
def test_a_version_without_a_repository_or_a_tag_is_refused(
    top: Path, installed: Installed, capsys: pytest.CaptureFixture[str], lines: list[str], version: str
) -> None:
    installed.metadata(*lines, version=version)
    assert f"version {version} does not name the repository of its source" in refused(top, capsys)


# -- --package ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "used", "repo"),
    [
        (f"acme/promptsync@{COMMIT}", f"acme/promptsync@{COMMIT}", "https://github.com/acme/promptsync"),
        ("acme/promptsync@v1.2.3", "acme/promptsync@v1.2.3", "https://github.com/acme/promptsync"),
        (
            "git+https://github.com/acme/promptsync.git@v1.2.3",
            "acme/promptsync@v1.2.3",
            "https://github.com/acme/promptsync.git",
        ),
        (
            "git+ssh://git@github.com/acme/promptsync@v1.2.3",
            "acme/promptsync@v1.2.3",
            "ssh://git@github.com/acme/promptsync",
        ),
    ],
)
def test_what_is_passed_is_written_whatever_is_installed(
    top: Path, capsys: pytest.CaptureFixture[str], spec: str, used: str, repo: str
) -> None:
    found, hooks = written(top, "--package", spec)
    assert (found, hooks["repo"], hooks["rev"]) == (used, repo, used.partition("@")[2])
    assert "can move" not in capsys.readouterr().err


@pytest.mark.parametrize("ref", ["main", "v1", "release/1.2", "20240131"])
def test_a_ref_that_can_move_is_accepted_with_a_note(
    top: Path, capsys: pytest.CaptureFixture[str], ref: str
) -> None:
    assert run(["-C", str(top), "init", "--github", "--package", f"acme/promptsync@{ref}"], {}) == 0
    assert f"note: {ref} can move" in capsys.readouterr().err
    assert f"uses: acme/promptsync@{ref}\n" in (top / DEPLOY).read_text("utf-8")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("promptsync", "'promptsync' is not OWNER/REPO"),
        ("promptsync==0.1.0", "is not OWNER/REPO"),
        ("./promptsync@main", "'./promptsync' is not OWNER/REPO"),
        ("acme/promptsync", "it names no ref; add @ and a commit or a tag"),
        ("acme/promptsync@", "it names no ref"),
        (f"OWNER/REPO@{COMMIT}", "replace the capital letters"),
        ("git+https://github.com/OWNER/REPO@v1.0.0", "replace the capital letters"),
        ("acme/promptsync@REF", "replace the capital letters"),
        ("acme/promptsync@abc1234", "looks like a shortened commit"),
        ("acme/promptsync@-x", "'-x' is not a commit, tag or branch"),
        ("acme/promptsync@a..b", "is not a commit, tag or branch"),
        ("acme/promptsync@v1 # x", "is not a commit, tag or branch"),
        ("acme/promptsync@v1\nrun: x", "is not a commit, tag or branch"),
        ("git+https://github.com/acme/promptsync", "it names no ref"),
        ("git+http://github.com/acme/promptsync@v1.0.0", "http:// is not supported"),
        ("git+file:///home/promptsync@v1.0.0", "file:// is not supported"),
        ("git+https://x:secret@github.com/acme/promptsync@v1.0.0", "must not contain a password"),
        ("git+https://github.com/acme/prompt sync@v1.0.0", "not the URL of a git repository"),
        ("git+https://github.com/promptsync@v1.0.0", "is not a repository on github.com"),
        ("git+https://gitlab.com/acme/promptsync@v1.0.0", "is not a repository on github.com"),
    ],
)
def test_anything_else_is_refused_with_the_reason_before_anything_is_written(
    top: Path, capsys: pytest.CaptureFixture[str], spec: str, why: str
) -> None:
    err = refused(top, capsys, "--package", spec)
    assert why in " ".join(err.split()) and "--package OWNER/REPO@REF" in err
    assert "secret" not in err


def test_the_hint_repeats_the_command_line(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(top), "init", "--pre-commit", "--package", "promptsync"], {}) == 2
    assert (
        f"hint: promptsync -C {top} init --pre-commit --package OWNER/REPO@REF\n" in capsys.readouterr().err
    )


def test_it_needs_something_to_write(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(top), "init", "--package", "acme/promptsync@v1.0.0"], {}) == 2
    assert "--package needs --github or --pre-commit" in capsys.readouterr().err
    assert [path.name for path in top.iterdir()] == [".git"]

"""The hooks in the real pre-commit program, whose environment is built from this repository's last commit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from registry_server import Caller, chat, running

from promptsync.cli import run
from promptsync.server.app import create_app

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "example-repo"

pytestmark = [
    pytest.mark.lane,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="pre-commit clones this repository"),
]


@dataclass(frozen=True)
class Hooks:
    """A clone of this repository as its hooks' home, and where pre-commit keeps what it builds from it."""

    url: str
    commit: str
    home: Path

    def name(self, root: Path) -> None:
        """Let init say in a repository that its hooks are this clone, which has no address for others."""
        spec = f"git+{self.url}@{self.commit}"
        assert run(["-C", str(root), "-q", "init", "--pre-commit", "--package", spec], {}) == 0


@dataclass(frozen=True)
class Consumer:
    """A repository whose commits and pushes run the hooks."""

    root: Path
    environ: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program; stdout has what it said on stderr, too."""
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=300,
        )

    def ok(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def pre_commit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "pre_commit", *arguments)

    def commit(self, message: str = "Change prompts") -> subprocess.CompletedProcess[str]:
        self.ok("git", "add", "--all")
        return self.run("git", "commit", "--message", message)

    def head(self) -> str:
        return self.ok("git", "rev-parse", "HEAD")

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text("utf-8")
        assert old in text
        (self.root / path).write_text(text.replace(old, new), "utf-8")


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Hooks:
    """One for all processes of a run: pre-commit itself lets one of them build, and the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    clone = shared / "promptsync"
    with FileLock(shared / "promptsync.lock"):
        if not clone.exists():
            subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=clone, capture_output=True, text=True, check=True
    )
    return Hooks(clone.as_uri(), commit.stdout.strip(), shared / "pre-commit-home")


def made(root: Path, hooks: Hooks) -> Consumer:
    """A committed copy of the example with the hooks installed, and with a remote to push to."""
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns(".promptsync"))
    # neither the package nor the settings of this test run may reach what the hooks run
    dropped = ("PROMPT", "GIT_", "PYTHON", "PRE_COMMIT", "VIRTUAL_ENV")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    environ |= {
        "PRE_COMMIT_HOME": str(hooks.home),
        "PRE_COMMIT_COLOR": "never",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
    }
    consumer = Consumer(root, environ)
    consumer.ok("git", "init", "--quiet", "--initial-branch=main")
    hooks.name(root)
    consumer.ok("git", "init", "--quiet", "--bare", "../origin.git")
    consumer.ok("git", "remote", "add", "origin", "../origin.git")
    done = consumer.pre_commit("install", "--install-hooks", "-t", "pre-commit", "-t", "pre-push")
    assert done.returncode == 0, done.stdout
    return consumer


@pytest.fixture
def consumer(tmp_path: Path, hooks: Hooks) -> Consumer:
    consumer = made(tmp_path / "consumer", hooks)
    done = consumer.commit("Add the support team's prompts")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^promptsync lint\.+Passed$", done.stdout, re.MULTILINE)
    return consumer


def test_the_hooks_as_they_ship_install_nothing_and_stop_a_commit(tmp_path: Path, consumer: Consumer) -> None:
    path = consumer.root / ".pre-commit-config.yaml"
    path.write_bytes((EXAMPLE / path.name).read_bytes())
    consumer.edit("prompts/support/refund.yaml", "You answer", "You kindly answer")
    stopped = consumer.commit("Answer kindly")
    assert stopped.returncode == 1
    assert "Executable `promptsync` not found" in stopped.stdout


def test_a_commit_with_a_mistake_is_stopped_with_its_place_and_the_remedy_and_passes_once_mended(
    consumer: Consumer,
) -> None:
    before = consumer.head()
    consumer.edit("prompts/support/refund.yaml", "{{ question }}", "{{ question }")
    stopped = consumer.commit("Ask differently")
    assert stopped.returncode == 1
    assert re.search(r"^promptsync lint\.+Failed$", stopped.stdout, re.MULTILINE)
    assert "- hook id: promptsync-lint" in stopped.stdout
    assert re.search(
        r"^prompts/support/refund\.yaml:\d+:\d+: error: .+ \[\S+\]$", stopped.stdout, re.MULTILINE
    )
    assert "1 file checked, 1 error" in stopped.stdout
    assert consumer.head() == before
    consumer.edit("prompts/support/refund.yaml", "{{ question }", "{{ question }}")
    consumer.edit("prompts/support/refund.yaml", "You answer", "You kindly answer")
    assert consumer.commit("Ask kindly").returncode == 0
    assert consumer.head() != before


def test_only_the_files_of_a_commit_are_judged_and_the_others_are_known(consumer: Consumer) -> None:
    (consumer.root / "prompts" / "broken.yaml").write_text("messages: [", "utf-8")
    consumer.edit("prompts/support/refund.yaml", "You answer", "You kindly answer")
    consumer.ok("git", "add", "prompts/support/refund.yaml")  # refers to a snippet that is not in this commit
    done = consumer.run("git", "commit", "--message", "Answer kindly")
    assert done.returncode == 0, done.stdout


def test_moved_and_deleted_files_and_others_are_no_trouble(consumer: Consumer) -> None:
    consumer.ok("git", "mv", "prompts/support/refund.yaml", "prompts/support/money-back.yaml")
    consumer.ok("git", "rm", "--quiet", "prompts/support/triage.yaml")
    (consumer.root / "notes.yaml").write_text("a: [", "utf-8")
    done = consumer.commit("Tidy up")
    assert done.returncode == 0, done.stdout
    consumer.ok("git", "rm", "--quiet", "prompts/support/money-back.yaml")
    done = consumer.commit("Only delete")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^promptsync lint\.+Passed$", done.stdout, re.MULTILINE)


def test_a_snippet_that_others_use_is_not_deleted_unnoticed(consumer: Consumer) -> None:
    consumer.ok("git", "rm", "--quiet", "prompts/support/house-tone.yaml")
    stopped = consumer.commit("Only delete")
    assert stopped.returncode == 1
    assert re.search(
        r"^prompts/support/\w+\.yaml:.+ error: @@@support/house-tone.+ \[snippet-missing\]$",
        stopped.stdout,
        re.MULTILINE,
    )


def test_a_push_is_stopped_while_the_registry_holds_edits_that_nobody_pulled(
    consumer: Consumer, tmp_path: Path
) -> None:
    with create_app(tmp_path / "registry.db") as app, running(app) as url:
        consumer.edit("promptsync.yaml", "https://api.promptlayer.com", url)
        consumer.environ["PROMPTLAYER_API_KEY"] = "pl_test"
        assert consumer.commit("Name the registry").returncode == 0
        assert consumer.run("git", "push", "--quiet", "origin", "main").returncode == 0  # all of it is new
        body = {"prompt_name": "support/new", "prompt_template": chat(), "commit_message": "by hand"}
        assert Caller(app)("POST", "/rest/prompt-templates", body).status == 201
        consumer.ok("git", "commit", "--quiet", "--allow-empty", "--message", "More")
        stopped = consumer.run("git", "push", "--quiet", "origin", "main")
        assert stopped.returncode == 1
        assert re.search(r"^promptsync drift\.+Failed$", stopped.stdout, re.MULTILINE)
        assert re.search(r"remote-only +support/new +v1", stopped.stdout)
        assert re.search(r"remote-only +promptsync pull --remote production$", stopped.stdout, re.MULTILINE)
        assert consumer.pre_commit("run", "promptsync-drift", "--hook-stage", "manual").returncode == 1
        consumer.environ["SKIP"] = "promptsync-drift"
        assert consumer.run("git", "push", "--quiet", "origin", "main").returncode == 0


def test_the_package_that_is_built_has_the_files_that_init_writes(consumer: Consumer, hooks: Hooks) -> None:
    (program,) = hooks.home.glob("repo*/py_env-*/*/promptsync*")
    other = consumer.root.parent / "other"
    consumer.ok("git", "init", "--quiet", str(other))
    init = (str(program), "-C", str(other), "init", "--github", "--pre-commit")
    refused = consumer.run(*init)
    assert refused.returncode == 2 and "not installed from PyPI" in refused.stdout
    consumer.ok(*init, "--package", "promptsync==1.2.3")
    for path in (".pre-commit-config.yaml", ".github/workflows/deploy.yml"):
        assert (other / path).is_file()

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
from gitcopy import git
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
class Consumer:
    """A repository whose commits and pushes run the hooks."""

    root: Path
    environ: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program; stdout has what it said on stderr, too."""
        joined = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.run(command, cwd=self.root, env=self.environ, timeout=300, check=False, **joined)

    def ends(self, code: int, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == code, done.stdout
        return done.stdout

    def git(self, *arguments: str, code: int = 0) -> str:
        return self.ends(code, "git", *arguments)

    def pre_commit(self, *arguments: str, code: int = 0) -> str:
        return self.ends(code, sys.executable, "-m", "pre_commit", *arguments)

    def commit(self, message: str, *, code: int = 0) -> str:
        self.git("add", "--all")
        return self.git("commit", "--message", message, code=code)

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text("utf-8")
        assert old in text
        (self.root / path).write_text(text.replace(old, new), "utf-8")


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository as the hooks' home; what pre-commit builds from it is kept beside it.

    There is one for all processes of a run: pre-commit itself lets one of them build, and the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    clone = shared / "promptsync"
    with FileLock(shared / "promptsync.lock"):
        if not clone.exists():
            subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], check=True)
    return clone


@pytest.fixture
def consumer(tmp_path: Path, hooks: Path) -> Consumer:
    """A committed copy of the example with the hooks installed, and with a remote to push to."""
    root = tmp_path / "consumer"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns(".promptsync"))
    # neither the package nor the settings of this test run may reach what the hooks run
    dropped = ("PROMPT", "GIT_", "PYTHON", "PRE_COMMIT", "VIRTUAL_ENV")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    environ |= {f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")}
    environ |= {f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")}
    environ |= {
        "PRE_COMMIT_HOME": f"{hooks}-home",
        "PRE_COMMIT_COLOR": "never",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    consumer = Consumer(root, environ)
    consumer.git("init", "--quiet", "--initial-branch=main")
    spec = f"git+{hooks.as_uri()}@{git(hooks, 'rev-parse', 'HEAD')}"
    assert run(["-C", str(root), "-q", "init", "--pre-commit", "--package", spec], {}) == 0
    consumer.git("init", "--quiet", "--bare", "../origin.git")
    consumer.git("remote", "add", "origin", "../origin.git")
    consumer.pre_commit("install", "--install-hooks", "-t", "pre-commit", "-t", "pre-push")
    said = consumer.commit("Add the support team's prompts")
    assert re.search(r"(?m)^promptsync lint\.+Passed$", said)
    return consumer


REFUND, TONE = "prompts/support/refund.yaml", "prompts/support/house-tone.yaml"


def test_a_commit_with_a_mistake_is_stopped_with_its_place_and_the_remedy_and_passes_once_mended(
    consumer: Consumer,
) -> None:
    before = consumer.git("rev-parse", "HEAD")
    consumer.edit(REFUND, "{{ question }}", "{{ question }")
    stopped = consumer.commit("Ask differently", code=1)
    assert re.search(r"(?m)^promptsync lint\.+Failed$", stopped)
    assert "- hook id: promptsync-lint" in stopped
    assert re.search(rf"(?m)^{re.escape(REFUND)}:\d+:\d+: error: .+ \[\S+\]$", stopped)
    assert "1 file checked, 1 error" in stopped
    assert consumer.git("rev-parse", "HEAD") == before
    consumer.edit(REFUND, "{{ question }", "{{ question }}")
    consumer.edit(REFUND, "You answer", "You kindly answer")
    consumer.commit("Ask kindly")
    assert consumer.git("rev-parse", "HEAD") != before
    config = consumer.root / ".pre-commit-config.yaml"
    config.write_bytes((EXAMPLE / config.name).read_bytes())  # the hooks as they ship install nothing
    consumer.edit(REFUND, "kindly", "politely")
    assert "Executable `promptsync` not found" in consumer.commit("Answer politely", code=1)


def test_the_files_of_a_commit_are_judged_also_where_files_were_moved_or_deleted(consumer: Consumer) -> None:
    broken = consumer.root / "prompts" / "broken.yaml"
    broken.write_text("messages: [", "utf-8")
    consumer.edit(REFUND, "You answer", "You kindly answer")
    consumer.git("add", REFUND)  # refers to a snippet that is not in this commit
    consumer.git("commit", "--message", "Answer kindly")
    broken.unlink()
    consumer.git("rm", "--quiet", TONE)
    stopped = consumer.commit("Delete a snippet that others use", code=1)
    assert re.search(
        r"(?m)^prompts/support/\w+\.yaml:.+ error: @@@support/house-tone.+ \[snippet-missing\]$", stopped
    )
    consumer.git("reset", "--quiet", "--hard")
    consumer.git("mv", REFUND, "prompts/support/money-back.yaml")
    consumer.git("rm", "--quiet", "prompts/support/triage.yaml")
    (consumer.root / "notes.yaml").write_text("a: [", "utf-8")
    consumer.commit("Tidy up")
    consumer.git("rm", "--quiet", "prompts/support/money-back.yaml")
    assert re.search(r"(?m)^promptsync lint\.+Passed$", consumer.commit("Only delete"))


def test_a_push_is_stopped_while_the_registry_holds_edits_that_nobody_pulled(
    consumer: Consumer, tmp_path: Path
) -> None:
    push = ("push", "--quiet", "origin", "main")
    with create_app(tmp_path / "registry.db") as app, running(app) as url:
        consumer.edit("promptsync.yaml", "https://api.promptlayer.com", url)
        consumer.environ["PROMPTLAYER_API_KEY"] = "pl_test"
        consumer.commit("Name the registry")
        consumer.git(*push)  # all of it is new
        body = {"prompt_name": "support/new", "prompt_template": chat(), "commit_message": "by hand"}
        assert Caller(app)("POST", "/rest/prompt-templates", body).status == 201
        consumer.git("commit", "--quiet", "--allow-empty", "--message", "More")
        stopped = consumer.git(*push, code=1)
        assert re.search(r"(?m)^promptsync drift\.+Failed$", stopped)
        assert re.search(r"remote-only +support/new +v1", stopped)
        assert re.search(r"(?m)remote-only +promptsync pull --remote production$", stopped)
        consumer.pre_commit("run", "promptsync-drift", "--hook-stage", "manual", code=1)
        consumer.environ["SKIP"] = "promptsync-drift"
        consumer.git(*push)


def test_the_package_that_is_built_has_the_files_that_init_writes(consumer: Consumer) -> None:
    (program,) = Path(consumer.environ["PRE_COMMIT_HOME"]).glob("repo*/py_env-*/*/promptsync*")
    other = consumer.root.parent / "other"
    consumer.git("init", "--quiet", str(other))
    init = (str(program), "-C", str(other), "init", "--github", "--pre-commit")
    assert "not installed from PyPI" in consumer.ends(2, *init)
    consumer.ends(0, *init, "--package", "promptsync==1.2.3")
    for path in (".pre-commit-config.yaml", ".github/workflows/deploy.yml"):
        assert (other / path).is_file()

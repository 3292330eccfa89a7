"""A team on GitLab, and the jobs of its pipelines, run as a runner does."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forked
import yaml
from actions import BASH, ROOT, program, run_script
from evaluation_files import declared_by
from host import BOT, GITLAB, PATH, PROJECT, Host, serving
from team import EXAMPLE, NUMBER, SPEC, Developer, copied
from worlds import KEY

from promptsync.cli import run as promptsync

# What stands in for Python: `python3 -m venv` makes an environment whose pip installs nothing.
_PYTHON = """\
[ "$1 $2" = "-m venv" ] || exec {python} "$@"
mkdir -p "$3/bin"
cp {tools}/pip {tools}/promptsync "$3/bin"
"""
_SEES = """\
echo "{name} $1${{PROMPTLAYER_API_KEY:+ key}}${{PROMPTSYNC_TOKEN:+ token}}" >> {seen}
"""
_RULE = re.compile(r"\$(\w+) (==|=~) (?:\"([^\"]*)\"|/(.*)/)")


@dataclass
class Ended:
    """What a job did. ``seen`` are the commands that it ran, with the secrets that each had."""

    code: int
    log: str
    artifacts: dict[str, str]
    seen: list[str]

    @property
    def passed(self) -> bool:
        return self.code == 0

    @property
    def summary(self) -> str:
        """What a person reads."""
        return self.log

    @property
    def trusted(self) -> list[str]:
        """The commands that had a secret, but for those of git."""
        return [line for line in self.seen if line.endswith((" key", " token")) and line[:4] != "git "]

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.log}"


@dataclass
class Runner:
    """A runner of a project. ``variables`` are those of the project, which jobs see but in a fork."""

    place: Path
    host: Host
    variables: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    shell: tuple[str, ...] = BASH
    """What an image with bash gets; in another one it is sh."""

    def __post_init__(self) -> None:
        tools = self.place / "bin"
        tools.mkdir(parents=True)
        own = shlex.join(forked.command())
        for name, text in {
            "python3": _PYTHON.format(tools=tools, python=sys.executable),
            "pip": '[ "$1 $2" = "install --quiet" ] && [ -n "$3" ] || exit 9',
            "promptsync": f'exec {own} "$@"',
            "git": f'exec {shutil.which("git")} "$@"',
        }.items():
            sees = _SEES.format(name=name, seen=self.place / "seen")
            program(tools / name, f"{sees}{text}")

    def pipeline(self, sha: str, event: Mapping[str, str]) -> dict[str, Any]:
        """Return the jobs of a pipeline, as GitLab reads the files at a commit."""
        start = yaml.safe_load(self.host.git("show", f"{sha}:.gitlab-ci.yml"))
        jobs: dict[str, Any] = {}
        for include in start["include"]:
            jobs |= yaml.safe_load(self.host.git("show", f"{sha}:{include['local'].removeprefix('/')}"))
        found = {}
        for name, job in jobs.items():
            if not name.startswith("."):
                whole = {**jobs[job["extends"]], **job}
                if any(_holds(rule["if"], event) for rule in whole["rules"]):
                    found[name] = whole
        return found

    def run(self, sha: str, event: Mapping[str, str], *, fork: bool = False) -> dict[str, Ended]:
        """Run the pipeline of a commit; ``event`` are the variables that say what it is for."""
        jobs = self.pipeline(sha, event)
        return {name: self.job(name, job, sha, event, fork=fork) for name, job in jobs.items()}

    def job(self, name: str, job: Any, sha: str, event: Mapping[str, str], *, fork: bool = False) -> Ended:
        self.runs += 1
        place = self.place / f"{name}-{self.runs}"
        workspace = place / "builds"
        environ = {
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
            "HOME": str(place),
            "TMPDIR": str(place),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{self.host.url}/api/v4",
            "CI_COMMIT_BEFORE_SHA": "0" * 40,
            "CI_COMMIT_SHA": sha,
            "CI_DEFAULT_BRANCH": "main",
            "CI_JOB_URL": f"https://gitlab.example.com/{PATH}/-/jobs/{self.runs}",
            "CI_PROJECT_DIR": str(workspace),
            "CI_PROJECT_ID": str(PROJECT),
            "CI_PROJECT_URL": f"{self.host.url}/{PATH}",
            "CI_SERVER_HOST": "gitlab.example.com",
            **job["variables"],
            **({} if fork else self.variables),
            **event,
        }
        self.checkout(workspace, sha, environ)
        assert environ["GIT_DEPTH"] == "0"
        # A runner stops at the first command that fails, and runs both parts in one shell.
        script = place / "script.sh"
        script.write_text("\n".join([*job["before_script"], *job["script"]]))
        (self.place / "seen").write_text("")
        done = run_script(self.shell, script, workspace, environ)
        artifacts = {
            file.name: file.read_text("utf-8")
            for path in job.get("artifacts", {}).get("paths", [])
            for file in sorted((workspace / path).glob("*"))
        }
        for secret in self.variables.values():
            assert not secret.startswith(("pl_", "glpat-")) or secret not in done.stdout
        return Ended(done.returncode, done.stdout, artifacts, (self.place / "seen").read_text().splitlines())

    def checkout(self, workspace: Path, sha: str, environ: Mapping[str, str]) -> None:
        """Fetch all branches, as with ``GIT_DEPTH: 0``, and check a commit out on no branch."""
        branches = "+refs/heads/*:refs/remotes/origin/*"
        for command in (
            ["git", "init", "-q", str(workspace)],
            ["git", "-C", str(workspace), "remote", "add", "origin", str(self.host.origin)],
            ["git", "-C", str(workspace), "fetch", "-q", "origin", branches, f"+{sha}:refs/pipelines/1"],
            ["git", "-C", str(workspace), "checkout", "-q", "--detach", sha],
        ):
            subprocess.run(command, check=True, env=environ)


def _holds(rule: str, event: Mapping[str, str]) -> bool:
    """Whether a rule holds. Only the parts of GitLab's language that our files use are known."""
    for term in rule.split(" && "):
        found = _RULE.fullmatch(term)
        assert found is not None, term
        value = event.get(found[1], "")
        if not (value == found[3] if found[2] == "==" else re.search(found[4], value)):
            return False
    return True


TOKEN = "glpat-of-the-project"


@dataclass
class Team(Developer):
    """``runner`` is GitLab's."""

    runner: Runner

    def push(self, branch: str = "main") -> str:
        """Push a branch, and return its commit."""
        self.world.git("push", "-q", "--force", "origin", branch)
        return self.world.git("rev-parse", branch).strip()

    def merge(self, branch: str = "topic") -> str:
        self.world.git("fetch", "-q", "origin")
        self.world.git("switch", "-q", "main")
        self.world.git("merge", "-q", "--no-ff", "-m", f"Merge branch '{branch}'", branch)
        return self.push()

    def merge_request(self) -> tuple[str, dict[str, str]]:
        """Push the branch, and return its commit with the variables of its merge request."""
        sha = self.push("topic")
        return sha, {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.world.git("merge-base", "main", "topic").strip(),
            "CI_MERGE_REQUEST_IID": str(NUMBER),
            "CI_MERGE_REQUEST_PROJECT_ID": str(PROJECT),
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        }

    def check(self, more: Mapping[str, str] = {}, *, fork: bool = False) -> Ended:
        sha, event = self.merge_request()
        if fork:  # it lacks the variables of the project, but this one would have to be there
            event["PROMPTSYNC_REMOTE"] = self.world.url
        return self._only("prompts-check", sha, {**event, **more}, fork=fork)

    def deploy(self, sha: str | None = None, **more: str) -> Ended:
        event = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}
        return self._only("prompts-deploy", sha or self.push(), {**event, **more})

    def triggered(self, form: dict[str, str]) -> Ended:
        """Run the pipeline that the form of a trigger asks for."""
        event = {"CI_PIPELINE_SOURCE": "trigger", "CI_COMMIT_BRANCH": form.pop("ref")}
        event |= {name.removeprefix("variables[").removesuffix("]"): value for name, value in form.items()}
        (done,) = self.runner.run(self.host.git("rev-parse", event["CI_COMMIT_BRANCH"]), event).values()
        return done

    def drift(self) -> Ended:
        event = {"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main"}
        return self._only("prompts-drift", self.host.git("rev-parse", "main"), event)

    def _only(self, name: str, sha: str, event: Mapping[str, str], *, fork: bool = False) -> Ended:
        """Run a pipeline that has one job."""
        jobs = self.runner.run(sha, event, fork=fork)
        assert [*jobs] == [name]
        return jobs[name]

    @property
    def settings(self) -> dict[str, str]:
        return self.runner.variables

    def take_key(self) -> None:
        """Let the jobs have no key."""
        del self.runner.variables["PROMPTLAYER_API_KEY"]


@contextmanager
def opened(template: Path, place: Path) -> Iterator[Team]:
    """A copy of the template of ``team``, with a project on GitLab and all variables set."""
    host_there = serving(GITLAB, place / "origin.git")
    with copied(template, place, declared_by(EXAMPLE)) as world, host_there as host:
        assert promptsync(["-C", str(world.root), "-q", "init", "--gitlab", "--package", SPEC], {}) == 0
        world.commit("Add the jobs for GitLab")
        host.tokens[TOKEN] = BOT
        secrets = {"PROMPTLAYER_API_KEY": KEY, "PROMPTSYNC_TOKEN": TOKEN}
        runner = Runner(place / "runner", host, {"PROMPTSYNC_REMOTE": world.url, **secrets})
        world.git("remote", "add", "origin", str(host.origin))
        world.git("push", "-q", "origin", "main")
        yield Team(world, host, runner)

"""Runs a workflow file as GitHub does: its steps with bash, its expressions, and the files between steps.

What is GitHub's own is left out or stands in: ``uses:`` is a clone or nothing, ``pip`` installs nothing, and
``gh`` talks to a file. Everything in ``run:`` is run as it stands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from expressions import Context, condition, fill

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "example-repo" / ".github" / "workflows"
REPOSITORY = "fernweh/prompts"
_OPTIONS = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]


@dataclass(frozen=True)
class Event:
    """What started a run: its name, the payload that GitHub writes, and what is checked out."""

    name: str
    payload: Mapping[str, Any]
    ref: str
    ref_name: str
    base_ref: str = ""
    head_ref: str = ""


@dataclass
class Done:
    """What a run did. ``outcomes`` are by the names of the steps, and by their ids."""

    outcomes: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    job_outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""
    directory: Path = Path()

    @property
    def passed(self) -> bool:
        return "failure" not in self.outcomes.values()

    def __str__(self) -> str:
        return f"{self.outcomes}\n{self.log}\n--- summary ---\n{self.summary}"


@dataclass
class GitHub:
    """A repository there: a bare one in ``origin``, and a file with comments and pull requests."""

    place: Path
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        self.place.mkdir()
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.origin)], check=True)
        self.save(
            comments=[], pulls=[], calls=[], repository=REPOSITORY, origin=str(self.origin), token="write"
        )
        tools = self.place / "bin"
        tools.mkdir()
        _tool(tools / "gh", f'exec {sys.executable} {Path(__file__).parent / "gh_stub.py"} "$@"')
        _tool(tools / "promptsync", f'exec {sys.executable} -m promptsync "$@"')
        # what is installed must not see the key
        _tool(tools / "pip", f'[ -z "${{PROMPTLAYER_API_KEY-}}" ] && echo "$@" >> {self.place / "pip"}')

    @property
    def origin(self) -> Path:
        return self.place / "origin.git"

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.place / "state.json").read_text())
        return found

    def save(self, **values: Any) -> None:
        place = self.place / "state.json"
        before = self.state if place.exists() else {}
        place.write_text(json.dumps(before | values))

    @property
    def comments(self) -> list[str]:
        return [one["body"] for one in self.state["comments"]]

    @property
    def pulls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.state["pulls"]
        return found

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.origin, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def run(self, file: str, event: Event, *, fork: bool = False) -> Done:
        """Run the one job of a workflow for an event; on a fork there are no secrets, and the token reads."""
        workflow = yaml.load((WORKFLOWS / file).read_text("utf-8"), yaml.BaseLoader)
        assert event.name in workflow["on"], f"{file} does not run on {event.name}"
        ((_, job),) = workflow["jobs"].items()
        self.runs += 1
        writes = job["permissions"].get("pull-requests") == "write"
        self.save(token="write" if writes and not fork else "read")
        return _Run(self, workflow, job, event, {} if fork else self.secrets).run()


def _tool(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class _Run:
    def __init__(
        self, hub: GitHub, workflow: Any, job: Any, event: Event, secrets: Mapping[str, str]
    ) -> None:
        self.hub = hub
        self.workflow = workflow
        self.job = job
        self.event = event
        self.place = hub.place / f"run-{hub.runs}"
        self.workspace = self.place / "workspace"
        (self.place / "temp").mkdir(parents=True)
        (self.place / "event.json").write_text(json.dumps(event.payload))
        self.done = Done(directory=self.workspace)
        github = {
            "event": event.payload,
            "event_name": event.name,
            "ref": event.ref,
            "ref_name": event.ref_name,
            "repository": REPOSITORY,
            "token": "ghs_of_this_job",
        }
        self.values: dict[str, Any] = {
            "github": github,
            "secrets": secrets,
            "vars": hub.variables,
            "steps": {},
            "env": {},
        }
        self.failed = False

    def run(self) -> Done:
        for level in (self.workflow, self.job):
            for key, value in level.get("env", {}).items():
                self.values["env"][key] = self.fill(value)
        self.fill(self.workflow["concurrency"]["group"])
        for step in self.job["steps"]:
            self.step(step)
        self.done.job_outputs = {key: self.fill(text) for key, text in self.job.get("outputs", {}).items()}
        return self.done

    @property
    def context(self) -> Context:
        statuses = {
            "success": not self.failed,
            "failure": self.failed,
            "cancelled": False,
            "always": True,
        }
        return Context(self.values, statuses)

    def fill(self, text: str) -> str:
        return fill(text, self.context)

    def step(self, step: Any) -> None:
        name = step.get("name") or step["uses"].partition("@")[0]
        outcome, outputs = "skipped", {}
        if condition(step.get("if"), self.context):
            if "uses" in step:
                self.use(step)
                outcome = "success"
            else:
                outcome, outputs = self.bash(step)
        self.failed |= outcome == "failure"
        self.done.outcomes[name] = outcome
        if "id" in step:
            self.values["steps"][step["id"]] = {"outcome": outcome, "outputs": outputs}
            self.done.outputs[step["id"]] = outputs

    def use(self, step: Any) -> None:
        action, _, version = step["uses"].partition("@")
        assert len(version) == 40, f"{action} is not pinned to a commit"
        if action == "actions/checkout":
            assert step["with"] == {"fetch-depth": "0", "persist-credentials": "false"}
            self.checkout()
            return
        assert action == "actions/setup-python", action
        assert list(self.workspace.glob(step["with"]["cache-dependency-path"])), "nothing to cache by"

    def checkout(self) -> None:
        def git(*arguments: str) -> None:
            subprocess.run(["git", "-C", str(self.workspace), *arguments], check=True, env=self.environment())

        subprocess.run(["git", "clone", "-q", str(self.hub.origin), str(self.workspace)], check=True)
        git("fetch", "-q", "origin", f"+{self.event.ref}:refs/remotes/event")
        if self.event.ref.startswith("refs/heads/"):
            git("checkout", "-q", "-B", self.event.ref_name, "refs/remotes/event")
        else:
            git("checkout", "-q", "--detach", "refs/remotes/event")

    def bash(self, step: Any) -> tuple[str, dict[str, str]]:
        defaults = self.job["defaults"]["run"]
        assert defaults["shell"] == "bash" and "shell" not in step
        files = {name: self.place / name.lower() for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
        for file in files.values():
            file.write_text("")
        script = self.place / "script.sh"
        assert "${{" not in step["run"], "a value becomes part of the script"
        script.write_text(step["run"])
        own = {key: self.fill(value) for key, value in step.get("env", {}).items()}
        done = subprocess.run(
            [*_OPTIONS, str(script)],
            cwd=self.workspace / self.fill(defaults["working-directory"]),
            env={**self.environment(), **{key: str(path) for key, path in files.items()}, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self.done.log += done.stdout
        self.done.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        outcome = "success" if done.returncode == 0 else "failure"
        return outcome, _outputs(files["GITHUB_OUTPUT"].read_text())

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.hub.place / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.place),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "FAKE_GITHUB": str(self.hub.place / "state.json"),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": self.event.name,
            "GITHUB_EVENT_PATH": str(self.place / "event.json"),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_REPOSITORY_OWNER": REPOSITORY.partition("/")[0],
            "GITHUB_REF": self.event.ref,
            "GITHUB_REF_NAME": self.event.ref_name,
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_BASE_REF": self.event.base_ref,
            "GITHUB_HEAD_REF": self.event.head_ref,
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.place / "temp"),
            **self.values["env"],
        }


def _outputs(text: str) -> dict[str, str]:
    """Read what a step wrote to ``$GITHUB_OUTPUT``."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, sign, value = line.partition("=")
        if "<<" in name or not sign:
            name, _, delimiter = line.partition("<<")
            value = "\n".join(iter(lambda: next(lines), delimiter))
        found[name] = value
    return found

"""A repository on GitHub: its variables and secrets, and runs of its workflows."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forked
import yaml
from gitcopy import git
from host import BOT, PATH, Host

ROOT = Path(__file__).parents[2]
REPOSITORY = PATH
ACTION = "fernweh/promptsync"
COMMIT = "5eed" * 10
PACKAGE = f"{ACTION}@{COMMIT}"
"""How a workflow of the team uses the action: the code of this checkout."""

TOKEN = "ghs_of_this_job"
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")

# What the action starts instead of Python and pip. It notes what would be installed, and with which key.
_PYTHON = """\
[ "$1 $2 $3" = "-m venv --clear" ] || exit 9
mkdir -p "$4/bin"
cp {pip} "$4/bin/python"
"""
_PIPX = """\
[ "$1 $2" = "install --quiet" ] || exit 9
[ -z "${{PROMPTLAYER_API_KEY-}}" ] || exit 9
echo "$3" >> {log}
printf '#!/bin/sh\\nexec {promptsync} "$@"\\n' > {own}
chmod +x {own}
"""
_PIP = """\
[ "$1 $2 $3" = "-m pip install" ] || exit 9
shift 3
echo "$@" >> {log}
[ -z "${{PROMPTLAYER_API_KEY-}}" ] || exit 9
program=$(dirname "$0")/promptsync
printf '#!/bin/sh\\nexec {promptsync} "$@"\\n' > "$program"
chmod +x "$program"
"""


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
    """What a run did. ``outcomes`` are by the names of the steps, and by their ids.

    ``secrets`` are the secrets in the environment or the inputs of each step that ran. A step of the action
    is named after the step that uses it, too.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    job_outputs: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, list[str]] = field(default_factory=dict)
    summary: str = ""
    log: str = ""
    directory: Path = Path()
    artifacts: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return "failure" not in self.outcomes.values()

    @property
    def told(self) -> str:
        """What a person reads."""
        return self.summary

    @property
    def trusted(self) -> dict[str, list[str]]:
        """The steps that saw a secret, of those that ran."""
        return {step: secrets for step, secrets in self.secrets.items() if secrets}

    def __str__(self) -> str:
        return f"{self.outcomes}\n{self.log}\n--- summary ---\n{self.summary}"


@dataclass
class GitHub:
    """``host`` has the repository, the comments and the pull requests."""

    place: Path
    host: Host
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    installs: bool = False
    """Whether the action really installs, with the network."""
    runs: int = 0

    def __post_init__(self) -> None:
        tools = self.place / "bin"
        tools.mkdir(parents=True)
        program(tools / "gh", f'exec {sys.executable} {Path(__file__).parent / "gh_stub.py"} "$@"')
        promptsync = shlex.join(forked.command())
        own = tools / "promptsync"
        program(tools / "pipx", _PIPX.format(log=self.place / "installed", own=own, promptsync=promptsync))
        program(self.place / "pip", _PIP.format(log=self.place / "installed", promptsync=promptsync))
        program(self.place / "python", _PYTHON.format(pip=self.place / "pip"))

    @property
    def python(self) -> str:
        """The Python that the action finds."""
        return sys.executable if self.installs else str(self.place / "python")

    @property
    def installed(self) -> list[str]:
        """The arguments of each ``pip install``."""
        return (self.place / "installed").read_text().splitlines()

    def git(self, *arguments: str) -> str:
        return git(self.host.origin, *arguments).strip()

    def run(self, file: str, event: Event, *, fork: bool = False) -> Done:
        """Run the one job of a workflow for an event; on a fork there are no secrets, and the token reads."""
        return self.run_text(self.git("show", f"{event.ref}:.github/workflows/{file}"), event, fork=fork)

    def run_text(self, text: str, event: Event, *, fork: bool = False) -> Done:
        """Run a workflow that is not in the repository."""
        from job import Job

        workflow = yaml.load(text, yaml.BaseLoader)
        assert event.name in workflow["on"], f"it does not run on {event.name}"
        if event.name == "repository_dispatch":
            assert event.payload["action"] in workflow["on"][event.name]["types"]
        self.runs += 1
        (job,) = workflow["jobs"].values()
        self.host.may_write = job["permissions"].get("pull-requests") == "write" and not fork
        secrets = {} if fork else self.secrets
        self.host.tokens = dict.fromkeys((TOKEN, *secrets.values()), BOT)
        return Job(self, workflow, job, event, secrets).run()


def run_script(
    shell: Sequence[str], script: Path, directory: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script of a job; what it prints, also as errors, is in ``stdout``."""
    return subprocess.run(
        [*shell, str(script)],
        cwd=directory,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )


def program(path: Path, text: str) -> None:
    """Write a program for sh."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)

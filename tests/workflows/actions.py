"""A repository on GitHub, and runs of its workflows: steps with bash, and the files between them.

What is GitHub's own is left out or stands in: ``actions/checkout`` is a clone, Python and pip install
nothing, and ``gh`` talks to a host in this process. The steps of our action run as they stand, in a scope
of their own.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forked
import yaml
from expressions import Scope
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

    def run(self, file: str, event: Event, *, fork: bool = False) -> Done:
        """Run the one job of a workflow for an event; on a fork there are no secrets, and the token reads."""
        return self.run_text(self.host.git("show", f"{event.ref}:.github/workflows/{file}"), event, fork=fork)

    def run_text(self, text: str, event: Event, *, fork: bool = False) -> Done:
        """Run a workflow that is not in the repository."""
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


# -- the steps of a job -------------------------------------------------------------------------------------

ARTIFACT = f"https://github.com/{REPOSITORY}/actions/runs/1/artifacts/"
FILES = ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_PATH")
"""What a step writes for the others."""

Result = tuple[bool, dict[str, str]]
"""Whether a step failed, and its outputs."""


class Job:
    def __init__(
        self, hub: GitHub, workflow: Any, job: Any, event: Event, secrets: Mapping[str, str]
    ) -> None:
        self.hub, self.workflow, self.job, self.event = hub, workflow, job, event
        self.secrets = {**secrets, "GITHUB_TOKEN": TOKEN}
        self.place = hub.place / f"run-{hub.runs}"
        self.sha = event.payload.get("after") or hub.host.git("rev-parse", event.ref)
        self.workspace, self.temp = self.place / "workspace", self.place / "temp"
        self.temp.mkdir(parents=True)
        (self.place / "event.json").write_text(json.dumps(event.payload))
        self.path = [str(hub.place / "bin"), os.environ["PATH"]]
        self.done = Done(directory=self.workspace)
        self.github = {
            "event_name": event.name,
            "event_path": str(self.place / "event.json"),
            "ref": event.ref,
            "ref_name": event.ref_name,
            "ref_type": "branch",
            "base_ref": event.base_ref,
            "head_ref": event.head_ref,
            "repository": REPOSITORY,
            "repository_owner": REPOSITORY.partition("/")[0],
            "sha": self.sha,
            "workspace": str(self.workspace),
        }
        self.runner = {"os": "Linux", "arch": "X64", "temp": str(self.temp)}
        github = {**self.github, "event": event.payload, "token": TOKEN}
        values = {"github": github, "secrets": secrets, "vars": hub.variables, "runner": self.runner}
        defaults = job.get("defaults", {}).get("run", {})
        self.scope = Scope({**values, "steps": {}, "env": {}}, defaults=defaults)

    def run(self) -> Done:
        for level in (self.workflow, self.job):
            self.scope.values["env"] |= self.scope.filled(level.get("env", {}))
        self.scope.fill(self.workflow["concurrency"]["group"])
        self.steps(self.job["steps"], self.scope)
        self.done.job_outputs = self.scope.filled(self.job.get("outputs", {}))
        return self.done

    def steps(self, steps: list[Any], scope: Scope) -> None:
        for step in steps:
            name = step.get("name") or step["uses"].partition("@")[0]
            outcome, outputs = "skipped", dict[str, str]()
            if scope.runs(step.get("if")):
                failed, outputs = (self.use if "uses" in step else self.bash)(name, step, scope)
                outcome = "failure" if failed else "success"
                scope.failed |= failed
            ids = [step["id"]] if "id" in step else []
            scope.values["steps"] |= {key: {"outcome": outcome, "outputs": outputs} for key in ids}
            if not scope.title:
                self.done.outcomes[name] = outcome
                self.done.outputs |= dict.fromkeys(ids, outputs)

    def seen(self, name: str, scope: Scope, *values: Mapping[str, str]) -> None:
        """Note which secrets are among the variables or inputs of a step."""
        texts = [text for some in values for text in some.values()]
        found = [key for key, secret in self.secrets.items() if any(secret in text for text in texts)]
        self.done.secrets[f"{scope.title} / {name}" if scope.title else name] = sorted(found)

    # -- uses: ----------------------------------------------------------------------------------------------

    def use(self, name: str, step: Any, scope: Scope) -> Result:
        action, _, version = step["uses"].partition("@")
        assert len(version) == 40, f"{step['uses']} is not pinned to a commit"
        inputs, env = scope.filled(step.get("with", {})), scope.filled(step.get("env", {}))
        if action == ACTION:
            assert version == COMMIT
            return self.action(name, inputs, env)
        self.seen(name, scope, inputs, env, self.environment(scope))
        outputs = {}
        if action == "actions/checkout":
            assert inputs == {"fetch-depth": "0", "persist-credentials": "false"}
            self.checkout()
        elif action == "actions/cache":
            assert inputs["path"].startswith(f"{self.temp}/") and "--" not in inputs["key"], inputs
            outputs = {"cache-hit": "false"}
        elif action == "actions/upload-artifact":
            assert (inputs["archive"], inputs["if-no-files-found"]) == ("false", "ignore")
            file = Path(inputs["path"])
            if file.is_file():
                self.done.artifacts[file.name] = file.read_text("utf-8")
                outputs = {"artifact-url": f"{ARTIFACT}{file.name}"}
        else:
            assert action == "actions/setup-python", action
            assert inputs["update-environment"] == "false", "the Python of the job changes"
            outputs = {"python-path": self.hub.python, "python-version": inputs["python-version"]}
        return False, outputs

    def action(self, name: str, given: Mapping[str, str], env: Mapping[str, str]) -> Result:
        """Run the steps of our action; its outputs are read even if one of them fails."""
        declared = yaml.load((ROOT / "action.yml").read_text("utf-8"), yaml.BaseLoader)
        unknown = set(given) - set(declared["inputs"])
        assert not unknown, f"the action has no input {unknown}"
        assert declared["runs"]["using"] == "composite"
        inputs = {key: body.get("default", "") for key, body in declared["inputs"].items()}
        outer = self.scope.values
        values = {key: outer[key] for key in ("github", "runner")}  # an action sees neither secrets nor vars
        values |= {"inputs": {**inputs, **given}, "steps": {}, "env": {**outer["env"], **env}}
        scope = Scope(values, name, extra={"GITHUB_ACTION_PATH": str(ROOT)})
        self.steps(declared["runs"]["steps"], scope)
        return scope.failed, {key: scope.fill(body["value"]) for key, body in declared["outputs"].items()}

    def checkout(self) -> None:
        subprocess.run(["git", "clone", "-q", str(self.hub.host.origin), str(self.workspace)], check=True)
        environ, ref, name = self.environment(self.scope), self.event.ref, self.event.ref_name
        commands = [f"fetch -q origin +{ref}:refs/remotes/event"]
        if ref.startswith("refs/heads/"):
            # Of a run that is run again, the commit of the event takes the place of the newest one.
            commit = self.event.payload.get("after", "refs/remotes/event")
            commands += [f"update-ref refs/remotes/origin/{name} {commit}", f"checkout -q -B {name} {commit}"]
        else:
            commands += ["checkout -q --detach refs/remotes/event"]
        for command in commands:
            git(self.workspace, *command.split(), **environ)

    # -- run: -----------------------------------------------------------------------------------------------

    def bash(self, name: str, step: Any, scope: Scope) -> Result:
        if scope.title:
            assert step["shell"] == "bash", "a step of an action has to name its shell"
        else:
            assert scope.defaults.get("shell", "bash") == "bash" and "shell" not in step
        summary, output, path = files = [self.place / name.lower() for name in FILES]
        for file in files:
            file.write_text("")
        script = self.place / "script.sh"
        assert "${{" not in step["run"], "a value becomes part of the script"
        script.write_text(step["run"])
        environment = {
            **self.environment(scope),
            **dict(zip(FILES, map(str, files), strict=True)),
            **scope.filled(step.get("env", {})),
        }
        self.seen(name, scope, environment)
        default = scope.defaults.get("working-directory", ".")
        directory = self.workspace / scope.fill(step.get("working-directory", default))
        done = run_script(BASH, script, directory, environment)
        self.done.log += done.stdout
        self.done.summary += summary.read_text()
        self.path[:0] = path.read_text().splitlines()
        return done.returncode != 0, _outputs(output.read_text())

    def environment(self, scope: Scope) -> dict[str, str]:
        return {
            "PATH": ":".join(self.path),
            "HOME": str(self.place),
            "LANG": "C.UTF-8",
            **({} if self.hub.installs else {"PYTHONPATH": str(ROOT)}),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "FAKE_GITHUB": self.hub.host.url,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            **{f"GITHUB_{key.upper()}": value for key, value in self.github.items()},
            **{f"RUNNER_{key.upper()}": value for key, value in self.runner.items()},
            **scope.extra,
            **scope.values["env"],
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

"""A team with the example repository on GitLab: a developer's clone, a registry, and what they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evaluation_files import declared_by
from gitlab_pipeline import Ended, Runner
from host import BOT, GITLAB, PROJECT, serving
from team import EXAMPLE, SPEC, Developer, copied
from worlds import KEY

from promptsync.cli import run as promptsync

NUMBER = 7
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
        (done,) = self.runner.run(self.git("rev-parse", event["CI_COMMIT_BRANCH"]), event).values()
        return done

    def drift(self) -> Ended:
        event = {"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main"}
        return self._only("prompts-drift", self.git("rev-parse", "main"), event)

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
        runner = Runner(place / "runner", host)
        runner.variables |= {
            "PROMPTSYNC_REMOTE": world.url,
            "PROMPTLAYER_API_KEY": KEY,
            "PROMPTSYNC_TOKEN": TOKEN,
        }
        world.git("remote", "add", "origin", str(host.origin))
        world.git("push", "-q", "origin", "main")
        yield Team(world, host, runner)

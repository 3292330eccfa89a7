"""``--since`` in a GitHub workflow: clones as actions/checkout makes them, events as GitHub writes them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Any

import pytest
from gitcopy import Copy, git

from promptsync.commands.shared.ci import branch_to_merge_into, resolve_since
from promptsync.commands.shared.session import Environment, Session
from promptsync.errors import PromptsyncError

A = "prompts/a.yaml"
B = "prompts/b.yaml"
ZEROS = "0" * 40
A40 = "a" * 40
REPOSITORY = {"full_name": "acme/bot", "default_branch": "main"}


def text(content: str) -> str:
    return f"content: {content}\n"


class Hub:
    """A repository on GitHub: a branch that changed ``b``, while main went on and changed ``a``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.origin = Copy.made(directory / "origin")
        self.origin.put({A: text("One"), B: text("One")})
        self.first = self.origin.commit()
        self.origin.git("checkout", "-q", "-b", "feature")
        self.origin.put({B: text("Two")})
        self.head = self.origin.commit()
        self.origin.git("checkout", "-q", "main")
        self.origin.put({A: text("Two")})
        self.base = self.origin.commit()
        # GitHub merges each pull request to try it
        self.origin.git("checkout", "-q", "--detach", "main")
        self.origin.git("merge", "-q", "--no-ff", "-m", "Merge 7", "feature")
        self.merge = self.origin.git("rev-parse", "HEAD")
        self.origin.git("update-ref", "refs/pull/7/merge", self.merge)
        self.origin.git("checkout", "-q", "main")

    def checkout(self, commit: str, depth: int = 0) -> Copy:
        """A clone as actions/checkout makes it: of one commit, or with ``fetch-depth: 0`` of all branches."""
        clone = self.directory / "clone"
        git(self.directory, "init", "-q", str(clone))
        git(clone, "remote", "add", "origin", f"file://{self.origin.top}")
        specs = [f"+{commit}:refs/remotes/checked/out"]
        if not depth:
            specs += ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        limit = [f"--depth={depth}"] if depth else []
        git(clone, "fetch", "-q", "--no-tags", *limit, "origin", *specs)
        git(clone, "checkout", "-q", "--detach", commit)
        return Copy(clone, clone)

    # What GitHub writes has many more keys.

    def pull_request(self) -> dict[str, Any]:
        base, head = {"ref": "main", "sha": self.base}, {"ref": "feature", "sha": self.head}
        pull = {"number": 7, "base": base, "head": head, "merge_commit_sha": self.merge}
        return {"before": self.first, "after": self.head, "pull_request": pull, "repository": REPOSITORY}

    def push(self, before: str, ref: str = "refs/heads/main") -> dict[str, Any]:
        return {"ref": ref, "before": before, "base_ref": None, "repository": REPOSITORY}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    return Hub(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def hub(made_once: Hub, tmp_path: Path) -> Hub:
    hub = copy(made_once)
    hub.directory = tmp_path
    shutil.copytree(made_once.origin.top, tmp_path / "origin")
    hub.origin = Copy(tmp_path / "origin", tmp_path / "origin")
    return hub


def session(clone: Copy, variables: Mapping[str, str]) -> Session:
    return Session(Environment(variables=variables), directory_option=str(clone.root))


def resolved(
    clone: Copy,
    name: str,
    event: Any,
    ref: str = "refs/heads/main",
    since: str | None = None,
    required: bool = True,
) -> str | None:
    """What the event means in a clone."""
    path = clone.top.parent / "event.json"
    path.write_text(json.dumps(event), "utf-8")
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": name,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REF": ref,
    }
    return resolve_since(session(clone, variables), since, required=required)


def names(clone: Copy, name: str, event: Any, ref: str = "refs/heads/main") -> str:
    """The prompts that changed by an event."""
    since = resolved(clone, name, event, ref)
    assert since is not None
    return " ".join(clone.changed(since).names)


def merge_group(hub: Hub) -> dict[str, Any]:
    group = {"head_sha": hub.merge, "base_sha": hub.base, "base_ref": "refs/heads/main"}
    return {"merge_group": group, "repository": REPOSITORY}


BRANCH = "refs/heads/feature"
MANUAL = {"inputs": {}, "ref": BRANCH, "repository": REPOSITORY}

# What is checked out, how deep, the name of the event, its text, its ref, and the prompts that changed.
EVENTS: list[tuple[str, int, str, Callable[[Hub], Any], str, str]] = [
    ("merge", 0, "pull_request", Hub.pull_request, "refs/pull/7/merge", "b"),
    ("merge", 2, "pull_request", Hub.pull_request, "refs/pull/7/merge", "b"),
    ("head", 0, "pull_request", Hub.pull_request, "refs/pull/7/merge", "b"),
    ("merge", 0, "merge_group", merge_group, "refs/heads/gh-readonly-queue/main/pr-7", "b"),
    ("base", 0, "push", lambda hub: hub.push(hub.first), "refs/heads/main", "a"),
    ("merge", 0, "push", lambda hub: hub.push(hub.first), "refs/heads/main", "a b"),
    ("head", 0, "push", lambda hub: hub.push(ZEROS, BRANCH), BRANCH, "b"),
    ("base", 0, "push", lambda hub: hub.push(ZEROS), "refs/heads/main", "a b"),
    ("head", 0, "workflow_dispatch", lambda hub: MANUAL, BRANCH, "b"),
]


@pytest.mark.parametrize(("commit", "depth", "name", "event", "ref", "changed"), EVENTS)
def test_an_event_is_compared_with_what_was_there_before(
    hub: Hub, commit: str, depth: int, name: str, event: Callable[[Hub], Any], ref: str, changed: str
) -> None:
    assert names(hub.checkout(getattr(hub, commit), depth), name, event(hub), ref) == changed


SHALLOW, NOT_THERE = (3, "shallow-clone"), (2, "not-checked-out")

# What is checked out, how deep, the name of the event, its text, the error, and words of its hint.
FAILING: list[tuple[str, int, str, Callable[[Hub], Any], tuple[int, str], str]] = [
    ("merge", 1, "pull_request", Hub.pull_request, SHALLOW, "fetch-depth: 0"),
    ("base", 0, "pull_request_target", Hub.pull_request, NOT_THERE, "--since origin/main..."),
    ("base", 1, "push", lambda hub: hub.push(hub.first), SHALLOW, "fetch-depth: 0"),
]


@pytest.mark.parametrize(("commit", "depth", "name", "event", "error", "hint"), FAILING)
def test_a_clone_that_lacks_what_was_there_before_says_what_to_fetch(
    hub: Hub, commit: str, depth: int, name: str, event: Callable[[Hub], Any], error: Any, hint: str
) -> None:
    with pytest.raises(PromptsyncError) as caught:
        names(hub.checkout(getattr(hub, commit), depth), name, event(hub))
    assert (caught.value.exit_code, caught.value.code) == error
    assert hint in caught.value.hint


def test_a_forced_push_without_the_old_commit_says_what_to_fetch(hub: Hub) -> None:
    hub.origin.git("reset", "-q", "--hard", hub.first)
    hub.origin.put({A: text("Three")})
    clone = hub.checkout(hub.origin.commit())
    event = hub.push(hub.base)
    with pytest.raises(PromptsyncError) as caught:
        names(clone, "push", event)
    assert (caught.value.exit_code, caught.value.code) == (2, "unknown-revision")
    assert f"git fetch origin {hub.base}" in caught.value.hint
    clone.git("fetch", "-q", "origin", hub.base)
    assert names(clone, "push", event) == "a"


def test_a_merge_group_names_the_branch_that_it_will_be_merged_into(tmp_path: Path) -> None:
    variables = {"GITHUB_EVENT_NAME": "merge_group", "GITHUB_EVENT_PATH": str(tmp_path / "event.json")}
    for event, branch in (("refs/heads/main", "main"), ("refs/heads/release/1", "release/1")):
        (tmp_path / "event.json").write_text(
            json.dumps({"merge_group": {"base_ref": event, "base_sha": "a" * 40}}), "utf-8"
        )
        assert branch_to_merge_into(variables) == branch
    (tmp_path / "event.json").write_text("{}", "utf-8")
    with pytest.raises(PromptsyncError, match="merge_group"):
        branch_to_merge_into(variables)
    assert branch_to_merge_into({"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "release/1"}) == "release/1"


# -- nothing before --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "event", "ref"),
    [
        ("workflow_dispatch", {**MANUAL, "ref": "refs/heads/main"}, "refs/heads/main"),
        ("schedule", {"schedule": "0 3 * * *", "repository": REPOSITORY}, "refs/heads/main"),
        ("push", {"ref": "refs/tags/v1", "before": ZEROS, "repository": REPOSITORY}, "refs/tags/v1"),
    ],
)
def test_an_event_with_nothing_before_it_is_an_error_and_no_empty_set(
    hub: Hub, name: str, event: dict[str, Any], ref: str
) -> None:
    clone = hub.checkout(hub.base)
    with pytest.raises(PromptsyncError, match=f"a {name} event") as caught:
        resolved(clone, name, event, ref)
    assert (caught.value.exit_code, caught.value.code) == (2, "nothing-before")
    assert "--since HEAD~1" in caught.value.hint
    assert resolved(clone, name, event, ref, required=False) is None
    assert resolved(clone, name, event, ref, since="HEAD") == "HEAD"


# -- events that cannot be read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("push", "", "truncated"),
        ("push", "[" * 100_000, "not such an event"),
        ("push", "\udcff", "malformed"),
        ("push", "[]", "no before"),
        ("push", '{"before": null}', "no before"),
        ("pull_request", '{"pull_request": 7}', "no pull_request.base.sha"),
        ("merge_group", "{}", "no merge_group"),
    ],
)
def test_an_event_that_is_not_as_github_writes_it_is_an_error(
    hub: Hub, tmp_path: Path, name: str, content: str, why: str
) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    variables = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path)}
    with pytest.raises(PromptsyncError) as caught:
        resolve_since(session(hub.origin, variables), None)
    assert (caught.value.exit_code, caught.value.code) == (2, "event-file")
    assert why in caught.value.message
    assert str(path) in caught.value.message


def test_an_event_that_is_not_there_is_an_error(hub: Hub) -> None:
    for path, why in {"": "GITHUB_EVENT_PATH is not set", "/nowhere/event.json": "No such file"}.items():
        variables = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": path}
        with pytest.raises(PromptsyncError, match=why) as caught:
            resolve_since(session(hub.origin, variables), None)
        assert caught.value.code == "event-file"


# -- elsewhere -------------------------------------------------------------------------------------------


def test_the_flag_beats_the_event_even_when_it_is_empty(hub: Hub) -> None:
    clone = hub.checkout(hub.base)
    assert resolved(clone, "push", hub.push(hub.first), since="HEAD") == "HEAD"
    since = resolved(clone, "push", hub.push(hub.first), since="")
    with pytest.raises(PromptsyncError, match="is not a commit"):
        clone.changed(since)


# -- GitLab ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "since"),
    [
        ({"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_DIFF_BASE_SHA": A40}, f"{A40}..."),
        ({"CI_MERGE_REQUEST_DIFF_BASE_SHA": ZEROS, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": A40}, f"{A40}..."),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main", "CI_COMMIT_BEFORE_SHA": A40}, A40),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature", "CI_COMMIT_BEFORE_SHA": A40}, A40),
        # The first push of a branch, then that of a repository.
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature"}, "origin/main..."),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}, ZEROS),
        ({"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "feature"}, "origin/main..."),
        ({"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "main"}, None),
        ({"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main"}, None),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "v1"}, None),
    ],
)
def test_a_pipeline_of_gitlab_is_compared_with_what_was_there_before(
    hub: Hub, variables: dict[str, str], since: str | None
) -> None:
    always = {"GITLAB_CI": "true", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_BEFORE_SHA": ZEROS}
    running = session(hub.origin, always | variables)
    assert resolve_since(running, None, required=False) == since
    assert resolve_since(running, "HEAD~1") == "HEAD~1"
    if since is None:
        with pytest.raises(PromptsyncError, match=f"a {variables['CI_PIPELINE_SOURCE']} pipeline") as caught:
            resolve_since(running, None)
        assert (caught.value.exit_code, caught.value.code) == (2, "nothing-before")

"""``--since`` in a GitHub workflow: clones as actions/checkout makes them, events as GitHub writes them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from gitcopy import Copy, git

from promptsync.commands.shared.ci import branch_to_merge_into, resolve_since
from promptsync.commands.shared.session import Session
from promptsync.errors import PromptsyncError

A = "prompts/a.yaml"
B = "prompts/b.yaml"
ZEROS = "0" * 40
A40 = "a" * 40
MAIN, BRANCH = "refs/heads/main", "refs/heads/feature"
ONE, TWO, THREE = (f"content: Text {number}\n" for number in range(3))
REPOSITORY = {"full_name": "acme/bot", "default_branch": "main"}


class Hub:
    """A repository on GitHub: a branch that changed ``b``, while main went on and changed ``a``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.origin = Copy.made(directory / "origin")
        self.origin.put({A: ONE, B: ONE})
        self.first = self.origin.commit()
        self.origin.git("checkout", "-q", "-b", "feature")
        self.origin.put({B: TWO})
        self.head = self.origin.commit()
        self.origin.git("checkout", "-q", "main")
        self.origin.put({A: TWO})
        self.base = self.origin.commit()
        # GitHub merges each pull request to try it
        self.origin.git("checkout", "-q", "--detach", "main")
        self.origin.git("merge", "-q", "--no-ff", "-m", "Merge 7", "feature")
        self.merge = self.origin.git("rev-parse", "HEAD")
        self.origin.git("update-ref", "refs/pull/7/merge", self.merge)
        self.origin.git("checkout", "-q", "main")

    def checkout(self, commit: str, depth: int = 0) -> Copy:
        """A clone as actions/checkout makes it: of one commit, or with ``fetch-depth: 0`` of all branches."""
        clone = Path(tempfile.mkdtemp(dir=self.directory)) / "clone"
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

    def push(self, before: str, ref: str = MAIN) -> dict[str, Any]:
        return {"ref": ref, "before": before, "base_ref": None, "repository": REPOSITORY}


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def session(clone: Copy, variables: Mapping[str, str]) -> Session:
    return Session(variables, directory_option=str(clone.root))


def resolved(
    clone: Copy, name: str, event: Any, ref: str = MAIN, since: str | None = None, required: bool = True
) -> str | None:
    """What the event means in a clone."""
    path = clone.top.parent / "event.json"
    path.write_text(json.dumps(event), "utf-8")
    variables = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path), "GITHUB_REF": ref}
    return resolve_since(session(clone, {"GITHUB_ACTIONS": "true", **variables}), since, required=required)


def names(clone: Copy, name: str, event: Any, ref: str = MAIN) -> str:
    """The prompts that changed by an event."""
    since = resolved(clone, name, event, ref)
    assert since is not None
    return " ".join(clone.changed(since).names)


def merge_group(hub: Hub) -> dict[str, Any]:
    group = {"head_sha": hub.merge, "base_sha": hub.base, "base_ref": MAIN}
    return {"merge_group": group, "repository": REPOSITORY}


MANUAL = {"inputs": {}, "ref": BRANCH, "repository": REPOSITORY}

# What is checked out, how deep, the name of the event, its text, its ref, and the prompts that changed.
EVENTS: list[tuple[str, int, str, Callable[[Hub], Any], str, str]] = [
    ("merge", 2, "pull_request", Hub.pull_request, "refs/pull/7/merge", "b"),
    ("head", 0, "pull_request", Hub.pull_request, "refs/pull/7/merge", "b"),
    ("merge", 0, "merge_group", merge_group, "refs/heads/gh-readonly-queue/main/pr-7", "b"),
    ("base", 0, "push", lambda hub: hub.push(hub.first), MAIN, "a"),
    ("merge", 0, "push", lambda hub: hub.push(hub.first), MAIN, "a b"),
    ("head", 0, "push", lambda hub: hub.push(ZEROS, BRANCH), BRANCH, "b"),
    ("base", 0, "push", lambda hub: hub.push(ZEROS), MAIN, "a b"),
    ("head", 0, "workflow_dispatch", lambda hub: MANUAL, BRANCH, "b"),
]


def test_an_event_is_compared_with_what_was_there_before(hub: Hub) -> None:
    for commit, depth, name, event, ref, changed in EVENTS:
        clone = hub.checkout(getattr(hub, commit), depth)
        assert names(clone, name, event(hub), ref) == changed, (commit, name)


SHALLOW, NOT_THERE = (3, "shallow-clone"), (2, "not-checked-out")

# What is checked out, how deep, the name of the event, its text, the error, and words of its hint.
FAILING: list[tuple[str, int, str, Callable[[Hub], Any], tuple[int, str], str]] = [
    ("merge", 1, "pull_request", Hub.pull_request, SHALLOW, "fetch-depth: 0"),
    ("base", 0, "pull_request_target", Hub.pull_request, NOT_THERE, "--since origin/main..."),
    ("base", 1, "push", lambda hub: hub.push(hub.first), SHALLOW, "fetch-depth: 0"),
]


def test_a_clone_that_lacks_what_was_there_before_says_what_to_fetch(hub: Hub) -> None:
    for commit, depth, name, event, error, hint in FAILING:
        with pytest.raises(PromptsyncError) as caught:
            names(hub.checkout(getattr(hub, commit), depth), name, event(hub))
        assert (caught.value.exit_code, caught.value.code) == error
        assert hint in caught.value.hint
    # A forced push took the old commit away.
    hub.origin.git("reset", "-q", "--hard", hub.first)
    hub.origin.put({A: THREE})
    clone = hub.checkout(hub.origin.commit())
    forced = hub.push(hub.base)
    with pytest.raises(PromptsyncError) as caught:
        names(clone, "push", forced)
    assert (caught.value.exit_code, caught.value.code) == (2, "unknown-revision")
    assert f"git fetch origin {hub.base}" in caught.value.hint
    clone.git("fetch", "-q", "origin", hub.base)
    assert names(clone, "push", forced) == "a"


def test_a_merge_group_names_the_branch_that_it_will_be_merged_into(tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    variables = {"GITHUB_EVENT_NAME": "merge_group", "GITHUB_EVENT_PATH": str(path)}
    path.write_text('{"merge_group": {"base_ref": "refs/heads/release/1"}}', "utf-8")
    assert branch_to_merge_into(variables) == "release/1"
    path.write_text("{}", "utf-8")
    with pytest.raises(PromptsyncError, match="merge_group"):
        branch_to_merge_into(variables)
    assert branch_to_merge_into({"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "release/1"}) == "release/1"


# -- nothing before --------------------------------------------------------------------------------------


def test_an_event_with_nothing_before_it_is_an_error_and_no_empty_set(hub: Hub) -> None:
    clone = hub.checkout(hub.base)
    for name, event, ref in (
        ("workflow_dispatch", {**MANUAL, "ref": MAIN}, MAIN),
        ("schedule", {"schedule": "0 3 * * *", "repository": REPOSITORY}, MAIN),
        ("push", {"ref": "refs/tags/v1", "before": ZEROS, "repository": REPOSITORY}, "refs/tags/v1"),
    ):
        with pytest.raises(PromptsyncError, match=f"a {name} event") as caught:
            resolved(clone, name, event, ref)
        assert (caught.value.exit_code, caught.value.code) == (2, "nothing-before")
        assert "--since HEAD~1" in caught.value.hint
        assert resolved(clone, name, event, ref, required=False) is None
        assert resolved(clone, name, event, ref, since="HEAD") == "HEAD"
    # The option counts even when it is empty.
    since = resolved(clone, "push", hub.push(hub.first), since="")
    with pytest.raises(PromptsyncError, match="is not a commit"):
        clone.changed(since)


# -- events that cannot be read --------------------------------------------------------------------------


UNREADABLE = [
    ("push", "[" * 100_000, "not such an event"),
    ("push", "\udcff", "malformed"),
    ("push", '{"before": null}', "no before"),
    ("pull_request", '{"pull_request": 7}', "no pull_request.base.sha"),
    ("merge_group", "{}", "no merge_group"),
    ("push", None, "No such file"),
]


def test_an_event_that_is_not_as_github_writes_it_is_an_error(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    for name, content, why in UNREADABLE:
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content.encode("utf-8", "surrogateescape"))
        variables = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path)}
        with pytest.raises(PromptsyncError) as caught:
            resolve_since(session(hub.origin, variables), None)
        assert (caught.value.exit_code, caught.value.code) == (2, "event-file")
        assert why in caught.value.message and str(path) in caught.value.message
    with pytest.raises(PromptsyncError, match="GITHUB_EVENT_PATH is not set") as caught:
        resolve_since(session(hub.origin, {**variables, "GITHUB_EVENT_PATH": ""}), None)
    assert caught.value.code == "event-file"


# -- GitLab ----------------------------------------------------------------------------------------------


PIPELINES: list[tuple[dict[str, str], str | None]] = [
    ({"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_DIFF_BASE_SHA": A40}, f"{A40}..."),
    ({"CI_MERGE_REQUEST_DIFF_BASE_SHA": ZEROS, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": A40}, f"{A40}..."),
    ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature", "CI_COMMIT_BEFORE_SHA": A40}, A40),
    # The first push of a branch, then that of a repository.
    ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature"}, "origin/main..."),
    ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}, ZEROS),
    ({"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "feature"}, "origin/main..."),
    ({"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "main"}, None),
    ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "v1"}, None),
]


def test_a_pipeline_of_gitlab_is_compared_with_what_was_there_before(hub: Hub) -> None:
    always = {"GITLAB_CI": "true", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_BEFORE_SHA": ZEROS}
    for variables, since in PIPELINES:
        running = session(hub.origin, always | variables)
        assert resolve_since(running, None, required=False) == since
        assert resolve_since(running, "HEAD~1") == "HEAD~1"
        if since is None:
            with pytest.raises(
                PromptsyncError, match=f"a {variables['CI_PIPELINE_SOURCE']} pipeline"
            ) as caught:
                resolve_since(running, None)
            assert (caught.value.exit_code, caught.value.code) == (2, "nothing-before")

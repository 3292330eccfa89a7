"""``--since`` in GitHub Actions and GitLab CI: which state each event, as they write it, is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptsync.commands.shared.ci import branch_to_merge_into, resolve_since
from promptsync.commands.shared.session import Session
from promptsync.errors import PromptsyncError

ZEROS = "0" * 40
BASE, BEFORE = "b" * 40, "a" * 40
MAIN, BRANCH, TAG = "refs/heads/main", "refs/heads/feature", "refs/tags/v1"
REPOSITORY = {"repository": {"full_name": "acme/bot", "default_branch": "main"}}
PULL = {"before": BEFORE, "pull_request": {"number": 7, "base": {"ref": "main", "sha": BASE}}}
GROUP = {"merge_group": {"head_sha": BEFORE, "base_sha": BASE, "base_ref": "refs/heads/release/1"}}


def variables(path: Path, name: str, event: Any, ref: str = MAIN) -> dict[str, str]:
    path.write_text(json.dumps({**event, **REPOSITORY}), "utf-8")
    return {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path), "GITHUB_REF": ref}


def resolved(environ: Mapping[str, str], since: str | None = None, *, required: bool = True) -> str | None:
    return resolve_since(Session(environ), since, required=required)


def failure(environ: Mapping[str, str]) -> PromptsyncError:
    with pytest.raises(PromptsyncError) as caught:
        resolved(environ)
    assert caught.value.exit_code == 2
    return caught.value


# The name of the event, its text, its ref, and what it is compared with; with nothing, it is an error.
EVENTS: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("pull_request", PULL, "refs/pull/7/merge", f"{BASE}..."),
    ("merge_group", GROUP, "refs/heads/gh-readonly-queue/main/pr-7", f"{BASE}..."),
    ("push", {"before": BEFORE}, MAIN, BEFORE),
    ("push", {"before": ZEROS}, BRANCH, "origin/main..."),
    ("push", {"before": ZEROS}, MAIN, ZEROS),
    ("push", {"before": ZEROS}, TAG, None),
    ("workflow_dispatch", {"inputs": {}}, BRANCH, "origin/main..."),
    ("workflow_dispatch", {"inputs": {}}, MAIN, None),
    ("schedule", {"schedule": "0 3 * * *"}, MAIN, None),
]


def test_an_event_is_compared_with_what_was_there_before(tmp_path: Path) -> None:
    for name, event, ref, since in EVENTS:
        environ = variables(tmp_path / "event.json", name, event, ref)
        assert resolved(environ, required=False) == since, (name, ref)
        assert [resolved(environ, option) for option in ("HEAD", "")] == ["HEAD", ""]  # the option counts
        if since is None:
            error = failure(environ)
            assert (error.code, f"a {name} event" in error.message) == ("nothing-before", True)
            assert "--since HEAD~1" in error.hint
        else:
            assert resolved(environ) == since
    # What this event checks out is the base, of which nothing changed.
    error = failure(variables(tmp_path / "event.json", "pull_request_target", PULL))
    assert (error.code, "--since origin/main..." in error.hint) == ("not-checked-out", True)

    # A merge group names the branch that it will be merged into.
    assert branch_to_merge_into(variables(tmp_path / "event.json", "merge_group", GROUP)) == "release/1"
    with pytest.raises(PromptsyncError, match="merge_group"):
        branch_to_merge_into(variables(tmp_path / "event.json", "merge_group", {}))
    assert branch_to_merge_into({"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "release/1"}) == "release/1"


UNREADABLE = [
    ("push", "[" * 100_000, "not such an event"),
    ("push", "\udcff", "malformed"),
    ("push", '{"before": null}', "no before"),
    ("pull_request", '{"pull_request": 7}', "no pull_request.base.sha"),
    ("merge_group", "{}", "no merge_group"),
    ("push", None, "No such file"),
]


def test_an_event_that_is_not_as_github_writes_it_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    for name, content, why in UNREADABLE:
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content.encode("utf-8", "surrogateescape"))
        environ = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path)}
        error = failure(environ)
        assert (error.code, why in error.message, str(path) in error.message) == ("event-file", True, True)
    assert "GITHUB_EVENT_PATH is not set" in failure({**environ, "GITHUB_EVENT_PATH": ""}).message


PIPELINES: list[tuple[dict[str, str], str | None]] = [
    ({"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE}, f"{BASE}..."),
    ({"CI_MERGE_REQUEST_DIFF_BASE_SHA": ZEROS, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": BASE}, f"{BASE}..."),
    ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature", "CI_COMMIT_BEFORE_SHA": BEFORE}, BEFORE),
    # The first push of a branch, then that of a repository.
    ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature"}, "origin/main..."),
    ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}, ZEROS),
    ({"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "feature"}, "origin/main..."),
    ({"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "main"}, None),
    ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "v1"}, None),
]


def test_a_pipeline_of_gitlab_is_compared_with_what_was_there_before() -> None:
    always = {"GITLAB_CI": "true", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_BEFORE_SHA": ZEROS}
    for pipeline, since in PIPELINES:
        environ = always | pipeline
        assert resolved(environ, required=False) == since
        assert resolved(environ, "HEAD~1") == "HEAD~1"
        if since is None:
            error = failure(environ)
            source = f"a {pipeline['CI_PIPELINE_SOURCE']} pipeline"
            assert (error.code, source in error.message) == ("nothing-before", True)

"""The jobs in GitLab, run as a runner does: what only they have."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer
from xml.etree import ElementTree

import gitlab_team
import pytest
import yaml
from gitlab_team import TOKEN, Team
from host import BOT, GITLAB, PROJECT, serving
from team import DRIFT, LINK, MARKER, NUMBER, SETTLE, SOFTER
from test_gitlab_files import STARTER


@pytest.fixture
def team(template: Path, tmp_path: Path) -> Iterator[Team]:
    with gitlab_team.opened(template, tmp_path / "team") as team:
        team.branch()
        yield team


# -- for merge requests ----------------------------------------------------------------------------------


def test_a_merge_request_gets_a_note_with_tables_and_plan_and_reports(team: Team) -> None:
    team.runner.variables["PROMPTSYNC_EVALUATE"] = "label"
    team.edit("support/refund", *SOFTER, "Soften the tone")
    topic, event = team.merge_request()
    # The pipeline runs on the merged result. What others merged meanwhile is no part of this merge request.
    git = team.world.git
    git("switch", "-q", "main")
    team.edit("support/triage", "Choose exactly one", "Choose one")
    event |= {"CI_MERGE_REQUEST_TARGET_BRANCH_SHA": team.push(), "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": topic}
    team.world.ok("deploy", PROMPTSYNC_REMOTE=team.world.url)
    git("merge", "-q", "--no-ff", "-m", "Try", "topic")
    git("push", "-q", "origin", "HEAD:refs/merge-requests/7/merge")
    team.world.forget()
    labels = {"CI_MERGE_REQUEST_LABELS": "bug,evaluate"}
    done = team.runner.run(git("rev-parse", "HEAD").strip(), event | labels)["prompts-check"]
    assert done.passed, str(done)
    for text in (team.comment, done.log, done.artifacts["prompts.md"]):
        assert "**1 prompt to release to `prod`**" in text
        assert "+You answer questions about refunds" in text
    assert f"### Prompts at {topic}" in team.comment
    assert "triage accuracy" not in done.artifacts["tables.xml"]
    assert [seen for seen in team.world.writes if "/tables" not in seen.path] == []
    # Only commands that need the key or the token get them.
    *others, last = [line for line in done.seen if not line.startswith("git ")]  # of promptsync
    own = [f"promptsync {words}" for words in ("lint", "diff", "eval key", "deploy key")]
    assert others == ["python3 -m", "pip install", *own]
    assert last.startswith("python3 /") and last.endswith("/gitlab.py token")
    assert TOKEN not in str(done)


def test_a_table_that_fails_makes_the_job_red_and_the_next_push_updates_the_note(team: Team) -> None:
    team.worsen()
    done = team.check()
    assert done.code == 1, str(done)
    assert "support/triage (triage accuracy)" in team.comment and "minimum of 90" in team.comment
    assert LINK in team.comment and "triage accuracy" in done.artifacts["prompts.html"]
    suites = ElementTree.fromstring(done.artifacts["tables.xml"])
    assert int(suites.get("failures", "0")) > 0
    team.runner.variables["PROMPTSYNC_EVALUATE"] = "label"
    done = team.check({"CI_MERGE_REQUEST_LABELS": "bug,evaluated"})
    assert done.passed and "prompts.html" not in done.artifacts and "minimum of 90" not in team.comment


def test_without_a_key_or_a_token_the_job_does_what_it_can_and_says_the_rest(team: Team) -> None:
    token = team.runner.variables.pop("PROMPTSYNC_TOKEN")
    team.edit("support/refund", *SOFTER)
    done = team.check()
    assert done.passed and "**1 prompt to release to `prod`**" in done.log, str(done)
    assert "No note on the merge request" in done.log
    assert team.host.calls == []
    team.runner.variables["PROMPTSYNC_TOKEN"] = token
    del team.runner.variables["PROMPTLAYER_API_KEY"]
    assert team.check().passed
    assert "is not available" in team.comment and "+You answer questions about refunds" in team.comment
    done = team.check({"CI_MERGE_REQUEST_DIFF_BASE_SHA": "1" * 40}, fork=True)
    assert done.code == 2 and "1" * 40 in done.artifacts["prompts.md"], str(done)
    assert "PROMPTSYNC_TOKEN is not available" in done.log
    team.host.tokens.clear()
    done = team.check()
    assert done.code == 1 and "GitLab returned 401 to GET user" in done.log and "scope api" in done.log
    assert "Traceback" not in done.log


def write_note(place: Path, text: str, url: str) -> subprocess.CompletedProcess[str]:
    """Write a note as the job does."""
    jobs = yaml.safe_load((STARTER / "promptsync.gitlab-ci.yml").read_text("utf-8"))
    environ = {**os.environ, "work": str(place), "CI_API_V4_URL": url, "PROMPTSYNC_TOKEN": TOKEN}
    subprocess.run(["sh", "-c", jobs[".promptsync"]["before_script"][1]], env=environ, check=True)
    (place / "note.md").write_text(text)
    arguments = ["note", str(place / "note.md"), str(PROJECT), str(NUMBER), "yes"]
    command = [sys.executable, str(place / "gitlab.py"), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_no_line_of_a_note_is_a_quick_action(tmp_path: Path) -> None:
    """Older GitLabs take a line in a fence for one if another line of it has three backticks."""
    with serving(GITLAB, tmp_path / "origin.git") as host:
        host.tokens[TOKEN] = BOT
        done = write_note(tmp_path, "````text\n```\n/merge\nthe end\n````\n", f"{host.url}/api/v4")
    assert done.returncode == 0, done.stderr
    assert host.comments[0]["body"] == f"{MARKER}\n````text\n```\n /merge\nthe end\n````\n"


OK = b"HTTP/1.1 200 OK\r\nContent-Length: "


@pytest.mark.parametrize("answer", [b"", OK + b"2\r\n\r\n<", OK + b"6\r\n\r\n<html>"])
def test_a_gitlab_that_does_not_answer_is_named(tmp_path: Path, answer: bytes) -> None:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)

    with TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = write_note(tmp_path, "text", f"http://127.0.0.1:{server.server_address[1]}")
        thread.join()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("error: no answer of GitLab to GET user: ")


# -- for dashboard edits ---------------------------------------------------------------------------------


def test_only_what_pulls_and_opens_the_merge_request_gets_a_secret_and_needs_it(team: Team) -> None:
    # The merge request of a fork, from a branch of the same name, stays as it is.
    fork = {"number": 99, "iid": 99, "source_project_id": PROJECT + 1, "description": "of a fork"}
    branches = {"state": "opened", "source_branch": DRIFT, "target_branch": "main"}
    team.host.requests.append({**fork, **branches, "title": "Pull dashboard edits"})
    team.edit_in_registry("support/refund", *SETTLE)
    done = team.drift()
    assert done.passed, str(done)
    theirs, found = team.host.requests
    assert theirs["description"] == "of a fork" and "support/refund" in found["description"]
    assert found["remove_source_branch"] and team.host.pushes == [TOKEN]
    author = team.host.git("log", "-1", "--format=%an %ae", DRIFT)
    assert author == "promptsync promptsync@noreply.gitlab.example.com"
    pull, opens = done.trusted
    assert pull == "promptsync pull key" and opens.startswith("python3 ") and opens.endswith(" token")
    # Without a token, an edit fails the job and is shown.
    del team.runner.variables["PROMPTSYNC_TOKEN"]
    done = team.drift()
    assert done.code == 1 and "set the variable PROMPTSYNC_TOKEN" in done.log
    assert "+You settle refunds" in done.log and team.host.pushes == [TOKEN]

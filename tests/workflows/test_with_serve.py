"""All workflows one after the other, against ``promptsync serve`` in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from actions import GitHub
from team import NUMBER, Team, example
from worlds import KEY, World


@dataclass
class Caller:
    """Calls a registry over HTTP, as somebody without promptsync."""

    client: httpx.Client

    def __call__(self, method: str, target: str, body: Any = None) -> Any:
        answer = self.client.request(method, target, json=body)
        return SimpleNamespace(status=answer.status_code, body=answer.json())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Team]:
    """The example, nothing published yet, with the registry that ``promptsync serve`` makes of it."""
    root = tmp_path / "copy"
    root.mkdir()
    command = [sys.executable, "-m", "promptsync", "-C", str(root), "serve", "--port", "0"]
    subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
    example(root)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        client = httpx.Client(transport=httpx.HTTPTransport(), base_url=url, headers={"X-API-KEY": KEY})
        try:
            with client:
                world = World(root, Caller(client), url)  # type: ignore[arg-type]
                world.commit("Start with the example")
                hub = GitHub(tmp_path / "github")
                hub.variables["PROMPTSYNC_REMOTE"] = url
                hub.secrets["PROMPTLAYER_API_KEY"] = KEY
                world.git("remote", "add", "origin", str(hub.origin))
                world.git("push", "-q", "origin", "main")
                yield Team(world, hub)
        finally:
            process.terminate()


def test_a_repository_lives_with_all_of_them(served: Team) -> None:
    first = served.deploy()
    assert first.passed, str(first)
    assert first.job_outputs["count"] == "7"

    served.branch()
    served.edit("support/refund", "You answer refund questions", "You answer questions about refunds")
    check = served.check()
    assert check.passed, str(check)
    (comment,) = served.hub.comments
    assert "support/refund  v1 -> v2" in comment

    event = served.merge()
    (fingerprint,) = re.findall(r"fingerprint `(\w+)`", comment)
    planned = served.world.run("deploy", "-n", "--expect", fingerprint, PROMPTSYNC_REMOTE=served.world.url)
    assert planned.code == 0, str(planned)
    deploy = served.deploy(event)
    assert deploy.passed, str(deploy)
    assert json.loads(deploy.job_outputs["released"]) == {"support/refund": 2}

    version = served.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    drift = served.drift("repository_dispatch")
    assert drift.passed, str(drift)
    (pull,) = served.hub.pulls
    assert "support/triage" in pull["body"] and pull["number"] != NUMBER

    served.world.git("fetch", "-q", "origin")
    last = served.deploy(served.merge("origin/promptsync/drift-main"))
    assert last.passed, str(last)
    assert served.world.version("support/triage") == version
    assert json.loads(last.job_outputs["released"]) == {"support/triage": version}

"""``promptsync relay`` in a process of its own, and the same application under another host."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from relaying import APPROVAL, SECRET, TOKEN, api, event, sign
from scripted_registry import Reply
from worlds import World

SECRETS = {"PROMPTLAYER_WEBHOOK_SECRET": SECRET, "PROMPTSYNC_RELAY_TOKEN": TOKEN}


@contextmanager
def relay(world: World, api_url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the verb on a free port; the value is the process and its URL."""
    arguments = ["relay", "--port", "0", "--github", "team/prompts", "--api-url", api_url]
    with world.started(*arguments, **SECRETS) as process:
        assert process.stderr is not None
        yield process, process.stderr.readline().partition(" ")[0]


def send(url: str, payload: object) -> int:
    headers = {"X-PromptLayer-Signature": sign(payload)}
    with httpx.Client(trust_env=False) as client:
        return client.post(url, content=json.dumps(payload), headers=headers).status_code


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_starts_what_waits_and_ends_it_cleanly(local: World, ending: signal.Signals) -> None:
    local.put("promptsync.yaml", "include: ['support/*']\n")
    below = replace(local, root=local.root / "prompts")
    with api() as github, relay(below, github.url) as (process, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert httpx.get(f"{url}/health", trust_env=False).json() == {"status": "ok"}
        for payload in (event(), {**event(), "user_id": 9}, event(APPROVAL, prompt_template_label="prod")):
            assert send(url, payload) == 202
        assert send(url, event()) == 200 and send(url, event(name="other")) == 200
        assert github.requests == []
        process.send_signal(ending)
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "")
        bodies = sorted(request.body["event_type"] for request in github.requests)
        assert bodies == ["promptsync-approved", "promptsync-drift"]
    assert "Traceback" not in err
    words = re.findall(r"(?m)^\d{4}-\d\d-\d\d [\d:,]+ [A-Z]+ (\w+)", err)
    assert words == ["received", "merged", "received", "dropped", "dropped", "started", "started"]
    assert SECRET not in err and TOKEN not in err


def test_a_stop_while_the_api_fails_is_bounded_and_said(local: World) -> None:
    with api() as github, relay(local, github.url) as (process, url):
        github.replies = [Reply(b"", 500)]
        assert send(url, event()) == 202
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 5 and len(github.requests) == 1
    assert "stopped before every workflow was started; the nightly run finds what changed" in err
    assert "Traceback" not in err


_HOST = """
import io, sys
from promptsync.relay import create_app
api_url, secret, token, signature, body = sys.argv[1:]
app = create_app(secret=secret, token=token, github="team/prompts", api_url=api_url)
environ = {
    "REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO(body.encode()),
    "CONTENT_LENGTH": str(len(body)), "HTTP_X_PROMPTLAYER_SIGNATURE": signature,
}
print(app(environ, lambda status, headers: print(status)))
"""


def test_under_another_host_what_waits_is_started_when_the_process_ends(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(local.root)
    with api() as github:
        done = local.outside("-c", _HOST, github.url, SECRET, TOKEN, sign(event()), json.dumps(event()))
        assert done.out.startswith("202 ACCEPTED") and done.err == ""
        assert len(github.requests) == 1


WRONG: list[tuple[str, str, str, str]] = [
    ("--github a/b", "", "PROMPTSYNC_RELAY_TOKEN is not set", "export PROMPTSYNC_RELAY_TOKEN=VALUE"),
    ("--github a/b", "a\nb", "contains spaces or other", "export"),
    ("", TOKEN, "pass --github OWNER/REPO or --gitlab GROUP/PROJECT", "promptsync relay --help"),
    ("--github a/b --api-url http://x.y", TOKEN, "is not an https URL", "use https://HOST/api/v3"),
    ("--gitlab a/b --api-url x", TOKEN, "is not an https URL", "use https://HOST/api/v4"),
    ("--github a/b --host nowhere.invalid", TOKEN, "cannot listen on nowhere.invalid", "choose another"),
]


def test_what_is_wrong_is_a_usage_error(local: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (local.root / "promptsync.yaml").unlink()
    local.says(2, "no promptsync.yaml", "relay", "--github", "a/b", **SECRETS)
    local.put("promptsync.yaml", "prompts: prompts\n")
    for arguments, token, message, hint in WRONG:
        tokens = {"PROMPTSYNC_RELAY_TOKEN": token} if token else {}
        environ = {"PROMPTLAYER_WEBHOOK_SECRET": SECRET, **tokens}
        done = local.says(2, message, "relay", *arguments.split(), **environ)
        assert (done.out, f"hint: {hint}" in done.err) == ("", True)
        assert SECRET not in done.err and TOKEN not in done.err
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    local.says(2, "hint: check SSL_CERT_FILE", "relay", "--github", "a/b", **SECRETS)
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr("promptsync.server.app.find_spec", lambda name: None)
    local.says(2, "pip install 'promptsync[serve]'", "relay", "--github", "a/b", **SECRETS)

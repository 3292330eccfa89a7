"""A relay on a loopback socket, with a fake API of GitHub or GitLab behind it and a clock that tests set."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import httpx
from clock import Clock
from registry_server import running
from scripted_registry import DROPPED, Reply, Seen, serving

from promptsync.files.config import parse
from promptsync.relay import Dispatcher, Relay, start_of

SECRET = "whsec_7d1f"
TOKEN = "ghp_of_the_relay"
CONFIG = "include: ['support/*']\nlabels: {trunk: prod}\n"
EDIT = "prompt_template_version_created"
APPROVAL = "prompt_template_label_change_approved"


def event(kind: str = EDIT, name: str = "support/refund", **details: Any) -> dict[str, Any]:
    """An event as PromptLayer's manual shows it."""
    return {
        "event_type": kind,
        "details": {"prompt_template_name": name, "prompt_template_id": 7, **details},
        "user_id": 3,
        "user_name": None,
        "user_email": "ann@example.com",
        "workspace_id": 1,
        "timestamp": "2026-01-02T03:04:05.678901",
    }


def sign(payload: Any, secret: str = SECRET) -> str:
    """PromptLayer's recipe for Python."""
    text = json.dumps(payload, sort_keys=True)
    return hmac.new(key=secret.encode(), msg=text.encode("utf-8"), digestmod=hashlib.sha256).hexdigest()


@dataclass
class Api:
    """``replies`` come first; then the API accepts everything."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    requests: list[Seen] = field(default_factory=list)
    accepted: SimpleQueue[Seen] = field(default_factory=SimpleQueue)
    hangs: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    def react(self, seen: Seen) -> Reply:
        self.requests.append(seen)
        if self.hangs:
            self.released.wait(60)
            return DROPPED
        reply = self.replies.pop(0) if self.replies else Reply(b"", 204)
        if reply.status < 300:
            self.accepted.put(seen)
        return reply


@contextmanager
def api(port: int = 0) -> Iterator[Api]:
    state = Api()
    with serving(state.react, port) as state.url:
        try:
            yield state
        finally:
            state.released.set()


CLIENT = httpx.Client(trust_env=False, verify=False)
"""One for all tests: each would load certificates."""


@dataclass
class Site:
    """A relay without its thread: ``pass_time`` does what the thread would do by then."""

    url: str
    relay: Relay
    clock: Clock

    def send(self, payload: Any, signature: str | None = None, *, path: str = "/") -> httpx.Response:
        """Send an event with a signature, by default its own."""
        headers = {"X-PromptLayer-Signature": sign(payload) if signature is None else signature}
        return self.send_raw(json.dumps(payload).encode(), headers, path=path)

    def send_raw(self, body: bytes, headers: dict[str, str], *, path: str = "/") -> httpx.Response:
        return CLIENT.post(self.url + path, content=body, headers=headers)

    def health(self) -> tuple[int, str]:
        answer = CLIENT.get(f"{self.url}/health")
        return answer.status_code, answer.json()["status"]

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.relay.dispatcher.send()


@contextmanager
def relaying(
    api_url: str, *, gitlab: bool = False, config: str = CONFIG, has_thread: bool = False
) -> Iterator[Site]:
    loaded = parse(Path("promptsync.yaml"), config.encode())
    names = ("", "team/prompts") if gitlab else ("team/prompts", "")
    start = start_of(*names, token=TOKEN, api_url=api_url, branch=next(iter(loaded.labels), "main"))
    clock = Clock()
    dispatcher = Dispatcher(start, TOKEN, clock)
    if not has_thread:
        unstarted = SimpleNamespace(ident=None, start=lambda: None, is_alive=lambda: False)
        dispatcher._thread = unstarted  # type: ignore[assignment]
    relay = Relay(SECRET, loaded, dispatcher)
    logging.getLogger("promptsync.relay").setLevel(logging.INFO)
    with running(relay) as url:
        yield Site(url, relay, clock)

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import httpx
from clock import Clock
from registry_server import running

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
class Started:
    """A request that the API got."""

    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Api:
    """``replies`` come first, each a status, headers and a body; then the API accepts everything."""

    url: str = ""
    replies: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[Started] = field(default_factory=list)
    accepted: SimpleQueue[Started] = field(default_factory=SimpleQueue)
    hangs: bool = False
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def api(port: int = 0) -> Iterator[Api]:
    state = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            request = Started(self.path, dict(self.headers.items()), body)
            state.requests.append(request)
            if state.hangs:
                state.released.wait(60)
                self.close_connection = True
                return
            status, headers, answer = state.replies.pop(0) if state.replies else (204, {}, b"")
            if status < 300:
                state.accepted.put(request)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


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

"""Clients that hold connections to a registry, and clients that write to it at the same time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx

HEAD = "{} HTTP/1.1\r\nHost: HERE\r\nX-API-KEY: k\r\nContent-Type: application/json\r\n"
PUBLISH = HEAD.format("POST /rest/prompt-templates")
WAYS_TO_WAIT = {
    "silent": "",
    "half-the-headers": PUBLISH,
    "half-the-body": PUBLISH + 'Content-Length: 9000\r\n\r\n{"prompt_name": "never',
    "half-a-chunk": PUBLISH + "Transfer-Encoding: chunked\r\n\r\nffff\r\n{",
    "after-a-response": HEAD.format("GET /prompt-templates") + "\r\n",
}
"""What a client sends before it waits; HERE stands for the host."""

SHARED = "shared"
KEY = {"X-API-KEY": "k"}


class Write(NamedTuple):
    """A version, as it was written or read back."""

    name: str
    version: int
    text: str


@contextlib.contextmanager
def hold(url: str, count: int) -> Iterator[list[socket.socket]]:
    """Hold connections, in turn in each of the ways; those with half a request send a byte now and then."""
    host = url.removeprefix("http://")
    address = host.rpartition(":")[0], int(host.rpartition(":")[2])
    ways = list(WAYS_TO_WAIT)
    finished = threading.Event()
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(count)]
        for number, connection in enumerate(held):
            connection.sendall(WAYS_TO_WAIT[ways[number % len(ways)]].replace("HERE", host).encode())
        slow = [held[number] for number in range(count) if ways[number % len(ways)].startswith("half")]
        dripper = threading.Thread(target=_drip, args=(slow, finished))
        dripper.start()
        try:
            yield held
        finally:
            finished.set()
            dripper.join()


def _drip(slow: list[socket.socket], finished: threading.Event) -> None:
    while not finished.wait(0.5):
        for connection in slow:
            with contextlib.suppress(OSError):
                connection.sendall(b"x")


def write_all(url: str, *, writers: int, writes: int) -> list[Write]:
    """Let all writers start at once; each writes to a prompt of its own and to one that all share."""
    barrier = threading.Barrier(writers)

    def write_some(writer: int) -> list[Write]:
        made = []
        with httpx.Client(base_url=url, headers=KEY, timeout=60, trust_env=False) as client:
            barrier.wait()
            for number in range(writes):
                name = SHARED if number % 2 else f"writer-{writer}"
                text = f"{writer}/{number}"
                template = {"type": "completion", "content": [{"type": "text", "text": text}]}
                body = {"prompt_name": name, "prompt_template": template}
                response = client.post("/rest/prompt-templates", json=body)
                response.raise_for_status()
                made.append(Write(name, response.json()["version_number"], text))
        return made

    with ThreadPoolExecutor(writers) as pool:
        return [write for written in pool.map(write_some, range(writers)) for write in written]


def read_back(url: str) -> list[Write]:
    """Return every version of every prompt in the registry."""
    stored = []
    with httpx.Client(base_url=url, headers=KEY, timeout=60, trust_env=False) as client:
        page, pages = 1, 1
        while page <= pages:
            listed = client.get("/prompt-templates", params={"page": page, "per_page": 100}).json()
            page, pages = page + 1, listed["pages"]
            for item in listed["items"]:
                name = item["prompt_name"]
                for version in range(1, item["version"] + 1):
                    raw = client.get(f"/prompt-templates/{name}", params={"version": version}).json()
                    stored.append(Write(name, version, raw["prompt_template"]["content"][0]["text"]))
    return stored

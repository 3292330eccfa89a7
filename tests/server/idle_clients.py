"""Clients that hold connections to a registry, and clients that write to it at the same time.

``python tests/server/idle_clients.py`` starts ``promptsync serve``, holds 120 connections, lets 50 clients
write at once, reads every version back, and prints how many writes were acknowledged, lost and doubled.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Write:
    """An acknowledged write."""

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


def lost_and_doubled(written: list[Write], stored: list[Write]) -> tuple[int, int]:
    """Return how many acknowledged writes are not in the registry, and how many texts are there twice."""
    counts = Counter((write.name, write.text) for write in stored)
    return len(set(written) - set(stored)), sum(count - 1 for count in counts.values())


def main() -> int:
    writers, writes, idle = 50, 20, 120
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "promptsync", "-C", folder, "serve", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                url = server.stdout.readline().strip()
                with hold(url, idle):
                    began = time.monotonic()
                    written = write_all(url, writers=writers, writes=writes)
                    seconds = time.monotonic() - began
                    stored = read_back(url)
            finally:
                server.terminate()
    lost, doubled = lost_and_doubled(written, stored)
    for line in (
        f"{writers} writers with {idle} idle connections: {seconds:.1f} s",
        f"  sent          {writers * writes}",
        f"  acknowledged  {len(written)}",
        f"  versions      {len(stored)}",
        f"  lost          {lost}",
        f"  doubled       {doubled}",
    ):
        sys.stdout.write(line + "\n")
    return int(bool(lost or doubled or len(written) != len(stored)))


if __name__ == "__main__":
    sys.exit(main())

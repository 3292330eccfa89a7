"""Clients that hold connections to a registry."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

HEAD = "{} HTTP/1.1\r\nHost: HERE\r\nX-API-KEY: k\r\nContent-Type: application/json\r\n"
PUBLISH = HEAD.format("POST /rest/prompt-templates")
HALF = (
    PUBLISH,
    PUBLISH + 'Content-Length: 9000\r\n\r\n{"prompt_name": "never',
    PUBLISH + "Transfer-Encoding: chunked\r\n\r\nffff\r\n{",
)
WAYS_TO_WAIT = ("", *HALF, HEAD.format("GET /prompt-templates") + "\r\n")
"""What a client sends before it waits; HERE stands for the host."""


@contextlib.contextmanager
def hold(url: str, count: int) -> Iterator[None]:
    """Hold connections, in turn in each of the ways; those with half a request send a byte now and then."""
    host = url.removeprefix("http://")
    place, _, port = host.rpartition(":")
    slow, finished = [], threading.Event()

    def drip() -> None:
        while not finished.wait(0.5):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(b"x")

    with contextlib.ExitStack() as stack:
        for number in range(count):
            sent = WAYS_TO_WAIT[number % len(WAYS_TO_WAIT)]
            connection = stack.enter_context(socket.create_connection((place, int(port)), timeout=30))
            connection.sendall(sent.replace("HERE", host).encode())
            slow += [connection] if sent in HALF else []
        dripper = threading.Thread(target=drip)
        dripper.start()
        try:
            yield
        finally:
            finished.set()
            dripper.join()

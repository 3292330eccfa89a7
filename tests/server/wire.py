"""A client as raw as it gets: any bytes over a connection to a served registry."""

from __future__ import annotations

import socket
from http.client import parse_headers
from urllib.parse import urlsplit

from registry_server import Answer

CLOSED = Answer(0, {}, b"")


class Wire:
    """A connection to a URL; ``HERE`` in what it sends stands for the host."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._here = place.netloc.encode()
        family = socket.AF_INET6 if "[" in url else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(120)
        # The system would otherwise take in whatever a client does not read.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.socket.connect((place.hostname, place.port))
        self._received = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data.replace(b"HERE", self._here))

    def response(self) -> Answer:
        """Return the next response, or ``CLOSED``."""
        try:
            line = self._received.readline()
        except ConnectionError:
            return CLOSED
        if not line:
            return CLOSED
        headers = {name.lower(): value for name, value in parse_headers(self._received).items()}
        return Answer(
            int(line.split()[1]), headers, self._received.read(int(headers.get("content-length", 0)))
        )

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self._received.close()
        self.socket.close()


def sent(url: str, method: str, target: str, headers: dict[str, str], body: str = "") -> Answer:
    """Send one request with no header but these, a ``Host`` and the length of the body."""
    length = {"Content-Length": str(len(body.encode()))} if body else {}
    lines = [f"{name}: {value}" for name, value in {"Host": "HERE", **headers, **length}.items()]
    with Wire(url) as wire:
        wire.send("\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", body]).encode())
        return wire.response()

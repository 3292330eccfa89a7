"""What clients keep open, send slowly or send wrong costs them their connection, and the others nothing."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest
from idle_clients import hold, read_back, write_all
from registry_server import Caller, chat, flat, running

from promptsync.server import serve
from promptsync.server.app import create_app

LIST = b"GET /prompt-templates HTTP/1.1\r\nHost: HERE\r\nX-API-KEY: k\r\n"
PUBLISH = LIST.replace(b"GET /", b"POST /rest/") + b"Content-Type: application/json\r\n"
BODY = json.dumps(flat("a")).encode()
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture
def address(app) -> Iterator[tuple[str, int]]:
    with running(app) as url:
        yield address_of(url)


def address_of(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


class Wire:
    """A connection on which any bytes can be sent; ``HERE`` in them stands for the host."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._here = f"{address[0]}:{address[1]}".encode()
        self.socket = socket.socket()
        self.socket.settimeout(120)
        # The system would otherwise take in whatever a client does not read.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.socket.connect(address)
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data.replace(b"HERE", self._here))

    def response(self) -> tuple[int, bytes]:
        """Return the status and the body of the next response; ``(0, b"")`` when the connection is closed."""
        head = self._until(b"\r\n\r\n")
        if not head:
            return 0, b""
        status = int(head.split()[1])
        length = re.search(rb"content-length: ([0-9]+)", head, re.IGNORECASE)
        size = int(length[1]) if length else 0
        while len(self._buffer) < size and (data := self._receive()):
            self._buffer += data
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return status, body

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer and (data := self._receive()):
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(mark)
        return head

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()


# -- requests that are wrong ---------------------------------------------------------------------------------


def test_a_wrong_request_gets_an_error_and_the_next_client_a_response(address) -> None:
    for sent, status in (
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nHost: HERE\r\n\r\n", 403),
        (b"GET /prompt-templates HTTP/1.1\r\nX-API-KEY: k\r\n\r\n", 400),
        (LIST + b"Host: evil.example\r\n\r\n", 400),
        (LIST + b"A: " + b"b" * 400_000 + b"\r\n\r\n", 400),
        (PUBLISH + b"Content-Length: -1\r\n\r\n", 400),
        (PUBLISH + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (PUBLISH + CHUNKED + b"\r\nxyz\r\n", 400),
    ):
        with Wire(address) as wire:
            wire.send(sent)
            assert wire.response()[0] == status, sent
        with Wire(address) as wire:
            wire.send(LIST + b"\r\n")
            status, body = wire.response()
            assert (status, json.loads(body)["total"]) == (200, 0), sent


@pytest.mark.parametrize(
    "sent",
    [
        PUBLISH + LENGTH + BODY,
        PUBLISH + b"Expect: 100-continue\r\n" + LENGTH + BODY,
        PUBLISH + CHUNKED + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
        PUBLISH + CHUNKED + b"\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
        PUBLISH.replace(b"HTTP/1.1", b"HTTP/1.0") + LENGTH + BODY,
    ],
    ids=["length", "expect", "chunked", "tiny-chunks", "http-1.0"],
)
def test_all_forms_of_a_body_are_read(app, address, sent) -> None:
    with Wire(address) as wire:
        wire.send(sent)
        status, body = wire.response()
        if status == 100:
            status, body = wire.response()
    assert status == 201, body
    assert Caller(app)("GET", "/prompt-templates").body["total"] == 1


def test_pipelined_requests_are_answered_in_their_order(address) -> None:
    with Wire(address) as wire:
        wire.send(b"".join(PUBLISH + LENGTH + BODY for _ in range(20)))
        versions = [json.loads(wire.response()[1])["version_number"] for _ in range(20)]
    assert versions == list(range(1, 21))


def test_a_response_does_not_wait_for_its_headers_to_be_confirmed(address) -> None:
    with serve.bind("127.0.0.1", 0) as bound, socket.create_connection(bound.getsockname()):
        accepted, _ = bound.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_body_over_the_limit_is_refused_in_json_and_not_kept(address, monkeypatch) -> None:
    monkeypatch.setattr(serve, "MAX_BODY", 1000)
    for length in (b"Content-Length: 200000\r\n\r\n", CHUNKED + b"\r\n30d40\r\n"):
        with Wire(address) as wire:
            wire.send(PUBLISH + length + b" " * 200_000 + (b"\r\n0\r\n\r\n" if CHUNKED in length else b""))
            status, body = wire.response()
            assert (status, "larger than 1,000 bytes" in json.loads(body)["message"]) == (413, True), length
            wire.send(LIST + b"\r\n")
            assert wire.response()[0] == 200, length


# -- clients that wait ---------------------------------------------------------------------------------------


def test_a_body_that_does_not_arrive_is_given_up_and_publishes_nothing(app, address, monkeypatch) -> None:
    monkeypatch.setattr(serve, "BODY_SECONDS", 0.1)
    for sent in (LENGTH, LENGTH + BODY[:-1], CHUNKED + b"\r\n5\r\n{"):
        with Wire(address) as wire:
            wire.send(PUBLISH + sent)
            status, body = wire.response()
            assert (status, "was not complete" in json.loads(body)["message"]) == (408, True), sent
            assert wire.response() == (0, b""), sent  # closed
        assert Caller(app)("GET", "/prompt-templates").body["total"] == 0, sent


def test_a_body_for_a_wrong_key_is_not_waited_for(tmp_path) -> None:
    app = create_app(tmp_path / "r.db", api_key="right")
    with app, running(app) as url, Wire(address_of(url)) as wire:
        wire.send(PUBLISH + LENGTH)
        assert wire.response()[0] == 401


def test_a_client_that_leaves_in_the_middle_of_a_body_publishes_nothing(app, address) -> None:
    with Wire(address) as wire:
        wire.send(PUBLISH + b"Content-Length: 9000\r\n\r\n" + BODY)
    with Wire(address) as wire:
        wire.send(LIST + b"\r\n")
        assert json.loads(wire.response()[1])["total"] == 0


def test_a_client_that_does_not_read_holds_no_thread(app) -> None:
    call = Caller(app)
    for number in range(14):
        assert call("POST", "/rest/prompt-templates", flat(f"p{number}", chat("x" * 2_000_000))).status == 201
    with running(app, threads=1) as url, Wire(address_of(url)) as wire, Wire(address_of(url)) as other:
        wire.send((LIST + b"\r\n") * 2)
        assert wire.socket.recv(1)
        other.send(LIST.replace(b"templates", b"templates/labels") + b"\r\n")
        assert other.response()[0] == 200


def test_beyond_the_limit_of_connections_requests_are_refused_until_there_is_room(app, monkeypatch) -> None:
    monkeypatch.setattr(serve, "CONNECTIONS", 3)
    with running(app) as url, Wire(address_of(url)) as last:
        with Wire(address_of(url)), Wire(address_of(url)) as third:
            third.send(LIST + b"\r\n")
            assert third.response()[0] == 503
        status = 503
        while status == 503:  # until the server has noticed
            last.send(LIST + b"\r\n")
            status, _ = last.response()
        assert status == 200


def test_many_writers_lose_nothing_while_more_clients_wait(app) -> None:
    with running(app) as url, hold(url, 60):
        written = write_all(url, writers=10, writes=4)
        assert sorted(read_back(url)) == sorted(written)
    assert len(written) == 40

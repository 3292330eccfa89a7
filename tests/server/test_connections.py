"""What clients keep open, send slowly or send wrong costs them their connection, and the others nothing."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from idle_clients import WAYS_TO_WAIT, Write, hold, lost_and_doubled, read_back, write_all
from registry_server import Caller, chat, flat, running

from promptsync.server.app import create_app
from promptsync.server.http import connections
from promptsync.server.http.connections import Limits

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

    def is_closed(self) -> bool:
        """Wait for the server to close the connection; what it sent before is thrown away."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

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


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (b"nonsense\r\n\r\n", 400, "not valid HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "not valid HTTP"),
        (b"get / HTTP/1.1\r\nHost: HERE\r\n\r\n", 400, "Malformed HTTP method"),
        (b"GET http://[ HTTP/1.1\r\nHost: HERE\r\n\r\n", 400, "not valid HTTP"),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: HERE\r\n\r\n", 400, "Bad URI"),
        (b"GET /prompt-templates HTTP/1.1\r\nX-API-KEY: k\r\n\r\n", 400, "Host header is missing"),
        (LIST + b"Host: evil.example\r\n\r\n", 403, "not an address of this registry"),
        (LIST + b"no colon\r\n\r\n", 400, "Invalid header"),
        (LIST + b"a\x00b: c\r\n\r\n", 400, "Invalid header"),
        (LIST + b"A: b\nc\r\n\r\n", 400, "Bare CR or LF"),
        (LIST + b"A: b\r\n" * 100 + b"\r\n", 400, "more than 100 lines of headers"),
        (LIST + b"A: " + b"b" * 40_000 + b"\r\n\r\n", 431, "larger than 32,768 bytes"),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: HERE\r\n\r\n", 431, "larger than 32,768 bytes"),
        (PUBLISH + b"Content-Length: x\r\n\r\n", 400, "Content-Length is invalid"),
        (PUBLISH + b"Content-Length: -1\r\n\r\n", 400, "Content-Length is invalid"),
        (PUBLISH + b"Content-Length: +5\r\n\r\n", 400, "Content-Length is invalid"),
        (PUBLISH + b"Content-Length: 1_0\r\n\r\n", 400, "Content-Length is invalid"),
        (PUBLISH + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "Content-Length is invalid"),
        (PUBLISH + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, "not valid HTTP"),
        (PUBLISH + b"Content-Length: 99999999999\r\n\r\n", 413, "larger than 67,108,864 bytes"),
        (PUBLISH + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n", 413, "larger than"),
        (PUBLISH + b"Transfer-Encoding: gzip\r\n\r\n", 400, "only Transfer-Encoding is chunked"),
        (PUBLISH + CHUNKED + b"\r\nxyz\r\n", 400, "Invalid chunk size"),
        (PUBLISH + CHUNKED + b"\r\n-5\r\n", 400, "Invalid chunk size"),
        (PUBLISH + CHUNKED + b"\r\n2\r\n{}!!", 400, "Chunk not properly terminated"),
        (PUBLISH + CHUNKED + b"\r\n" + b"1" * 9000, 400, "a line longer than 1,024 bytes"),
        (PUBLISH + CHUNKED + b"\r\n0\r\nA: " + b"b" * 9000, 400, "a line longer than 1,024 bytes"),
    ],
    ids=lambda value: ascii(value[-40:]) if isinstance(value, bytes) else "",
)
def test_a_wrong_request_gets_an_error_in_json(app, address, sent, status, words) -> None:
    with Wire(address) as wire:
        wire.send(sent)
        found, body = wire.response()
        assert found == status
        assert words in json.loads(body)["message"]
    with Wire(address) as wire:
        wire.send(LIST + b"\r\n")
        found, body = wire.response()
        assert (found, json.loads(body)["total"]) == (200, 0)


@pytest.mark.parametrize(
    "sent",
    [
        PUBLISH + LENGTH + BODY,
        PUBLISH + b"Expect: 100-continue\r\n" + LENGTH + BODY,
        PUBLISH + CHUNKED + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
        PUBLISH + CHUNKED + b"\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
        PUBLISH + CHUNKED + b"\r\n%x;name=value\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (len(BODY), BODY),
        b"\r\n\r\n" + PUBLISH + LENGTH + BODY,
        PUBLISH.replace(b"HTTP/1.1", b"HTTP/1.0") + LENGTH + BODY,
    ],
    ids=["length", "expect", "chunked", "tiny-chunks", "extension-and-trailer", "empty-lines", "http-1.0"],
)
def test_all_forms_of_a_body_are_read(app, address, sent) -> None:
    with Wire(address) as wire:
        wire.send(sent)
        status, body = wire.response()
        if status == 100:
            status, body = wire.response()
    assert status == 201, body
    assert Caller(app)("GET", "/prompt-templates").body["total"] == 1


def test_expecting_to_continue_without_a_body_is_answered_at_once(address) -> None:
    with Wire(address) as wire:
        wire.send(LIST + b"Expect: 100-continue\r\n\r\n")
        assert wire.response()[0] == 200


def test_pipelined_requests_are_answered_in_their_order(app, address) -> None:
    with Wire(address) as wire:
        wire.send(b"".join(PUBLISH + LENGTH + BODY for _ in range(50)))
        versions = [json.loads(wire.response()[1])["version_number"] for _ in range(50)]
    assert versions == list(range(1, 51))


def test_the_headers_and_the_body_are_sent_at_once(app, address, monkeypatch) -> None:
    sent = []
    send = connections._Channel.send

    def recording(channel, data, **options):
        sent.append(bytes(data))
        return send(channel, data, **options)

    monkeypatch.setattr(connections._Channel, "send", recording)
    with Wire(address) as wire:
        wire.send(LIST + b"\r\n")
        status, body = wire.response()
    assert status == 200
    assert [data.partition(b"\r\n\r\n")[2] for data in sent] == [body]


def test_a_pipeline_ends_with_the_first_wrong_request(app, address) -> None:
    with Wire(address) as wire:
        wire.send(PUBLISH + LENGTH + BODY + b"nonsense\r\n\r\n" + PUBLISH + LENGTH + BODY)
        assert [wire.response()[0] for _ in range(3)] == [201, 400, 0]
    assert Caller(app)("GET", "/prompt-templates").body["items"][0]["version"] == 1


@pytest.mark.parametrize("size", [100, 200_000])
def test_a_body_over_the_limit_of_the_registry_is_refused_in_json(tmp_path, size) -> None:
    with (
        create_app(tmp_path / "r.db", max_body=10) as app,
        running(app) as url,
        Wire(address_of(url)) as wire,
    ):
        wire.send(PUBLISH + b"Content-Length: %d\r\n\r\n" % size + b" " * size)
        status, body = wire.response()
        assert status == 413
        assert "larger than 10 bytes" in json.loads(body)["message"]
        wire.send(LIST + b"\r\n")
        assert wire.response()[0] == 200


# -- clients that wait ---------------------------------------------------------------------------------------

NEVER = 3600.0
SOON = 0.2


@contextmanager
def limited(app, threads: int = 8, **limits: float) -> Iterator[tuple[str, int]]:
    """Serve with these limits alone: nothing else closes a connection."""
    full = {"request": NEVER, "response": NEVER, "idle": NEVER, "interval": 0.05, **limits}
    with running(app, threads, limits=Limits(**full)) as url:
        yield address_of(url)


@pytest.mark.parametrize(
    ("limit", "sent"),
    [
        ("idle", b""),
        ("idle", b"\r\n\r\n"),
        ("idle", LIST + b"\r\n"),
        ("request", b"G"),
        ("request", LIST),
        ("request", LIST + b"\r\n" + b"G"),
        ("request", PUBLISH + LENGTH),
        ("request", PUBLISH + LENGTH + BODY[:-1]),
        ("request", PUBLISH + CHUNKED + b"\r\n5\r\n{"),
        ("request", PUBLISH + b"Expect: 100-continue\r\n" + LENGTH),
    ],
    ids=lambda value: ascii(value[-30:]) if isinstance(value, bytes) else value,
)
def test_a_client_that_does_not_go_on_is_hung_up_on(app, limit, sent) -> None:
    with limited(app, **{limit: SOON}) as address, Wire(address) as wire:
        wire.send(sent)
        assert wire.is_closed()
    assert Caller(app)("GET", "/prompt-templates").body["total"] == 0


def test_a_byte_now_and_then_does_not_extend_the_deadline(app) -> None:
    with limited(app, request=SOON) as address, Wire(address) as wire:
        wire.send(LIST + b"A: ")
        closed = threading.Event()
        threading.Thread(target=lambda: wire.is_closed() and closed.set()).start()
        for _ in range(12_000):
            if closed.wait(0.01):
                break
            with suppress(ConnectionError):
                wire.send(b"b")
        assert closed.is_set()


def test_a_client_that_does_not_read_is_hung_up_on(app) -> None:
    """A response longer than waitress's buffers would otherwise hold a thread for ever; here is only one."""
    call = Caller(app)
    for number in range(14):
        assert call("POST", "/rest/prompt-templates", flat(f"p{number}", chat("x" * 2_000_000))).status == 201
    with (
        limited(app, threads=1, response=SOON) as address,
        Wire(address) as wire,
        Wire(address) as other,
    ):
        wire.send((LIST + b"\r\n") * 2)
        assert wire.socket.recv(1)  # the thread writes, and does not go on with the next request
        other.send(LIST + b"\r\n")
        assert other.response()[0] == 200


@pytest.mark.parametrize("sent", WAYS_TO_WAIT.values(), ids=WAYS_TO_WAIT)
def test_beyond_the_limit_whoever_waited_longest_makes_room(app, sent: str) -> None:
    with limited(app, connections=5) as address, ExitStack() as stack:
        waiting = [stack.enter_context(Wire(address)) for _ in range(5)]
        for wire in waiting:
            wire.send(sent.encode())
            if sent == WAYS_TO_WAIT["after-a-response"]:
                assert wire.response()[0] == 200
        for _ in range(3):
            with Wire(address) as wire:
                wire.send(LIST + b"\r\n")
                assert wire.response()[0] == 200
        assert waiting[0].is_closed()


def test_many_writers_lose_nothing_while_more_clients_wait_than_there_is_room_for(app) -> None:
    """Run as a program, ``idle_clients.py`` does it with 50 writers and 120 waiting clients."""
    with running(app, limits=Limits(connections=40)) as url, hold(url, 60):
        written = write_all(url, writers=10, each=4)
        found = read_back(url)
    assert len(written) == len(found) == 40
    assert lost_and_doubled(written, found) == (0, 0)


def test_what_is_lost_and_doubled_is_counted() -> None:
    one, two = Write("a", 1, "x"), Write("a", 2, "x")
    assert lost_and_doubled([one, two], [one]) == (1, 0)
    assert lost_and_doubled([one], [one, two]) == (0, 1)

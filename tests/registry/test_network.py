"""What goes over the network: the bytes of a request, connections that are used again, TLS and proxies."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from registry_server import chat
from scripted_registry import EMPTY_LIST, KEY

from promptsync import __version__
from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Prompt
from promptsync.registry.errors import NotSent
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.protocol import Timeouts

CERTIFICATE = Path(__file__).parent / "localhost.pem"
"""A self-signed certificate for localhost, 127.0.0.1 and registry.example, with its key."""

QUICK = Timeouts(answer=5.0, first_retry=0.001)
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


Serve = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """The port of a server that serves each connection like this, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=served, args=(connection,), daemon=True).start()

        def served(connection: socket.socket) -> None:
            # Clients that do not trust us leave.
            with suppress(OSError), connection:
                serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def read_head(stream: Any) -> list[bytes]:
    """The lines of a request before its body; none at the end of the connection."""
    lines = []
    while (line := stream.readline().rstrip(b"\r\n")) != b"":
        lines.append(line)
    return lines


class Registry:
    """Speaks HTTP by hand: keeps each request as it came, with the number of its connection."""

    def __init__(self, *, closes: bool = False) -> None:
        self.heads: list[list[bytes]] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.closes = closes
        self.has_closed = threading.Event()

    def serve(self, connection: socket.socket) -> None:
        self.connections += 1
        stream = connection.makefile("rb")
        while head := read_head(stream):
            length = next((int(line[15:]) for line in head if line.lower().startswith(b"content-length:")), 0)
            self.heads.append(head)
            self.bodies.append(stream.read(length))
            created = {"id": 7, "prompt_name": "greet", "version_number": 1}
            content = EMPTY_LIST.content if head[0].startswith(b"GET") else json.dumps(created).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))
            if self.closes:
                connection.shutdown(socket.SHUT_RDWR)
                self.has_closed.set()
                return

    def serve_tls(self, connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        with context.wrap_socket(connection, server_side=True) as secured:
            self.serve(secured)


# -- bytes ---------------------------------------------------------------------------------------------------


def test_a_request_is_sent_byte_for_byte_like_this() -> None:
    registry = Registry()
    with listening(registry.serve) as port:
        url = f"http://localhost:{port}/a%20b/ü"
        with PromptLayer(url, KEY) as client:
            client.prompts.publish(Prompt("greet", chat("ü \u2028 </x> \x7f")), message="m")
            client.connection.call(
                endpoints.READ,
                path={"identifier": "a/b ü.."},
                query={"name": "a b/ü&=+", "archived": True, "tags": False, "page": 1, "least": 0.5},
            )
    host = b"Host: localhost:%d" % port
    common = [
        b"Accept: application/json",
        b"Accept-Encoding: gzip",
        b"Cache-Control: no-cache",
        b"Connection: keep-alive",
        f"User-Agent: promptsync/{__version__}".encode(),
        b"X-API-KEY: " + KEY.encode(),
    ]
    body = registry.bodies[0]
    assert registry.heads == [
        [
            b"POST /a%20b/%C3%BC/rest/prompt-templates HTTP/1.1",
            host,
            *common,
            b"Content-Type: application/json",
            b"Content-Length: %d" % len(body),
        ],
        [
            b"GET /a%20b/%C3%BC/prompt-templates/a%2Fb%20%C3%BC.."
            b"?name=a+b%2F%C3%BC%26%3D%2B&archived=true&tags=false&page=1&least=0.5"
            b"&resolve_snippets=false HTTP/1.1",
            host,
            *common,
        ],
    ]
    assert body.startswith(b'{"prompt_template":{"type":"chat","messages":[{"role":"user","content":[{"type"')
    assert '"text":"ü \u2028 </x> \x7f"'.encode() in body
    assert registry.bodies[1] == b""


# -- connections ---------------------------------------------------------------------------------------------


def test_a_connection_that_the_server_closed_is_not_used_for_a_write() -> None:
    registry = Registry(closes=True)
    with listening(registry.serve) as port, PromptLayer(f"http://127.0.0.1:{port}", KEY) as client:
        client.prompts.list()
        assert registry.has_closed.wait(120)
        assert client.prompts.publish(Prompt("greet", chat()), message="m").version == 1
        assert client.requests == 2
    assert registry.connections == 2


# -- TLS -----------------------------------------------------------------------------------------------------


def test_an_unknown_certificate_is_refused_and_the_key_is_not_sent() -> None:
    registry = Registry()
    with (
        listening(registry.serve_tls) as port,
        PromptLayer(f"https://localhost:{port}", KEY, timeouts=QUICK) as client,
        pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED") as caught,
    ):
        client.prompts.list()
    assert "SSL_CERT_FILE" in caught.value.hint
    assert registry.heads == []


def test_certificates_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    registry = Registry()
    with (
        listening(registry.serve_tls) as port,
        PromptLayer(f"https://localhost:{port}", KEY, timeouts=QUICK) as client,
    ):
        assert client.prompts.list() == []
        assert client.prompts.list() == []
    assert registry.connections == 1


def test_a_file_of_certificates_that_does_not_exist_is_an_error_for_https_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with (
        PromptLayer("https://localhost:1", KEY) as client,
        pytest.raises(NotSent, match="cannot set up a connection") as caught,
    ):
        client.prompts.list()
    assert "SSL_CERT_FILE" in caught.value.hint
    with listening(Registry().serve) as port, PromptLayer(f"http://localhost:{port}", KEY) as client:
        assert client.prompts.list() == []


# -- proxies -------------------------------------------------------------------------------------------------


class ConnectProxy:
    """A proxy that refuses whatever is asked of it."""

    def __init__(self) -> None:
        self.heads: list[list[bytes]] = []

    def serve(self, client: socket.socket) -> None:
        self.heads.append(read_head(client.makefile("rb", buffering=0)))
        client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")


def test_a_proxy_that_refuses_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = ConnectProxy()
    with listening(proxy.serve) as port, PromptLayer("https://bücher.example", KEY, timeouts=QUICK) as client:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:p%40ss@localhost:{port}")
        with pytest.raises(NotSent, match=r"no connection to bücher\.example:443: 403 Forbidden") as caught:
            client.prompts.publish(Prompt("greet", chat()), message="m")
        assert client.requests == 2
    assert "any proxy" in caught.value.hint
    assert {head[0] for head in proxy.heads} == {b"CONNECT xn--bcher-kva.example:443 HTTP/1.1"}
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"ann:p@ss") in proxy.heads[0]
    assert KEY.encode() not in b"".join(proxy.heads[0])


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, proxy = Registry(), ConnectProxy()
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with listening(registry.serve_tls) as port, listening(proxy.serve) as proxy_port:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy_port}")
        with PromptLayer(f"https://127.0.0.1:{port}", KEY, timeouts=QUICK) as client:
            assert client.prompts.list() == []
    assert proxy.heads == []


@pytest.mark.parametrize("value", ["nonsense://proxy", "http://proxy:port"])
def test_a_proxy_that_is_none_is_an_error_with_the_names_of_the_variables(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    with (
        PromptLayer("https://registry.invalid", KEY) as client,
        pytest.raises(RemoteError, match="cannot set up a connection") as caught,
    ):
        client.prompts.list()
    assert "HTTPS_PROXY and ALL_PROXY" in caught.value.hint
    assert client.requests == 0


def test_a_host_that_is_no_name_is_no_connection() -> None:
    with (
        PromptLayer("https://a..b", "pl_test", timeouts=Timeouts(first_retry=0.001)) as registry,
        pytest.raises(NotSent, match=r"no connection to a\.\.b:443"),
    ):
        registry.prompts.list()

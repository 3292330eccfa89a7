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

CERTIFICATE = str(Path(__file__).parent / "localhost.pem")
"""A self-signed certificate for localhost, 127.0.0.1 and registry.example, with its key."""

QUICK = Timeouts(answer=5.0, first_retry=0.001)
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
PROMPT = Prompt("greet", chat("ü \u2028 </x> \x7f"))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
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


class Registry:
    """Speaks HTTP by hand: keeps each request as it came, and counts the connections.

    As a ``proxy`` it refuses whatever is asked of it.
    """

    def __init__(self, *, closes: bool = False, proxy: bool = False, tls: bool = False) -> None:
        self.heads: list[list[bytes]] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.closes, self.proxy, self.tls = closes, proxy, tls
        self.has_closed = threading.Event()

    def serve(self, connection: socket.socket) -> None:
        self.connections += 1
        if not self.tls:
            return self._answer(connection)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        with context.wrap_socket(connection, server_side=True) as secured:
            self._answer(secured)

    def _answer(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while head := self._head(stream):
            length = next((int(line[15:]) for line in head if line.lower().startswith(b"content-length:")), 0)
            self.heads.append(head)
            self.bodies.append(stream.read(length))
            created = {"id": 7, "prompt_name": "greet", "version_number": 1}
            content = EMPTY_LIST.content if head[0].startswith(b"GET") else json.dumps(created).encode()
            status = b"403 Forbidden" if self.proxy else b"200 OK"
            connection.sendall(
                b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content
            )
            if self.closes:
                connection.shutdown(socket.SHUT_RDWR)
                self.has_closed.set()
                return

    @staticmethod
    def _head(stream: Any) -> list[bytes]:
        """The lines of a request before its body; none at the end of the connection."""
        return list(iter(lambda: stream.readline().rstrip(b"\r\n"), b""))


@contextmanager
def reached(registry: Registry, host: str = "localhost", path: str = "") -> Iterator[PromptLayer]:
    """A client of a registry that listens on this machine."""
    with listening(registry.serve) as port:
        scheme = "https" if registry.tls else "http"
        with PromptLayer(f"{scheme}://{host}:{port}{path}", KEY, timeouts=QUICK) as client:
            yield client


# -- bytes and connections -----------------------------------------------------------------------------------


def test_a_request_is_sent_byte_for_byte_like_this() -> None:
    registry = Registry()
    with reached(registry, path="/a%20b/ü") as client:
        client.prompts.publish(PROMPT, message="m")
        client.connection.call(
            endpoints.READ,
            path={"identifier": "a/b ü.."},
            query={"name": "a b/ü&=+", "archived": True, "tags": False, "page": 1, "least": 0.5},
        )
        host = client.url.partition("/a")[0].replace("http://", "Host: ")
    common = [
        host.encode(),
        b"Accept: application/json",
        b"Accept-Encoding: gzip",
        b"Cache-Control: no-cache",
        b"Connection: keep-alive",
        f"User-Agent: promptsync/{__version__}".encode(),
        b"X-API-KEY: " + KEY.encode(),
    ]
    body = registry.bodies[0]
    of_body = [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    target = b"prompt-templates/a%2Fb%20%C3%BC..?name=a+b%2F%C3%BC%26%3D%2B&archived=true&tags=false&page=1"
    target += b"&least=0.5&resolve_snippets=false"
    assert registry.heads == [
        [b"POST /a%20b/%C3%BC/rest/prompt-templates HTTP/1.1", *common, *of_body],
        [b"GET /a%20b/%C3%BC/" + target + b" HTTP/1.1", *common],
    ]
    assert body.startswith(b'{"prompt_template":{"type":"chat","messages":[{"role":"user","content":[{"type"')
    assert '"text":"ü \u2028 </x> \x7f"'.encode() in body
    assert registry.bodies[1] == b""


def test_a_connection_that_the_server_closed_is_not_used_for_a_write() -> None:
    registry = Registry(closes=True)
    with reached(registry) as client:
        client.prompts.list()
        assert registry.has_closed.wait(120)
        assert client.prompts.publish(PROMPT, message="m").version == 1
        assert (client.requests, registry.connections) == (2, 2)


# -- TLS -----------------------------------------------------------------------------------------------------


def test_an_unknown_certificate_is_refused_and_the_key_is_not_sent() -> None:
    registry = Registry(tls=True)
    with reached(registry) as client, pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED") as caught:
        client.prompts.list()
    assert "SSL_CERT_FILE" in caught.value.hint
    assert registry.heads == []


def test_certificates_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", CERTIFICATE)
    registry = Registry(tls=True)
    with reached(registry) as client:
        assert client.prompts.list() == client.prompts.list() == []
    assert registry.connections == 1


def test_a_file_of_certificates_that_does_not_exist_is_an_error_for_https_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/missing.pem")
    with PromptLayer("https://localhost:1", KEY) as client:
        with pytest.raises(NotSent, match="cannot set up a connection") as caught:
            client.prompts.list()
        assert "SSL_CERT_FILE" in caught.value.hint
    with reached(Registry()) as client:
        assert client.prompts.list() == []


# -- proxies -------------------------------------------------------------------------------------------------


def test_a_proxy_that_refuses_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Registry(proxy=True)
    with listening(proxy.serve) as port, PromptLayer("https://bücher.example", KEY, timeouts=QUICK) as client:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:p%40ss@localhost:{port}")
        with pytest.raises(NotSent, match=r"no connection to bücher\.example:443: 403 Forbidden") as caught:
            client.prompts.publish(PROMPT, message="m")
        assert client.requests == 2
    assert "any proxy" in caught.value.hint
    assert {head[0] for head in proxy.heads} == {b"CONNECT xn--bcher-kva.example:443 HTTP/1.1"}
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"ann:p@ss") in proxy.heads[0]
    assert KEY.encode() not in b"".join(proxy.heads[0])


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Registry(proxy=True)
    monkeypatch.setenv("SSL_CERT_FILE", CERTIFICATE)
    with listening(proxy.serve) as port, reached(Registry(tls=True), host="127.0.0.1") as client:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        assert client.prompts.list() == []
    assert proxy.heads == []


@pytest.mark.parametrize("value", ["nonsense://proxy", "http://proxy:port"])
def test_a_proxy_that_is_none_is_an_error_with_the_names_of_the_variables(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    with PromptLayer("https://registry.invalid", KEY) as client:
        with pytest.raises(RemoteError, match="cannot set up a connection") as caught:
            client.prompts.list()
        assert client.requests == 0
    assert "HTTPS_PROXY and ALL_PROXY" in caught.value.hint


def test_a_host_that_is_no_name_is_no_connection() -> None:
    no_connection = pytest.raises(NotSent, match=r"no connection to a\.\.b:443")
    with PromptLayer("https://a..b", KEY, timeouts=QUICK) as client, no_connection:
        client.prompts.list()

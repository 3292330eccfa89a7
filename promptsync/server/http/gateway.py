"""The ASGI application in front of the registry: the guard, complete bodies, and the WebSocket."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import werkzeug

from promptsync.server.http.answer import ApiError, malformed
from promptsync.server.http.body import MAX_BODY, too_large
from promptsync.server.http.guard import Hosts, check

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

WEBSOCKET: Final = "/connection/websocket"
"""The path of the WebSocket. The token in its first message replaces the key."""

MAX_SOCKETS = 50
"""Most WebSockets that are open at once."""

BODY_SECONDS = 30.0
"""How long a client may take to send a body."""

_log = logging.getLogger(__name__)


class Gateway:
    """Calls the WSGI application ``app`` on one of ``threads`` threads for what the guard accepts.

    An application that ``is_signed`` has no guard, because no web page can sign. It may have a ``max_body``.
    """

    def __init__(self, app: WSGIApplication, hosts: Hosts, threads: int) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="registry")
        self._registry: Any = app if hasattr(app, "store") else None
        self._hosts = hosts
        self._sockets = 0

    def close(self) -> None:
        """Start no more requests, and wait for those that a thread handles."""
        self._threads.shutdown(cancel_futures=True)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request or one WebSocket."""
        is_socket = scope["type"] == "websocket"
        try:
            headers = _headers(scope)
            if not getattr(self._app, "is_signed", False):
                check(scope.get("method", "GET"), _target(scope), headers, self._hosts)
            if is_socket:
                await self._converse(scope, receive, send)
                return
            response = await self._response(scope, headers, receive)
        except ApiError as error:
            response = error.response()
        kind = "websocket.http.response" if is_socket else "http.response"
        fields = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
        await send({"type": f"{kind}.start", "status": response.status_code, "headers": fields})
        await send({"type": f"{kind}.body", "body": response.get_data()})

    async def _response(
        self, scope: Message, headers: Mapping[str, str], receive: Receive
    ) -> werkzeug.Response:
        limit: int = getattr(self._app, "max_body", MAX_BODY)
        # Of what is refused, no body is read.
        if int(headers.get("content-length", 0)) > limit:
            raise too_large(limit)
        if self._registry is not None and "x-api-key" in headers:
            self._registry.check_key(headers["x-api-key"].encode("latin-1"))
        body = await _complete_body(receive, limit)
        # Its length is known now, however it was sent.
        environ = _environ(scope, {**headers, "transfer-encoding": ""}, body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: werkzeug.Response.from_app(self._app, environ, buffered=True)
        )

    async def _converse(self, scope: Message, receive: Receive, send: Send) -> None:
        from promptsync.server.checks.updates import SocketClosed, converse

        if scope["path"] != WEBSOCKET or self._registry is None:
            raise ApiError(404, f"The only WebSocket of this registry is {WEBSOCKET}.")
        if self._sockets >= MAX_SOCKETS:
            message = f"All {MAX_SOCKETS} WebSockets of this registry are in use; try again later."
            raise ApiError(503, message, headers={"Retry-After": "1"})
        self._sockets += 1
        try:
            await receive()
            await send({"type": "websocket.accept"})
            await converse(self._registry.store, self._registry.runner, receive, send)
        except SocketClosed as closed:
            await send({"type": "websocket.close", "code": closed.code, "reason": closed.reason})
        except OSError as error:
            _log.debug("The client of a WebSocket is gone: %s", error)
        except Exception:
            _log.exception("A WebSocket failed")
            reason = "the registry failed; see its log"
            await send({"type": "websocket.close", "code": 1011, "reason": reason})
        finally:
            self._sockets -= 1


def _target(scope: Message) -> str:
    """Return the path, percent-encoded, and the query, as they were sent."""
    query = scope["query_string"]
    return str((scope["raw_path"] + (b"?" + query if query else b"")).decode("ascii"))


def _headers(scope: Message) -> dict[str, str]:
    """Return the headers; the values of a repeated one are joined, which no check accepts."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _environ(scope: Message, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    address, port = scope["server"] or ("localhost", 80)
    return {
        "REQUEST_METHOD": scope["method"],
        # The decoded path cannot tell a slash in a name from one between segments.
        "REQUEST_URI": _target(scope),
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("ascii"),
        "SERVER_NAME": address,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


async def _complete_body(receive: Receive, limit: int) -> bytes:
    """Return the body, which so holds no thread while it arrives."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while (message := await receive())["type"] == "http.request":
                body += message["body"]
                if len(body) > limit:
                    raise too_large(limit)
                if not message["more_body"]:
                    return bytes(body)
            raise malformed("The connection was closed before the body was complete.")
    except TimeoutError:
        reason = f"The request body was not complete within {BODY_SECONDS:g} s."
        raise ApiError(408, reason, headers={"Connection": "close"}) from None

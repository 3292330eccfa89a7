"""The ASGI application in front of the registry: the guard, complete bodies, and the WebSocket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from a2wsgi import WSGIMiddleware

from promptsync.server.http.answer import ApiError
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
    """Calls the WSGI application ``app`` on one of ``threads`` threads for what the guard accepts."""

    def __init__(self, app: WSGIApplication, hosts: Hosts, threads: int) -> None:
        def with_target(environ: Any, start_response: Any) -> Iterable[bytes]:
            # The decoded path cannot tell a slash in a name from one between segments.
            more = {"REQUEST_URI": _target(environ["asgi.scope"]), "wsgi.input_terminated": True}
            return app({**environ, **more}, start_response)

        self._call: Any = WSGIMiddleware(with_target, workers=threads)
        self._registry: Any = app if hasattr(app, "store") else None
        self._hosts = hosts
        self._sockets = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request or one WebSocket."""
        is_socket = scope["type"] == "websocket"
        try:
            check(scope.get("method", "GET"), _target(scope), _headers(scope), self._hosts)
            if is_socket:
                await self._converse(scope, receive, send)
            else:
                await self._request(scope, receive, send)
        except ApiError as error:
            response, kind = error.response(), "websocket.http.response" if is_socket else "http.response"
            headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
            await send({"type": f"{kind}.start", "status": response.status_code, "headers": headers})
            await send({"type": f"{kind}.body", "body": response.get_data()})

    async def _request(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _complete_body(receive)
        if body is None:
            return

        async def receive_body() -> Message:
            return {"type": "http.request", "body": body}

        await self._call(scope, receive_body, send)

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


async def _complete_body(receive: Receive) -> bytes | None:
    """Return the body, which so holds no thread while it arrives; ``None`` if the client is gone."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while (message := await receive())["type"] == "http.request":
                body += message["body"]
                if len(body) > MAX_BODY:
                    raise too_large(MAX_BODY)
                if not message["more_body"]:
                    return bytes(body)
    except TimeoutError:
        reason = f"The request body was not complete within {BODY_SECONDS:g} s."
        raise ApiError(408, reason, headers={"Connection": "close"}) from None
    return None

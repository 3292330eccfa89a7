"""One conversation with one registry: sends operations, tries their routes in order, sorts what fails.

Everything here may be used by many threads at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from promptsync import __version__
from promptsync.errors import RemoteError, UsageError
from promptsync.registry.address import LOCAL, address, segment
from promptsync.registry.errors import MissingKey, NotSent
from promptsync.registry.promptlayer import failures
from promptsync.registry.promptlayer.answers import Answer, shown
from promptsync.registry.promptlayer.endpoints import Operation, Route
from promptsync.registry.promptlayer.transport import TOO_MANY, Gate, GatedTransport
from promptsync.registry.protocol import Waits

Observe = Callable[[httpx.Response, float], None]
"""Called with each answer and the seconds that it took."""

_SHORTEST_SCRUBBED: Final = 4
_NO_KEY: Final = "local"
"""Sent where none is needed: an embedded registry takes any key, but not none."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What a caller asks for, before it is known by which route."""

    path: Mapping[str, object]
    query: Mapping[str, Any] | None
    body: Mapping[str, Any] | Callable[[str], Mapping[str, Any]] | None
    fresh: bool
    before_repeat: Callable[[], None] | None = None

    def build(self, client: httpx.Client, base: str, route: Route, operation: Operation) -> httpx.Request:
        body = self.body(route.shape) if callable(self.body) else self.body
        try:
            return client.build_request(
                route.method,
                base + route.path.format_map({key: segment(value) for key, value in self.path.items()}),
                params=dict(self.query) if self.query else None,
                json=body,
                headers={"Cache-Control": "no-cache"} if self.fresh else None,
            )
        except (TypeError, ValueError, RecursionError, httpx.InvalidURL) as error:
            is_surrogate = isinstance(error, UnicodeEncodeError)
            why = (
                "it contains bytes that are not UTF-8, or half a surrogate pair"
                if is_surrogate
                else shown(str(error))
            )
            raise RemoteError(
                f"cannot {operation.name}: JSON cannot carry it: {why}", hint="replace it", code="not-json"
            ) from None


class Connection:
    """What all parts of a PromptLayer registry send through.

    ``url`` is an https URL, http to a loopback address, or ``local:…`` where a ``transport`` comes along;
    with a ``transport`` no key is needed. ``connections`` is the most requests at once; ``on_wait`` hears, in
    words, of each wait that somebody could notice. With ``observe`` each request is sent once. Raises
    ``UsageError`` for the URL, and ``MissingKey``.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        transport: httpx.BaseTransport | None = None,
        waits: Waits | None = None,
        connections: int = 8,
        on_wait: Callable[[str], None] | None = None,
        observe: Observe | None = None,
    ) -> None:
        if transport is None and url.startswith(LOCAL):
            raise UsageError(f"{url!r} is an embedded registry: it is reached by a transport of its own")
        self._address = address(url)
        self.url = url if url.startswith(LOCAL) else self._address.base
        self.key = checked_key(api_key, self.url, is_needed=transport is None)
        self._given_transport = transport
        self.waits = waits or Waits()
        self.connections = max(1, connections)
        self._observe = observe
        self._on_wait = on_wait
        self._gate = Gate(connections)
        self._gated = GatedTransport(self._connect, self._gate)
        self._client: httpx.Client | None = None
        self._opening = threading.Lock()
        self._discovering = threading.Lock()
        self._routes: dict[Operation, Route] = {}

    @property
    def requests(self) -> int:
        """How many requests were sent so far, repetitions included."""
        return self._gated.requests

    def close(self) -> None:
        """Close the connections, and the transport that was given."""
        with self._opening:
            if self._client is not None:
                self._client.close()
                self._client = None
            elif self._given_transport is not None:
                self._given_transport.close()  # no client owns it before the first request

    def call(
        self,
        operation: Operation,
        *,
        path: Mapping[str, object] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | Callable[[str], Mapping[str, Any]] | None = None,
        fresh: bool = False,
        before_repeat: Callable[[], None] | None = None,
    ) -> Answer:
        """Do ``operation`` by the first of its routes that the registry knows, and return its 2xx answer.

        ``path`` fills the route's placeholders; ``body`` may be a function of the route's shape; ``fresh``
        asks caches on the way to step aside; ``before_repeat`` is called before the request is sent again,
        and raises where that would be wrong by now. Raises the errors of ``registry.errors``; when several
        routes were turned down, one that names all the reasons.
        """
        request = _Request(path or {}, query, body, fresh, before_repeat)
        if operation in self._routes or len(operation.routes) == 1:
            return self._by_some_route(operation, request)
        # whoever comes first finds out for all the others
        with self._discovering:
            return self._by_some_route(operation, request)

    def knows_route(self, operation: Operation) -> bool:
        """Whether ``operation`` has worked in this session."""
        return operation in self._routes

    def scrub(self, text: str) -> str:
        """``text`` without the API key."""
        if len(self.key) < _SHORTEST_SCRUBBED:
            return text
        return text.replace(self.key, "***").replace(segment(self.key), "***")

    def _by_some_route(self, operation: Operation, request: _Request) -> Answer:
        known = self._routes.get(operation)
        refused: list[Answer] = []
        for route in (known,) if known else operation.routes:
            answer = self._send(operation, route, request)
            if answer.is_success:
                self._routes[operation] = route
                return answer
            refused.append(answer)
            if answer.status not in operation.next_route_on:
                break
        raise failures.turned_down(operation, refused)

    def _send(self, operation: Operation, route: Route, request: _Request) -> Answer:
        client = self._connect()
        built = request.build(client, self._address.base, route, operation)
        try:
            response = self._sent(built, operation, request.before_repeat)
        except httpx.HTTPError as error:
            raise failures.transport(self._address, self.url, operation, error, self.scrub) from None
        asked = f"{route.method} {shown(self.scrub(built.url.raw_path.decode('ascii')))}"
        answer = Answer(self.url, operation.name, asked, response.status_code, response.content, self.scrub)
        if 300 <= answer.status < 400:
            raise failures.redirected(answer, self.scrub(response.headers.get("Location", "")))
        if answer.status >= 500 and answer.status != 501:
            raise failures.failed(answer)
        return answer

    def _sent(
        self, request: httpx.Request, operation: Operation, before_repeat: Callable[[], None] | None
    ) -> httpx.Response:
        if self._observe is not None:
            began = time.monotonic()
            response = self._gated.handle_request(request)
            self._observe(response, time.monotonic() - began)
            return response
        first: httpx.Response | Exception
        try:
            first = self._gated.handle_request(request)
        except httpx.TransportError as error:
            first = error
        else:
            if first.status_code != TOO_MANY and first.status_code < 500:
                return first
        # most runs never get here, and the library takes longer to load than a request
        from promptsync.registry.promptlayer.retry import policy, resume

        backoff = policy(operation.repeatable, waits=self.waits, on_wait=self._about_to_wait)
        backoff.before_repeat = before_repeat
        return resume(request, first, self._gated, backoff)

    def _connect(self) -> httpx.Client:
        if self._client is not None:
            return self._client
        with self._opening:
            if self._client is None:
                self._client = self._opened()
            return self._client

    def _opened(self) -> httpx.Client:
        headers = {
            "User-Agent": f"promptsync/{__version__}",
            "Accept": "application/json",
            "X-API-KEY": self.key or _NO_KEY,
        }
        waits = self.waits
        connect = waits.connect_loopback if self._address.is_loopback else waits.connect
        limits = httpx.Limits(max_connections=self.connections, max_keepalive_connections=self.connections)
        try:
            return httpx.Client(
                headers=headers,
                transport=self._given_transport,
                timeout=httpx.Timeout(waits.answer, connect=min(waits.answer, connect)),
                limits=limits,
                # a proxy between us and this very machine would see the key
                trust_env=not self._address.is_loopback,
                # plain http needs no certificates, and loading them takes longer than a request
                verify=self._address.scheme == "https",
            )
        except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
            raise NotSent(
                f"cannot prepare a connection to {self.url}: {shown(self.scrub(str(error)))}",
                hint="check SSL_CERT_FILE, SSL_CERT_DIR and the proxy variables of the environment",
            ) from None

    def _about_to_wait(self, seconds: float, status: int | None) -> None:
        is_news = self._gate.close_for(seconds) if status == TOO_MANY else True
        if self._on_wait is None or seconds < 1 or not is_news:
            return
        why = (
            "asks us to slow down" if status == TOO_MANY else "does not answer" if status is None else "fails"
        )
        told = f" ({status})" if status else ""
        self._on_wait(f"{self.url} {why}{told}: trying again in {seconds:.0f} s")


def checked_key(api_key: str | None, url: str, *, is_needed: bool = True) -> str:
    """Return the key as it is sent. Raises ``MissingKey`` for none, and for what cannot be one."""
    key = (api_key or "").strip()
    if not key and is_needed:
        is_ours = url.startswith("http:")  # which is refused but for this machine
        hint = "a key of the workspace" + (", to any word for `promptsync serve`" if is_ours else "")
        raise MissingKey(f"there is no API key for {url}", hint=f"set PROMPTLAYER_API_KEY to {hint}")
    if not (key.isascii() and key.isprintable()) or set(key) & set(" '\""):
        raise MissingKey(
            "the API key in PROMPTLAYER_API_KEY holds blanks, quotes or other characters that no key has",
            hint="copy it again, without quotes and line ends",
        )
    return key

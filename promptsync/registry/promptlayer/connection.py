"""Sends operations to one registry: tries their routes in order, and turns failures into errors.

Everything here can be used from many threads at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from promptsync.errors import UsageError
from promptsync.parallel import MOST_REQUESTS
from promptsync.registry.address import LOCAL, address, checked_key, segment
from promptsync.registry.errors import NotSent
from promptsync.registry.promptlayer import failures
from promptsync.registry.promptlayer.call import Call, common_headers
from promptsync.registry.promptlayer.endpoints import Operation, Route
from promptsync.registry.promptlayer.exchange import (
    ExchangeFailed,
    HttpRequest,
    HttpResponse,
    Transport,
)
from promptsync.registry.promptlayer.facts import Facts
from promptsync.registry.promptlayer.responses import Answer, shown
from promptsync.registry.promptlayer.retry import (
    EXAMINING,
    NOT_REPEATABLE,
    REPEATABLE,
    send_with_retries,
)
from promptsync.registry.promptlayer.throttle import Throttle
from promptsync.registry.promptlayer.transport import MISSING, TOO_MANY, ThrottledTransport
from promptsync.registry.timeouts import Timeouts

if TYPE_CHECKING:
    from promptsync.registry.protocol import RegistryMemory

Observe = Callable[[HttpResponse, float], None]
"""Called with each response and the seconds that it took."""

# A shorter key may be part of ordinary words, and replacing it would garble the message.
_SHORTEST_SCRUBBED: Final = 4


class Connection:
    """The connection that all parts of a PromptLayer registry share.

    ``url`` is an https URL, an http URL of this machine, or ``local:…`` along with a ``transport``. With a
    ``transport`` no key is needed. ``connections`` is the most requests at once, 32 by default. ``on_wait``
    is called with a message before each wait of a second or more. ``memory`` keeps ``facts`` for the next
    process. With ``observe`` a request is sent again once, after a 429. Raises ``UsageError`` for the
    URL, and ``MissingKey``.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        memory: RegistryMemory | None = None,
        transport: Transport | None = None,
        timeouts: Timeouts | None = None,
        connections: int | None = None,
        on_wait: Callable[[str], None] | None = None,
        observe: Observe | None = None,
    ) -> None:
        if transport is None and url.startswith(LOCAL):
            raise UsageError(f"{url!r} is an embedded registry, which needs a transport")
        self._address = address(url)
        self.url = url if url.startswith(LOCAL) else self._address.base
        self.key = checked_key(api_key, self.url, is_needed=transport is None)
        self.timeouts = timeouts or Timeouts()
        self.connections = connections or MOST_REQUESTS
        self._observe = observe
        self._on_wait = on_wait
        # By default this is a second: most registries count the requests of a second.
        self._throttle = Throttle(self.connections, pause=2 * self.timeouts.first_retry)
        self._throttled = ThrottledTransport(self._connect, self._throttle, self.timeouts.request)
        self._given_transport = transport
        self._transport = transport
        if transport is None:
            # Loading it takes longer than a request, and longer still while other threads work.
            from promptsync.registry.promptlayer import network  # noqa: F401
        self._headers = common_headers(self.key)
        self._key_in_path = segment(self.key)
        self._opening = threading.Lock()
        self._discovering = threading.Lock()
        self._routes: dict[Operation, Route] = {}
        self.facts = Facts(self.url, memory)

    @property
    def width(self) -> int:
        """How many requests may be under way by now."""
        return self._throttle.width

    @property
    def requests(self) -> int:
        """How many requests were sent so far, retries included."""
        return self._throttled.requests

    def close(self) -> None:
        """Close the connections, and the transport that was passed in."""
        self.facts.save()
        with self._opening:
            if self._transport is not None:
                self._transport.close()
            self._transport = self._given_transport

    def call(
        self,
        operation: Operation,
        *,
        path: Mapping[str, object] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | Callable[[str], Mapping[str, Any]] | None = None,
        fresh: bool = False,
        before_repeat: Callable[[], bool] | None = None,
    ) -> Answer:
        """Send ``operation`` by the first of its routes that the registry has, and return its 2xx response.

        ``path`` fills the route's placeholders. ``body`` can be a function of the route's shape. ``fresh``
        bypasses caches on the way. ``before_repeat`` is called before the request is sent again, and raises
        if that would be wrong by then, or returns false if it cannot find out. Raises the errors of
        ``registry.errors``; if several routes were rejected, the error names all the reasons.
        """
        request = Call(path or {}, query, body, fresh, before_repeat)
        if operation in self._routes or len(operation.routes) == 1:
            return self._by_some_route(operation, request)
        # The first thread finds the route for all the others.
        with self._discovering:
            return self._by_some_route(operation, request)

    def has_route(self, operation: Operation) -> bool:
        """Whether ``operation`` has succeeded on this connection."""
        return operation in self._routes

    def scrub(self, text: str) -> str:
        """Return a text without the API key."""
        if len(self.key) < _SHORTEST_SCRUBBED:
            return text
        return text.replace(self.key, "***").replace(self._key_in_path, "***")

    def _by_some_route(self, operation: Operation, request: Call) -> Answer:
        # A registry does not change its routes, so the one that worked is used from then on. Between two
        # processes it may have been upgraded, so the one that worked before is only the first to be tried.
        known, before = self._routes.get(operation), self.facts.route(operation)
        others = operation.routes if before is None else dict.fromkeys((before, *operation.routes))
        refused: dict[Route, Answer] = {}
        for route in (known,) if known else others:
            answer = self._send(operation, route, request)
            if answer.is_success:
                self._routes[operation] = route
                self.facts.keep_route(operation, route)
                return answer
            refused[route] = answer
            if answer.status not in operation.next_route_on:
                break
        # The error must not depend on what was tried first, so it has what the usual order would have met.
        answers = [refused[one] for one in operation.routes if one in refused]
        last = next((n for n, one in enumerate(answers) if one.status not in operation.next_route_on), None)
        raise failures.rejected(operation, answers if last is None else answers[: last + 1])

    def _send(self, operation: Operation, route: Route, request: Call) -> Answer:
        built = request.build(self._address.path, route, operation, self._headers)
        asked = f"{route.method} {shown(self.scrub(built.target))}"
        try:
            response = self._sent(built, operation, request.before_repeat)
        except ExchangeFailed as error:
            raise failures.transport(
                self._address, self.url, operation, asked, error, self.scrub, answer=self.timeouts.answer
            ) from None
        answer = Answer(self.url, operation.name, asked, response.status, response.content, self.scrub)
        if 300 <= answer.status < 400:
            raise failures.redirected(answer, self.scrub(response.header("Location")))
        if answer.status >= 500 and answer.status != MISSING:
            raise failures.failed(answer)
        return answer

    def _sent(
        self, request: HttpRequest, operation: Operation, before_repeat: Callable[[], bool] | None
    ) -> HttpResponse:
        rules = REPEATABLE if operation.repeatable else NOT_REPEATABLE
        return send_with_retries(
            lambda: self._observed(request, operation),
            rules if self._observe is None else EXAMINING,
            first_wait=self.timeouts.first_retry,
            on_wait=self._about_to_wait,
            before_repeat=before_repeat,
        )

    def _observed(self, request: HttpRequest, operation: Operation) -> HttpResponse:
        began = time.monotonic()
        response = self._throttled.handle_request(request, operation.name)
        if self._observe is not None:
            self._observe(response, time.monotonic() - began)
        return response

    def _connect(self) -> Transport:
        if self._transport is not None:
            return self._transport
        with self._opening:
            if self._transport is None:
                self._transport = self._opened()
            return self._transport

    def _opened(self) -> Transport:
        from promptsync.registry.promptlayer.network import NetworkTransport

        try:
            return NetworkTransport(self._address, self.timeouts)
        except (OSError, ValueError, ImportError) as error:
            raise NotSent(
                f"cannot set up a connection to {self.url}: {shown(self.scrub(str(error)))}",
                hint="check SSL_CERT_FILE, SSL_CERT_DIR, HTTPS_PROXY and ALL_PROXY in your environment",
            ) from None

    def _about_to_wait(self, seconds: float, status: int | None) -> None:
        if status == TOO_MANY:
            self._throttle.close_for(seconds)
        if self._on_wait is None or seconds < 1 or not self._throttle.is_news(seconds):
            return
        why = "did not respond"
        if status is not None:
            why = "limits the rate of requests (429)" if status == TOO_MANY else f"failed ({status})"
        self._on_wait(f"{self.url} {why}: trying again in {seconds:.0f} s")


def given(**values: object) -> dict[str, Any]:
    """Return the values that are not ``None``, as a query or a body."""
    return {key: value for key, value in values.items() if value is not None}

"""Sends operations to one registry: tries their routes in order, and turns failures into errors.

Everything here can be used from many threads at once.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import httpx

from promptsync import __version__
from promptsync.errors import Refused, RemoteError, UsageError
from promptsync.registry.address import LOCAL, Address, address, checked_key, segment
from promptsync.registry.errors import FateUnknown, NotFound, NotSent, Rejected, TimedOut, Unsupported
from promptsync.registry.promptlayer.endpoints import RUN_EVALUATION, Operation, Route
from promptsync.registry.promptlayer.http import ENCODING, NO_TLS, NOT_SENT, DeadlinePassed, Sender
from promptsync.registry.promptlayer.responses import WRONG_PLACE, Answer, has_failed, shown
from promptsync.registry.protocol import Timeouts

if TYPE_CHECKING:
    from promptsync.registry.protocol import Memory


_NO_KEY: Final = "local"
"""Sent if no key is needed: an embedded registry accepts any key, but not none."""

# A shorter key may be part of ordinary words, and replacing it would garble the message.
_SHORTEST_SCRUBBED: Final = 4
_VENDOR: Final = ".promptlayer.com"
"""The end of the vendor's hosts: each ``api.`` has a ``dashboard.``."""


class Connection:
    """The connection that all parts of a PromptLayer registry share.

    ``url`` is an https URL, an http URL of this machine, or ``local:…`` along with a ``transport``. With a
    ``transport`` no key is needed. ``memory`` keeps what was read for the next process. A ``read_only``
    connection refuses operations that write. ``Sender`` has the other ``options``. Raises ``UsageError`` for
    the URL, and ``MissingKey``.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        memory: Memory | None = None,
        transport: httpx.BaseTransport | None = None,
        timeouts: Timeouts | None = None,
        read_only: bool = False,
        **options: Any,
    ) -> None:
        if transport is None and url.startswith(LOCAL):
            raise UsageError(f"{url!r} is an embedded registry, which needs a transport")
        self.address = address(url)
        self.url = url if url.startswith(LOCAL) else self.address.base
        self.key = checked_key(api_key, self.url, is_needed=transport is None)
        self.timeouts = timeouts or Timeouts()
        self.sender = Sender(self.address, self.timeouts, transport=transport, **options)
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": ENCODING,
            "Cache-Control": "no-cache",  # of a proxy on the way
            "Connection": "keep-alive",
            "User-Agent": f"promptsync/{__version__}",
            "X-API-KEY": self.key or _NO_KEY,
        }
        self._key_in_path = segment(self.key)
        self._discovering = threading.Lock()
        self._routes: dict[Operation, Route] = {}
        self.memory = memory
        self.read_only = read_only

    @property
    def dashboard(self) -> str:
        """The URL of the dashboard, ``""`` for a registry that has none."""
        host = self.address.host
        is_vendor = host.startswith("api.") and host.endswith(_VENDOR)
        return f"https://dashboard.{host.removeprefix('api.')}" if is_vendor else ""

    def close(self) -> None:
        """Close the connections, and the transport that was passed in."""
        self.sender.close()

    def call(
        self,
        operation: Operation,
        *,
        path: Mapping[str, object] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | Callable[[str], Mapping[str, Any]] | None = None,
        before_repeat: Callable[[], bool] | None = None,
    ) -> Answer:
        """Send ``operation`` by the first of its routes that the registry has, and return its 2xx response.

        ``path`` fills the route's placeholders. ``body`` can be a function of the route's form.
        ``before_repeat`` is called before the request is sent again, and raises if that would be wrong by
        then, or returns false if it cannot find out. Raises the errors of ``registry.errors``; if several
        routes were rejected, the error names all the reasons. Raises ``Refused`` for an operation that writes
        if the connection is read-only.
        """
        if self.read_only and operation.effect == "writes":
            raise Refused(f"cannot {operation.name}: PROMPTSYNC_READ_ONLY is set", code="read-only")

        # A registry does not change its routes, so the one that worked is used from then on. Of several
        # writes at once, the first finds it for all the others.
        is_open = operation in self._routes or operation.repeatable
        with nullcontext() if is_open else self._discovering:
            known = self._routes.get(operation)
            refused = []
            for route in (known,) if known else operation.routes:
                sent = body(route.form) if callable(body) else body
                request = self._request(operation, route, path or {}, query, sent)
                answer = self._answer(operation, request, before_repeat)
                if 200 <= answer.status < 300:
                    self._routes[operation] = route
                    return answer
                refused.append(answer)
                if answer.status not in operation.next_route_on:
                    break
        raise rejected(operation, refused)

    def has_route(self, operation: Operation) -> bool:
        """Whether ``operation`` has succeeded on this connection."""
        return operation in self._routes

    def scrub(self, text: str) -> str:
        """Return a text without the API key."""
        if len(self.key) < _SHORTEST_SCRUBBED:
            return text
        return text.replace(self.key, "***").replace(self._key_in_path, "***")

    def _request(
        self,
        operation: Operation,
        route: Route,
        path: Mapping[str, object],
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
    ) -> httpx.Request:
        headers = self._headers
        method, path_of_route = route.request.split(" ")
        if route.extra and method == "GET":
            query = {**(query or {}), **dict(route.extra)}
        elif route.extra:
            body = {**(body or {}), **dict(route.extra)}
        try:
            target = path_of_route.format_map({key: segment(value) for key, value in path.items()})
            if query:
                # Booleans are spelled as in JSON.
                flags = {key: str(flag).lower() for key, flag in query.items() if isinstance(flag, bool)}
                target += f"?{urlencode({**query, **flags})}"
            content = b""
            if body is not None:
                # Not msgspec, which would write a number that is none as null.
                text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
                content = text.encode("utf-8")
                headers = {**headers, "Content-Type": "application/json"}
        except (TypeError, ValueError, RecursionError) as error:
            why = shown(str(error))
            if isinstance(error, UnicodeEncodeError):
                why = "it contains bytes that are not UTF-8, or half a surrogate pair"
            raise RemoteError(
                f"cannot {operation.name}: the text is not valid in JSON: {why}",
                hint="remove that character from the text",
                code="not-json",
            ) from None
        try:
            url = f"{self.address.base}{target}"
            return httpx.Request(method, url, headers=headers, content=content)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise NotSent(f"cannot {operation.name}: {error}", hint="check the remote's url") from None

    def _answer(
        self, operation: Operation, request: httpx.Request, before_repeat: Callable[[], bool] | None
    ) -> Answer:
        asked = f"{request.method} {shown(self.scrub(request.url.raw_path.decode('ascii')))}"
        try:
            response = self.sender.send(
                request, is_repeatable=operation.repeatable, before_repeat=before_repeat
            )
        except httpx.RequestError as error:
            raise transport(self, operation, asked, error) from None
        status, content = response.status_code, response.content
        answer = Answer(self.url, operation.name, asked, status, content, self.scrub, operation.repeatable)
        location = self.scrub(response.headers.get("Location", ""))
        if failure := without_result(answer, location):
            raise failure
        return answer


def without_none(**values: object) -> dict[str, Any]:
    """Return the values that are not ``None``, as a query or a body."""
    return {key: value for key, value in values.items() if value is not None}


_NETWORK: Final = (
    (
        re.compile("name or service|nodename|name resolution|getaddrinfo|no address", re.IGNORECASE),
        "the host {host} was not found ({why})",
        "check the remote's url, and your network",
    ),
    (NO_TLS, "{place} does not speak https ({why})", "check the host and the port in the remote's url"),
    (
        re.compile("unable to get|self.signed"),
        "{why}",
        "export SSL_CERT_FILE=/path/to/certificates.pem, if your network has its own authority",
    ),
)
"""What the network says, the reason to show for it, and what to do."""

_TRY_AGAIN: Final = "try again; if it keeps happening, check your network and any proxy"
_LONGER: Final = (
    "try again; if this registry is slow, set a higher timeout: for the remote in promptsync.yaml"
)
_NO_SUCH_OPERATION: Final = frozenset({404, 405, 501})
_REAL_CAUSE: Final = re.compile(r"snippet|@@@|commit.?message", re.IGNORECASE)
"""What a registry says only if it has understood the body."""

_NO_ROWS: Final = re.compile(r"request|dataset|row", re.IGNORECASE)
"""Running an evaluation returns 401 also if no requests match. Then the key is not the cause."""


def explained(address: Address, why: str) -> tuple[str, str]:
    """Return a reason and a hint for an error of the network."""
    place = f"{address.host}:{address.port}"
    for pattern, reason, hint in _NETWORK:
        if pattern.search(why):
            if pattern is NO_TLS and address.is_loopback:
                hint = f"use http://{place} if that is `promptsync serve` or another registry on this machine"
            return reason.format(host=address.host, place=place, why=why), hint
    if address.is_loopback:
        return why, f"promptsync serve --port {address.port}"
    return why, "check the remote's url, your network and any proxy"


def rejected(operation: Operation, answers: Sequence[Answer]) -> RemoteError:
    """Return the error for a request that was rejected by every route that was tried, at least one."""
    answer = min(answers, key=_noise)
    said = answer.reason()
    if answer.status in _NO_SUCH_OPERATION:
        if answer.status == 404 and operation.item and not answer.is_about_route():
            return NotFound(f"{answer.message_start}: {_outcome(answer)}", status=404, reason=said)
        tried = "; ".join(f"{refused.request}: {_outcome(refused)}" for refused in answers)
        return Unsupported(
            f"{answer.url} cannot {operation.name}: it has no such operation ({tried})",
            hint="check the remote's url; if it is right, this registry does not support that",
        )
    hint, code = _advice(answer, operation)
    outcomes = dict.fromkeys(map(_outcome, [answer, *answers]))
    why = "; sent in another form: ".join(outcomes)
    return Rejected(f"{answer.message_start}: {why}", status=answer.status, reason=said, hint=hint, code=code)


def without_result(answer: Answer, location: str) -> RemoteError | None:
    """Return the error for a redirect and for a failure of the registry, ``None`` for other responses."""
    if 300 <= answer.status < 400:
        return NotSent(
            f"{answer.message_start}: it redirects to {shown(location) or 'nowhere'} "
            f"(status {answer.status}), and promptsync does not send your API key there",
            hint="set that address as the remote's url if you trust it",
            code="redirected",
        )
    if has_failed(answer.status):
        said = answer.reason()
        return FateUnknown(
            f"{answer.message_start}: the registry failed with status {answer.status}"
            + (f": {said}" if said else ""),
            hint="try again later",
            code="server-failed",
        )
    return None


def transport(
    connection: Connection, operation: Operation, asked: str, error: httpx.RequestError
) -> RemoteError:
    """Return the error for a request that got no complete response; ``asked`` is its method and path."""
    url, address = connection.url, connection.address
    place = f"{address.host}:{address.port}"
    why = shown(connection.scrub(str(error))) or type(error).__name__
    if isinstance(error, NOT_SENT):
        if isinstance(error, httpx.TimeoutException) and not NO_TLS.search(why):
            why = "timed out"
        reason, hint = explained(address, why)
        return NotSent(f"cannot {operation.name}: no connection to {place}: {reason}", hint=hint)
    if isinstance(error, DeadlinePassed | httpx.DecodingError):
        message = f"{url} cannot {operation.name} ({asked}): the response {why}"
        if isinstance(error, DeadlinePassed):
            return TimedOut(message, hint=_LONGER)
        return FateUnknown(message, hint=WRONG_PLACE, code="unreadable-body")
    if isinstance(error, httpx.TimeoutException):
        waited = f"{connection.timeouts.answer:g} s"
        message = f"{url} did not respond within {waited} to the request to {operation.name}"
        return TimedOut(message, hint=_TRY_AGAIN)
    return FateUnknown(
        f"the connection to {place} was lost during the request to {operation.name}: {why}",
        hint=_TRY_AGAIN,
        code="connection-lost",
    )


def _noise(answer: Answer) -> tuple[bool, ...]:
    """Return how little a response says about the cause, compared with those of other routes."""
    is_missing = answer.status in _NO_SUCH_OPERATION
    return is_missing, answer.is_about_route(), not _REAL_CAUSE.search(answer.reason())


def _outcome(answer: Answer) -> str:
    said = answer.reason()
    words = f"{answer.status} {httpx.codes.get_reason_phrase(answer.status)}".strip()
    return f"{words}: {said}" if said else words


def _advice(answer: Answer, operation: Operation) -> tuple[str, str]:
    """Return the hint for a rejection, and its machine-readable code."""
    if answer.status == 401 and not (operation is RUN_EVALUATION and _NO_ROWS.search(answer.reason())):
        return f"set PROMPTLAYER_API_KEY to a valid API key for {answer.url}", "unauthorized"
    if answer.status == 403:
        hint = "ask an administrator of the workspace for the permission, which the API key lacks"
        return hint, "forbidden"
    if answer.status == 429:
        return "try again later: the registry limits the rate of requests", "rate-limited"
    return "", ""

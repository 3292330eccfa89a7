"""Sends requests with httpx: in parallel as far as the registry allows, and again where that is safe.

A request that can be repeated is sent again after a 429, a 5xx or a lost connection, and once more after a
time-out or where nothing listens. A write that would create something twice is sent again only after a 429,
or if there was no connection: in both cases it was certainly not executed.
"""

from __future__ import annotations

import itertools
import math
import random
import re
import threading
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from promptsync.parallel import MOST_REQUESTS
from promptsync.registry.address import Address
from promptsync.registry.errors import NotSent
from promptsync.registry.promptlayer.responses import MAX_BYTES, has_failed, shown
from promptsync.registry.protocol import Timeouts

ENCODING: Final = "gzip"
"""The encoding that is accepted. A second one around it would multiply what a few bytes decode to."""

NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""The failures after which the registry cannot have executed anything."""

NO_TLS: Final = re.compile(
    r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|record layer|handshake.*timed out"
)
"""How https fails if a server speaks http. Some servers only wait for more."""

_TOO_MANY: Final = 429
_TOO_LARGE: Final = f"is larger than {MAX_BYTES // 1024**2} MB"
_KEPT_FOR: Final = 5.0
"""Seconds for which a connection without a request stays open."""


class DeadlinePassed(httpx.ReadTimeout):
    """The response took too long as a whole, although bytes were still arriving."""


class Sender:
    """Sends the requests to one registry, from many threads at once.

    ``jobs`` is the most of them at once, 32 by default. ``on_wait`` is called with a message before each wait
    of a second or more. Without a ``transport``, the environment names certificates and a proxy.
    """

    def __init__(
        self,
        address: Address,
        timeouts: Timeouts,
        *,
        transport: httpx.BaseTransport | None = None,
        jobs: int | None = None,
        on_wait: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = address
        self._timeouts = timeouts
        self._jobs = jobs or MOST_REQUESTS
        self._transport = transport
        self._on_wait = on_wait
        self._announced_until = 0.0
        self._sleep = sleep
        self._client: httpx.Client | None = None
        self._changing = threading.Lock()
        self.throttle = Throttle(self._jobs)
        self.requests = 0
        """How many requests were sent so far, retries included."""

    def send(
        self, request: httpx.Request, *, is_repeatable: bool, before_repeat: Callable[[], bool] | None = None
    ) -> httpx.Response:
        """Return the last response to a request, with its decoded body.

        ``before_repeat`` is called after each wait, and raises if sending again would be wrong by then. If it
        returns false, that is unknown, and nothing is sent again.

        Raises ``NotSent`` if the environment prevents any request, the last ``httpx.TransportError``, and
        ``httpx.DecodingError`` if a body is too large or cannot be decoded. A failure to connect does not
        hide that an attempt before it may have been executed.
        """
        client = self._opened()
        executed: httpx.Response | httpx.TransportError | None = None
        for attempt in itertools.count(1):
            outcome = self._attempt(client, request, is_repeat=attempt > 1)
            status = outcome.status_code if isinstance(outcome, httpx.Response) else None
            if not isinstance(outcome, NOT_SENT) and status != _TOO_MANY:
                executed = outcome
            is_last = attempt >= self._attempts(outcome, is_repeatable=is_repeatable)
            if not is_last:
                self._wait(outcome, attempt)
                is_last = before_repeat is not None and not before_repeat()
            if is_last:
                last = executed if executed is not None and isinstance(outcome, NOT_SENT) else outcome
                if isinstance(last, httpx.TransportError):
                    raise last
                return last
        raise AssertionError("the number of attempts has a limit")

    def close(self) -> None:
        """Close the connections, and the transport that was passed in."""
        with self._changing:
            opened, self._client = self._client or self._transport, None
            if opened is not None:
                opened.close()

    def _attempts(self, outcome: httpx.Response | httpx.TransportError, *, is_repeatable: bool) -> int:
        """Return how often a request may be sent in all if this became of it last."""
        status = outcome.status_code if isinstance(outcome, httpx.Response) else None
        most = self._timeouts.attempts
        if status == _TOO_MANY:
            return most
        if isinstance(outcome, NOT_SENT):
            # Another attempt does not change the protocol.
            return 1 if NO_TLS.search(str(outcome)) else min(2, most)
        # After the deadline, another attempt would take as long as the user allowed for all.
        if not is_repeatable or isinstance(outcome, DeadlinePassed):
            return 1
        if isinstance(outcome, httpx.TimeoutException):
            return min(2, most)
        return most if status in (None, 500, 502, 503, 504) else 1

    def _wait(self, outcome: httpx.Response | httpx.TransportError, attempt: int) -> None:
        """Wait before the next attempt. All other requests wait too if the registry wants that."""
        status, requested = None, 0.0
        if isinstance(outcome, httpx.Response):
            status, requested = outcome.status_code, retry_after(outcome.headers.get("Retry-After", ""))
        first = self._timeouts.first_retry
        # By default this is at least a second: most registries count the requests of a second.
        least = 2 * first if status == _TOO_MANY else 0.0
        backoff = first * 2 ** (attempt - 1) * random.uniform(1, 1.25)
        seconds = min(requested or max(backoff, least), self._timeouts.longest_wait)
        if requested or status == _TOO_MANY:
            self.throttle.close_for(seconds)
        now = time.monotonic()
        if self._on_wait is not None and seconds >= 1 and now >= self._announced_until:
            self._announced_until = now + seconds
            why = "did not respond"
            if status is not None:
                why = "limits the rate of requests (429)" if status == _TOO_MANY else f"failed ({status})"
            self._on_wait(f"{self._address.base} {why}: trying again in {seconds:.0f} s")
        self._sleep(seconds)

    def _attempt(
        self, client: httpx.Client, request: httpx.Request, *, is_repeat: bool
    ) -> httpx.Response | httpx.TransportError:
        entered = self.throttle.enter(is_repeat=is_repeat)
        is_success = False
        try:
            with self._changing:
                self.requests += 1
            response = _received(client, request, self._timeouts.request)
            is_success = response.status_code != _TOO_MANY and not has_failed(response.status_code)
            return response
        except httpx.TransportError as failure:
            return failure
        finally:
            self.throttle.leave(entered, is_success=is_success)

    def _opened(self) -> httpx.Client:
        address, answer = self._address, self._timeouts.answer
        connect = self._timeouts.connect_loopback if address.is_loopback else self._timeouts.connect
        with self._changing:
            if self._client is None:
                try:
                    self._client = httpx.Client(
                        transport=self._transport,
                        # Plain http, which is for this machine alone, needs no certificates.
                        verify=address.scheme == "https" and httpx.create_ssl_context(),
                        # For requests to this machine, a proxy would only see the key.
                        trust_env=not address.is_loopback,
                        timeout=httpx.Timeout(answer, connect=min(answer, connect), pool=None),
                        limits=httpx.Limits(
                            max_connections=self._jobs,
                            max_keepalive_connections=self._jobs,
                            keepalive_expiry=_KEPT_FOR,
                        ),
                    )
                except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
                    raise NotSent(
                        f"cannot set up a connection to {address.base}: {shown(str(error))}",
                        hint="check SSL_CERT_FILE, SSL_CERT_DIR, HTTPS_PROXY and ALL_PROXY in your shell",
                    ) from None
            return self._client


def retry_after(value: str) -> float:
    """Return the seconds from now that a ``Retry-After`` header names, 0 if it is no number and no date."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
            # A date that ends in -0000 has no time zone in Python, and is UTC.
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _received(client: httpx.Client, request: httpx.Request, seconds: float) -> httpx.Response:
    """Return the response to a request, which must be complete within ``seconds``."""
    deadline = time.monotonic() + seconds
    try:
        response = client.send(request, stream=True)
    except UnicodeError as error:  # of a host that is no name
        raise httpx.ConnectError(str(error)) from None
    parts, size = [], 0
    try:
        for part in response.iter_raw():
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                raise httpx.DecodingError(_TOO_LARGE)
            if time.monotonic() >= deadline:
                raise DeadlinePassed(f"was not complete within {seconds:g} s")
    finally:
        response.close()
    content = _decoded(b"".join(parts), response.headers.get("Content-Encoding", "").strip().lower())
    kept = [(name, value) for name, value in response.headers.multi_items() if name != "content-encoding"]
    return httpx.Response(response.status_code, headers=kept, content=content)


def _decoded(content: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity") or not content:
        return content
    if encoding != ENCODING:
        raise httpx.DecodingError(f"is encoded as {encoding!r}, and only {ENCODING!r} was accepted")
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        decoded = decoder.decompress(content, MAX_BYTES + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"cannot be decoded: {error}") from None
    if not decoder.eof:
        raise httpx.DecodingError(_TOO_LARGE if len(decoded) > MAX_BYTES else "ends early")
    return decoded


START: Final = 8
"""How many requests are under way at once before anything is known about the registry."""


class Throttle:
    """Adapts the number of requests at once, its ``width``, to the registry.

    After as many successes as it is wide, the width doubles, or grows by half once something has failed. A
    failure halves it, once for all requests that were under way together. A request that is sent again goes
    before those that were never sent, so that a rate limit does not hit the same one over and over.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = max(1, limit)
        self.width = min(START, self._limit)
        self._inside = self._repeats = self._successes = self._halvings = 0
        self._opens_at = -math.inf
        self._clock = clock
        self._changed = threading.Condition()

    def pause(self, *, is_repeat: bool = False) -> float:
        """Return the seconds until a request may start, infinity if another one has to start or end first."""
        if self._inside >= self.width or (self._repeats and not is_repeat):
            return math.inf
        return max(0.0, self._opens_at - self._clock())

    def enter(self, *, is_repeat: bool = False) -> int:
        """Wait until a request may start. ``leave`` needs the result."""
        with self._changed:
            self._repeats += is_repeat
            try:
                while (pause := self.pause(is_repeat=is_repeat)) > 0:
                    self._changed.wait(None if pause == math.inf else pause)
            finally:
                self._repeats -= is_repeat
                if is_repeat:
                    self._changed.notify_all()
            self._inside += 1
            return self._halvings

    def leave(self, entered: int, *, is_success: bool) -> None:
        """End a request, and learn from what became of it."""
        with self._changed:
            self._inside -= 1
            self._successes = self._successes + 1 if is_success else 0
            if self._successes >= self.width:
                grown = self.width + max(1, self.width // 2) if self._halvings else 2 * self.width
                self.width, self._successes = min(self._limit, grown), 0
            if not is_success and entered == self._halvings:
                self._halvings += 1
                self.width = max(1, self.width // 2)
            self._changed.notify_all()

    def close_for(self, seconds: float) -> None:
        """Start no request for this many seconds."""
        with self._changed:
            self._opens_at = max(self._opens_at, self._clock() + seconds)

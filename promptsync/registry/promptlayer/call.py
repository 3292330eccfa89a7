"""Turns the call of an operation into a request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from promptsync import __version__
from promptsync.errors import RemoteError
from promptsync.registry.address import segment
from promptsync.registry.promptlayer.body import ACCEPTED
from promptsync.registry.promptlayer.endpoints import Operation, Route
from promptsync.registry.promptlayer.exchange import Headers, HttpRequest
from promptsync.registry.promptlayer.responses import shown

_NO_KEY: Final = "local"
"""Sent if no key is needed: an embedded registry accepts any key, but not none."""

_FRESH: Final = (b"Cache-Control", b"no-cache")
_IS_JSON: Final = (b"Content-Type", b"application/json")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods of requests that have a length even if they have no body."""


@dataclass(frozen=True, slots=True)
class Call:
    """What to send for an operation, before the route is known.

    ``Connection.call`` explains the attributes.
    """

    path: Mapping[str, object]
    query: Mapping[str, Any] | None
    body: Mapping[str, Any] | Callable[[str], Mapping[str, Any]] | None
    fresh: bool
    before_repeat: Callable[[], bool] | None = None

    def build(self, prefix: str, route: Route, operation: Operation, headers: Headers) -> HttpRequest:
        """Return the request by one route; ``prefix`` is the path of the registry's URL."""
        body = self.body(route.shape) if callable(self.body) else self.body
        try:
            path = route.path.format_map({key: segment(value) for key, value in self.path.items()})
            query = "?" + urlencode(_spelled(self.query)) if self.query else ""
            content = b"" if body is None else _json(body)
        except (TypeError, ValueError, RecursionError) as error:
            why = shown(str(error))
            if isinstance(error, UnicodeEncodeError):
                why = "it contains bytes that are not UTF-8, or half a surrogate pair"
            raise RemoteError(
                f"cannot {operation.name}: the text is not valid in JSON: {why}",
                hint="remove that character from the text",
                code="not-json",
            ) from None
        more = [_FRESH] if self.fresh else []
        if body is not None:
            more.append(_IS_JSON)
        if body is not None or route.method in _WITH_BODY:
            more.append((b"Content-Length", b"%d" % len(content)))
        return HttpRequest(route.method, prefix + path + query, [*headers, *more], content)


def common_headers(key: str) -> Headers:
    """Return the headers of every request."""
    return (
        (b"Accept", b"application/json"),
        (b"Accept-Encoding", ACCEPTED.encode("ascii")),
        (b"Connection", b"keep-alive"),
        (b"User-Agent", f"promptsync/{__version__}".encode("ascii")),
        (b"X-API-KEY", (key or _NO_KEY).encode("ascii")),
    )


def _spelled(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a query with booleans as in JSON."""
    return {key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")

"""Which requests a served registry accepts: those sent to its own address, and none that a web page sends.

Without ``--api-key`` any key is accepted, and a page in a browser reaches every port of its machine. Such a
page cannot choose the headers ``Host``, ``Origin`` and ``Sec-Fetch-Site``. Without a preflight, which is
refused, it can send neither JSON nor protobuf, nor the header ``X-API-KEY``, so a form needs that header.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from promptsync.server.http.answer import PROTOBUF, ApiError
from promptsync.server.http.body import FORM, JSON, media_type, wrong_type

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_TARGET: Final = 8192
"""Longest path with its query, in characters."""

BODY_TYPES: Final = frozenset({JSON, PROTOBUF})
"""Media types of bodies. Never add one that a page can send without a preflight, such as text/plain."""

HEADERS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Sent with every response, so that no page of another origin can load one as a script or an image."""

_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\s\[\]:/?#@\\,]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
_HTTP_PORT: Final = 80


@dataclass(frozen=True)
class Hosts:
    """The hosts that requests may name.

    On a loopback address these are the loopback names with the ``port``. Otherwise they are all IP addresses,
    which no DNS server of an attacker can hand out as names, and ``localhost``, with any port, because
    containers and tunnels change it. ``names`` are accepted in addition, with any port.
    """

    port: int
    loopback: bool
    names: Collection[str] = ()

    def accept(self, authority: str) -> bool:
        """Return whether ``authority``, the value of a ``Host`` header, is one of the hosts."""
        match = _AUTHORITY.fullmatch(authority)
        if match is None:
            return False
        host, port = match[1].lower().strip("[]"), int(match[2] or _HTTP_PORT)
        if host in self.names:
            return True
        if self.loopback:
            return is_loopback(host) and port == self.port
        return is_address(host) or host == "localhost"


def is_address(host: str) -> bool:
    """Return whether ``host`` is an IP address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach ``host``, an IP address or a name, without any look-up."""
    if not is_address(host):
        return host == "localhost"
    found = ip_address(host)
    # Before Python 3.13, ::ffff:127.0.0.1 does not count as a loopback address.
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


class Guard:
    """A WSGI application that calls ``app`` for the requests that ``check`` accepts."""

    def __init__(self, app: WSGIApplication, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, *HEADERS], *more)

        try:
            check(environ, self._hosts)
        except ApiError as error:
            return error.response()(environ, start)
        return self._app(environ, start)


def check(environ: WSGIEnvironment, hosts: Hosts) -> None:
    """Raise an ``ApiError`` for a request that a web page may have sent, and for an overlong path."""
    target = environ.get("REQUEST_URI", "")
    if len(target) > MAX_TARGET:
        raise ApiError(414, f"The path and the query are longer than {MAX_TARGET:,} characters.")
    host = environ.get("HTTP_HOST", "")
    _check_host(host, hosts)
    if "://" in target.partition("?")[0]:  # proxies send an absolute URL
        _check_host(target.partition("://")[2].partition("/")[0], hosts)
    _check_origin(environ, host)
    if environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
        raise _from_a_page("Access-Control-Request-Method is set")
    _check_type(environ)


def _check_host(host: str, hosts: Hosts) -> None:
    if not host:
        raise ApiError(400, "The Host header is missing; send the host and port of the registry's URL.")
    if not hosts.accept(host):
        name = host.rpartition(":")[0] or host
        raise ApiError(
            403,
            f"{host[:100]!r} is not an address of this registry. Use the URL that promptsync serve prints, "
            f"or allow the name: promptsync serve --allow-host {name[:100]}",
        )


def _check_origin(environ: WSGIEnvironment, host: str) -> None:
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        raise _from_a_page(f"Origin: {origin[:100]}")
    # Old browsers do not send it, and programs such as Node.js send other Sec-Fetch headers only.
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None and site not in {"none", "same-origin"}:
        raise _from_a_page(f"Sec-Fetch-Site: {site[:100]}")


def _from_a_page(why: str) -> ApiError:
    return ApiError(
        403,
        f"Web pages cannot use this registry ({why}). Send the request from a program, without an Origin.",
    )


def _check_type(environ: WSGIEnvironment) -> None:
    if environ.get("CONTENT_LENGTH") in {None, "", "0"}:
        return
    # A page cannot set this header either. The application decides which paths accept forms.
    if media_type(environ) == FORM and environ.get("HTTP_X_API_KEY"):
        return
    if media_type(environ) not in BODY_TYPES:
        raise wrong_type(environ)

"""Which requests a served registry accepts: those sent to its own address, and none that a web page sends.

Without ``--api-key`` any key is accepted, and a page in a browser reaches every port of its machine. Such a
page cannot choose the headers ``Host``, ``Origin`` and ``Sec-Fetch-Site``. Without a preflight, which is
refused, it can send neither JSON nor protobuf, nor the header ``X-API-KEY``, so a form needs that header.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from typing import Final

import msgspec

from promptsync.server.http import FORM, JSON, PROTOBUF, ApiError, media_type, wrong_type

MAX_TARGET: Final = 8192
"""Longest path with its query, in characters."""

BODY_TYPES: Final = frozenset({JSON, PROTOBUF})
"""Media types of bodies. Never add one that a page can send without a preflight, such as text/plain."""

HEADERS: Final = (("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin"))
"""Sent with every response, so that no page of another origin can load one as a script or an image."""

_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\s\[\]:/?#@\\,]+)(?::([0-9]{1,5}))?", re.IGNORECASE)


class Hosts(msgspec.Struct, frozen=True):
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
        host, port = match[1].lower().strip("[]"), int(match[2] or 80)
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
    address = ip_address(host)
    # Before Python 3.13, ::ffff:127.0.0.1 does not count as a loopback address.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def check(method: str, target: str, headers: Mapping[str, str], hosts: Hosts) -> None:
    """Raise an ``ApiError`` for a request that a web page may have sent, and for an overlong ``target``.

    The names of ``headers`` are in lower case.
    """
    if len(target) > MAX_TARGET:
        raise ApiError(414, f"The path and the query are longer than {MAX_TARGET:,} characters.")
    host = headers.get("host", "")
    _check_host(host, hosts)
    if "://" in target.partition("?")[0]:  # proxies send an absolute URL
        _check_host(target.partition("://")[2].partition("/")[0], hosts)
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        raise _from_a_page(f"Origin: {origin[:100]}")
    # Old browsers do not send it, and programs such as Node.js send other Sec-Fetch headers only.
    site = headers.get("sec-fetch-site")
    if site is not None and site not in {"none", "same-origin"}:
        raise _from_a_page(f"Sec-Fetch-Site: {site[:100]}")
    if method == "OPTIONS" and "access-control-request-method" in headers:
        raise _from_a_page("Access-Control-Request-Method is set")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        sent = headers.get("content-type", "")
        # A page cannot set this header either. The application decides which paths accept forms.
        is_form = media_type(sent) == FORM and headers.get("x-api-key")
        if not is_form and media_type(sent) not in BODY_TYPES:
            raise wrong_type(sent)


def _check_host(host: str, hosts: Hosts) -> None:
    if not host:
        raise ApiError(400, "The Host header is missing; send the host and port of the registry's URL.")
    if not hosts.accept(host):
        name = host.rpartition(":")[0] or host
        wrong = f"{host[:100]!r} is not an address of this registry."
        hint = f"or allow the name: promptsync serve --allow-host {name[:100]}"
        raise ApiError(403, f"{wrong} Use the URL that promptsync serve prints, {hint}")


def _from_a_page(why: str) -> ApiError:
    hint = "Send the request from a program, without an Origin."
    return ApiError(403, f"Web pages cannot use this registry ({why}). {hint}")

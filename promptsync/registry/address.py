"""Which URLs of registries are allowed, and how names become parts of paths. Loads no HTTP library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Final
from urllib.parse import quote

from promptsync.errors import UsageError

LOCAL: Final = "local:"
"""URLs of embedded registries start like this; the caller brings their transport along."""

_LOCAL_BASE: Final = "http://localhost"
_LOOPBACK: Final = IPv4Network("127.0.0.0/8")
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^\s/\\?#@\[\]:]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^\s?#\\]*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Address:
    """``base`` is the URL to which paths are appended; it ends in no slash."""

    base: str
    scheme: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return _is_loopback(self.host)


def address(url: str) -> Address:
    """Take a registry's URL apart without looking anything up.

    Raises ``UsageError`` for what is no http(s) URL, for plain http to a host that is not loopback, and for
    a URL that carries a user name, a password, a query or a fragment.
    """
    if url.startswith(LOCAL):
        return Address(_LOCAL_BASE, "http", "localhost", 80)
    match = _URL.fullmatch(url.strip())
    if match is None:
        raise UsageError(f"{_shown(url)} is not the URL of a registry", hint=_why(url))
    scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]")
    port = int(match["port"] or (443 if scheme == "https" else 80))
    if port > 65535:
        raise UsageError(f"{_shown(url)} names port {port}; ports end at 65535")
    if scheme == "http" and not _is_loopback(host):
        raise UsageError(
            f"refusing plain http to {host}: the API key would cross the network unencrypted",
            hint=f"use https://{host}, or an address of this machine such as http://127.0.0.1:PORT",
        )
    return Address(_base(match, scheme), scheme, host, port)


def segment(value: object) -> str:
    """Percent-encode a name or an id as one segment of a path, with no safe characters."""
    text = str(value)
    if text in {".", ".."}:  # HTTP libraries resolve dot segments before they send
        return text.replace(".", "%2E")
    return quote(text, safe="")


def _base(match: re.Match[str], scheme: str) -> str:
    port = f":{match['port']}" if match["port"] else ""
    return f"{scheme}://{match['host'].lower()}{port}{match['path'] or ''}".rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        found = ip_address(host)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return found in _LOOPBACK
    return found == IPv6Address("::1")


def _shown(url: str) -> str:
    """The URL without what may be a password, in one line."""
    return repr(re.sub(r"//[^/]*@", "//…@", url))


def _why(url: str) -> str:
    if "://" not in url:
        return f"write it with its scheme, as in https://{url.strip() or 'api.promptlayer.com'}"
    if re.search(r"//[^/]*@", url):
        return "leave the user name and the password out; the key is taken from PROMPTLAYER_API_KEY"
    if "?" in url or "#" in url:
        return "leave the part from ? or # on out"
    return "a registry's URL looks like https://api.promptlayer.com"

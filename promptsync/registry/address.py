"""Which registry URLs and API keys are allowed, and how names become parts of paths.

Loads no HTTP library.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote

import msgspec

from promptsync.errors import UsageError
from promptsync.registry.errors import MissingKey

LOCAL: Final = "local:"
"""How the URL of an embedded registry starts."""

NO_KEY: Final = "it contains spaces, quotes or other invalid characters"

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^\s/\\?#@\[\]:]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^\s?#\\]*)?",
    re.IGNORECASE,
)


class Address(msgspec.Struct, frozen=True):
    """The parts of a registry's URL. ``base`` is all of it, without a slash at its end."""

    base: str
    scheme: str
    host: str
    port: int
    is_loopback: bool


def address(url: str) -> Address:
    """Split a registry's URL into its parts, without any look-up.

    Raises ``UsageError`` if it is not an http(s) URL, if it is plain http to a host that is not loopback, and
    if it has a user name, a password, a query or a fragment.
    """
    if url.startswith(LOCAL):
        # Its requests never leave this process.
        return Address("http://localhost", "http", "localhost", 80, is_loopback=True)
    match = _URL.fullmatch(url.strip())
    shown = repr(re.sub(r"//[^/]*@", "//…@", url))  # without what may be a password
    if match is None:
        hint = "use a URL without user name, ? and #, such as https://api.promptlayer.com"
        if "://" not in url:
            hint = f"use https://{url.strip() or 'api.promptlayer.com'}"
        raise UsageError(f"{shown} is not a registry URL", hint=hint)
    scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]")
    port = int(match["port"] or (443 if scheme == "https" else 80))
    if port > 65535:
        raise UsageError(
            f"{shown} has port {port}; the highest port is 65535",
            hint=f"leave out :{port}, or use the registry's port",
        )
    is_loopback = _is_loopback(host)
    if scheme == "http" and not is_loopback:
        raise UsageError(
            f"refusing plain http to {host}: the API key would cross the network unencrypted",
            hint=f"use https://{host}, or http://127.0.0.1:PORT for a registry on this machine",
        )
    origin = f"{scheme}://{match['host'].lower()}" + (f":{match['port']}" if match["port"] else "")
    return Address(f"{origin}{match['path'] or ''}".rstrip("/"), scheme, host, port, is_loopback)


def segment(value: object) -> str:
    """Return a name or an id percent-encoded as one segment of a path."""
    text = str(value)
    if text in {".", ".."}:  # proxies and servers resolve dot segments
        return text.replace(".", "%2E")
    return quote(text, safe="")


def checked_key(api_key: str | None, url: str, *, is_needed: bool = True) -> str:
    """Return the key as it is sent. Raises ``MissingKey`` if it is missing or invalid."""
    key = (api_key or "").strip()
    if not key and is_needed:
        # All http URLs of other machines are refused.
        serve = " (`promptsync serve` accepts any value)" if url.startswith("http:") else ""
        raise MissingKey(
            f"there is no API key for {url}",
            hint=f"set PROMPTLAYER_API_KEY to an API key of your workspace{serve}",
        )
    if key and not is_key(key):
        raise MissingKey(
            f"PROMPTLAYER_API_KEY is not an API key: {NO_KEY}",
            hint="set PROMPTLAYER_API_KEY to the key alone, without quotes or line breaks",
        )
    return key


def is_key(text: str) -> bool:
    """Return whether a text can be sent as a key."""
    return text.isascii() and text.isprintable() and not set(text) & set(" '\"")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

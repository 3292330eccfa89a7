"""Why there is no connection, in words that tell what to do."""

from __future__ import annotations

import re
from typing import Final

from promptsync.remote.address import Address

_NO_NAME: Final = re.compile(
    r"name or service|nodename|name resolution|getaddrinfo|no address", re.IGNORECASE
)
NO_TLS: Final = re.compile(
    r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|record layer|handshake.*timed out"
)
"""What a client of https says to a server that speaks http; some servers just wait for more."""

_CLOCK: Final = re.compile(r"certificate (has expired|is not yet valid)")
_OTHER_HOST: Final = re.compile(r"(hostname|IP address) mismatch|not valid for", re.IGNORECASE)
_UNTRUSTED: Final = re.compile(r"CERTIFICATE_VERIFY_FAILED|unable to get|self.signed")


def explained(address: Address, why: str) -> tuple[str, str]:
    """Return a reason and a hint for what the network said."""
    place = f"{address.host}:{address.port}"
    if _NO_NAME.search(why):
        return f"nobody knows the name {address.host} ({why})", "check the url of the remote, and the network"
    if NO_TLS.search(why):
        hint = "check the url of the remote: its host, its port"
        if address.is_loopback:
            hint = f"write http://{place} if that is `promptsync serve`, or another registry of this machine"
        return f"{place} does not speak https ({why})", hint
    if _CLOCK.search(why):
        return why, "set this machine's clock; if it is right, the certificate has to be renewed"
    if _OTHER_HOST.search(why):
        return why, "check the host in the url of the remote; the certificate is another host's"
    if _UNTRUSTED.search(why):
        return (
            why,
            "if your network has an authority of its own: export SSL_CERT_FILE=/path/of/its/certificates.pem",
        )
    if address.is_loopback:
        return why, f"is a registry running there? `promptsync serve --port {address.port}` starts one"
    return why, "check the url of the remote, the network and any proxy"

"""Why there is no connection, in words that tell what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from promptsync.errors import RemoteError
from promptsync.registry.address import Address
from promptsync.registry.errors import (
    ConnectionLost,
    NotFound,
    NotSent,
    Redirected,
    Rejected,
    ServerFailed,
    TimedOut,
    Unsupported,
)
from promptsync.registry.promptlayer.answers import Answer, shown
from promptsync.registry.promptlayer.endpoints import RUN_EVALUATION, Operation
from promptsync.registry.promptlayer.transport import UNSENT

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


_NO_SUCH_OPERATION: Final = frozenset({404, 405, 501})
_REAL_CAUSE: Final = re.compile(r"snippet|@@@|commit.?message.*(72|long|length|char)|72.char", re.IGNORECASE)
"""What only a registry says that has understood the body."""

_NO_ROWS: Final = re.compile(r"request|dataset|row", re.IGNORECASE)
"""Running an evaluation answers 401 also when no requests match; then the key is not to blame."""

_STATUS_WORDS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    501: "Not Implemented",
}


def turned_down(operation: Operation, answers: Sequence[Answer]) -> RemoteError:
    """The error for a request that all the routes tried, at least one, turned down."""
    answer, is_cause = _telling(answers)
    others = [other for other in answers if _outcome(other) != _outcome(answer)]
    said = answer.reason()
    if answer.status in _NO_SUCH_OPERATION:
        if answer.status == 404 and operation.item and not answer.is_about_route():
            return NotFound(f"{answer.asked}: {_outcome(answer)}", status=404, reason=said)
        tried = "; ".join(f"{one.request}: {_outcome(one)}" for one in answers)
        return Unsupported(
            f"{answer.url} has no operation to {operation.name} ({tried})",
            hint="check the url of the remote; if it is right, this registry cannot do what was asked",
        )
    hint, code = _advice(answer, operation)
    message = f"{answer.asked}: {_outcome(answer)}"
    noise = [f"asked in another form: {_outcome(other)}" for other in others]
    if not is_cause:
        message, noise = "; ".join([message, *noise]), []
    return Rejected(message, status=answer.status, reason=said, hint=hint, details=noise, code=code)


def redirected(answer: Answer, target: str) -> Redirected:
    return Redirected(
        f"{answer.asked}: it redirects to {shown(target) or 'nowhere'} (status {answer.status}), "
        "and the API key is not sent along",
        hint="if you trust that address, make it the url of the remote",
    )


def failed(answer: Answer) -> ServerFailed:
    said = answer.reason()
    return ServerFailed(
        f"{answer.asked}: the registry failed with status {answer.status}" + (f": {said}" if said else ""),
        status=answer.status,
        hint="try again later",
    )


def transport(
    address: Address, url: str, operation: Operation, error: httpx.HTTPError, scrub: Callable[[str], str]
) -> RemoteError:
    """The error for a request that got no whole answer."""
    place = f"{address.host}:{address.port}"
    why = shown(scrub(str(error))) or type(error).__name__
    if isinstance(error, UNSENT):
        if isinstance(error, httpx.TimeoutException) and not NO_TLS.search(why):
            why = "no connection in time"
        reason, hint = explained(address, why)
        return NotSent(f"cannot connect to {place} to {operation.name}: {reason}", hint=hint)
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(
            f"{url} did not answer in time when asked to {operation.name} (allowed: {_allowed(error)})",
            hint="try again; if it stays so, check the network and any proxy",
        )
    if isinstance(error, httpx.TransportError | httpx.DecodingError):
        return ConnectionLost(
            f"the connection to {place} ended without a whole answer when asked to {operation.name}: {why}",
            hint="try again; if it stays so, check the network and any proxy",
        )
    return RemoteError(f"cannot {operation.name} at {url}: {why}")


def _allowed(error: httpx.HTTPError) -> str:
    seconds = error.request.extensions.get("timeout", {}).get("read")
    return f"{seconds:g} s" if isinstance(seconds, int | float) else "not stated"


def _telling(answers: Sequence[Answer]) -> tuple[Answer, bool]:
    """The answer to go by when several routes were turned down, and whether the others are mere noise."""
    causes = [
        answer for answer in answers if answer.status in {400, 422} and _REAL_CAUSE.search(answer.reason())
    ]
    if causes:
        return causes[0], True
    routed = [answer for answer in answers if answer.status not in _NO_SUCH_OPERATION]
    about_item = [answer for answer in answers if not answer.is_about_route()]
    return next(iter([*routed, *about_item, *answers])), False


def _outcome(answer: Answer) -> str:
    said = answer.reason()
    words = f"{answer.status} {_STATUS_WORDS.get(answer.status, '')}".strip()
    return f"{words}: {said}" if said else words


def _advice(answer: Answer, operation: Operation) -> tuple[str, str]:
    """What to do about a refusal, and its machine-readable word."""
    if answer.status == 401 and not (operation is RUN_EVALUATION and _NO_ROWS.search(answer.reason())):
        return f"set PROMPTLAYER_API_KEY to a valid key for {answer.url}", "unauthorized"
    if answer.status == 403:
        return "the key lacks the permission; ask an administrator of the workspace", "forbidden"
    if answer.status == 429:
        return "the registry limits how often it may be asked; try again later", "rate-limited"
    return "", ""

"""The errors for requests that failed: what happened, and what fixes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import httpx

from promptsync.errors import RemoteError
from promptsync.registry.address import Address
from promptsync.registry.errors import FateUnknown, NotFound, NotSent, Rejected, TimedOut, Unsupported
from promptsync.registry.promptlayer.endpoints import RUN_EVALUATION, Operation
from promptsync.registry.promptlayer.http import NO_TLS, NOT_SENT, DeadlinePassed
from promptsync.registry.promptlayer.responses import WRONG_PLACE, Answer, has_failed, shown

if TYPE_CHECKING:
    from promptsync.registry.promptlayer.connection import Connection

# A wrong clock and a wrong host are reported as CERTIFICATE_VERIFY_FAILED too, so they come first.
_NETWORK: Final = (
    (
        re.compile("name or service|nodename|name resolution|getaddrinfo|no address", re.IGNORECASE),
        "the host {host} was not found ({why})",
        "check the remote's url, and your network",
    ),
    (NO_TLS, "{place} does not speak https ({why})", "check the host and the port in the remote's url"),
    (
        re.compile("certificate (has expired|is not yet valid)"),
        "{why}",
        "set this machine's clock; if it is right, the registry must renew its certificate",
    ),
    (
        re.compile("(hostname|IP address) mismatch|not valid for", re.IGNORECASE),
        "{why}",
        "check the host in the remote's url: the certificate is for another host",
    ),
    (
        re.compile("CERTIFICATE_VERIFY_FAILED|unable to get|self.signed"),
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

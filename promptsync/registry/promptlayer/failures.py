"""The errors for requests that failed: what happened, and what fixes it."""

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
    UnreadableBody,
    Unsupported,
)
from promptsync.registry.promptlayer.endpoints import RUN_EVALUATION, Operation
from promptsync.registry.promptlayer.http import NO_TLS, NOT_SENT, DeadlinePassed
from promptsync.registry.promptlayer.responses import Answer, shown

_NO_NAME: Final = re.compile(
    r"name or service|nodename|name resolution|getaddrinfo|no address", re.IGNORECASE
)
_CLOCK: Final = re.compile(r"certificate (has expired|is not yet valid)")
_OTHER_HOST: Final = re.compile(r"(hostname|IP address) mismatch|not valid for", re.IGNORECASE)
_UNTRUSTED: Final = re.compile(r"CERTIFICATE_VERIFY_FAILED|unable to get|self.signed")

_TRY_AGAIN: Final = "try again; if it keeps happening, check your network and any proxy"
_LONGER: Final = (
    "try again; if this registry is slow, set a higher timeout: for the remote in promptsync.yaml"
)
_WRONG_PLACE: Final = "check the remote's url, and that no proxy or login page responds instead"
_NO_SUCH_OPERATION: Final = frozenset({404, 405, 501})
_REAL_CAUSE: Final = re.compile(r"snippet|@@@|commit.?message.*(72|long|length|char)|72.char", re.IGNORECASE)
"""What a registry says only if it has understood the body."""

_NO_ROWS: Final = re.compile(r"request|dataset|row", re.IGNORECASE)
"""Running an evaluation returns 401 also if no requests match. Then the key is not the cause."""


def explained(address: Address, why: str) -> tuple[str, str]:
    """Return a reason and a hint for an error of the network."""
    place = f"{address.host}:{address.port}"
    if _NO_NAME.search(why):
        return f"the host {address.host} was not found ({why})", "check the remote's url, and your network"
    if NO_TLS.search(why):
        hint = "check the host and the port in the remote's url"
        if address.is_loopback:
            hint = f"use http://{place} if that is `promptsync serve` or another registry on this machine"
        return f"{place} does not speak https ({why})", hint
    # A wrong clock and a wrong host are reported as CERTIFICATE_VERIFY_FAILED too, so they come first.
    if _CLOCK.search(why):
        return why, "set this machine's clock; if it is right, the registry must renew its certificate"
    if _OTHER_HOST.search(why):
        return why, "check the host in the remote's url: the certificate is for another host"
    if _UNTRUSTED.search(why):
        hint = "export SSL_CERT_FILE=/path/to/certificates.pem, if your network has its own authority"
        return why, hint
    if address.is_loopback:
        return why, f"promptsync serve --port {address.port}"
    return why, "check the remote's url, your network and any proxy"


def rejected(operation: Operation, answers: Sequence[Answer]) -> RemoteError:
    """Return the error for a request that was rejected by every route that was tried, at least one."""
    answer, is_cause = _most_specific(answers)
    others = [other for other in answers if _outcome(other) != _outcome(answer)]
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
    message = f"{answer.message_start}: {_outcome(answer)}"
    noise = [f"sent in another form: {_outcome(other)}" for other in others]
    if not is_cause:
        message, noise = "; ".join([message, *noise]), []
    return Rejected(message, status=answer.status, reason=said, hint=hint, details=noise, code=code)


def redirected(answer: Answer, target: str) -> Redirected:
    return Redirected(
        f"{answer.message_start}: it redirects to {shown(target) or 'nowhere'} (status {answer.status}), "
        "and promptsync does not send your API key there",
        hint="set that address as the remote's url if you trust it",
    )


def failed(answer: Answer) -> ServerFailed:
    said = answer.reason()
    return ServerFailed(
        f"{answer.message_start}: the registry failed with status {answer.status}"
        + (f": {said}" if said else ""),
        status=answer.status,
        hint="try again later",
    )


def transport(
    address: Address,
    url: str,
    operation: Operation,
    asked: str,
    error: httpx.RequestError,
    scrub: Callable[[str], str],
    *,
    answer: float,
) -> RemoteError:
    """Return the error for a request that got no complete response.

    ``asked`` is its method and path. ``answer`` is the time-out for each step, in seconds.
    """
    place = f"{address.host}:{address.port}"
    why = shown(scrub(str(error))) or type(error).__name__
    if isinstance(error, NOT_SENT):
        if isinstance(error, httpx.TimeoutException) and not NO_TLS.search(why):
            why = "timed out"
        reason, hint = explained(address, why)
        return NotSent(f"cannot {operation.name}: no connection to {place}: {reason}", hint=hint)
    if isinstance(error, DeadlinePassed | httpx.DecodingError):
        message = f"{url} cannot {operation.name} ({asked}): the response {why}"
        if isinstance(error, DeadlinePassed):
            return TimedOut(message, hint=_LONGER)
        return UnreadableBody(message, hint=_WRONG_PLACE)
    if isinstance(error, httpx.TimeoutException):
        message = f"{url} did not respond within {answer:g} s to the request to {operation.name}"
        return TimedOut(message, hint=_TRY_AGAIN)
    return ConnectionLost(
        f"the connection to {place} was lost during the request to {operation.name}: {why}", hint=_TRY_AGAIN
    )


def _most_specific(answers: Sequence[Answer]) -> tuple[Answer, bool]:
    """Return the response that gives the reason, and whether the other ones are noise."""
    # Only a registry that understood the body can complain about a snippet or the message in it.
    causes = [
        answer for answer in answers if answer.status in {400, 422} and _REAL_CAUSE.search(answer.reason())
    ]
    if causes:
        return causes[0], True
    # A route that exists says more about the request than one that does not.
    routed = [answer for answer in answers if answer.status not in _NO_SUCH_OPERATION]
    about_item = [answer for answer in answers if not answer.is_about_route()]
    return next(iter([*routed, *about_item, *answers])), False


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

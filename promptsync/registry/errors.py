"""What can go wrong between us and a registry, sorted by what a caller may conclude from it.

    RemoteError
    ├── MissingKey          no API key was given
    ├── NotSent             certainly not executed: no connection, or turned away
    │   ├── Redirected      3xx, which is not followed: the key would go along
    │   └── Rejected        4xx, with the registry's own message
    │       └── NotFound    404 for the item that was asked for
    ├── FateUnknown         a write may have been executed or not: read back before deciding
    │   ├── ConnectionLost  closed without a whole answer
    │   │   └── ServerFailed    5xx
    │   └── TimedOut        no answer in time
    ├── BadAnswer           an answer of the wrong shape: HTML, cut JSON, missing fields
    ├── Unsupported         the registry lacks the operation
    ├── ListKeptChanging    no two pages of a list belonged together
    ├── NotReadableRaw      only a form with expanded snippets can be read
    └── RenamedRemotely     the same id under another name (exit code 3)

``FateUnknown`` is raised for reads as well, where it means no more than a failure.
"""

from __future__ import annotations

from collections.abc import Sequence

from promptsync.errors import RemoteError


class MissingKey(RemoteError):
    """No API key was given for a registry that needs one."""

    code = "missing-key"


class NotSent(RemoteError):
    """The request was certainly not executed."""

    code = "not-sent"


class Redirected(NotSent):
    """The registry answered with a redirect."""

    code = "redirected"


class Rejected(NotSent):
    """The registry turned the request down with ``status``; ``reason`` is its own message."""

    code = "rejected"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str = "",
        hint: str = "",
        details: Sequence[str] = (),
        code: str = "",
    ) -> None:
        super().__init__(message, hint=hint, details=details, code=code)
        self.status = status
        self.reason = reason


class NotFound(Rejected):
    """The registry knows the operation, but not the item."""

    code = "not-found"


class FateUnknown(RemoteError):
    """The request was sent and its outcome is not known. A write must be read back before it is repeated."""

    code = "unknown-outcome"


class ConnectionLost(FateUnknown):
    """The connection ended without a whole, readable answer."""

    code = "connection-lost"


class ServerFailed(ConnectionLost):
    """The registry answered ``status``, 500 or above."""

    code = "server-failed"

    def __init__(self, message: str, *, status: int, hint: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint, details=details)
        self.status = status


class TimedOut(FateUnknown):
    """The request was sent and no answer came in time."""

    code = "timed-out"


class BadAnswer(RemoteError):
    """The answer has not the shape that the operation calls for."""

    code = "bad-answer"


class Unsupported(RemoteError):
    """The registry has no such operation."""

    code = "unsupported"


class ListKeptChanging(RemoteError):
    """A list never read the same from its first page to its last."""

    code = "list-kept-changing"


class NotReadableRaw(RemoteError):
    """The registry gives only a form of the prompt in which snippet references are gone."""

    code = "not-readable-raw"


class RenamedRemotely(RemoteError):
    """The id that was known under one name answers to another one now."""

    exit_code = 3
    code = "renamed-remotely"

    def __init__(self, message: str, *, old: str, new: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.old = old
        self.new = new

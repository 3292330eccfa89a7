"""Errors of a registry, sorted by what a caller can conclude from each.

    RemoteError
    ├── MissingKey          there is no API key, or it cannot be one
    ├── NotSent             certainly not executed: no connection, a redirect, or refused
    │   └── Rejected        4xx, with the registry's own message
    │       └── NotFound    404 for the requested item
    ├── FateUnknown         a write may or may not have been executed: read back before deciding
    │   └── TimedOut        no response in time
    ├── BadAnswer           a response of the wrong shape: HTML, truncated JSON, missing fields
    ├── Unsupported         the registry lacks the operation
    ├── NotReadableRaw      a prompt can only be read with expanded snippets
    ├── UnusablePrompt      no prompt file can hold a version of a prompt
    └── RenamedRemotely     a known id has another name (exit code 3)

Reads raise ``FateUnknown`` too. There it only means that they failed. The ``code`` says more about the cause.
"""

from __future__ import annotations

from promptsync.errors import RemoteError


class MissingKey(RemoteError):
    """There is no usable API key for a registry that needs one."""

    code = "missing-key"


class NotSent(RemoteError):
    """The request was certainly not executed."""

    code = "not-sent"


class Rejected(NotSent):
    """The registry rejected the request with ``status``; ``reason`` is its own message."""

    code = "rejected"

    def __init__(
        self, message: str, *, status: int, reason: str = "", hint: str = "", code: str = ""
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.status = status
        self.reason = reason


class NotFound(Rejected):
    """The registry has the operation, but not the item."""

    code = "not-found"


class FateUnknown(RemoteError):
    """The request was sent and its outcome is not known. A write must be read back before it is repeated."""

    code = "unknown-outcome"


class TimedOut(FateUnknown):
    """The request was sent, and no response came in time."""

    code = "timed-out"


class BadAnswer(RemoteError):
    """The response does not have the shape of the operation."""

    code = "bad-answer"


class Unsupported(RemoteError):
    """The registry has no such operation."""

    code = "unsupported"


class NotReadableRaw(RemoteError):
    """The registry returns the prompt only in a form without its snippet references."""

    code = "not-readable-raw"


UNUSABLE_HINT = "simplify it in the PromptLayer dashboard, or leave it out of include: in promptsync.yaml"
"""What to do about a prompt whose version in the registry no file can hold."""


class UnusablePrompt(RemoteError):
    """A version of a prompt that no prompt file can hold. Other prompts are not affected."""

    code = "unusable-prompt"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=UNUSABLE_HINT)


class RenamedRemotely(RemoteError):
    """The prompt with a known id has another name now."""

    exit_code = 3
    code = "renamed-remotely"

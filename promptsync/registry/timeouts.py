"""How long to wait for a registry."""

from __future__ import annotations

import msgspec


class Timeouts(msgspec.Struct, frozen=True):
    """How long to wait for a registry, in seconds."""

    request: float = 60.0
    """For each attempt of a request in all, from connecting to the last byte of the response."""
    answer: float = 30.0
    """For the first byte of a response, and for each further one."""
    connect: float = 10.0
    connect_loopback: float = 3.0
    """A server on this machine accepts at once, or something else is listening."""
    first_retry: float = 0.5
    """Before the first retry of a request; doubled for each further one."""
    read_back: float = 1.0
    """Between two attempts to find out whether a publish without a response succeeded."""

    def limited_to(self, request: float) -> Timeouts:
        """Return these, with another time for a whole request; half of it may pass without any byte."""
        return msgspec.structs.replace(self, request=request, answer=request / 2)

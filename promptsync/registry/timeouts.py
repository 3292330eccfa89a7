"""How long to wait for a registry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a registry, in seconds."""

    answer: float = 30.0
    """For the response to each attempt of a request."""
    connect: float = 10.0
    connect_loopback: float = 3.0
    """A server on this machine accepts at once, or something else is listening."""
    first_retry: float = 0.5
    """Before the first retry of a request; doubled for each further one."""
    read_back: float = 1.0
    """Between two attempts to find out whether a publish without a response succeeded."""

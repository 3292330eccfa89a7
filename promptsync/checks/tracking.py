"""Logging requests and noting things about them; what may or may not have been noted is told as that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from promptsync.errors import Incomplete
from promptsync.remote.errors import FateUnknown

if TYPE_CHECKING:
    from promptsync.remote.client import Registry

T = TypeVar("T")


def log_request(registry: Registry, request: Mapping[str, Any]) -> int:
    """Log a request that ``read_request`` accepted; return its id.

    Raises ``Incomplete`` when nobody knows whether it was logged, here and in the functions below.
    """
    with _told("the request may be logged or not", "logging it again may log it twice"):
        return registry.log_request(request)


def create_group(registry: Registry) -> int:
    """Make a group of requests; return its id."""
    with _told("the group may be made or not", "making another one does no harm"):
        return registry.create_group()


def note(action: Callable[[], T], what: str) -> T:
    """Do what notes ``what`` about a request. Noting it again puts the same in its place."""
    with _told(f"the {what} may be noted or not", "run this again: it replaces what is there"):
        return action()


@contextmanager
def _told(what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except FateUnknown as error:
        raise Incomplete(f"{what}: {error.message}", hint=hint, code=error.code) from None

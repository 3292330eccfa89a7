"""Reads the body of a response as a stream, up to a limit: what was compressed can be far larger."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from promptsync.registry.promptlayer.deadline import check
from promptsync.registry.promptlayer.exchange import Undecodable

MAX_BYTES: Final = 64 * 1024 * 1024
"""The largest response that is read, after decoding."""

ACCEPTED: Final = "gzip"
"""The encoding that is requested."""

_PLAIN: Final = ("", "identity")
_TOO_LARGE: Final = f"is larger than {MAX_BYTES // 1024**2} MB"
_STEP: Final = 1024 * 1024
"""Most bytes that one step decodes, so that the limits are checked often."""


class TooLarge(Undecodable):
    """A response is larger than any that a registry sends."""


def read_body(received: Iterable[bytes], encoding: str) -> bytes:
    """Return the whole body of a response, decoded; ``encoding`` is its header ``Content-Encoding``.

    Raises ``TooLarge``, ``Undecodable`` for another encoding than ``ACCEPTED`` or a broken one, and
    ``DeadlinePassed``.
    """
    parts, size = [], 0
    for part in _decoded(_limited(received), encoding):
        size += len(part)
        if size > MAX_BYTES:
            raise TooLarge(_TOO_LARGE)
        parts.append(part)
        check()
    return b"".join(parts)


def _limited(received: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what arrives. Much may arrive that decodes to nothing, so this has the same limit."""
    size = 0
    for part in received:
        check()
        size += len(part)
        if size > MAX_BYTES:
            raise TooLarge(_TOO_LARGE)
        yield part


def _decoded(received: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    encoding = encoding.strip().lower()
    if encoding in _PLAIN:
        yield from received
        return
    # A second encoding around the first would multiply what a few bytes can decode to.
    if encoding not in (ACCEPTED, "x-gzip"):
        raise Undecodable(f"is encoded as {encoding!r}, and only {ACCEPTED!r} was accepted")
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    is_empty = True
    try:
        for part in received:
            is_empty = False
            yield from _unpacked(decoder, part)
    except zlib.error as error:
        raise Undecodable(f"cannot be decoded: {error}") from None
    if not decoder.eof and not is_empty:
        raise Undecodable("ends early")


def _unpacked(decoder: zlib._Decompress, part: bytes) -> Iterator[bytes]:
    unpacked = b"more"
    # A full step may leave decoded bytes behind that need no further input.
    while not decoder.eof and (part or len(unpacked) == _STEP):
        unpacked = decoder.decompress(part, _STEP)
        yield unpacked
        part = decoder.unconsumed_tail

"""Reads the body of a response as a stream, up to a limit: what was compressed can be far larger."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

import httpx

MAX_BYTES: Final = 64 * 1024 * 1024
"""The largest response that is read, after decoding."""

ACCEPTED: Final = "gzip"
"""The encoding that is requested."""

_PLAIN: Final = ("", "identity")
_TOO_LARGE: Final = f"is larger than {MAX_BYTES // 1024**2} MB"
_STEP: Final = 1024 * 1024
"""Most bytes that one step decodes, so that the limits are checked often."""


class TooLarge(httpx.DecodingError):
    """A response is larger than any that a registry sends."""


def read_body(response: httpx.Response, check: Callable[[], None]) -> httpx.Response:
    """Return a response with its whole body, and close the connection if that fails.

    ``check`` is called again and again, and raises if there is no time left. Raises ``TooLarge``, and
    ``httpx.DecodingError`` for a body that cannot be decoded.
    """
    if response.is_closed:
        return response  # a transport that was passed in has read it already
    headers = httpx.Headers(response.headers)
    encoding = headers.pop("Content-Encoding", "")
    headers.pop("Content-Length", None)
    try:
        parts, size = [], 0
        for part in _decoded(_limited(response.iter_raw(), check), encoding):
            size += len(part)
            if size > MAX_BYTES:
                raise TooLarge(_TOO_LARGE)
            parts.append(part)
            check()
    finally:
        response.close()
    return httpx.Response(
        response.status_code, headers=headers, content=b"".join(parts), request=response.request
    )


def _limited(received: Iterator[bytes], check: Callable[[], None]) -> Iterator[bytes]:
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
        raise httpx.DecodingError(f"is encoded as {encoding!r}, and only {ACCEPTED!r} was accepted")
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    is_empty = True
    try:
        for part in received:
            is_empty = False
            yield from _unpacked(decoder, part)
    except zlib.error as error:
        raise httpx.DecodingError(f"cannot be decoded: {error}") from None
    if not decoder.eof and not is_empty:
        raise httpx.DecodingError("ends early")


def _unpacked(decoder: zlib._Decompress, part: bytes) -> Iterator[bytes]:
    unpacked = b"more"
    # A full step may leave decoded bytes behind that need no further input.
    while not decoder.eof and (part or len(unpacked) == _STEP):
        unpacked = decoder.decompress(part, _STEP)
        yield unpacked
        part = decoder.unconsumed_tail

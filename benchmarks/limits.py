"""300 prompts in a registry that accepts 50 requests a second.

``python -m benchmarks.limits DATABASE KIND RETRY_AFTER`` serves such a registry and prints its URL. KIND is
``window`` or ``bucket``. RETRY_AFTER is the header of its 429s, ``-`` for none.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import world
from benchmarks.measure import ROOT, environment, promptsync
from benchmarks.registry import serve
from benchmarks.table import Row, seconds
from promptsync.server.app import Application, create_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_COUNT = 300
_RATE = 50
_LATENCY = 0.02
_TOLERANCE = 1.2
_OTHER_SECONDS = 1.5
"""For everything the command does besides requests."""

_COUNTS = "/benchmark/limited"


class Window:
    """Accepts ``_RATE`` requests in any second."""

    def __init__(self) -> None:
        self._accepted: deque[float] = deque()

    def accepts(self, now: float) -> bool:
        while self._accepted and self._accepted[0] <= now - 1:
            self._accepted.popleft()
        if len(self._accepted) >= _RATE:
            return False
        self._accepted.append(now)
        return True


class Bucket:
    """Holds up to ``_RATE`` tokens, gets as many in a second, and takes one for each request."""

    def __init__(self) -> None:
        self._tokens = float(_RATE)
        self._filled = time.monotonic()

    def accepts(self, now: float) -> bool:
        self._tokens = min(_RATE, self._tokens + (now - self._filled) * _RATE)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


_KINDS: dict[str, type[Window | Bucket]] = {"window": Window, "bucket": Bucket}


class Limited:
    """Wraps the application with a limit, and adds a path that returns the accepted and rejected requests.

    They are counted since the last request to it.
    """

    def __init__(self, app: Application, limit: Window | Bucket, retry_after: str) -> None:
        self._app = app
        self._limit = limit
        self._headers = [("Content-Type", "application/json")]
        self._headers += [] if retry_after == "-" else [("Retry-After", retry_after)]
        self._lock = threading.Lock()
        self._accepted, self._rejected = 0, 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._lock:
            if environ["PATH_INFO"] == _COUNTS:
                counts = f"{self._accepted} {self._rejected}"
                self._accepted, self._rejected = 0, 0
                start_response("200 OK", [("Content-Type", "text/plain")])
                return [counts.encode()]
            is_accepted = self._limit.accepts(time.monotonic())
            self._accepted += is_accepted
            self._rejected += not is_accepted
        time.sleep(_LATENCY)
        if is_accepted:
            return self._app(environ, start_response)
        start_response("429 Too Many Requests", self._headers)
        return [b'{"success": false, "message": "Too many requests"}']


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    for kind in _KINDS:
        for retry_after in ("1",) if quick else ("1", "-"):
            yield from _limited(folder / f"{kind}{retry_after}", kind, retry_after)


def _limited(folder: Path, kind: str, retry_after: str) -> Iterator[Row]:
    folder.mkdir()
    header = "without Retry-After" if retry_after == "-" else f"Retry-After: {retry_after}"
    with _serving(folder / "registry.db", kind, retry_after) as url:
        author = world.working_copy(folder / "author", url, world.prompts(_COUNT))
        reader = world.working_copy(folder / "reader", url)
        for root, verb in ((author, "push"), (reader, "pull")):
            world.commit_all(root, "Start")
            time.sleep(1)  # the registry has forgotten what came before
            taken = promptsync(root, verb).seconds
            with urllib.request.urlopen(url + _COUNTS) as response:
                accepted, rejected = map(int, response.read().split())
            budget = _TOLERANCE * accepted / _RATE + _OTHER_SECONDS
            yield Row(
                f"{verb} of {_COUNT} prompts, {_RATE} requests a second ({kind}, {header})",
                f"{seconds(taken)}, {accepted + rejected} requests, {rejected} x 429",
                f"the limit alone {seconds(accepted / _RATE)}",
                seconds(budget),
                taken <= budget,
            )


@contextmanager
def _serving(database: Path, kind: str, retry_after: str) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.limits", str(database), kind, retry_after]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.terminate()


def _main(database: str, kind: str, retry_after: str) -> None:
    with create_app(database) as app:
        serve(Limited(app, _KINDS[kind](), retry_after))


if __name__ == "__main__":
    _main(*sys.argv[1:])

"""The embedded registry in a process of its own, with injected latency and a count of requests.

``python -m benchmarks.registry DATABASE LATENCY`` prints its URL.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import ROOT
from promptsync.server.app import Application, create_app
from promptsync.server.serve import base_url, bind, run_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_COUNT = "/benchmark/requests"


class Counting:
    """The application, and beside it a path that answers with the requests since it was last asked."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._requests = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._lock:
            if environ["PATH_INFO"] == _COUNT:
                count, self._requests = self._requests, 0
                start_response("200 OK", [("Content-Type", "text/plain")])
                return [str(count).encode()]
            self._requests += 1
        return self._app(environ, start_response)


@contextmanager
def serving(database: Path, latency: float) -> Iterator[str]:
    """Serve a database in a child process; the value is the URL."""
    command = [sys.executable, "-m", "benchmarks.registry", str(database), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.terminate()


def requests(url: str) -> int:
    """Return how many requests there were since this was last asked."""
    with urllib.request.urlopen(url + _COUNT) as answer:
        return int(answer.read())


def _main(database: str, latency: str) -> None:
    def ready(port: int) -> None:
        sys.stdout.write(base_url("127.0.0.1", port) + "\n")
        sys.stdout.flush()

    with create_app(database, latency=float(latency)) as app:
        run_server(Counting(app), bind("127.0.0.1", 0), ready)


if __name__ == "__main__":
    _main(*sys.argv[1:])

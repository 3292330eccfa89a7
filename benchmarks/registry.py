"""The embedded registry in a process of its own, for a remote service. It delays and counts requests.

``python -m benchmarks.registry DATABASE LATENCY`` prints its URL.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import KEY, ROOT, Measure, Run, environment
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.server.app import Application, create_app
from promptsync.server.serve import base_url, bind, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_COUNTS = "/benchmark/counts"
_THREADS = 40
"""More than the requests that any client keeps under way, so that none of them waits for another."""


class Counting:
    """The application, and beside it a path that answers with the counts since it was last requested."""

    def __init__(self, app: Application, latency: float) -> None:
        self._app = app
        self._latency = latency
        self._lock = threading.Lock()
        self._requests = self._reads = 0
        self._cpu = 0.0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["REQUEST_URI"].partition("?")[0]
        with self._lock:
            if path == _COUNTS:
                cpu = time.process_time()
                counts = {"requests": self._requests, "reads": self._reads, "cpu": cpu - self._cpu}
                self._requests = self._reads = 0
                self._cpu = cpu
                start_response("200 OK", [("Content-Type", "application/json")])
                return [json.dumps(counts).encode()]
            self._requests += 1
            self._reads += _reads_version(path)
        time.sleep(self._latency)
        return self._app(environ, start_response)


def _reads_version(path: str) -> bool:
    """Whether a raw path is that of one prompt, such as ``/prompt-templates/7``."""
    folder, _, name = path.rpartition("/")
    return folder == "/prompt-templates" and name != "labels"


@contextmanager
def serving(database: Path, latency: float) -> Iterator[str]:
    """Serve a database in a child process; the value is the URL."""
    command = [sys.executable, "-m", "benchmarks.registry", str(database), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()) as child:
        assert child.stdout is not None
        try:
            url = child.stdout.readline().strip()
            warm(url)
            yield url
        finally:
            child.terminate()


def serve(app: WSGIApplication) -> None:
    """Print the URL of an application and serve it until this process is told to stop."""
    with bind("127.0.0.1", 0) as bound:
        server = make_server(app, bound, threads=_THREADS)
        sys.stdout.write(base_url(*bound.getsockname()) + "\n")
        sys.stdout.flush()
        server.run(sockets=[bound])


def warm(url: str) -> None:
    """Send requests until each thread of a registry has its modules, its connection and its pages."""
    with (
        PromptLayer(url, KEY["PROMPTLAYER_API_KEY"], jobs=_THREADS) as registry,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        listed = registry.prompts.list()
        registry.labels.all()
        some = listed[: 2 * _THREADS]
        list(pool.map(lambda one: registry.prompts.get(one.template_id, one.name), some))


def counted(url: str, measure: Measure) -> Run:
    """Return the run of a measure with the requests that it sent, and what they cost the registry."""
    _counts(url)
    run = measure()
    counts = _counts(url)
    return replace(
        run, requests=int(counts["requests"]), reads=int(counts["reads"]), registry_cpu=counts["cpu"]
    )


def _counts(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url + _COUNTS) as answer:
        return dict(json.load(answer))


def _main(database: str, latency: str) -> None:
    with create_app(database) as app:
        serve(Counting(app, float(latency)))


if __name__ == "__main__":
    _main(*sys.argv[1:])

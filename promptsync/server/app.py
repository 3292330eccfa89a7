"""The embedded registry as one WSGI application: authorisation, limits and errors; the routes do the rest.

Its threads compute the sheets that requests start or ask about.
"""

from __future__ import annotations

import hmac
import logging
import queue
import shlex
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from promptsync import __version__
from promptsync.errors import UsageError
from promptsync.server.checks.models import Echo, Model, Models, models_of
from promptsync.server.http import ApiError, Request, Response, parts_of, read_body, split_target
from promptsync.server.routes import match
from promptsync.server.store.database import Store, StoreError, decoded
from promptsync.server.tables.store import queued_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_log = logging.getLogger(__name__)


def create_app(
    path: str | Path,
    *,
    api_key: str | None = None,
    fixtures: str | Path | None = None,
    model: Model | None = None,
    model_keys: Mapping[str, str] | None = None,
    logged_requests: int | None = None,
    days: int | None = None,
) -> Application:
    """Open or create the registry database ``path`` and return the application over it.

    Without ``api_key`` any key that is not empty is accepted. ``fixtures`` is the path of a
    ``registry.yaml``. ``model`` responds where no model of that file does, by default an ``Echo``;
    ``model_keys`` has the keys that the file names. The newest
    ``logged_requests`` are kept, for ``days`` days or, with 0, for ever; ``None`` leaves the limit in the
    database as it is, at first 100,000 requests of any age. Raises ``StoreError`` and ``FixtureError``. Close
    the application when it is no longer needed.
    """
    store = Store(path)
    try:
        if fixtures is not None:
            from promptsync.server.checks.fixtures import load_fixtures

            load_fixtures(store, fixtures)
        if logged_requests is not None or days is not None:
            from promptsync.server.tracking.log import set_limits

            with store.write() as db:
                set_limits(db, logged_requests, days)
        with store.read() as db:
            specs = decoded(db.execute("SELECT models FROM registry").fetchone()["models"])
    except BaseException:
        store.close()
        raise
    return Application(store, Runner(store, models_of(specs, model or Echo(), model_keys or {})), api_key)


def install_command() -> str:
    """Return the command that adds the extra ``serve`` to this Python, whose pip is rarely that on PATH."""
    python = shlex.quote(sys.executable)
    if find_spec("pip") is None:  # uv makes environments without it
        return f"uv pip install 'promptsync[serve]' --python {python}"
    return f"{python} -m pip install 'promptsync[serve]'"


def check_installed(command: str) -> None:
    """Raise ``UsageError`` if what serves over HTTP is not installed."""
    if missing := [name for name in ("uvicorn", "wsproto") if find_spec(name) is None]:
        message = f"promptsync {command} needs packages that are not installed: {', '.join(missing)}"
        raise UsageError(message, hint=install_command())


class Application(Struct, frozen=True):
    """A WSGI callable; any number of threads may call it at once."""

    store: Store
    runner: Runner
    api_key: str | None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._answer(environ)(environ, start_response)

    def close(self) -> None:
        """Stop working on runs and close the database; later requests fail with 503."""
        self.runner.close()
        self.store.close()

    def __enter__(self) -> Application:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _answer(self, environ: WSGIEnvironment) -> Response:
        try:
            return self._handle(environ)
        except ApiError as error:
            return error.response()
        except ModuleNotFoundError as error:
            # Not a 5xx, after which the SDKs repeat a request.
            message = f"{error.name} is not installed. Run: {install_command()}"
            return ApiError(400, message).response()
        except (sqlite3.OperationalError, StoreError) as error:
            # Locked for longer than the timeout, the disk full, or closed: nothing was written.
            message = f"The registry database cannot be used now: {error}."
            return ApiError(503, message, headers={"Retry-After": "1"}).response()
        except Exception as error:
            # The subclasses are bugs of this program, not damage.
            if type(error) is sqlite3.DatabaseError:
                return ApiError(500, f"The registry database is damaged: {error}.").response()
            _log.exception("%s %s failed", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            return ApiError(500, "The registry failed; see its log.").response()

    def _handle(self, environ: WSGIEnvironment) -> Response:
        method = environ["REQUEST_METHOD"]
        path, query = split_target(environ)
        if path == "/health" and method in ("GET", "HEAD"):
            with self.store.read() as db:
                db.execute("SELECT 1")
            return Response({"status": "ok", "registry": "promptsync", "version": __version__})
        # The key comes before the path: without it, nobody finds out which paths exist.
        sent = read_body(environ)
        self.check_key(environ.get("HTTP_X_API_KEY", "").encode("latin-1", "replace") or _key_in(sent))
        route, values = match(method, path)
        body, attached = parts_of(sent, environ.get("CONTENT_TYPE", ""), route.body)
        if isinstance(body, dict):
            body.pop("api_key", None)
        request = Request(values, query, body, attached, self.store.workspace_id)
        request.check_scope()
        with self.store.read() if route.reads else self.store.write() as db:
            response = route(request, db)
            queued = queued_of(db, request.sheets)
        for sheet_id in queued:
            self.runner.work_on(sheet_id)
        return response

    def check_key(self, key: bytes) -> None:
        """Raise a 401 for a key that is not the one of this registry."""
        if not key:
            raise ApiError(401, "The API key is missing; send it in the X-API-KEY header.")
        # A plain comparison would take longer the more characters match.
        if self.api_key is not None and not hmac.compare_digest(key, self.api_key.encode()):
            raise ApiError(401, "The API key is not valid for this registry.")


class _KeyBody(Struct):
    api_key: str = ""


def _key_in(body: bytes) -> bytes:
    """Return the key in a JSON body, where some calls of the SDK have it; empty if there is none."""
    try:
        return msgspec.json.decode(body, type=_KeyBody).api_key.encode()
    except (ValueError, RecursionError):
        return b""


class Runner:
    """Computes sheets, among them those of runs and calculations, on up to ``models.parallel`` threads.

    A sheet is under way while a cell of it is queued. The process that starts this works on it, and so does
    any process that is polled for it: what ended in the middle goes on with the next poll. If two processes
    work on one, both may ask the model, and what is stored first stays. ``close`` waits for the parts that
    are being done, for up to ``close_seconds``.
    """

    def __init__(self, registry: Store, models: Models) -> None:
        self._registry = registry
        self.models = models
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._pending: set[str] = set()
        """What waits or is worked on."""
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopped = False
        self.close_seconds = 1.0

    def work_on(self, sheet_id: str) -> None:
        """Compute what is left of a sheet, unless a thread does so.

        If that thread has just found that nothing was left, the next poll starts another one.
        """
        with self._lock:
            if self._stopped or sheet_id in self._pending:
                return
            self._pending.add(sheet_id)
            self._queue.put(sheet_id)
            if len(self._threads) < self.models.parallel:
                # Ctrl-C must not wait for a model that hangs, so threads do not keep the process alive.
                thread = threading.Thread(target=self._work, name="registry-runner", daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Stop after the parts that are being done."""
        with self._lock:
            self._stopped = True
        deadline = time.monotonic() + self.close_seconds
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))

    def _work(self) -> None:
        # Imported for the first run, because most commands that open a registry run nothing.
        from promptsync.server.tables.compute import compute_next

        for sheet_id in iter(self._queue.get, None):
            try:
                while not self._stopped and compute_next(self._registry, self.models, sheet_id):
                    pass
            except (sqlite3.Error, StoreError) as error:
                _log.warning("A run was interrupted: %s", error)
            except Exception:
                _log.exception("A run was interrupted")
            finally:
                self._pending.discard(sheet_id)

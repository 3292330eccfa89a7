"""The embedded registry as one WSGI application: authorisation, limits and errors; the routes do the rest."""

from __future__ import annotations

import hmac
import logging
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptsync import __version__
from promptsync.server.checks.model import Echo, Model
from promptsync.server.checks.runs import Runner
from promptsync.server.http.answer import ApiError, Response
from promptsync.server.http.body import read_parts
from promptsync.server.http.request import Request, split_target
from promptsync.server.routes import OTHER_BODIES, load, match
from promptsync.server.store.database import Store, StoreError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY = 32 * 1024 * 1024
"""Longest request body, in bytes, unless ``create_app`` is given another limit."""

_log = logging.getLogger(__name__)


def create_app(
    path: str | Path,
    *,
    api_key: str | None = None,
    fixtures: str | Path | None = None,
    model: Model | None = None,
    latency: float = 0.0,
    max_body: int = MAX_BODY,
    logged_requests: int | None = None,
    days: int | None = None,
) -> Application:
    """Open or create the registry database ``path`` and return the application over it.

    Without ``api_key`` any key that is not empty is accepted. ``fixtures`` is the path of a
    ``registry.yaml``. ``model`` responds in evaluations and agents, by default an ``Echo``. Each response is
    delayed by ``latency`` seconds. The newest ``logged_requests`` are kept, for ``days`` days or, with 0, for
    ever; ``None`` leaves the limit in the database as it is, at first 100,000 requests of any age. Raises
    ``StoreError`` and ``FixtureError``. Close the application when it is no longer needed.
    """
    store = Store(path)
    try:
        if fixtures is not None:
            from promptsync.server.checks.catalogue import load_fixtures

            load_fixtures(store, fixtures)
        if logged_requests is not None or days is not None:
            from promptsync.server.tracking.log import set_limits

            with store.write() as db:
                set_limits(db, logged_requests, days)
    except BaseException:
        store.close()
        raise
    runner = Runner(store, model or Echo())
    return Application(store, runner, api_key=api_key, latency=latency, max_body=max_body)


class Application:
    """A WSGI callable; any number of threads may call it at once."""

    def __init__(
        self, store: Store, runner: Runner, *, api_key: str | None, latency: float, max_body: int
    ) -> None:
        self.store = store
        self.runner = runner
        self._key = None if api_key is None else api_key.encode()
        self._latency = latency
        self._max_body = max_body

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._latency:
            time.sleep(self._latency)
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
            message = f"{error.name} is not installed. Run: pip install 'promptsync[serve]'"
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
        if (method, path) == ("GET", "/health"):
            with self.store.read() as db:
                db.execute("SELECT 1")
            return Response({"status": "ok", "registry": "promptsync", "version": __version__})
        # The key comes first: without it, nobody finds out which paths exist.
        key = environ.get("HTTP_X_API_KEY", "").encode("latin-1", "replace")
        body = attached = None
        if key:
            self._check_key(key)
        else:
            body = self._body_with_key(environ)
        handler, values = match(method, path)
        if key:
            # Unknown paths were refused above, without reading a body for them.
            body, attached = read_parts(environ, self._max_body, OTHER_BODIES.get(handler, ""))
            body, _ = _without_key(body)
        request = Request(self.store, self.runner, values, query, body, attached)
        request.check_scope()
        return load(handler)(request)

    def _body_with_key(self, environ: WSGIEnvironment) -> Any:
        """Return the parsed body of a request whose key is in it, as in some calls of the SDK."""
        try:
            body, key = _without_key(read_parts(environ, self._max_body)[0])
        except ApiError as error:
            if error.status == 413:
                raise
            body, key = None, b""  # a broken body holds no key
        self._check_key(key)
        return body

    def _check_key(self, key: bytes) -> None:
        if not key:
            raise ApiError(401, "The API key is missing; send it in the X-API-KEY header.")
        # A plain comparison would take longer the more characters match.
        if self._key is not None and not hmac.compare_digest(key, self._key):
            raise ApiError(401, "The API key is not valid for this registry.")


def _without_key(body: Any) -> tuple[Any, bytes]:
    """Return the body without its ``api_key``, and that key, empty if there is none."""
    sent = body.pop("api_key", None) if isinstance(body, dict) else None
    return body, sent.encode() if isinstance(sent, str) else b""

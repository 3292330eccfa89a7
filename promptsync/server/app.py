"""The embedded registry as one WSGI application: authorisation, limits, answers; the routes do the rest."""

from __future__ import annotations

import hmac
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from promptsync.server.answering import Answering
from promptsync.server.catalogue import load_fixtures
from promptsync.server.context import Context
from promptsync.server.errors import ApiError, StoreError
from promptsync.server.http import (
    NO_CONTENT,
    Request,
    Response,
    parse_json,
    read_body,
    read_query,
    split_target,
)
from promptsync.server.model import Echo, Model
from promptsync.server.routes import match
from promptsync.server.runner import Runner
from promptsync.server.store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY = 32 * 1024 * 1024
"""Longest request body, in bytes, unless ``create_app`` is told otherwise."""

LEASE_SECONDS = 4.0
"""How long after a killed process, beside the longest answer of the model, its runs are taken over."""

_log = logging.getLogger(__name__)


def create_app(
    path: str | Path,
    *,
    api_key: str | None = None,
    fixtures: str | Path | None = None,
    model: Model | None = None,
    latency: float = 0.0,
    max_body: int = MAX_BODY,
) -> Application:
    """Open or create the registry database ``path`` and return the application over it.

    Without ``api_key`` any key that is not empty is accepted. ``fixtures`` is the path of a
    ``registry.yaml``. ``model`` answers in evaluations and agents, an ``Echo`` unless given. ``latency``
    seconds are waited before each answer. Raises ``StoreError`` and ``FixtureError``. Close the application
    when it is no longer needed.
    """
    store = Store(path)
    try:
        if fixtures is not None:
            load_fixtures(store, fixtures)
        runner = _runner(store, model or Echo())
    except BaseException:
        store.close()
        raise
    return Application(Context(store, runner), api_key=api_key, latency=latency, max_body=max_body)


def _runner(store: Store, model: Model) -> Runner:
    answering = Answering(store, model)
    steps = {"report": answering.next_row, "execution": answering.next_node}
    runner = Runner(store, steps, threads=model.parallel, lease=model.patience + LEASE_SECONDS)
    runner.wake_if_needed()
    return runner


class Application:
    """A WSGI callable; any number of threads may call it at once."""

    def __init__(self, context: Context, *, api_key: str | None, latency: float, max_body: int) -> None:
        self.context = context
        self._key = None if api_key is None else api_key.encode()
        self._latency = latency
        self._max_body = max_body

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._latency:
            time.sleep(self._latency)
        response = self._answer(environ)
        body = response.encoded()
        headers = [("Content-Length", str(len(body))), *response.headers.items()]
        if response.body is not NO_CONTENT:
            headers.append(("Content-Type", "application/json"))
        status = f"{response.status} {HTTPStatus(response.status).phrase}"
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def close(self) -> None:
        """Stop what runs and release the database; requests after this fail with 503."""
        self.context.runner.close()
        self.context.store.close()

    def __enter__(self) -> Application:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, environ: WSGIEnvironment) -> Response:
        try:
            return self._handle(environ)
        except ApiError as error:
            return Response(error.body(), error.status, error.headers)
        except (sqlite3.OperationalError, StoreError) as error:
            # Locked for longer than the timeout, the disk full, or closing: nothing was written.
            failed = ApiError(503, f"The registry database cannot be used now: {error}.")
            return Response(failed.body(), 503, {"Retry-After": "1"})
        except Exception:
            _log.exception("%s %s failed", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            return Response(ApiError(500, "The registry failed; its log says why.").body(), 500)

    def _handle(self, environ: WSGIEnvironment) -> Response:
        method = environ["REQUEST_METHOD"]
        path, query = split_target(environ)
        if method == "OPTIONS":
            return _options(path)
        handler, args = match(method, path)
        raw = read_body(environ, self._max_body)
        body = self._authorised_body(environ, raw)
        return handler(Request(self.context, method, args, read_query(query), body))

    def _authorised_body(self, environ: WSGIEnvironment, raw: bytes) -> Any:
        """The parsed body without its ``api_key``, which some of the SDK's calls send instead of a header."""
        key = environ.get("HTTP_X_API_KEY", "").encode("latin-1", "replace")
        if key:
            self._check_key(key)
            return _without_key(parse_json(raw))
        try:
            body = parse_json(raw)
        except ApiError:
            body = None
        given = body.get("api_key") if isinstance(body, Mapping) else None
        self._check_key(given.encode() if isinstance(given, str) else b"")
        return _without_key(body)

    def _check_key(self, key: bytes) -> None:
        if not key:
            raise ApiError(401, "An API key is missing: send it in the X-API-KEY header.")
        if self._key is not None and not hmac.compare_digest(key, self._key):
            raise ApiError(401, "This API key is not valid here.")


def _without_key(body: Any) -> Any:
    if isinstance(body, dict):
        body.pop("api_key", None)
    return body


def _options(path: str) -> Response:
    try:
        match("OPTIONS", path)
    except ApiError as error:
        if error.status == 405:
            return Response(NO_CONTENT, 204, error.headers)
        raise
    return Response(NO_CONTENT, 204)

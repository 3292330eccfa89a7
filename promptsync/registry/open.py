"""Opens a registry. A second kind of registry is a folder next to ``promptlayer`` and a line here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import httpx

from promptsync.registry.address import LOCAL
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.responses import version_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from promptsync.prompt.prompt import Version
    from promptsync.registry.protocol import Memory, Registry


def open_registry(
    url: str,
    api_key: str | None,
    *,
    fixtures: str | None = None,
    model: Any = None,
    model_keys: Mapping[str, str] | None = None,
    **options: Any,
) -> Registry:
    """Return the registry at an http(s) URL, or the embedded one of ``local:DATABASE``, in this process.

    The embedded one takes ``fixtures``, the path of a ``registry.yaml``, ``model``, which responds in
    evaluations and agents instead of an echo, and ``model_keys``, the keys of its ``models:`` by name. The
    ``options`` are those of ``Connection``. Raises ``UsageError`` and ``MissingKey``.
    """
    if url.startswith(LOCAL):
        from promptsync.server.app import create_app

        path = url.removeprefix(LOCAL)
        app = create_app(path, fixtures=fixtures, model=model, model_keys=model_keys)
        options["transport"] = LocalTransport(app)
    return PromptLayer(url, api_key, **options)


def cached(url: str, memory: Memory) -> Iterator[Version]:
    """Yield the versions that the registry at ``url`` returned to earlier runs."""
    for response in memory.versions():
        with contextlib.suppress(ValueError):  # a damaged file
            version = version_of(response)
            ids = version.workspace_id or 0, version.template_id, version.version
            if memory.get(url, *ids) is not None:
                yield version


class LocalTransport(httpx.BaseTransport):
    """Calls a WSGI application in this process, from many threads at once."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        # An encoded slash separates nothing, so the application needs the path as it was sent.
        target = request.url.raw_path.decode("ascii")

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            return self._app({**environ, "REQUEST_URI": target}, start_response)

        return httpx.WSGITransport(app).handle_request(request)

    def close(self) -> None:
        """Call ``close`` of the application if it has one."""
        getattr(self._app, "close", lambda: None)()

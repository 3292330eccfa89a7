"""The sidecar: the prompts of a bundle in PromptLayer's API, read-only, for the applications beside it."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import mmap
import os
import time
import uuid
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Raw, Struct

from promptsync import __version__
from promptsync.prompt.bundle import BundledPrompt, checksum, decode
from promptsync.server.http import ApiError, Request, Response, parts_of, read_body, split_target
from promptsync.server.prompts.items import VersionChoice
from promptsync.server.prompts.templates import RenderBody, TemplatesQuery, rendered_answer
from promptsync.server.routes import match

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY = 4 * 1024 * 1024
"""Longest body, in bytes: one takes several times as much memory, of which a sidecar has little."""

_LOOK_SECONDS = 1.0
"""How often the file is looked at."""

_log = logging.getLogger(__name__)


class _File(Struct, frozen=True):
    format: Literal["promptsync-bundle/2"]
    prompts: dict[str, Raw]
    label: str | None = None
    commit: str | None = None


class Release(Struct, frozen=True):
    """What a bundle has. Its prompts are compressed JSON, because their values would take far more memory."""

    digest: str
    label: str | None
    commit: str | None
    prompts: Mapping[str, bytes]

    @classmethod
    def read(cls, path: Path) -> Release:
        """Read a bundle. Raises ``OSError``, and what ``decode`` raises about the file."""
        with path.open("rb") as opened:
            # A mapping goes back to the system at once; an object of this size may stay with the process.
            content = mmap.mmap(-1, max(1, os.fstat(opened.fileno()).st_size))
            opened.readinto(content)
        try:
            file = msgspec.json.decode(content, type=_File)
            packed = {name: zlib.compress(prompt, 1) for name, prompt in file.prompts.items()}
            release = cls(hashlib.sha256(content).hexdigest(), file.label, file.commit, packed)
            for name, prompt in file.prompts.items():
                release.content(name)
                entry = json.loads(bytes(prompt))
                if entry.get("checksum") != checksum(file.label, name, entry):
                    raise ValueError(f"it was edited: {name!r} does not match its checksum")
        except (ValueError, RecursionError) as error:
            decode(content[:], str(path))  # which has better words
            raise ValueError(f"{path} is not a valid bundle: {error}") from None
        return release

    def content(self, name: str) -> dict[str, Any]:
        """Return the response for a prompt of the bundle."""
        return dict(msgspec.json.decode(zlib.decompress(self.prompts[name]), type=BundledPrompt).response)

    def find(self, name: str, version: int | None = None, label: str | None = None) -> dict[str, Any]:
        """Return the response for a prompt; 404 if the bundle lacks it, or this version or label of it."""
        if name not in self.prompts:
            raise ApiError(404, f"The bundle has no prompt {name!r}.")
        content = self.content(name)
        if not self.has(label):
            raise ApiError(404, f"The bundle has the release label {self.label!r}, not {label!r}.")
        if label is None and version not in (None, content["version"]):
            raise ApiError(404, f"The bundle has version {content['version']} of {name!r}, not {version}.")
        return content

    def has(self, label: str | None) -> bool:
        """Return whether requests for a label are answered; a bundle of a commit answers for every label."""
        return label is None or self.label in (None, label)


def _stored(content: dict[str, Any]) -> dict[str, Any]:
    """Return what a response shares with the template as the registry stores it."""
    rendered = {"llm_kwargs", "provider_base_url", "provider_id", "custom_provider", "warning"}
    return {key: value for key, value in content.items() if key not in rendered}


def list_templates(release: Release, request: Request) -> dict[str, Any]:
    """List the templates, newest first; of the filters, only ``label`` has an effect."""
    query = request.parameters(TemplatesQuery)
    items = [_stored(release.content(name)) for name in release.prompts] if release.has(query.label) else []
    items.sort(key=lambda item: -(item["id"] or 0))
    return {"items": items[query.offset :][: query.size], **query.keys(len(items))}


def get_raw(release: Release, request: Request) -> dict[str, Any]:
    """Return a template with its variables unrendered, and its snippets and tools in place."""
    choice = request.parameters(VersionChoice)
    found = release.find(request.path["identifier"], choice.version, choice.label)
    return _stored(found) | {"success": True}


def get_rendered(release: Release, request: Request) -> dict[str, Any]:
    """Return a template as a model would get it, or the response of the bundle if that is what is wanted."""
    body = request.read(RenderBody)
    content = release.find(request.path["identifier"], body.version, body.label)
    changed = body.provider or body.model or body.model_parameter_overrides
    if body.skip_input_variable_rendering and not changed:
        return content | {"request_id": uuid.uuid4().hex}
    return rendered_answer(content, body)


_HANDLERS = {
    "prompts.templates.list_templates": list_templates,
    "prompts.templates.get_raw": get_raw,
    "prompts.templates.get_rendered": get_rendered,
}
"""The operations that a bundle can answer, by the names of their handlers in the registry."""


class Sidecar:
    """A WSGI callable over the bundle at ``path``; any number of threads may call it at once.

    It reads the file again when it changes. Raises what ``decode`` raises about the first one; later, the
    last good one is kept.
    """

    max_body = MAX_BODY
    threads = 4
    """How many requests are handled at once. Each thread has memory of its own, and rendering is quick."""

    def __init__(self, path: Path, api_key: str | None = None) -> None:
        self._path = path
        self._key = api_key
        self._stamp: tuple[int, ...] = ()
        self._problem: str | None = None
        self._read()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            response = self._answer(environ)
        except ApiError as error:
            response = error.response()
        except Exception:
            _log.exception("%s %s failed", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            response = ApiError(500, "The sidecar failed; see its log.").response()
        return response(environ, start_response)

    def _answer(self, environ: WSGIEnvironment) -> Response:
        release, method = self.release, environ["REQUEST_METHOD"]
        path, query = split_target(environ)
        if path == "/health" and method in ("GET", "HEAD"):
            has = {"label": release.label, "commit": release.commit, "prompts": len(release.prompts)}
            about = {"status": "ok", "registry": "promptsync", "version": __version__}
            return Response(about | has | {"digest": release.digest, "problem": self._problem})
        route, values = match(method, path)
        if route.handler not in _HANDLERS:
            what = "only has prompts" if method == "GET" else "is read-only"
            message = (
                f"This sidecar serves a bundle, which {what}; send {method} {path[:200]} to PromptLayer."
            )
            raise ApiError(404 if method == "GET" else 403, message)
        key = environ.get("HTTP_X_API_KEY", "").encode("latin-1", "replace")
        if self._key is not None and not hmac.compare_digest(key, self._key.encode()):
            raise ApiError(401, "The header X-API-KEY does not have the key that this sidecar accepts.")
        body, _ = parts_of(read_body(environ), environ.get("CONTENT_TYPE", ""), "")
        return Response(_HANDLERS[route.handler](release, Request(values, query, body)))

    def watch(self) -> None:
        """Read the file again whenever it changes, for ever."""
        while True:
            time.sleep(_LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Read the file again if it changed. If that fails, requests still get the last bundle."""
        try:
            self._read()
        except Exception as error:  # none may end the thread
            problem = f"{self._path}: {error.strerror}" if isinstance(error, OSError) else str(error)
            if problem != self._problem:
                _log.warning("promptsync still serves the bundle that it read before: %s", problem)
            self._problem = problem

    def _read(self) -> None:
        stat = self._path.stat()
        # Tools that unpack a file may give each one the same time of modification.
        stamp = stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino
        if stamp != self._stamp:
            self.release = Release.read(self._path)
            self._stamp = stamp
        self._problem = None

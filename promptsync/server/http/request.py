"""Requests as the handlers receive them."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptsync.server.http.answer import SUPPORTED, malformed, not_found
from promptsync.server.http.fields import Fields, Query, Shape, checked, read_id

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from promptsync.server.checks.runs import Runner
    from promptsync.server.store.database import Store


@dataclass(frozen=True, slots=True)
class Request:
    """One authorised request, with the parts of the registry that handle it.

    ``path`` holds the decoded path parameters; ``json`` is the parsed body, ``None`` if it is empty, and
    ``attached`` the file of a form or the bytes of protobuf.
    """

    store: Store
    runner: Runner
    path: Mapping[str, str]
    query: Query
    json: Any = None
    attached: bytes | None = None

    def body(self, *, status: int = 400) -> Fields:
        """Return the body as an object, an empty or ``null`` one as ``{}``.

        ``status`` is that of the errors which reading its fields raises.
        """
        if not isinstance(self.json, dict | None):
            raise malformed("The request body must be a JSON object.")
        return Fields(self.json or {}, status=status)

    def read(self, shape: type[Shape], *, status: int = 400) -> Shape:
        """Return the body as a ``shape``, an empty or ``null`` one as ``{}``. Its errors have ``status``."""
        if not isinstance(self.json, dict | None):
            raise malformed("The request body must be a JSON object.")
        return checked(self.json or {}, shape, status=status)

    def parameters(self, shape: type[Shape]) -> Shape:
        """Return the parameters of the query as a ``shape``; its errors are 422."""
        return self.query.read(shape)

    def id(self, name: str) -> int:
        """Return the path parameter ``name``, which must be an id.

        404 otherwise, because operations that are missing have a word in its place.
        """
        value = read_id(self.path[name])
        if value is None:
            raise not_found(f"{name} must be an integer id; {SUPPORTED}")
        return value

    def check_scope(self) -> None:
        """Raise a 400 for a workspace other than the key's own, and for external ids, which nothing has."""
        body = self.json if isinstance(self.json, dict) else {}
        # A nested publish body has both beside the template.
        parts = [part for part in (body, body.get("prompt_template")) if isinstance(part, dict)]
        if self.query.text("external_id") or any(part.get("external_ids") for part in parts):
            raise malformed("This registry has no external ids.")
        named = [json.dumps(part["workspace_id"]) for part in parts if part.get("workspace_id") is not None]
        if not {self.query.text("workspace_id"), *named} <= {None, str(self.store.workspace_id)}:
            raise malformed("Invalid workspace_id.")


def split_target(environ: WSGIEnvironment) -> tuple[str, str]:
    """Return the raw path, still percent-encoded, and the query string.

    The decoded ``PATH_INFO`` cannot tell a slash in a name from one between segments; it is the last resort.
    """
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if not raw:
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace")
        return urllib.parse.quote(path, safe="/%"), environ.get("QUERY_STRING", "")
    if not raw.startswith("/"):
        # Proxies send an absolute URL.
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    path, _, query = raw.partition("#")[0].partition("?")
    return path, query

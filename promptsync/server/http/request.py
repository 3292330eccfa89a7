"""Requests as the handlers receive them."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import fields

from promptsync.server.http.answer import SUPPORTED, invalid, malformed, not_found
from promptsync.server.http.fields import Id, Shape, checked, read_id

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from promptsync.server.checks.runner import Runner
    from promptsync.server.store.database import Store


class _VersionQuery(Struct, frozen=True):
    version: Id | None = None
    label: str | None = None


class HttpRequest(Struct, frozen=True):
    """One authorised request.

    ``path`` holds the decoded path parameters, ``query`` all values of each parameter of the query; ``json``
    is the parsed body, ``None`` if it is empty, and ``attached`` the file of a form or the bytes of protobuf.
    """

    path: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    json: Any = None
    attached: bytes | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The body, which must be an object; an empty or ``null`` one is ``{}``."""
        if not isinstance(self.json, dict | None):
            raise malformed("The request body must be a JSON object.")
        return self.json or {}

    def read(self, shape: type[Shape], *, status: int = 400) -> Shape:
        """Return the body as a ``shape``. Its errors have ``status``."""
        return checked(self.body, shape, status=status)

    def parameters(self, shape: type[Shape]) -> Shape:
        """Return the parameters of the query as a ``shape``; its errors are 422.

        An empty value counts as absent. A field whose default is a list gets all the values.
        """
        values: dict[str, Any] = {}
        for name, is_list in _names(shape):
            sent = [value for key in (name, f"{name}[]") for value in self.query.get(key, ())]
            if sent:
                values[name] = sent if is_list else sent[-1]
        query = checked(values, shape, status=422, part="query", strict=False)
        for name in values:
            # msgspec reads the text "null" as nothing, and a broken client would get something else.
            if getattr(query, name) is None:
                raise invalid(f"{name}: null is not a value.", "query", name)
        return query

    def version(self) -> tuple[int | None, str | None]:
        """Return ``version`` and ``label`` of the query, of which at most one may be specified."""
        query = self.parameters(_VersionQuery)
        if query.version is not None and query.label is not None:
            raise invalid("Specify version or label, not both.", "query", "version")
        return query.version, query.label

    def id(self, name: str) -> int:
        """Return the path parameter ``name``, which must be an id.

        404 otherwise, because operations that are missing have a word in its place.
        """
        value = read_id(self.path[name])
        if value is None:
            raise not_found(f"{name} must be an integer id; {SUPPORTED}")
        return value


class Request(HttpRequest, frozen=True, kw_only=True):
    """One authorised request, with the parts of the registry that handle it."""

    store: Store
    runner: Runner

    def check_scope(self) -> None:
        """Raise a 400 for a workspace other than the key's own, and for external ids, which nothing has."""
        body = self.json if isinstance(self.json, dict) else {}
        # A nested publish body has both beside the template.
        parts = [part for part in (body, body.get("prompt_template")) if isinstance(part, dict)]
        workspace, external = (self.query.get(name, [None])[-1] for name in ("workspace_id", "external_id"))
        if external or any(part.get("external_ids") for part in parts):
            raise malformed("This registry has no external ids.")
        named = [json.dumps(part["workspace_id"]) for part in parts if part.get("workspace_id") is not None]
        if not {workspace, *named} <= {None, str(self.store.workspace_id)}:
            raise malformed("Invalid workspace_id.")


@cache
def _names(shape: type[Struct]) -> list[tuple[str, bool]]:
    """Return the names of the parameters, each with whether it is a list."""
    return [(field.name, field.default_factory is list) for field in fields(shape)]


def split_target(environ: WSGIEnvironment) -> tuple[str, dict[str, list[str]]]:
    """Return the raw path, still percent-encoded, and the values of each parameter of the query.

    The decoded ``PATH_INFO`` cannot tell a slash in a name from one between segments; it is the last resort.
    """
    raw = environ.get("REQUEST_URI")
    if not raw:
        path = urllib.parse.quote(environ.get("PATH_INFO", "").encode("latin-1", "replace"), safe="/%")
        raw = f"{path}?{environ.get('QUERY_STRING', '')}"
    if not raw.startswith("/"):
        # Proxies send an absolute URL.
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    path, _, query = raw.partition("#")[0].partition("?")
    try:
        return path, urllib.parse.parse_qs(query, max_num_fields=200)
    except ValueError as error:
        raise malformed(f"The query string cannot be read: {error}.") from error

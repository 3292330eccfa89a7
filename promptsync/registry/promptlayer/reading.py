"""Reading single versions of prompts, as they were published."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from promptsync.prompt.prompt import Listed, Prompt, RemoteVersion
from promptsync.registry.errors import NotFound, NotReadableRaw, Rejected, RenamedRemotely, Unsupported
from promptsync.registry.promptlayer import endpoints, parse, rendered
from promptsync.registry.promptlayer.answers import Answer
from promptsync.registry.promptlayer.connection import Connection
from promptsync.registry.promptlayer.listing import NOT_UNDERSTOOD, RESERVED, Listing
from promptsync.registry.protocol import VersionCache


class Reading:
    """Reads versions raw, or rendered where a registry has no raw read. ``cache`` keeps what was read."""

    def __init__(self, connection: Connection, listing: Listing, cache: VersionCache | None) -> None:
        self._connection = connection
        self._call = connection.call
        self._url = connection.url
        self._listing = listing
        self._cache = cache
        self._has_raw_read = True
        self._leaves_variables = True
        self._learning = threading.Lock()
        self.has_answered = False
        self.workspace_id: int | None = None
        """The workspace of the answers so far, ``None`` where they do not say."""

    def get(
        self, template_id: int | None, name: str, *, version: int | None = None, label: str | None = None
    ) -> RemoteVersion:
        """Return a version; see ``Prompts.get``."""
        query = _one_of(version, label)
        if self._cache is not None and version is not None and not self.has_answered:
            with self._learning:  # the first answer tells the workspace; then the cache serves the others
                if not self.has_answered:
                    return self._with_tags(self._fresh(template_id, name, query))
        found = self._cached(template_id, name, version) or self._fresh(template_id, name, query)
        return self._with_tags(found)

    def tags(self, template_id: int, name: str) -> tuple[str, ...] | None:
        """Return the tags that a raw read tells, ``None`` where it tells none."""
        try:
            answer = self._raw_answer(self._listing.identifier(template_id, name), name, {})
        except NotFound:
            return None
        raw = answer.object() if answer is not None else {}
        if answer is None or "tags" not in raw:
            return None
        return _parsed(answer, raw, {}).prompt.tags

    def _with_tags(self, found: RemoteVersion) -> RemoteVersion:
        """Return a version with the tags that its prompt has today: an old answer has those of its day."""
        tags = self._listing.tags.get(found.template_id, found.prompt.tags)
        return found if tags == found.prompt.tags else replace(found, prompt=replace(found.prompt, tags=tags))

    def _fresh(self, template_id: int | None, name: str, query: Mapping[str, Any]) -> RemoteVersion:
        if template_id is None and name in RESERVED:
            template_id = self._listed_id(name)
        identifier = name if template_id is None else self._listing.identifier(template_id, name)
        found = self._read(identifier, name, query)
        if found.prompt.name == name:
            return found
        if template_id is not None and found.template_id == template_id:
            raise RenamedRemotely(
                f"the prompt {name!r} (id {template_id}) is now named {found.prompt.name!r} in {self._url}",
                old=name,
                new=found.prompt.name,
                hint="rename it in its file as well, or back in the registry",
            )
        # an id in a path that is also somebody's name may mean that other prompt, and the other way round
        return self._read_otherwise(name, query, is_name=identifier == name)

    def _read_otherwise(self, name: str, query: Mapping[str, Any], *, is_name: bool) -> RemoteVersion:
        """Read by the other identifier: the name after the id, the id after the name."""
        identifier = self._listed_id(name) if is_name else name
        found = None if identifier is None else self._read(identifier, name, query)
        if found is None or found.prompt.name != name:
            raise self._missing(name, query)
        return found

    def _listed_id(self, name: str) -> int | None:
        _, items = self._listing.items({"name": name})
        return next((found for found, named in map(parse.identity, items) if named == name), None)

    def _cached(self, template_id: int | None, name: str, version: int | None) -> RemoteVersion | None:
        if self._cache is None or self.workspace_id is None or template_id is None or version is None:
            return None
        raw = self._cache.get(self._url, self.workspace_id, template_id, version)
        try:
            found = parse.remote_version(raw) if isinstance(raw, dict) else None
        except ValueError:
            return None
        if found is None or (found.template_id, found.version) != (template_id, version):
            return None
        return found if found.prompt.name == name else None

    def _read(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> RemoteVersion:
        answer = self._raw_answer(identifier, name, query)
        if answer is None:
            return self._read_rendered(identifier, name, query)
        raw = answer.object()
        found = _parsed(answer, raw, query)
        self.has_answered = True
        if found.workspace_id is not None:
            self.workspace_id = found.workspace_id
            if self._cache is not None:
                self._cache.put(self._url, found.workspace_id, found.template_id, found.version, raw)
        return found

    def _raw_answer(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> Answer | None:
        """The answer of the raw read; ``None`` when there may be no such operation."""
        if not self._has_raw_read:
            return None
        try:
            return self._call(
                endpoints.READ,
                path={"identifier": identifier},
                query={**query, "resolve_snippets": "false"},
                fresh=True,
            )
        except (NotFound, Unsupported):
            if not self._connection.knows_route(endpoints.READ):
                return None
            raise self._missing(name, query) from None

    def _missing(self, name: str, query: Mapping[str, Any]) -> NotFound:
        wanted = "".join(f" with the {key} {value!r}" for key, value in query.items())
        return NotFound(f"{self._url} has no prompt {name!r}{wanted}", status=404)

    # -- registries without a raw read ------------------------------------------------------------------

    def _read_rendered(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> RemoteVersion:
        answer = self._rendered_answer(identifier, name, query)
        self._has_raw_read = self._connection.knows_route(endpoints.READ)
        self.has_answered = True
        prompts = self._listing.known()
        raw = rendered.completed(answer.object(), prompts)
        found = _parsed(answer, raw, query)
        variables = rendered.placeholders(found.prompt)
        if variables:
            answer = self._rendered_answer(identifier, name, {**query, "input_variables": variables})
            raw = rendered.completed(answer.object(), prompts)
            found = _parsed(answer, raw, query)
        why = rendered.doubt(raw, found.prompt, prompts, self._rendered_versions)
        if why is not None:
            raise NotReadableRaw(
                f"{self._url} gives prompts with their snippets filled in only, and what was published as "
                f"{found.prompt.name!r} cannot be told from that: {why}",
                hint="leave this prompt out with include:, or use a registry that gives raw prompts",
            )
        return found

    def _rendered_answer(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> Answer:
        path = {"identifier": identifier}
        try:
            if self._leaves_variables:
                try:
                    unrendered = {**query, "skip_input_variable_rendering": True}
                    return self._call(endpoints.RENDER, path=path, body=unrendered)
                except Rejected as error:
                    if error.status not in NOT_UNDERSTOOD:
                        raise
            answer = self._call(endpoints.RENDER, path=path, body=query)
            self._leaves_variables = False
            return answer
        except (NotFound, Unsupported):
            raise self._missing(name, query) from None

    def _rendered_versions(self, item: Listed) -> Iterator[Prompt]:
        for version in range(item.version, 0, -1):
            query = {"version": version}
            try:
                answer = self._rendered_answer(item.template_id, item.name, query)
            except NotFound:
                continue
            yield _parsed(answer, {"id": item.template_id, **answer.object()}, query).prompt


def _one_of(version: int | None, label: str | None) -> dict[str, Any]:
    if version is not None and label is not None:
        raise ValueError("a version and a label exclude each other")
    return {"version": version} if version is not None else {"label": label} if label is not None else {}


def _parsed(answer: Answer, raw: Mapping[str, Any], query: Mapping[str, Any]) -> RemoteVersion:
    try:
        found = parse.remote_version(raw)
    except ValueError as error:
        answer.fail(f"a version of a prompt ({error})")
    if found.version != query.get("version", found.version):
        answer.fail(f"version {query['version']} and not {found.version}")
    return found

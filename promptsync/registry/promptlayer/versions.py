"""Reads single versions of prompts, as they were published.

A registry that follows the customer's document has only a read that expands snippets and may fill in
variables. Taking that for the source would copy a snippet into its parent, so a prompt is refused if that may
have happened.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from promptsync.prompt.prompt import Prompt
from promptsync.prompt.template import named_variables, template_variables
from promptsync.prompt.version import Version
from promptsync.registry.errors import (
    NotFound,
    NotReadableRaw,
    RenamedRemotely,
    Unsupported,
    UnusablePrompt,
)
from promptsync.registry.promptlayer import endpoints, parse
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.endpoints import RESERVED
from promptsync.registry.promptlayer.responses import Answer
from promptsync.registry.values import number

if TYPE_CHECKING:
    from promptsync.registry.promptlayer.prompts import PromptLayerPrompts


class Versions:
    """Reads versions raw, or rendered if the registry has no raw read."""

    def __init__(self, connection: Connection, prompts: PromptLayerPrompts) -> None:
        self._connection = connection
        self._call = connection.call
        self._url = connection.url
        self._prompts = prompts
        self._memory = connection.memory
        self._has_raw_read = True
        self._learning = threading.Lock()
        self.has_read = False
        self.workspace_id: int | None = None
        """The workspace in the responses so far, ``None`` if they do not name it."""

    def get(
        self,
        template_id: int | None,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        fresh: bool = False,
    ) -> Version:
        """Return a version; see ``Prompts.get``."""
        query = without_none(version=version, label=label)
        # The cache's keys include the workspace, which only a response names.
        if self._memory is not None and version is not None and not self.has_read:
            with self._learning:
                if not self.has_read:
                    return self._with_tags(self._fresh(template_id, name, query))
        known = None if fresh else self._cached(template_id, name, version)
        return self._with_tags(known or self._fresh(template_id, name, query))

    def unfilled(self, template_id: int, name: str, version: int) -> dict[str, Any]:
        """Return a version with unfilled variables; see ``Prompts.unfilled``."""
        query = {"version": version}
        answer = self._rendered_answer(self._prompts.identifier(template_id, name), name, query)
        raw = answer.object(deep=True)
        prompt = _parsed(answer, raw, query).prompt
        if prompt.name != name:
            answer.fail(f"the prompt {name!r}")
        named = named_variables(prompt.template)
        # A registry that does not know the parameter may ignore it.
        if named and named.isdisjoint(template_variables(prompt.template)):
            raise NotReadableRaw(f"{self._url} returns {name!r} only with its variables filled in")
        return {**raw, "version": version}

    def tags(self, template_id: int, name: str) -> tuple[str, ...] | None:
        """Return the tags in a raw read, ``None`` if it has none."""
        with suppress(NotFound):
            answer = self._raw_answer(self._prompts.identifier(template_id, name), name, {})
            if answer is not None and "tags" in (raw := answer.object(deep=True)):
                return _parsed(answer, raw, {}).prompt.tags
        return None

    def _with_tags(self, version: Version) -> Version:
        """Return a version with its prompt's present tags: a cached response may have older ones."""
        tags = self._prompts.tags.get(version.template_id, version.prompt.tags)
        return replace(version, prompt=replace(version.prompt, tags=tags))

    def _fresh(self, template_id: int | None, name: str, query: Mapping[str, Any]) -> Version:
        # Such a name in a path means something else to the registry, so the list gives its id.
        if template_id is None and name in RESERVED:
            template_id = self._prompts.id_of(name)
        identifier = name if template_id is None else self._prompts.identifier(template_id, name)
        version = self._read(identifier, name, query)
        if version.prompt.name == name:
            return version
        if template_id is not None and version.template_id == template_id:
            raise RenamedRemotely(
                f"the prompt {name!r} (id {template_id}) is now named {version.prompt.name!r} in {self._url}",
                hint="rename it in its file too, or back in the PromptLayer dashboard",
            )
        # An id that is also a name may mean that other prompt in a path, and the other way round.
        other = self._prompts.id_of(name) if identifier == name else name
        if other is not None:
            version = self._read(other, name, query)
            if version.prompt.name == name:
                return version
        raise self._missing(name, query)

    def _cached(self, template_id: int | None, name: str, version: int | None) -> Version | None:
        if self._memory is None or self.workspace_id is None or template_id is None or version is None:
            return None
        try:
            cached = parse.version(self._memory.get(self._url, self.workspace_id, template_id, version) or {})
        except ValueError:
            return None
        is_it = (cached.template_id, cached.version, cached.name) == (template_id, version, name)
        return cached if is_it and not cached.problem else None

    def _read(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> Version:
        answer = self._raw_answer(identifier, name, query)
        if answer is None:
            return self._read_rendered(identifier, name, query)
        raw = answer.object(deep=True)
        # An unusable version names its workspace, too.
        self.workspace_id = number(raw, "workspace_id") or self.workspace_id
        self.has_read = True
        version = _parsed(answer, raw, query)
        if version.workspace_id is not None and self._memory is not None:
            self._memory.put(self._url, version.workspace_id, version.template_id, version.version, raw)
        return version

    def _raw_answer(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> Answer | None:
        """Return the response of the raw read, ``None`` if the registry may have no such operation."""
        if not self._has_raw_read:
            return None
        try:
            return self._call(endpoints.READ, path={"identifier": identifier}, query=query, fresh=True)
        except (NotFound, Unsupported):
            # Before any raw read has worked, a 404 may mean that the route does not exist.
            if not self._connection.has_route(endpoints.READ):
                return None
            raise self._missing(name, query) from None

    def _missing(self, name: str, query: Mapping[str, Any]) -> NotFound:
        wanted = "".join(f" with the {key} {value!r}" for key, value in query.items())
        return NotFound(f"{self._url} has no prompt {name!r}{wanted}", status=404)

    # -- registries without a raw read ------------------------------------------------------------------

    def _read_rendered(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> Version:
        from promptsync.registry.promptlayer.rendered import completed, doubt, placeholders

        answer = self._rendered_answer(identifier, name, query)
        # The prompt exists, so the raw read failed because of its route, unless it has worked elsewhere.
        self._has_raw_read = self._connection.has_route(endpoints.READ)
        self.has_read = True
        prompts = self._prompts.archived_too()
        raw = completed(answer.object(deep=True), prompts)
        version = _parsed(answer, raw, query)
        variables = placeholders(version.prompt)
        if variables:
            answer = self._rendered_answer(identifier, name, {**query, "input_variables": variables})
            raw = completed(answer.object(deep=True), prompts)
            version = _parsed(answer, raw, query)
        why = doubt(raw, version.prompt, prompts, self._rendered_versions)
        if why is not None:
            raise NotReadableRaw(
                f"{self._url} returns prompts only with expanded snippets, and the source of "
                f"{version.prompt.name!r} cannot be recovered from that: {why}",
                hint="leave this prompt out of include: in promptsync.yaml",
            )
        return version

    def _rendered_answer(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> Answer:
        try:
            return self._call(endpoints.READ_RENDERED, path={"identifier": identifier}, body=query)
        except (NotFound, Unsupported):
            raise self._missing(name, query) from None

    def _rendered_versions(self, item: Version) -> Iterator[Prompt]:
        # A pinned reference expands to an old version's text.
        for version in range(item.version, 0, -1):
            query = {"version": version}
            try:
                answer = self._rendered_answer(item.template_id, item.name, query)
            except NotFound:
                continue
            yield _parsed(answer, {"id": item.template_id, **answer.object(deep=True)}, query).prompt


def _parsed(answer: Answer, raw: Mapping[str, Any], query: Mapping[str, Any]) -> Version:
    try:
        version = parse.version(raw)
    except ValueError as error:
        answer.fail(f"a version of a prompt ({error})")
    if version.version != query.get("version", version.version):
        answer.fail(f"version {query['version']} and not {version.version}")
    if version.problem:
        raise UnusablePrompt(f"v{version.version} of {version.prompt.name!r} {version.problem}")
    return version

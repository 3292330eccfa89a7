"""Reads single versions of prompts, as they were published.

A registry that follows the customer's document has only a read that expands snippets and may fill in
variables. Taking that for the source would copy a snippet into its parent, so a prompt is refused if that may
have happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from promptsync.prompt.canonical import canonical
from promptsync.prompt.prompt import F_STRING, Prompt, Version, format_of, mappings, strings
from promptsync.prompt.snippets import snippet_text
from promptsync.prompt.template import named_variables, template_variables
from promptsync.registry.errors import NotFound, NotReadableRaw, RenamedRemotely, Unsupported, UnusablePrompt
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.endpoints import RESERVED
from promptsync.registry.promptlayer.responses import Answer, version_of
from promptsync.registry.protocol import number

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
            cached = version_of(self._memory.get(self._url, self.workspace_id, template_id, version) or {})
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
            return self._call(endpoints.READ, path={"identifier": identifier}, query=query)
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
        version = version_of(raw)
    except ValueError as error:
        answer.fail(f"a version of a prompt ({error})")
    if version.version != query.get("version", version.version):
        answer.fail(f"version {query['version']} and not {version.version}")
    if version.problem:
        raise UnusablePrompt(f"v{version.version} of {version.prompt.name!r} {version.problem}")
    return version


_Versions = Callable[[Version], Iterable[Prompt]]
"""Returns all versions of a prompt up to the listed one, as this registry returns them."""


def completed(raw: Mapping[str, Any], listing: Iterable[Version]) -> dict[str, Any]:
    """Return a response with the fields that the list has and this response lacks."""
    item = next((listed for listed in listing if listed.name == raw.get("prompt_name")), None)
    if item is None:
        return dict(raw)
    known: dict[str, Any] = {"id": item.template_id, "tags": list(item.prompt.tags)}
    if item.version == number(raw, "version", "version_number"):
        known["commit_message"] = item.message
    return {**known, **raw}


def placeholders(prompt: Prompt) -> dict[str, str]:
    """Return a value for each variable that was filled in although none was passed: ``{name}`` itself.

    Rendered with these values, an f-string becomes its own source again. A jinja2 text does not.
    """
    template = prompt.template
    if any(format_of(part) != F_STRING for part in (template, *mappings(template.get("messages")))):
        return {}
    missing = named_variables(template) - template_variables(template)
    return {name: f"{{{name}}}" for name in sorted(missing)}


def doubt(raw: Mapping[str, Any], prompt: Prompt, listing: list[Version], versions: _Versions) -> str | None:
    """Return why a prompt, read from the response ``raw``, may not be its source; ``None`` if it is."""
    if raw.get("snippets"):
        snippets = raw["snippets"] if isinstance(raw["snippets"], list) else [raw["snippets"]]
        names = [repr(part.get("prompt_name") if isinstance(part, dict) else part) for part in snippets]
        return f"its references to the snippets {', '.join(names)} are expanded"
    named, used = named_variables(prompt.template), template_variables(prompt.template)
    if unnamed := named - used:
        return f"its variables {', '.join(sorted(unnamed))} are already filled in"
    # Rendering turns {{name}} into {name}, which looks like a variable and was none.
    if named and used - named:
        return f"the braces around {', '.join(sorted(used - named))} may have been doubled"
    twins = (twin for twin in listing if twin.name == prompt.name and twin.version == number(raw, "version"))
    if any(canonical(twin.prompt) != canonical(prompt) for twin in twins):
        return "the registry returns it in two forms, and at most one of them is its source"
    # An empty list of snippets says that none was expanded. Without the list, only the texts can show it.
    if "snippets" not in raw:
        expanded = _contained(prompt, listing, versions)
        if expanded is not None:
            return f"it contains the text of {expanded!r}, which may be an expanded snippet"
    return None


def _contained(prompt: Prompt, listing: Iterable[Version], versions: _Versions) -> str | None:
    """Return the name of another completion prompt of which ``prompt`` contains any version."""
    haystack = list(strings(prompt.template))
    for item in listing:
        # Only a completion template can be a snippet.
        if not item.prompt.may_be_snippet or item.name == prompt.name:
            continue
        for version in versions(item):
            needle = snippet_text(version.template).strip()
            if needle and any(needle in text for text in haystack):
                return item.name
    return None

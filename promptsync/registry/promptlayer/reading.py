"""Reading prompts: all of them, and single versions as they were published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import httpx

from promptsync.parallel import mapped
from promptsync.prompt.prompt import Listed, Prompt, RemoteVersion
from promptsync.registry.errors import NotFound, NotReadableRaw, Rejected, RenamedRemotely, Unsupported
from promptsync.registry.promptlayer import endpoints, parse, rendered
from promptsync.registry.promptlayer.answers import Answer
from promptsync.registry.promptlayer.listing import NOT_UNDERSTOOD, RESERVED, Listing
from promptsync.registry.promptlayer.paging import OnPage
from promptsync.registry.promptlayer.transport import FIRST_WAIT

Prompts: TypeAlias = list[Listed]
"""Written out here, because ``Reading.list`` hides the builtin inside the class."""


class VersionCache(Protocol):
    """Keeps the raw answers that hold one immutable version each.

    Keyed by URL, workspace id and template id, never by name. ``get`` returns ``None`` for what is not there.
    """

    def get(self, url: str, workspace_id: int, template_id: int, version: int) -> dict[str, Any] | None: ...

    def put(
        self, url: str, workspace_id: int, template_id: int, version: int, raw: Mapping[str, Any]
    ) -> None: ...


class Reading(Listing):
    """The part of a registry that gives prompts."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        cache: VersionCache | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        connections: int = 8,
        on_wait: Callable[[str], None] | None = None,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        super().__init__(
            url,
            api_key,
            transport=transport,
            timeout=timeout,
            connections=connections,
            on_wait=on_wait,
            first_wait=first_wait,
        )
        self.workspace_id: int | None = None
        """Learned from the first raw answer."""
        self._cache = cache
        self._has_raw_read = True
        self._leaves_variables = True
        self._tells_tags = True
        self.lists_tags = True
        """Whether the last list told tags, which the vendor's document does not promise."""

    def list(
        self,
        *,
        status: str = "active",
        label: str | None = None,
        name: str | None = None,
        tag: str | None = None,
        on_page: OnPage | None = None,
    ) -> Prompts:
        """Every prompt of the registry, from all pages.

        ``status`` is ``active``, ``deleted`` or ``all``. With ``label``: those that have it, each at that
        label's version. ``name`` matches parts of names, in any case. ``on_page`` is called with the pages
        read and the pages in all. Bodies may hold expanded snippets: they may only prove equality.
        """
        wanted = status if status != "active" else None
        answer, items = self._items({"status": wanted, "label": label, "name": name, "tags": tag}, on_page)
        self.lists_tags = not items or any("tags" in item for item in items)
        try:
            if all(map(parse.is_whole, items)):
                return [parse.listed(item) for item in items]
            return mapped(lambda item: self._whole(item, label), items, connections=self._connections)
        except ValueError as error:
            answer.fail(f"a list of prompts ({error})")

    def _whole(self, item: Mapping[str, Any], label: str | None) -> Listed:
        """A list item; its version and body are read singly where the list leaves them out."""
        if parse.is_whole(item):
            return parse.listed(item)
        template_id, name = parse.identity(item)
        found = self.get(template_id, name, label=label)
        return Listed(
            template_id, found.version, found.prompt, found.message, is_snippet=item.get("is_snippet") is True
        )

    def tags_of(self, listed: Listed) -> frozenset[str] | None:
        """The tags of a listed prompt, ``None`` where the registry stores none."""
        return frozenset(listed.prompt.tags) if self.lists_tags or self._tells_tags else None

    def with_tags(self, prompts: Prompts) -> Prompts:
        """The listed prompts with the tags that their raw reads tell, one request each.

        They are as they were where the registry tells tags nowhere; that costs one request in all.
        """
        if not prompts or not self._tells_tags:
            return prompts
        first = self._tagged(prompts[0])
        if first is None:
            self._tells_tags = False
            return prompts
        others = mapped(self._tagged, prompts[1:], connections=self._connections)
        return [first, *(one or item for one, item in zip(others, prompts[1:], strict=True))]

    def _tagged(self, item: Listed) -> Listed | None:
        try:
            answer = self._raw_answer(self._identifier(item.template_id, item.name), item.name, {})
        except NotFound:
            return None
        raw = answer.object() if answer is not None else {}
        if answer is None or "tags" not in raw:
            return None
        return replace(item, prompt=replace(item.prompt, tags=_parsed(answer, raw, {}).prompt.tags))

    def get(
        self, template_id: int | None, name: str, *, version: int | None = None, label: str | None = None
    ) -> RemoteVersion:
        """One version of a prompt as it was published, with its snippet references as they are.

        The latest without ``version`` and ``label``, of which at most one may be given. A label that an A/B
        release overloads may answer with different versions: resolve it with ``labels``, read by version and
        compare. A known version may come from the cache, with the tags of the day when it was read.

        Raises ``NotFound``; ``RenamedRemotely`` when ``template_id`` has another name now; ``NotReadableRaw``
        when the registry only gives a form of this prompt that may not be its source.
        """
        query = _one_of(version, label)
        cached = self._cached(template_id, name, version)
        if cached is not None:
            return cached
        if template_id is None and name in RESERVED:
            template_id = self._listed_id(name)
        identifier = name if template_id is None else self._identifier(template_id, name)
        found = self._read(identifier, name, query)
        if found.prompt.name == name:
            return found
        if template_id is not None and found.template_id == template_id:
            raise RenamedRemotely(
                f"the prompt {name!r} (id {template_id}) is named {found.prompt.name!r} in {self.url} now",
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
        return next((one.template_id for one in self.list(name=name) if one.name == name), None)

    def _cached(self, template_id: int | None, name: str, version: int | None) -> RemoteVersion | None:
        if self._cache is None or self.workspace_id is None or template_id is None or version is None:
            return None
        raw = self._cache.get(self.url, self.workspace_id, template_id, version)
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
        if found.workspace_id is not None:
            self.workspace_id = found.workspace_id
            if self._cache is not None:
                self._cache.put(self.url, found.workspace_id, found.template_id, found.version, raw)
        return found

    def _raw_answer(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> Answer | None:
        """The answer of the raw read; ``None`` when there may be no such operation."""
        if not self._has_raw_read:
            return None
        try:
            return self.call(
                endpoints.READ,
                path={"identifier": identifier},
                query={**query, "resolve_snippets": "false"},
                fresh=True,
            )
        except (NotFound, Unsupported):
            if not self.knows_route(endpoints.READ):
                return None
            raise self._missing(name, query) from None

    def _missing(self, name: str, query: Mapping[str, Any]) -> NotFound:
        wanted = "".join(f" with the {key} {value!r}" for key, value in query.items())
        return NotFound(f"{self.url} has no prompt {name!r}{wanted}", status=404)

    # -- registries without a raw read ------------------------------------------------------------------

    def _read_rendered(self, identifier: int | str, name: str, query: Mapping[str, Any]) -> RemoteVersion:
        answer = self._rendered_answer(identifier, name, query)
        self._has_raw_read = self.knows_route(endpoints.READ)
        prompts = self._known_prompts()
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
                f"{self.url} gives prompts with their snippets filled in only, and what was published as "
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
                    return self.call(endpoints.RENDER, path=path, body=unrendered)
                except Rejected as error:
                    if error.status not in NOT_UNDERSTOOD:
                        raise
            answer = self.call(endpoints.RENDER, path=path, body=query)
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

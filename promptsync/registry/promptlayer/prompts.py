"""Lists, publishes, archives and renders prompts; ``versions`` reads single versions."""

from __future__ import annotations

import builtins
import json
import math
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from promptsync.errors import RemoteError
from promptsync.parallel import mapped
from promptsync.prompt.prompt import Prompt, Version, format_of, kind_of
from promptsync.prompt.template import template_variables
from promptsync.registry.errors import BadAnswer, FateUnknown, NotFound, NotReadableRaw
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.paging import PER_PAGE, read_whole
from promptsync.registry.promptlayer.responses import WRONG_PLACE, identity, is_whole, shown, version_of
from promptsync.registry.promptlayer.versions import Versions
from promptsync.registry.protocol import NewVersion, number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import OnPage

T = TypeVar("T")


class PromptLayerPrompts:
    """See ``promptsync.registry.protocol.Prompts``. Remembers what lists show about single prompts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._call = connection.call
        self._url = connection.url
        self.versions = Versions(connection, self)
        self.get = self.versions.get
        self.unfilled = self.versions.unfilled
        self.first: tuple[int, str] | None = None
        """Id and name of the first prompt that was listed."""
        self.has_listed = False
        self.tags: dict[int, tuple[str, ...]] = {}
        """The tags of each prompt, by id, in the last list."""
        self._lists_tags = True
        self._reads_tags = True
        self._pages = 0
        self._digit_names: set[str] = set()
        self._known: builtins.list[Version] | None = None
        self._knowing = threading.Lock()

    # -- lists -------------------------------------------------------------------------------------------

    @property
    def stores_tags(self) -> bool:
        return self._lists_tags or self._reads_tags

    def list(
        self,
        *,
        status: str = "active",
        label: str | None = None,
        name: str | None = None,
        on_page: OnPage | None = None,
    ) -> builtins.list[Version]:
        wanted = status if status != "active" else None
        items = self._items(without_none(status=wanted, label=label, name=name), on_page)
        # An empty list does not show whether the registry lists tags.
        if items:
            self._lists_tags = any("tags" in item for item in items)
        if all(map(is_whole, items)):
            versions = self._parsed(version_of, items)
        else:
            versions = mapped(lambda item: self._whole(item, label), items)
        if not self._lists_tags:
            versions = self._with_tags(versions)
        if self.stores_tags:
            self.tags.update((version.template_id, version.prompt.tags) for version in versions)
        return versions

    def latest(self, names: Collection[str], *, needed: Collection[str] = ()) -> builtins.list[Version]:
        if len(names) < max(1, self._pages):  # a name costs a search
            with suppress(RemoteError):  # it may be unable to search
                versions = [version for version in mapped(self._named, sorted(names)) if version is not None]
                if {*needed} <= {version.name for version in versions}:
                    return versions
        return [listed for listed in self.list() if listed.name in names]

    def archived_too(self) -> builtins.list[Version]:
        """Return all prompts, archived ones included. Read once, and again after a publish."""
        with self._knowing:
            if self._known is None:
                items = self._items({"status": "all"})
                self._known = self._parsed(version_of, filter(is_whole, items))
            return self._known

    def identifier(self, template_id: int, name: str) -> int | str:
        """Return what identifies a prompt in a path: its id, unless that is the name of another prompt."""
        is_taken = str(template_id) in self._digit_names and not name.isdigit()
        return name if is_taken and name not in endpoints.RESERVED else template_id

    def id_of(self, name: str) -> int | None:
        """Return the id of the active prompt with a name, ``None`` without one."""
        items = self._items({"name": name})
        return next((template_id for template_id, named in map(identity, items) if named == name), None)

    def _named(self, name: str) -> Version | None:
        """Search the active prompt with a name."""
        return next((listed for listed in self.list(name=name) if listed.name == name), None)

    def _items(self, query: Mapping[str, str], on_page: OnPage | None = None) -> Sequence[Any]:
        """Return the items of all pages."""
        items, _ = read_whole(self._call, endpoints.LIST, query=query, on_page=on_page)
        named = self._parsed(identity, items)
        if not query:
            self._pages = math.ceil(len(named) / PER_PAGE)
        self._digit_names.update(name for _, name in named if name.isdigit())
        self.first, self.has_listed = self.first or next(iter(named), None), True
        return items

    def _parsed(self, read: Callable[[Any], T], items: Iterable[Any]) -> builtins.list[T]:
        """Return what ``read`` makes of each item. Raises ``BadAnswer`` for an item that it rejects."""
        parsed = []
        for item in items:
            try:
                parsed.append(read(item))
            except ValueError as error:
                excerpt = shown(self._connection.scrub(json.dumps(item, ensure_ascii=False)))
                raise BadAnswer(
                    f"{self._url} cannot {endpoints.LIST.name}: expected a list of prompts ({error}), "
                    f"but the registry returned the item {excerpt}",
                    hint=WRONG_PLACE,
                ) from None
        return parsed

    def _whole(self, item: Mapping[str, Any], label: str | None) -> Version:
        """Return a list item, with a version and body read on their own if the list leaves them out."""
        if is_whole(item):
            return self._parsed(version_of, [item])[0]
        version = self.get(*identity(item), label=label)
        return replace(version, is_snippet=item.get("is_snippet") is True)

    def _with_tags(self, versions: builtins.list[Version]) -> builtins.list[Version]:
        """Return the prompts with the tags of raw reads; a single request if raw reads have no tags."""

        def tagged(version: Version) -> Version:
            tags = self.versions.tags(version.template_id, version.name)
            self._reads_tags = self._reads_tags and tags is not None
            return version if tags is None else replace(version, prompt=replace(version.prompt, tags=tags))

        if not versions or not self._reads_tags:
            return versions
        first = tagged(versions[0])
        return [first, *(mapped(tagged, versions[1:]) if self._reads_tags else versions[1:])]

    # -- single prompts ----------------------------------------------------------------------------------

    def publish(self, prompt: Prompt, *, message: str) -> NewVersion:
        self._known = None
        answer = self._call(endpoints.PUBLISH, body=lambda form: _publish_body(prompt, message, form))
        raw = answer.object(deep=True)
        if text(raw, "prompt_name") not in {None, prompt.name}:
            answer.fail(f"the prompt {prompt.name!r}")
        template_id, version = number(raw, "id"), number(raw, "version_number", "version")
        if template_id is None or version is None:
            try:
                template_id, version = self._newest(template_id, prompt.name)
            except RemoteError as error:
                unknown = f"{prompt.name!r} was published, but its version is unknown"
                raise FateUnknown(f"{unknown}: {error.message}", hint=error.hint) from None
        return NewVersion(template_id, version)

    def _newest(self, template_id: int | None, name: str) -> tuple[int, int]:
        try:
            version: Version | None = self.get(template_id, name)
        except NotReadableRaw:  # the list has its number anyway
            version = self._named(name)
        if version is None:
            raise NotFound(f"{self._url} does not list {name!r}", status=404)
        return version.template_id, version.version

    def archive(self, template_id: int, is_snippet: bool) -> None:
        kinds = ("SNIPPET", "PROMPT") if is_snippet else ("PROMPT", "SNIPPET")
        # Registries disagree on what a snippet is, and archive nothing if the kind is wrong.
        for kind in kinds:
            body = without_none(
                entities=[{"id": template_id, "type": kind}],
                cascade=False,
                workspace_id=self.versions.workspace_id,
            )
            answer = self._call(endpoints.ARCHIVE, body=body)
            if not answer.content.strip() or number(answer.object(), "moved_count") != 0:
                return
        raise NotFound(f"{self._url} has no prompt with the id {template_id} to archive", status=404)

    def snippet_usage(self, template_id: int, name: str) -> dict[str, Any]:
        path = {"identifier": self.identifier(template_id, name)}
        answer = self._call(endpoints.SNIPPET_USAGE, path=path)
        usage = answer.object()
        if not isinstance(usage.get("snippet_usage"), list):
            answer.fail("a list under 'snippet_usage'")
        return usage

    def tool(
        self, tool: int | str, *, version: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        query = without_none(version=version, label=label)
        answer = self._call(endpoints.READ_TOOL, path={"tool": tool}, query=query)
        item = answer.object().get("tool_registry")
        # The specification has the definition in both places.
        holders = (item.get("version"), item) if isinstance(item, dict) else ()
        for holder in holders:
            if isinstance(holder, dict) and isinstance(definition := holder.get("tool_definition"), dict):
                return definition
        answer.fail("an object under 'tool_definition'")

    def render(
        self,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = without_none(version=version, label=label, provider=provider, model=model)
        body["input_variables"] = dict(variables or {})
        answer = self._call(endpoints.RENDER, path={"identifier": name}, body=body)
        # A registry may take an all-digit name for the id of another prompt.
        is_other = name.isdigit() and text(answer.object(), "prompt_name") not in {None, name}
        if is_other and (template_id := self.id_of(name)) is not None:
            answer = self._call(endpoints.RENDER, path={"identifier": template_id}, body=body)
        rendered = answer.object()
        if not isinstance(rendered.get("prompt_template"), dict):
            answer.fail("an object under 'prompt_template'")
        if text(rendered, "prompt_name") not in {None, name}:
            answer.fail(f"the prompt {name!r}")
        return rendered


def _publish_body(prompt: Prompt, message: str, form: str) -> dict[str, Any]:
    """Return the body of a publish: ``flat`` in the customer's document, ``nested`` in the vendor's.

    Tags are always included, because it is undefined whether leaving them out clears them.
    """
    version = {**prompt.extra, "prompt_template": _wire_template(prompt.template), "commit_message": message}
    if prompt.metadata:
        version["metadata"] = dict(prompt.metadata)
    template = {"prompt_name": prompt.name, "tags": list(prompt.tags)}
    if form == "flat":
        return {**version, **template}
    return {"prompt_template": template, "prompt_version": version}


def _wire_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template as it is sent: with its ``type``, and with the names of its variables, sorted.

    The template and each message have their variables, because not every registry finds them in the text.
    """
    sent = {"type": kind_of(template), **template}
    if isinstance(sent.get("messages"), list):
        sent["messages"] = [
            {**message, "input_variables": sorted(template_variables(message, format_of(sent)))}
            if isinstance(message, Mapping)
            else message
            for message in sent["messages"]
        ]
    sent["input_variables"] = sorted(template_variables(sent))
    return sent

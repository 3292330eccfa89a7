"""Lists, publishes, archives and renders prompts; ``reading`` reads their versions."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from promptsync.errors import RemoteError
from promptsync.parallel import mapped
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version
from promptsync.registry.errors import BadAnswer, ConnectionLost, NotFound, NotReadableRaw
from promptsync.registry.promptlayer import endpoints, parse
from promptsync.registry.promptlayer.connection import Connection, given
from promptsync.registry.promptlayer.prompt_list import PromptList
from promptsync.registry.promptlayer.versions import Reading, one_version
from promptsync.registry.values import number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import OnPage
    from promptsync.registry.results import NewVersion


class PromptLayerPrompts:
    """See ``promptsync.registry.protocol.Prompts``."""

    def __init__(self, connection: Connection, listing: PromptList, reading: Reading) -> None:
        self._connection = connection
        self._call = connection.call
        self._url = connection.url
        self._listing = listing
        self._reading = reading
        self._lists_tags = True
        self._reads_tags = True

    @property
    def stores_tags(self) -> bool:
        return self._lists_tags or self._reads_tags

    def list(
        self,
        *,
        status: str = "active",
        label: str | None = None,
        name: str | None = None,
        tag: str | None = None,
        with_tags: bool = False,
        on_page: OnPage | None = None,
    ) -> builtins.list[Version]:
        wanted = status if status != "active" else None
        filters = {"status": wanted, "label": label, "name": name, "tags": tag}
        items = self._listing.items(filters, on_page)
        # An empty list does not show whether the registry lists tags.
        if items:
            self._lists_tags = any("tags" in item for item in items)
        if all(map(parse.is_whole, items)):
            found = self._listing.parsed(parse.listed, items)
        else:
            found = mapped(lambda item: self._whole(item, label), items)
        if with_tags and not self._lists_tags:
            found = self._with_tags(found)
        if self._lists_tags or with_tags:
            self._listing.tags.update((one.template_id, one.prompt.tags) for one in found)
        return found

    def latest(
        self, names: Collection[str], *, needed: Collection[str] = (), on_page: OnPage | None = None
    ) -> builtins.list[Version]:
        reads_tags = not self._lists_tags and self._reads_tags
        is_searched = self._listing.is_cheaper_to_search(names, with_tags=reads_tags)
        found = self._searched(names) if is_searched else None
        if found is None or not {*needed} <= {one.name for one in found}:
            return [one for one in self.list(with_tags=True, on_page=on_page) if one.name in names]
        if not self._lists_tags:
            found = self._with_tags(found)
            self._listing.tags.update((one.template_id, one.prompt.tags) for one in found)
        return found

    def _searched(self, names: Collection[str]) -> builtins.list[Version] | None:
        """Return the prompts with these names, ``None`` if the registry cannot search."""

        def search(name: str) -> Version | None:
            return next((one for one in self.list(name=name) if one.name == name), None)

        try:
            return [one for one in mapped(search, sorted(names)) if one is not None]
        except RemoteError:
            return None

    def _whole(self, item: Mapping[str, Any], label: str | None) -> Version:
        """Return a list item, with a version and body read on their own if the list leaves them out."""
        if parse.is_whole(item):
            return self._listing.parsed(parse.listed, [item])[0]
        template_id, name = parse.identity(item)
        found = self._reading.get(template_id, name, label=label)
        return Version(
            template_id, found.version, found.prompt, found.message, is_snippet=item.get("is_snippet") is True
        )

    def _with_tags(self, prompts: builtins.list[Version]) -> builtins.list[Version]:
        """Return the prompts with the tags of raw reads; a single request if raw reads have no tags."""
        if not prompts or not self._reads_tags:
            return prompts
        first = self._reading.tags(prompts[0].template_id, prompts[0].name)
        if first is None:
            self._reads_tags = False
            return prompts
        others = mapped(lambda one: self._reading.tags(one.template_id, one.name), prompts[1:])
        return [
            one if tags is None else replace(one, prompt=replace(one.prompt, tags=tags))
            for one, tags in zip(prompts, [first, *others], strict=True)
        ]

    def get(
        self,
        template_id: int | None,
        name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        fresh: bool = False,
    ) -> Version:
        return self._reading.get(template_id, name, version=version, label=label, fresh=fresh)

    def publish(self, prompt: Prompt, *, message: str, labels: Sequence[str] = ()) -> NewVersion:
        from promptsync.registry.promptlayer.publish_body import publish_body

        self._listing.forget()
        answer = self._call(
            endpoints.PUBLISH, body=lambda shape: publish_body(prompt, message, labels, shape)
        )
        try:
            raw = answer.object(deep=True)
            if text(raw, "prompt_name") not in {None, prompt.name}:
                answer.fail(f"the prompt {prompt.name!r}")
        except BadAnswer as error:
            # The registry returned success, so there may be a version, and the caller must read back.
            raise ConnectionLost(
                f"{prompt.name!r} may or may not have been published: {error.message}", hint=error.hint
            ) from None
        return self._published(prompt.name, raw)

    def _published(self, name: str, raw: Mapping[str, Any]) -> NewVersion:
        from promptsync.registry.results import NewVersion

        template_id, version = number(raw, "id"), number(raw, "version_number", "version")
        if template_id is None or version is None:
            try:
                template_id, version = self._newest(template_id, name)
            except RemoteError as error:
                raise ConnectionLost(
                    f"{name!r} was published, but its version is unknown: {error.message}", hint=error.hint
                ) from None
        return NewVersion(template_id, version)

    def _newest(self, template_id: int | None, name: str) -> tuple[int, int]:
        try:
            found: Version | None = self.get(template_id, name)
        except NotReadableRaw:  # the list has its number all the same
            found = next((one for one in self.list(name=name) if one.name == name), None)
        if found is None:
            raise NotFound(f"{self._url} does not list {name!r}", status=404)
        return found.template_id, found.version

    def archive(self, template_id: int, is_snippet: bool) -> None:
        kinds = ("SNIPPET", "PROMPT") if is_snippet else ("PROMPT", "SNIPPET")
        # Registries disagree on what a snippet is, and archive nothing if the kind is wrong.
        for kind in kinds:
            body = given(
                entities=[{"id": template_id, "type": kind}],
                cascade=False,
                workspace_id=self._reading.workspace_id,
            )
            answer = self._call(endpoints.ARCHIVE, body=body)
            if not answer.content.strip() or number(answer.object(), "moved_count") != 0:
                return
        raise NotFound(f"{self._url} has no prompt with the id {template_id} to archive", status=404)

    def snippet_usage(self, template_id: int, name: str) -> dict[str, Any]:
        path = {"identifier": self._listing.identifier(template_id, name)}
        answer = self._call(endpoints.SNIPPET_USAGE, path=path, fresh=True)
        found = answer.object()
        if not isinstance(found.get("snippet_usage"), list):
            answer.fail("a list under 'snippet_usage'")
        return found

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
        query = one_version(version, label)
        body = given(**query, provider=provider, model=model, input_variables=dict(variables or {}))
        answer = self._call(endpoints.RENDER, path={"identifier": name}, body=body)
        # A registry may take an all-digit name for the id of another prompt.
        is_other = name.isdigit() and text(answer.object(), "prompt_name") not in {None, name}
        if is_other and (template_id := self._reading.listed_id(name)) is not None:
            answer = self._call(endpoints.RENDER, path={"identifier": template_id}, body=body)
        found = answer.object()
        if not isinstance(found.get("prompt_template"), dict):
            answer.fail("an object under 'prompt_template'")
        if text(found, "prompt_name") not in {None, name}:
            answer.fail(f"the prompt {name!r}")
        return found

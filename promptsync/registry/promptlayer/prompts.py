"""Lists, publishes, archives and renders prompts; ``reading`` reads their versions."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from promptsync.errors import RemoteError
from promptsync.parallel import mapped
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version
from promptsync.registry.errors import BadAnswer, ConnectionLost, NotFound, NotReadableRaw
from promptsync.registry.promptlayer import endpoints, parse
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.prompt_list import PromptList
from promptsync.registry.promptlayer.versions import Reading, one_version
from promptsync.registry.values import number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import OnPage
    from promptsync.registry.values import NewVersion


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
            versions = self._listing.parsed(parse.listed, items)
        else:
            versions = mapped(lambda item: self._whole(item, label), items)
        if with_tags and not self._lists_tags:
            versions = self._with_tags(versions)
        if self._lists_tags:
            self._listing.tags.update((listed.template_id, listed.prompt.tags) for listed in versions)
        return versions

    def latest(
        self, names: Collection[str], *, needed: Collection[str] = (), on_page: OnPage | None = None
    ) -> builtins.list[Version]:
        reads_tags = not self._lists_tags and self._reads_tags
        # A search for each name, and another request for its tags if the list leaves them out.
        if len(names) * (2 if reads_tags else 1) < self._listing.requests(with_tags=reads_tags):
            with suppress(RemoteError):  # it may be unable to search
                versions = [version for version in mapped(self._named, sorted(names)) if version is not None]
                if {*needed} <= {version.name for version in versions}:
                    return self._with_tags(versions) if reads_tags else versions
        return [listed for listed in self.list(with_tags=True, on_page=on_page) if listed.name in names]

    def _named(self, name: str) -> Version | None:
        """Search the active prompt with a name."""
        return next((listed for listed in self.list(name=name) if listed.name == name), None)

    def _whole(self, item: Mapping[str, Any], label: str | None) -> Version:
        """Return a list item, with a version and body read on their own if the list leaves them out."""
        if parse.is_whole(item):
            return self._listing.parsed(parse.listed, [item])[0]
        template_id, name = parse.identity(item)
        version = self._reading.get(template_id, name, label=label)
        return Version(
            template_id,
            version.version,
            version.prompt,
            version.message,
            is_snippet=item.get("is_snippet") is True,
        )

    def _with_tags(self, prompts: builtins.list[Version]) -> builtins.list[Version]:
        """Return the prompts with the tags of raw reads; a single request if raw reads have no tags."""
        if not prompts or not self._reads_tags:
            return prompts
        first = self._reading.tags(prompts[0].template_id, prompts[0].name)
        if first is None:
            self._reads_tags = False
            return prompts
        others = mapped(lambda listed: self._reading.tags(listed.template_id, listed.name), prompts[1:])
        tagged = [
            listed if tags is None else replace(listed, prompt=replace(listed.prompt, tags=tags))
            for listed, tags in zip(prompts, [first, *others], strict=True)
        ]
        self._listing.tags.update((listed.template_id, listed.prompt.tags) for listed in tagged)
        return tagged

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
        from promptsync.registry.values import NewVersion

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
            version: Version | None = self.get(template_id, name)
        except NotReadableRaw:  # the list has its number all the same
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
                workspace_id=self._reading.workspace_id,
            )
            answer = self._call(endpoints.ARCHIVE, body=body)
            if not answer.content.strip() or number(answer.object(), "moved_count") != 0:
                return
        raise NotFound(f"{self._url} has no prompt with the id {template_id} to archive", status=404)

    def snippet_usage(self, template_id: int, name: str) -> dict[str, Any]:
        path = {"identifier": self._listing.identifier(template_id, name)}
        answer = self._call(endpoints.SNIPPET_USAGE, path=path, fresh=True)
        usage = answer.object()
        if not isinstance(usage.get("snippet_usage"), list):
            answer.fail("a list under 'snippet_usage'")
        return usage

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
        body = without_none(**query, provider=provider, model=model, input_variables=dict(variables or {}))
        answer = self._call(endpoints.RENDER, path={"identifier": name}, body=body)
        # A registry may take an all-digit name for the id of another prompt.
        is_other = name.isdigit() and text(answer.object(), "prompt_name") not in {None, name}
        if is_other and (template_id := self._reading.listed_id(name)) is not None:
            answer = self._call(endpoints.RENDER, path={"identifier": template_id}, body=body)
        rendered = answer.object()
        if not isinstance(rendered.get("prompt_template"), dict):
            answer.fail("an object under 'prompt_template'")
        if text(rendered, "prompt_name") not in {None, name}:
            answer.fail(f"the prompt {name!r}")
        return rendered

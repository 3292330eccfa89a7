"""The client of a registry: everything that the rest of the program may ask one.

Every method raises the errors of ``promptsync.registry.errors``, and may be called by many threads at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Listed, Prompt, RemoteVersion
from promptsync.registry.errors import BadAnswer, ConnectionLost, NotFound, NotReadableRaw
from promptsync.registry.promptlayer import endpoints, parse
from promptsync.registry.promptlayer.answers import Answer
from promptsync.registry.promptlayer.checks import Proving
from promptsync.registry.promptlayer.endpoints import publish_body
from promptsync.registry.promptlayer.labels import Labelling
from promptsync.registry.promptlayer.parse import Published, number
from promptsync.registry.promptlayer.tracking import Tracking


class Registry(Labelling, Tracking, Proving):
    """One registry. See ``Session`` for the arguments; ``cache`` keeps versions that were read.

    Use it as a context manager, or call ``close``.
    """

    def publish(self, prompt: Prompt, *, message: str, labels: Sequence[str] = ()) -> Published:
        """Publish ``prompt`` as a new version, created or moved ``labels`` included.

        Each success makes a version, so it is never sent twice unless the registry certainly did nothing.
        After ``NotSent`` (``Rejected`` is one) there is no new version; after ``FateUnknown`` there may be
        one: read back before deciding. The registry may drop what it does not know: read back as well.
        """
        self._forget_prompts()
        answer = self.call(endpoints.PUBLISH, body=lambda shape: publish_body(prompt, message, labels, shape))
        try:
            raw = answer.object()
            if parse.text(raw, "prompt_name") not in {None, prompt.name}:
                answer.fail(f"the prompt {prompt.name!r}")
        except BadAnswer as error:
            raise ConnectionLost(
                f"{prompt.name!r} may be published or not: {error.message}", hint=error.hint
            ) from None
        return self._published(prompt.name, raw)

    def _published(self, name: str, raw: Mapping[str, Any]) -> Published:
        template_id, version = number(raw, "id"), number(raw, "version_number", "version")
        if template_id is None or version is None:
            try:
                template_id, version = self._newest(template_id, name)
            except RemoteError as error:
                raise ConnectionLost(
                    f"{name!r} is published, but not as which version: {error.message}", hint=error.hint
                ) from None
        return Published(template_id, version, raw)

    def _newest(self, template_id: int | None, name: str) -> tuple[int, int]:
        try:
            found: RemoteVersion | Listed | None = self.get(template_id, name)
        except NotReadableRaw:  # what it is numbered can be known all the same
            found = next((one for one in self.list(name=name) if one.name == name), None)
        if found is None:
            raise NotFound(f"{self.url} does not list {name!r}", status=404)
        return found.template_id, found.version

    def archive(self, template_id: int, is_snippet: bool) -> None:
        """Archive a prompt with all its versions, as the registry's own pages do. Raises ``NotFound``."""
        kinds = ("SNIPPET", "PROMPT") if is_snippet else ("PROMPT", "SNIPPET")
        # registries disagree on what a snippet is, and count nothing when they are told the wrong kind
        for kind in kinds:
            answer = self._archived(template_id, kind)
            if not answer.content.strip() or number(answer.object(), "moved_count") != 0:
                return
        raise NotFound(f"{self.url} archived nothing: it has no prompt with the id {template_id}", status=404)

    def _archived(self, template_id: int, kind: str) -> Answer:
        workspace = {"workspace_id": self.workspace_id} if self.workspace_id is not None else {}
        entities = [{"id": template_id, "type": kind}]
        return self.call(endpoints.ARCHIVE, body={"entities": entities, "cascade": False, **workspace})

    def snippet_usage(self, template_id: int, name: str, *, version: int | None = None) -> dict[str, Any]:
        """Who uses a snippet: ``snippet_usage[]`` with ``prompt_registry_id, prompt_name, version_numbers``,
        and ``label_usage[]``.
        """
        answer = self.call(
            endpoints.SNIPPET_USAGE,
            path={"identifier": self._identifier(template_id, name)},
            query={"prompt_version_number": version} if version is not None else None,
            fresh=True,
        )
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
        variables: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What a model would be sent, as the registry renders it: ``prompt_template``, ``llm_kwargs``, …

        The latest version without ``version`` and ``label``, of which at most one may be given. Never a
        source to store: snippets are expanded in it.
        """
        if version is not None and label is not None:
            raise ValueError("a version and a label exclude each other")
        given = {"version": version, "label": label, "provider": provider}
        body: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        body["input_variables"] = dict(variables or {})
        answer = self.call(endpoints.RENDER, path={"identifier": name}, body=body)
        found = answer.object()
        if not isinstance(found.get("prompt_template"), dict):
            answer.fail("an object under 'prompt_template'")
        if parse.text(found, "prompt_name") not in {None, name}:
            answer.fail(f"the prompt {name!r}")
        return found

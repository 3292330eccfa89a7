"""PromptLayer as a registry: its parts, all on one connection, and release labels."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Label
from promptsync.registry.errors import (
    BadAnswer,
    NotFound,
    NotReadableRaw,
    Rejected,
    Unsupported,
    UnusablePrompt,
)
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.checks import Checks, Tables, Tracking
from promptsync.registry.promptlayer.connection import Connection
from promptsync.registry.promptlayer.prompts import PromptLayerPrompts
from promptsync.registry.promptlayer.responses import Answer, label_of
from promptsync.registry.protocol import Capabilities, number

if TYPE_CHECKING:
    from promptsync.prompt.prompt import Version


class PromptLayer:
    """A registry with PromptLayer's API. ``Connection`` has the ``options``."""

    def __init__(self, url: str, api_key: str | None, **options: Any) -> None:
        self.connection = Connection(url, api_key, **options)
        self.url = self.connection.url
        self.timeouts = self.connection.timeouts
        self.prompts = PromptLayerPrompts(self.connection)
        self.labels = PromptLayerLabels(self.connection, self.prompts)
        self.checks = Checks(self.connection)
        self.tables = Tables(self.connection)
        self.tracking = Tracking(self.connection)

    @property
    def workspace_seen(self) -> int | None:
        return self.prompts.versions.workspace_id

    @property
    def workspace_id(self) -> int | None:
        # No request returns the workspace by itself, but every raw read of a prompt does.
        if not self.prompts.versions.has_read:
            if not self.prompts.has_listed:
                self.prompts.list()
            if self.prompts.first is not None:
                with contextlib.suppress(NotReadableRaw, NotFound, UnusablePrompt):
                    self.prompts.get(*self.prompts.first)
        return self.workspace_seen

    def page(self, prompt: Version) -> str:
        # No source documents this path. The SDKs link tables as /workspace/ID/smart-tables/ID, and links to
        # prompts from before the dashboard had its own host were /prompt/ID.
        dashboard = self.connection.dashboard
        if not dashboard or self.workspace_id is None:
            return ""
        return f"{dashboard}/workspace/{self.workspace_id}/prompt/{prompt.template_id}"

    def capabilities(self, prompt: Version) -> Capabilities:
        with contextlib.suppress(NotReadableRaw, UnusablePrompt):
            self.prompts.get(prompt.template_id, prompt.name)
        return Capabilities(
            raw=self.connection.has_route(endpoints.READ),
            lists_all_labels=self.labels.all() is not None,
            changes_labels=self.labels.can_change(prompt.template_id, prompt.name),
        )

    @property
    def width(self) -> int:
        return self.connection.sender.throttle.width

    @property
    def requests(self) -> int:
        return self.connection.sender.requests

    def close(self) -> None:
        """Close the connections, and the transport that was passed in."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class PromptLayerLabels:
    """See ``promptsync.registry.protocol.Labels``."""

    def __init__(self, connection: Connection, prompts: PromptLayerPrompts) -> None:
        self._call = connection.call
        self._prompts = prompts
        self.may_list_all = True
        self._can_change: bool | None = None

    def of(self, template_id: int, name: str) -> list[Label]:
        path = {"identifier": self._prompts.identifier(template_id, name)}
        answer = self._call(endpoints.LABELS, path=path)
        self._can_change = True
        return _labels(answer, template_id, name)

    def all(self) -> list[Label] | None:
        labels = None
        if self.may_list_all:
            try:
                labels = _all_labels(self._call(endpoints.ALL_LABELS))
            except (Unsupported, Rejected) as error:
                if isinstance(error, Rejected) and error.status not in endpoints.NO_SHAPE:
                    raise
            self.may_list_all = labels is not None
        return labels

    def can_change(self, template_id: int, name: str) -> bool:
        if self._can_change is None:
            try:
                self.of(template_id, name)
            except Unsupported:
                self._can_change = False
            except Rejected as error:
                # A registry that complains about the prompt has the operation.
                if not isinstance(error, NotFound) and error.status not in endpoints.NO_SHAPE:
                    raise
                self._can_change = True
        return bool(self._can_change)

    def set(self, template_id: int, name: str, label: str, version: int, existing: Label | None) -> None:
        target = {"prompt_version_number": version}
        if existing is None:
            body = {"name": label, **target}
            self._call(endpoints.CREATE_LABEL, path={"template_id": template_id}, body=body).acknowledge()
            return

        def check() -> bool:
            # Somebody may have moved it during the wait before the retry.
            try:
                labels = self.of(template_id, name)
            except RemoteError:
                return False
            moved = next((other for other in labels if other.name == label), existing)
            if moved.version not in (existing.version, version):
                raise Rejected(
                    f"another user moved {label!r} of {name!r} to v{moved.version} in the meantime",
                    status=409,
                    hint="run the command again",
                )
            return True

        path = {"label_id": existing.label_id}
        self._call(endpoints.MOVE_LABEL, path=path, body=target, before_repeat=check).acknowledge()

    def delete(self, label: Label) -> None:
        try:
            self._call(endpoints.DELETE_LABEL, path={"label_id": label.label_id}).acknowledge()
        except Rejected as error:
            # Somebody else may have deleted it, or a lost first attempt did.
            if error.status != 404:
                raise


def _labels(answer: Answer, template_id: int | None = None, name: str | None = None) -> list[Label]:
    items = answer.listed("release_labels", "labels", "items")
    try:
        return [label_of(item, template_id, name) for item in items]
    except ValueError as error:
        answer.fail(f"release labels ({error})")


def _all_labels(answer: Answer) -> list[Label] | None:
    """Return the labels in a response, ``None`` if it is anything else or does not name their prompts."""
    body = answer.json()
    # The vendor's registry takes this path for the prompt named "labels".
    if isinstance(body, dict) and ("prompt_template" in body or (number(body, "pages") or 1) > 1):
        return None
    try:
        labels = _labels(answer)
    except BadAnswer:
        return None
    return labels if all(label.template_id is not None or label.prompt_name for label in labels) else None

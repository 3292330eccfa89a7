"""Requests that applications made, and what is recorded about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.connection import Connection, without_none
from promptsync.registry.promptlayer.responses import fate_unknown_if_unreadable
from promptsync.registry.values import number


class PromptLayerTracking:
    """See ``promptsync.registry.protocol.Tracking``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._call = connection.call

    def log_request(self, request: Mapping[str, Any]) -> int:
        answer = self._call(endpoints.LOG_REQUEST, body=request)
        with fate_unknown_if_unreadable():
            request_id = number(answer.object(), "request_id", "id")
            return request_id or answer.fail("a number under 'request_id' or 'id'")

    def track(self, request_id: int | str, what: str, **values: Any) -> None:
        body = without_none(request_id=request_id, **values)
        self._call(endpoints.TRACK[what], body=body).acknowledge()

    def create_group(self) -> int:
        # The vendor's SDK sends the key of this request in the body only, so a registry may look there.
        key = self._connection.key
        answer = self._call(endpoints.CREATE_GROUP, body={"api_key": key} if key else {})
        with fate_unknown_if_unreadable():
            return number(answer.object(), "id", "group_id") or answer.fail("a number under 'id'")

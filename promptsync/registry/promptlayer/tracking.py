"""Requests that applications made, and what is noted about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.connection import Session
from promptsync.registry.promptlayer.parse import number


class Tracking(Session):
    """The part of a registry that keeps requests. Nothing here is answered with more than an id."""

    def log_request(self, request: Mapping[str, Any]) -> int:
        """Log a request, given in the registry's own shape, and return its id."""
        answer = self.call(endpoints.LOG_REQUEST, body=request)
        return number(answer.object(), "request_id", "id") or answer.fail(
            "a number under 'request_id' or 'id'"
        )

    def track_prompt(
        self,
        request_id: int | str,
        prompt_name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        """Note which prompt a request used: the newest version when neither version nor label is given."""
        body: dict[str, Any] = {"request_id": request_id, "prompt_name": prompt_name}
        given = {"version": version, "label": label, "prompt_input_variables": variables}
        body.update({key: value for key, value in given.items() if value is not None})
        self.call(endpoints.TRACK_PROMPT, body=body).acknowledge()

    def track_score(self, request_id: int | str, score: int, *, name: str | None = None) -> None:
        """Score a request with 0 to 100, under ``name`` or the registry's default."""
        named = {"name": name} if name is not None else {}
        self.call(
            endpoints.TRACK_SCORE, body={"request_id": request_id, "score": score, **named}
        ).acknowledge()

    def track_metadata(self, request_id: int | str, metadata: Mapping[str, str]) -> None:
        """Add metadata to a request; a key that is there already is replaced."""
        self.call(
            endpoints.TRACK_METADATA, body={"request_id": request_id, "metadata": dict(metadata)}
        ).acknowledge()

    def track_group(self, request_id: int | str, group_id: int) -> None:
        """Put a request into a group."""
        self.call(endpoints.TRACK_GROUP, body={"request_id": request_id, "group_id": group_id}).acknowledge()

    def create_group(self) -> int:
        """Make a group of requests; return its id."""
        # the vendor's SDK carries the key in the body here, and only there
        answer = self.call(endpoints.CREATE_GROUP, body={"api_key": self._key} if self._key else {})
        return number(answer.object(), "id", "group_id") or answer.fail("a number under 'id'")

"""An OpenAI-compatible endpoint, which responds to a rendered prompt in evaluations and agents."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
import msgspec

from promptsync.prompt.shapes import CHAT_COMPLETIONS
from promptsync.prompt.texts import mappings
from promptsync.server.checks.models import ModelError
from promptsync.server.providers.table import llm_kwargs

_MAX_ANSWER = 10_000_000


@cache
def _client() -> httpx.Client:
    # Redirects are not followed: the key would go along to wherever they lead.
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))


class Endpoint(msgspec.Struct, frozen=True):
    """An OpenAI-compatible chat endpoint: ``url`` is its base, such as ``http://127.0.0.1:11434/v1``.

    ``model``, if given, replaces the prompt's own model. ``timeout`` is in seconds, and applies to each piece
    of the answer; all of it may take twice as long.
    """

    url: str
    api_key: str = ""
    model: str = ""
    timeout: float = 60.0
    parallel: int = 4

    @property
    def name(self) -> str:
        """The model's name, or the address if each prompt names its own model."""
        return self.model or self.url

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        answer = self._post(self._arguments(template, metadata))
        choice = next(mappings(answer.get("choices")), None) if isinstance(answer, Mapping) else None
        message = choice.get("message") if choice else None
        if not isinstance(message, Mapping):
            raise ModelError(f"{self.url} returned no message.")
        if isinstance(message.get("content"), str):
            return str(message["content"])
        return json.dumps(message.get("tool_calls") or [], ensure_ascii=False)

    def _arguments(
        self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        own = (metadata or {}).get("model") or {}
        speaks_openai = own.get("provider") in ("openai", "openai.azure")
        # The endpoint takes chats only, so a completion becomes a user's message.
        if template["type"] == "completion":
            template = {"type": "chat", "messages": [{"role": "user", "content": template["content"]}]}
        chat = {"model": {**own, "api_type": CHAT_COMPLETIONS}} if speaks_openai else None
        built = llm_kwargs(template, chat, "openai")[0] or {}
        model = self.model or built.get("model") or own.get("name")
        if not model:
            raise ModelError("The prompt names no model, and the endpoint is configured without one.")
        return {**built, "model": model}

    def _post(self, body: Mapping[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        url, content = f"{self.url.rstrip('/')}/chat/completions", bytearray()
        deadline = time.monotonic() + 2 * self.timeout
        try:
            with _client().stream("POST", url, json=body, headers=headers, timeout=self.timeout) as response:
                for part in response.iter_bytes():
                    content += part
                    if len(content) > _MAX_ANSWER or time.monotonic() > deadline:
                        raise ModelError(f"{self.url} did not answer: the answer is too long or too slow")
            if not response.is_success:
                said = content[:500].decode(errors="replace")
                raise ModelError(f"{self.url} returned {response.status_code}: {said}")
            return json.loads(content)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise ModelError(f"{self.url} did not answer: {error}") from error

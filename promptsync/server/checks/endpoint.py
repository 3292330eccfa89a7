"""An OpenAI-compatible endpoint, which responds to a rendered prompt in evaluations and agents."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from promptsync.prompt.shapes import CHAT_COMPLETIONS
from promptsync.prompt.texts import mappings
from promptsync.server.checks.model import ModelError
from promptsync.server.providers.table import llm_kwargs

_MAX_ANSWER = 10_000_000


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """urllib would send the key along to wherever it is redirected."""

    def redirect_request(self, *_: Any) -> None:
        return None


@cache
def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirects)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible chat endpoint: ``url`` is its base, such as ``http://127.0.0.1:11434/v1``.

    ``model``, if given, replaces the prompt's own model. ``timeout`` is in seconds.
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

    @property
    def patience(self) -> float:
        """Twice the timeout, which applies to the connection and to each piece of the answer."""
        return 2 * self.timeout

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
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers
        )
        try:
            with _opener().open(request, timeout=self.timeout) as response:
                return json.loads(response.read(_MAX_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(500).decode(errors="replace")
            raise ModelError(f"{self.url} returned {error.code}: {said}") from error
        except (OSError, ValueError) as error:
            raise ModelError(f"{self.url} did not answer: {error}") from error

"""The models, each of which responds to a rendered prompt in evaluations and agents.

A model is one of ``models:`` in the fixtures file, or the default for other names: an echo, if nothing else.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httpx
from msgspec import Struct, convert, field

from promptsync.prompt.prompt import mappings
from promptsync.prompt.shapes import CHAT_COMPLETIONS
from promptsync.prompt.snippets import snippet_text
from promptsync.server.guard import is_loopback

JUDGE: Final = "llm-assertion"
"""The name under which LLM assertions ask a model."""


class ModelError(Exception):
    """The model gave no answer; the message says why."""


class Model(Protocol):
    """Answers one rendered template."""

    @property
    def name(self) -> str:
        """The name that results show."""

    @property
    def parallel(self) -> int:
        """How many answers may be requested at once."""

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        """Return the text of the answer; raises ``ModelError``."""


class Echo(Struct, frozen=True):
    """Answers with the last rendered message: deterministic and offline, and results name it."""

    name: str = "echo"
    parallel: int = 1

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        parts = template["messages"] if template["type"] == "chat" else [template]
        return snippet_text(parts[-1]) if parts else ""


class ScriptedAnswer(Struct, frozen=True):
    """Answers to texts that contain a text, in any case, or a match of a regular expression; or to all."""

    answer: str = ""
    answers: list[str] | None = None
    contains: str | None = None
    regex: str | None = None

    def fits(self, text: str) -> bool:
        """Return whether it answers a text."""
        contains = (self.contains or "").casefold() in text.casefold()
        return contains and re.search(self.regex or "", text) is not None


class Scripted(Struct, frozen=True):
    """Answers with the first rule that fits. Several answers to the same text are taken in turn."""

    rules: list[ScriptedAnswer]
    turns: Counter[str] = field(default_factory=Counter)
    name: str = "scripted"
    # One at a time, because otherwise the order of the threads would decide which answer a text gets.
    parallel: int = 1

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        parts = template["messages"] if template["type"] == "chat" else [template]
        text = "\n".join(snippet_text(part) for part in parts)
        rule = next((rule for rule in self.rules if rule.fits(text)), None)
        if rule is None:
            raise ModelError(f"No scripted answer fits {text[:200]!r}.")
        turn = self.turns[text]
        self.turns[text] += 1
        answers = rule.answers or [rule.answer]
        return answers[turn % len(answers)]


class Endpoint(Struct, frozen=True):
    """An OpenAI-compatible chat endpoint: ``url`` is its base, such as ``http://127.0.0.1:11434/v1``.

    ``model``, if given, replaces the prompt's own model. ``timeout`` is in seconds, and applies to each piece
    of the answer; all of it may take twice as long. ``lacks`` is the name of a key that is not set.
    """

    url: str
    api_key: str = ""
    model: str = ""
    timeout: float = 60.0
    parallel: int = 4
    lacks: str = ""

    @property
    def name(self) -> str:
        """The model's name, or the address if each prompt names its own model."""
        return self.model or self.url

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        if self.lacks:
            raise ModelError(f"{self.lacks} is not set, which models: of the fixtures file names.")
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
        # Imported for the first answer, because most commands that open a registry run nothing.
        from promptsync.server.providers import llm_kwargs

        own = (metadata or {}).get("model") or {}
        speaks_openai = own.get("provider") in ("openai", "openai.azure")
        # The endpoint takes chats only, so a completion becomes a user's message.
        if template["type"] == "completion":
            template = {"type": "chat", "messages": [{"role": "user", "content": template["content"]}]}
        chat = {"model": {**own, "api_type": CHAT_COMPLETIONS}} if speaks_openai else None
        built = llm_kwargs(template, chat, "openai") or {}
        model = self.model or built.get("model") or own.get("name")
        if not model:
            raise ModelError("The prompt names no model, and the endpoint is configured without one.")
        return {**built, "model": model}

    def _post(self, body: Mapping[str, Any]) -> Any:
        # Redirects are not followed: the key would go along to wherever they lead.
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        url, content = f"{self.url.rstrip('/')}/chat/completions", bytearray()
        deadline = time.monotonic() + 2 * self.timeout
        try:
            with httpx.stream("POST", url, json=body, headers=headers, timeout=self.timeout) as response:
                for part in response.iter_bytes():
                    content += part
                    if len(content) > 10_000_000 or time.monotonic() > deadline:
                        raise ModelError(f"{self.url} did not answer: the answer is too long or too slow")
            if not response.is_success:
                said = content[:500].decode(errors="replace")
                raise ModelError(f"{self.url} returned {response.status_code}: {said}")
            return json.loads(content)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise ModelError(f"{self.url} did not answer: {error}") from error


class Models(Struct, frozen=True):
    """The models of a registry. The first pattern that fits a model's name chooses one."""

    default: Model
    named: list[tuple[str, Model]] = []

    @property
    def parallel(self) -> int:
        """How many runs may be worked on at once."""
        models = [self.default, *(model for _, model in self.named)]
        return 1 if any(isinstance(model, Scripted) for model in models) else max(m.parallel for m in models)

    def of(self, metadata: Mapping[str, Any] | None) -> Model:
        """Return the model for a prompt with this metadata."""
        own = (metadata or {}).get("model") or {}
        return self.called(str(own.get("name") or ""))

    def called(self, name: str) -> Model:
        """Return the model for a name."""
        return next((model for pattern, model in self.named if fnmatchcase(name, pattern)), self.default)

    def judge(self, text: str) -> str:
        """Return what the model for assertions answers to a question. Raises ``ModelError``."""
        model = self.called(JUDGE)
        if model.name == "echo":
            raise ModelError(
                "the echo model cannot judge an assertion; set PROMPTSYNC_MODEL_URL, "
                f"or name {JUDGE} in models: of registry.yaml"
            )
        message = {"role": "user", "content": [{"type": "text", "text": text}]}
        return model.answer({"type": "chat", "messages": [message]}, None)


def models_of(specs: Sequence[Mapping[str, Any]], default: Model, keys: Mapping[str, str]) -> Models:
    """Return the models that a fixtures file declares. ``keys`` are the keys by name in the environment."""
    return Models(default, [(spec["name"], _model(spec, keys)) for spec in specs])


def _model(spec: Mapping[str, Any], keys: Mapping[str, str]) -> Model:
    if "answers" in spec:
        return Scripted(convert(spec["answers"], list[ScriptedAnswer]))
    if "url" not in spec:
        return Echo()
    key = spec.get("key") or ""
    lacks = key if key not in keys else ""
    return Endpoint(spec["url"], keys.get(key, ""), spec.get("model") or "", lacks=lacks)


def model_problem(spec: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the key of an entry that is wrong, and why."""
    try:
        url = urlsplit(spec.get("url") or "")
    except ValueError as error:
        return "url", f"{error}."
    if spec.get("key") and url.scheme == "http" and not is_loopback(url.hostname or ""):
        return "url", "A key is only sent over https, or to this machine."
    for rule in spec.get("answers") or ():
        try:
            re.compile(rule.get("regex") or "")
        except re.error as error:
            return "answers", f"regex: {error}."
    return None

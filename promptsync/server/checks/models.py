"""What responds to a rendered prompt in evaluations and agents.

A model is one of ``models:`` in the fixtures file, or the default for other names: an echo, if nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from msgspec import Struct, field

from promptsync.prompt.snippets import snippet_text
from promptsync.server.http.guard import is_loopback

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

    answers: list[str]
    contains: str = ""
    regex: str = ""

    def fits(self, text: str) -> bool:
        """Return whether it answers a text."""
        return self.contains.casefold() in text.casefold() and re.search(self.regex, text) is not None


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
        return rule.answers[turn % len(rule.answers)]


class _Keyless(Struct, frozen=True):
    """An endpoint whose key is not in the environment."""

    name: str
    parallel: int = 1

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        raise ModelError(f"{self.name} is not set, which models: of the fixtures file names.")


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
        rules = [
            ScriptedAnswer(
                rule.get("answers") or [rule["answer"]], rule.get("contains") or "", rule.get("regex") or ""
            )
            for rule in spec["answers"]
        ]
        return Scripted(rules)
    if "url" not in spec:
        return Echo()
    from promptsync.server.checks.endpoint import Endpoint

    key = spec.get("key") or ""
    if key and key not in keys:
        return _Keyless(key)
    return Endpoint(spec["url"], keys.get(key, ""), spec.get("model") or "")


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

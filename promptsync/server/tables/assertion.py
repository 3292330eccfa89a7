"""LLM assertions: the question to a model whether something is true of a text, and its answer."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from msgspec import Struct

from promptsync.server.tables.values import Ask, NoResult, Read, as_text


class LlmAssertion(Struct, frozen=True):
    """Whether a model finds that an assertion, or each of a JSON list of them, is true of a column."""

    source: str
    prompt: str = ""
    prompt_source: str = ""
    variable_mappings: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not self.prompt and not self.prompt_source:
            raise ValueError("needs prompt or prompt_source")

    def result(self, read: Read, ask: Ask) -> dict[str, Any]:
        """Return ``value`` and ``reasoning``, or a mapping of them by assertion."""
        prompt = as_text(read(self.prompt_source)) if self.prompt_source else self.prompt
        if not prompt.strip():
            raise NoResult("the assertion is empty")
        content = as_text(read(self.source))
        for name, source in self.variable_mappings.items():
            content += f"\n\n{name}:\n{as_text(read(source))}"
        try:
            several = msgspec.json.decode(prompt, type=list[str])
        except msgspec.DecodeError:
            return _judgement(ask(_question(prompt, content)))
        return {assertion: _judgement(ask(_question(assertion, content))) for assertion in several}


def _question(assertion: str, content: str) -> str:
    return (
        "Judge whether the assertion is true of the content. Answer only with JSON:"
        ' {"value": true or false, "reasoning": "one sentence"}.'
        f"\n\nAssertion:\n{assertion}\n\nContent:\n{content}"
    )


def _judgement(answer: str) -> dict[str, Any]:
    """Return what a model answered: JSON, perhaps in a block of Markdown, or a word."""
    text = re.sub(r"^```\w*", "", answer.strip()).removesuffix("```").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and isinstance(value.get("value"), bool):
        return {"value": value["value"], "reasoning": as_text(value.get("reasoning"))}
    word = re.match(r"\W*(?:(true|yes|pass)|false|no|fail)\b", text, re.IGNORECASE)
    if word is None:
        raise NoResult(f"the model did not answer true or false: {text[:200]!r}")
    return {"value": word[1] is not None, "reasoning": text}

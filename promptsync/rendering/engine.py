"""Renders whole prompts as the official SDK says the server does, within limits that no template can pass."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from promptsync.prompt.limits import HINT, MEGABYTES, SECONDS, Runaway, check_size
from promptsync.prompt.template import Filling, Rendered, Values, is_bounded, render


class Engine:
    """Renders the texts of one prompt, which share its time and its length.

    A text that could cost more than its own length and that of its values is rendered in another process.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._left = seconds
        self._size = 0

    def __call__(self, text: str, template_format: str, values: Values) -> Rendered:
        """Return the rendered text, or the text itself with the reason why it could not be rendered."""
        if is_bounded(text, template_format):
            rendered = render(text, template_format, values)
        else:
            rendered = self._elsewhere(text, template_format, values)
        if rendered.error:
            return rendered
        self._size += len(rendered.text)
        try:
            check_size(self._size)
        except Runaway as error:
            return Rendered(text, error=str(error), hint=HINT)
        return rendered

    def _elsewhere(self, text: str, template_format: str, values: Values) -> Rendered:
        from promptsync.rendering.process import ask

        began = time.monotonic()
        try:
            if self._left <= 0:
                raise TimeoutError
            answer = ask({"text": text, "format": template_format, "values": values, "seconds": self._left})
        except (TimeoutError, MemoryError) as error:
            # Waiting until a process is free counts here alone.
            self._left -= time.monotonic() - began
            why = f"needs more than {MEGABYTES} MB of memory"
            if isinstance(error, TimeoutError):
                why = f"takes longer than {self._seconds:g} seconds"
            return Rendered(text, error=f"rendering {why}", hint=HINT)
        except (ChildProcessError, ValueError, RecursionError) as error:
            return Rendered(text, error=str(error))
        self._left -= answer["seconds"]
        return Rendered(answer["text"], frozenset(answer["missing"]), answer["error"], answer["hint"])


def render_template(whole: Mapping[str, Any], values: Values) -> tuple[dict[str, Any], list[str]]:
    """Return the template as a model would see it, and warnings for people to read.

    Texts are rendered, placeholder messages become the messages in their variable, and image and media
    variables become their URLs. A variable without a value becomes empty text, or no message, and a warning.
    """
    filling = Filling(values, Engine())
    return filling.template(whole), list(filling.warnings)

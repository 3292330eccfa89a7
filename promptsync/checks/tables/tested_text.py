"""What is tested: the text of a prompt with its snippets and tools expanded, and the model it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class TestedText(Struct, frozen=True):
    """A text to test. ``template`` is expanded; ``metadata`` has the model and its parameters.

    ``version`` is that of a published text, ``None`` for one of the files. Equal ones have equal texts,
    models and tools, whichever versions they come from.
    """

    name: str
    template: Mapping[str, Any]
    metadata: Mapping[str, Any] | None = None
    version: int | None = None

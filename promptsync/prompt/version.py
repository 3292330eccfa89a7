"""Versions: what a registry says about one state of a prompt."""

from __future__ import annotations

import msgspec

from promptsync.prompt.prompt import Prompt


class Version(msgspec.Struct, frozen=True):
    """One immutable version of a prompt. The version stands for the prompt where the latest one is meant.

    A version that was read by itself has its snippet references unexpanded. In the registry's list they may
    be expanded: there an equal body means an equal prompt, but a different one may not mean a different
    prompt, and ``author``, ``created_at`` and ``workspace_id`` may be missing. ``problem`` is why the body
    cannot be used; then ``prompt`` has only the name and the tags.
    """

    template_id: int
    version: int
    prompt: Prompt
    message: str | None = None
    created_at: str | None = None
    author: str | None = None
    workspace_id: int | None = None
    is_snippet: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        return self.prompt.name

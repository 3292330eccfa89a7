"""Tags: they belong to a prompt, not to a version."""

from __future__ import annotations

from promptsync.prompt.prompt import Prompt


def tag_set(prompt: Prompt) -> frozenset[str]:
    """Return the tags as a set: their order means nothing. The digest does not cover them."""
    return frozenset(prompt.tags)


def merged_tags(base: frozenset[str], ours: frozenset[str], theirs: frozenset[str]) -> frozenset[str]:
    """Return the tags that both sides kept or that either side added. Tags never conflict."""
    return ((ours | theirs) - base) | (base & ours & theirs)

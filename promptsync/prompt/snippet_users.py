"""Prompts that say something else because a snippet does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping

from promptsync.prompt.snippets import Reference

Follows = Callable[[Reference], bool]
"""Whether what is rendered for a reference changes."""

Way = tuple[str, ...]
"""The snippets from a parent down to the one that changed."""


def follows_text(reference: Reference) -> bool:
    """Whether a reference goes with the text of a snippet: by a label too, which moves along in time."""
    return reference.version is None


def parents(texts: Mapping[str, Collection[Reference]], seeds: Mapping[str, Follows]) -> dict[str, Way]:
    """Return everything that renders a changed snippet, directly or through others, and a shortest way.

    ``texts`` are the references of each prompt. ``seeds`` tell of each changed snippet which references to it
    render something new. Every reference to a snippet that contains it does so: a version pins its own text,
    not what that text refers to.
    """
    users: dict[str, list[tuple[str, Reference]]] = {}
    for name in sorted(texts):
        for reference in texts[name]:
            users.setdefault(reference.name, []).append((name, reference))
    found: dict[str, Way] = {}
    waiting: deque[tuple[str, Follows, Way]] = deque((name, seeds[name], (name,)) for name in sorted(seeds))
    while waiting:
        snippet, follows, way = waiting.popleft()
        for name, reference in users.get(snippet, ()):
            if name not in found and name not in way and follows(reference):
                found[name] = way
                waiting.append((name, lambda _: True, (name, *way)))
    return found

"""Who references whom: the order to publish in, cycles, and the prompts that a changed snippet affects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from graphlib import CycleError, TopologicalSorter

from promptsync.prompt.snippets import Reference, SnippetCycle

Follows = Callable[[Reference], bool]
"""Whether a reference renders something new once the snippet has changed."""

Way = tuple[str, ...]
"""The snippets from a parent down to the one that changed."""


def publish_order(prompts: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Return levels in which to publish prompts, so that each follows everything that it references.

    ``prompts`` maps each name to the names that it references; names that are not keys exist already. In a
    level, names keep the order of ``prompts``. Raises ``SnippetCycle``.
    """
    cycle = find_cycle(prompts)
    if cycle is not None:
        raise SnippetCycle(cycle)
    position = {name: index for index, name in enumerate(prompts)}
    sorter = TopologicalSorter({name: set(needs) & position.keys() for name, needs in prompts.items()})
    sorter.prepare()
    levels = []
    while sorter.is_active():
        levels.append(sorted(sorter.get_ready(), key=position.__getitem__))
        sorter.done(*levels[-1])
    return levels


def find_cycle(graph: Mapping[str, Collection[str]]) -> list[str] | None:
    """Return a cycle as a path that starts and ends with the same name, or ``None``.

    ``graph`` maps each name to the names that it references.
    """
    try:
        TopologicalSorter({name: sorted(graph[name]) for name in graph}).prepare()
    except CycleError as error:
        # graphlib lists a cycle against the direction of the references, and with the first name twice.
        *path, _ = reversed(error.args[1])
        start = path.index(min(path))
        return [*path[start:], *path[:start], path[start]]
    return None


def follows_text(reference: Reference) -> bool:
    """Whether a reference renders the new text of a snippet, sooner or later: a label moves there in time."""
    return reference.version is None


def parents(texts: Mapping[str, Collection[Reference]], seeds: Mapping[str, Follows]) -> dict[str, Way]:
    """Return every prompt that renders a changed snippet, directly or not, and a shortest way down to it.

    ``texts`` are the references of each prompt. ``seeds`` says for each changed snippet which references to
    it render something new. For a snippet that contains a changed one, every reference does: a version pins
    the snippet's own text, not the texts that it references.
    """
    users: dict[str, list[tuple[str, Reference]]] = {}
    for name in sorted(texts):
        for reference in texts[name]:
            users.setdefault(reference.name, []).append((name, reference))
    ways: dict[str, Way] = {}
    waiting: deque[tuple[str, Follows, Way]] = deque((name, seeds[name], (name,)) for name in sorted(seeds))
    while waiting:
        snippet, follows, way = waiting.popleft()
        for name, reference in users.get(snippet, ()):
            if name not in ways and name not in way and follows(reference):
                ways[name] = way
                waiting.append((name, lambda _: True, (name, *way)))
    return ways

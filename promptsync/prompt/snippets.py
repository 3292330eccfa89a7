"""Snippet references in template text: reading them, expanding them, and who references whom.

A reference reaches from one ``@@@`` to the next and may end in a pin. The registry's documentation has a
regular expression for references, which is not used because it finds none with a pin.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from msgspec import Struct

from promptsync.errors import AnswerIsNo
from promptsync.prompt.prompt import is_text_block, map_texts, texts_of

FENCE = "@@@"
VERSION_PIN = "@version_number:"
LABEL_PIN = "@label:"
MAX_NESTED = 32
MAX_EXPANDED = 10_000_000
"""Longest text, in code points, of one expanded block: nested snippets grow exponentially."""

_VERSION = re.compile(r"(?!0+\Z)[0-9]{1,9}")
"""Python refuses to convert thousands of digits, and no version number has more than nine."""

Template = Mapping[str, Any]


class Reference(Struct, frozen=True):
    """``@@@name@@@``, with at most one of ``version`` and ``label``."""

    name: str
    version: int | None = None
    label: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether this reference renders the same text after a new version of the snippet is published."""
        return self.version is not None or self.label is not None

    def __str__(self) -> str:
        pin = f"{VERSION_PIN}{self.version}" if self.version is not None else ""
        pin = f"{LABEL_PIN}{self.label}" if self.label is not None else pin
        return f"{FENCE}{self.name}{pin}{FENCE}"


class Malformed(Struct, frozen=True):
    """Something that starts like a reference and is not one."""

    reason: str


class SnippetError(AnswerIsNo):
    """Snippets cannot be expanded or put into an order."""

    code = "snippet"


class SnippetCycle(SnippetError):
    """A snippet contains itself; ``path`` starts and ends with its name."""

    code = "snippet-cycle"

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        chain = " -> ".join(self.path)
        super().__init__(f"Snippet cycle: {chain}.", hint="Remove one of these references.")


def scan(text: str) -> Iterator[tuple[Reference | Malformed | None, str]]:
    """Yield the parts of a text, and what each is, or is meant as; ``None`` is plain text."""
    parts = text.split(FENCE)
    for at, part in enumerate(parts):
        if at % 2 == 0:
            yield None, part
        elif at == len(parts) - 1:
            yield Malformed(f"{FENCE} without a closing {FENCE}"), FENCE + part
        else:
            yield _token(part), FENCE + part + FENCE


def _token(inner: str) -> Reference | Malformed:
    if VERSION_PIN in inner and LABEL_PIN in inner:
        return Malformed("a reference takes a version or a label, not both")
    name, pin, pinned = inner.partition(VERSION_PIN if VERSION_PIN in inner else LABEL_PIN)
    if pin == VERSION_PIN and not _VERSION.fullmatch(pinned):
        return Malformed(f"{pinned!r} after {VERSION_PIN} is not a version number")
    if pin == LABEL_PIN and not pinned:
        return Malformed(f"nothing after {LABEL_PIN}")
    if not name.strip():
        return Malformed("a reference without a name")
    return Reference(name, int(pinned)) if pin == VERSION_PIN else Reference(name, label=pinned or None)


def replaced(text: str, change: Callable[[Reference, str], str]) -> str:
    """Return a text in which ``change`` replaced each reference; it gets the reference and its source."""
    parts = [
        change(token, source) if isinstance(token, Reference) else source for token, source in scan(text)
    ]
    if sum(map(len, parts)) > MAX_EXPANDED:
        raise SnippetError(f"Snippets expand to more than {MAX_EXPANDED:,} characters.")
    return "".join(parts)


def references(text: str) -> list[Reference]:
    """Return the well-formed references in a text, in order, repeated ones included."""
    return [token for token, _ in scan(text) if isinstance(token, Reference)]


def rendered_in(template: Template) -> list[Reference]:
    """Return the distinct references in the texts, which the registry expands, so that they must exist."""
    return list(dict.fromkeys(used for text in texts_of(template) for used in references(text.text)))


def expand(template: Template, read: Callable[[Reference], Template]) -> dict[str, Any]:
    """Return a copy of a template in which the texts of snippets replace the references to them.

    ``read`` returns the unexpanded completion template that a reference means; it is called once for each
    reference, in the order of the texts, and may raise. Malformed references stay. Raises ``SnippetCycle``,
    or ``SnippetError`` if snippets nest deeper than ``MAX_NESTED`` or a text outgrows ``MAX_EXPANDED``.
    """
    known: dict[Reference, str] = {}

    def inline(text: str, path: tuple[str, ...]) -> str:
        return replaced(text, lambda reference, _: body(reference, path))

    def body(reference: Reference, path: tuple[str, ...]) -> str:
        if reference.name in path:
            raise SnippetCycle([*path[path.index(reference.name) :], reference.name])
        if len(path) >= MAX_NESTED:
            raise SnippetError(f"Snippets nest deeper than {MAX_NESTED} levels, from {path[0]!r} on.")
        if reference not in known:
            known[reference] = inline(snippet_text(read(reference)), (*path, reference.name))
        return known[reference]

    return map_texts(template, lambda text: inline(text.text, ()))


def pins(template: Template) -> dict[str, set[int]]:
    """Return the versions that the rendered texts of a template pin, by snippet."""
    pinned: dict[str, set[int]] = {}
    for reference in rendered_in(template):
        if reference.version is not None:
            pinned.setdefault(reference.name, set()).add(reference.version)
    return pinned


def repinned(template: Template, name: str, moved: Container[int], version: int) -> dict[str, Any]:
    """Return a copy of a template that pins ``version`` of a snippet where its texts pin one of ``moved``."""

    def change(reference: Reference, source: str) -> str:
        is_moved = reference.name == name and reference.version is not None and reference.version in moved
        return str(Reference(name, version)) if is_moved else source

    return map_texts(template, lambda text: replaced(text.text, change))


def snippet_text(template: Template) -> str:
    """Return the text that replaces a reference to a completion template."""
    content = template.get("content")
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content or () if is_text_block(block))


# -- who references whom ------------------------------------------------------------------------------------

Follows = Callable[[Reference], bool]
"""Whether a reference renders something new once the snippet has changed."""

Way = tuple[str, ...]
"""The snippets from a parent down to the one that changed."""


def publish_order(prompts: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Return prompts in the order in which to publish them, with levels: each only references lower ones.

    ``prompts`` maps each name to the names that it references; names that are not keys exist already. In a
    level, names keep the order of ``prompts``. Raises ``SnippetCycle``.
    """
    if cycle := find_cycle(prompts):
        raise SnippetCycle(cycle)
    levels: dict[str, int] = {}
    for name in TopologicalSorter(prompts).static_order():
        needs = prompts.get(name, ())
        levels[name] = max((levels[need] + 1 for need in needs if need in prompts), default=0)
    return {name: levels[name] for name in sorted(prompts, key=levels.__getitem__)}


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

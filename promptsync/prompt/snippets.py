"""Snippet references in template text: reading them, ordering by them, and expanding them.

The registry's documentation prints a regular expression for references that finds no pinned one; the
tokens here are cut instead: from one ``@@@`` to the next, then a trailing pin is split off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptsync.errors import AnswerIsNo

FENCE = "@@@"
VERSION_PIN = "@version_number:"
LABEL_PIN = "@label:"
MAX_DEPTH = 32
MAX_EXPANDED = 10_000_000
"""Longest text, in code points, that one expanded block may have: nested snippets grow exponentially."""

_MAX_VERSION_DIGITS = 9

Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """``@@@name@@@``, with at most one of ``version`` and ``label``; ``start`` and ``end`` are offsets
    of the whole token in the text it was read from and do not take part in comparison."""

    name: str
    version: int | None = None
    label: str | None = None
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)

    @property
    def pinned(self) -> bool:
        """True when a new version of the snippet alone does not change what this reference renders."""
        return self.version is not None or self.label is not None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{FENCE}{self.name}{VERSION_PIN}{self.version}{FENCE}"
        if self.label is not None:
            return f"{FENCE}{self.name}{LABEL_PIN}{self.label}{FENCE}"
        return f"{FENCE}{self.name}{FENCE}"


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that starts like a reference and is none; ``offset`` is where it starts in its text."""

    reason: str
    offset: int


class SnippetError(AnswerIsNo):
    """Snippets cannot be expanded or put in an order."""

    code = "snippet"


class SnippetCycle(SnippetError):
    """Snippets that contain themselves; ``path`` starts and ends with the same name."""

    code = "snippet-cycle"

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        chain = " -> ".join(self.path)
        super().__init__(f"Snippet cycle: {chain}.", hint="Remove one of these references.")


def scan(text: str) -> list[Reference | Malformed]:
    """Everything in ``text`` that is, or tries to be, a snippet reference, in the order of the text."""
    found: list[Reference | Malformed] = []
    start = text.find(FENCE)
    while start != -1:
        close = text.find(FENCE, start + len(FENCE))
        if close == -1:
            found.append(Malformed(f"{FENCE} without a closing {FENCE}", start))
            break
        end = close + len(FENCE)
        found.append(_token(text[start + len(FENCE) : close], start, end))
        start = text.find(FENCE, end)
    return found


def _token(inner: str, start: int, end: int) -> Reference | Malformed:
    version_at, label_at = inner.find(VERSION_PIN), inner.find(LABEL_PIN)
    if version_at >= 0 and label_at >= 0:
        return Malformed("a reference takes a version or a label, not both", start)
    if version_at >= 0:
        name, digits = inner[:version_at], inner[version_at + len(VERSION_PIN) :]
        if not _is_version(digits):
            return Malformed(f"{digits!r} after {VERSION_PIN} is not a version number", start)
        return _named(name, start, end, version=int(digits))
    if label_at >= 0:
        label = inner[label_at + len(LABEL_PIN) :]
        if not label:
            return Malformed(f"nothing after {LABEL_PIN}", start)
        return _named(inner[:label_at], start, end, label=label)
    return _named(inner, start, end)


def _is_version(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= _MAX_VERSION_DIGITS and int(digits) > 0


def _named(
    name: str, start: int, end: int, version: int | None = None, label: str | None = None
) -> Reference | Malformed:
    if not name.strip():
        return Malformed("a reference without a name", start)
    return Reference(name, version, label, start, end)


def references(text: str) -> list[Reference]:
    """The well-formed references of one text, in order, repeated ones included."""
    return [found for found in scan(text) if isinstance(found, Reference)]


def strings(value: Any) -> Iterator[str]:
    """Every string inside a JSON value (not the keys of objects), depth first, in document order."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            waiting.extend(reversed(list(item.values())))
        elif isinstance(item, list | tuple):
            waiting.extend(reversed(item))


def of_prompt(template: Template) -> list[Reference]:
    """The distinct references in all strings of a template, in order of first appearance."""
    return list(dict.fromkeys(reference for text in strings(template) for reference in references(text)))


def rendered_in(template: Template) -> list[Reference]:
    """The distinct references that the registry expands, which must exist: those in text blocks."""
    found: dict[Reference, None] = {}

    def collect(text: str) -> str:
        found.update(dict.fromkeys(references(text)))
        return text

    map_texts(template, collect)
    return list(found)


def publish_order(prompts: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Levels in which to publish: each prompt comes after everything that it references.

    ``prompts`` maps a name to the names that it references; names that are not keys are taken to exist
    already. Names keep the order of ``prompts`` inside a level. Raises ``SnippetCycle``.
    """
    waiting = {name: {used for used in needs if used in prompts} for name, needs in prompts.items()}
    used_by: dict[str, list[str]] = {}
    for name, needs in waiting.items():
        for used in needs:
            used_by.setdefault(used, []).append(name)
    position = {name: index for index, name in enumerate(prompts)}
    levels: list[list[str]] = []
    ready = [name for name, needs in waiting.items() if not needs]
    while ready:
        levels.append(ready)
        freed: list[str] = []
        for done in ready:
            del waiting[done]
            for name in used_by.get(done, ()):
                waiting[name].discard(done)
                if not waiting[name]:
                    freed.append(name)
        ready = sorted(freed, key=position.__getitem__)
    if waiting:
        raise SnippetCycle(find_cycle(waiting) or tuple(waiting))
    return levels


def find_cycle(graph: Mapping[str, Collection[str]]) -> list[str] | None:
    """The first cycle of ``graph`` (name to the names it references) as a path, or ``None``."""
    finished: set[str] = set()
    for root in graph:
        if root in finished:
            continue
        path: dict[str, Iterator[str]] = {root: iter(_sorted(graph, root))}
        while path:
            name, successors = next(reversed(path.items()))
            following = next(successors, None)
            if following is None:
                finished.add(name)
                del path[name]
            elif following in path:
                names = list(path)
                return [*names[names.index(following) :], following]
            elif following in graph and following not in finished:
                path[following] = iter(_sorted(graph, following))
    return None


def _sorted(graph: Mapping[str, Collection[str]], name: str) -> list[str]:
    return sorted(graph[name])


def dependants(names: Iterable[str], graph: Mapping[str, Collection[str]]) -> set[str]:
    """The names that reference one of ``names`` directly or through other snippets, without ``names``."""
    used_by: dict[str, list[str]] = {}
    for name, needs in graph.items():
        for used in needs:
            used_by.setdefault(used, []).append(name)
    seeds = set(names)
    reached = set(seeds)
    waiting = list(seeds)
    while waiting:
        for name in used_by.get(waiting.pop(), ()):
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    return reached - seeds


def expand(template: Template, resolve: Callable[[Reference], Template]) -> dict[str, Any]:
    """A copy of ``template`` whose text blocks hold the text of the snippets that they reference.

    ``resolve`` returns the unexpanded completion template of a reference, or raises what the caller
    wants to see. Malformed references stay as they are. Raises ``SnippetCycle``, or ``SnippetError``
    when snippets nest deeper than ``MAX_DEPTH`` or the text outgrows ``MAX_EXPANDED``.
    """
    known: dict[Reference, str] = {}

    def inline(text: str, path: tuple[str, ...]) -> str:
        parts: list[str] = []
        position = 0
        for reference in references(text):
            parts += (text[position : reference.start], body(reference, path))
            position = reference.end
        parts.append(text[position:])
        if sum(map(len, parts)) > MAX_EXPANDED:
            raise SnippetError(f"Snippets expand to more than {MAX_EXPANDED:,} characters.")
        return "".join(parts)

    def body(reference: Reference, path: tuple[str, ...]) -> str:
        if reference.name in path:
            raise SnippetCycle([*path[path.index(reference.name) :], reference.name])
        if len(path) >= MAX_DEPTH:
            raise SnippetError(f"Snippets nest deeper than {MAX_DEPTH} levels, from {path[0]!r} on.")
        if reference not in known:
            known[reference] = inline(snippet_text(resolve(reference)), (*path, reference.name))
        return known[reference]

    return map_texts(template, lambda text: inline(text, ()))


def snippet_text(template: Template) -> str:
    """The text that a completion template contributes where it is referenced."""
    content = template.get("content")
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content or () if is_text_block(block))


def is_text_block(block: Any) -> bool:
    """True for the content blocks whose text the registry expands and renders."""
    return (
        isinstance(block, Mapping)
        and block.get("type", "text") == "text"
        and isinstance(block.get("text"), str)
    )


def map_texts(template: Template, change: Callable[[str], str]) -> dict[str, Any]:
    """A copy of ``template`` with ``change`` applied to each text block; the rest is shared, not copied."""

    def content(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if not isinstance(value, list):
            return value
        return [
            {**block, "text": change(block["text"])} if is_text_block(block) else block for block in value
        ]

    def message(value: Any) -> Any:
        if isinstance(value, Mapping) and "content" in value:
            return {**value, "content": content(value["content"])}
        return value

    changed = dict(template)
    if isinstance(template.get("messages"), list):
        changed["messages"] = [message(item) for item in template["messages"]]
    if "content" in template:
        changed["content"] = content(template["content"])
    return changed

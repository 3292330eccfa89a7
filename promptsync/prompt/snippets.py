"""Snippet references in template text: reading them and expanding them.

A reference reaches from one ``@@@`` to the next and may end in a pin. The registry's documentation has a
regular expression for references, which is not used because it finds none with a pin.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptsync.errors import AnswerIsNo
from promptsync.prompt.texts import Text, is_text_block, map_texts, texts_of

FENCE = "@@@"
VERSION_PIN = "@version_number:"
LABEL_PIN = "@label:"
MAX_NESTED = 32
MAX_EXPANDED = 10_000_000
"""Longest text, in code points, of one expanded block: nested snippets grow exponentially."""

_VERSION = re.compile(r"(?!0+\Z)[0-9]{1,9}")
"""Python refuses to convert thousands of digits, and no version number has more than nine."""

Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """``@@@name@@@``, with at most one of ``version`` and ``label``.

    ``start`` and ``end`` are the offsets of the reference in its text. They play no part in comparisons.
    """

    name: str
    version: int | None = None
    label: str | None = None
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)

    @property
    def pinned(self) -> bool:
        """Whether this reference renders the same text after a new version of the snippet is published."""
        return self.version is not None or self.label is not None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{FENCE}{self.name}{VERSION_PIN}{self.version}{FENCE}"
        if self.label is not None:
            return f"{FENCE}{self.name}{LABEL_PIN}{self.label}{FENCE}"
        return f"{FENCE}{self.name}{FENCE}"


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that starts like a reference and is not one; ``offset`` is where it starts in its text."""

    reason: str
    offset: int


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


def scan(text: str) -> list[Reference | Malformed]:
    """Return everything in a text that is, or is meant as, a snippet reference, in the order of the text."""
    tokens: list[Reference | Malformed] = []
    # A closing fence belongs to its own reference, so the next one starts after it.
    start = text.find(FENCE)
    while start != -1:
        close = text.find(FENCE, start + len(FENCE))
        if close == -1:
            tokens.append(Malformed(f"{FENCE} without a closing {FENCE}", start))
            break
        end = close + len(FENCE)
        tokens.append(_token(text[start + len(FENCE) : close], start, end))
        start = text.find(FENCE, end)
    return tokens


def _token(inner: str, start: int, end: int) -> Reference | Malformed:
    if VERSION_PIN in inner and LABEL_PIN in inner:
        return Malformed("a reference takes a version or a label, not both", start)
    name, pin, pinned = inner.partition(VERSION_PIN if VERSION_PIN in inner else LABEL_PIN)
    if pin == VERSION_PIN and not _VERSION.fullmatch(pinned):
        return Malformed(f"{pinned!r} after {VERSION_PIN} is not a version number", start)
    if pin == LABEL_PIN and not pinned:
        return Malformed(f"nothing after {LABEL_PIN}", start)
    if not name.strip():
        return Malformed("a reference without a name", start)
    if pin == VERSION_PIN:
        return Reference(name, version=int(pinned), start=start, end=end)
    return Reference(name, label=pinned or None, start=start, end=end)


def references(text: str) -> list[Reference]:
    """Return the well-formed references in a text, in order, repeated ones included."""
    return [token for token in scan(text) if isinstance(token, Reference)]


def strings(value: Any) -> Iterator[str]:
    """Return every string in a JSON value, except the keys of objects, in the order of the document."""
    # A stack instead of recursion, because a template may nest deeply.
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
    """Return the distinct references in all strings of a template, in the order of their first use."""
    return list(dict.fromkeys(reference for text in strings(template) for reference in references(text)))


def rendered_in(template: Template) -> list[Reference]:
    """Return the distinct references in the texts, which the registry expands, so that they must exist."""
    return list(dict.fromkeys(used for text in texts_of(template) for used in references(text.text)))


def unresolved(template: Template, snippets: Mapping[Reference, Template]) -> list[Reference]:
    """Return the references that ``expand`` still needs besides ``snippets``, in the order of the texts.

    Snippets may contain further ones: look up what is returned, add it to ``snippets``, and call this again
    until nothing is left. Raises ``SnippetError`` if snippets nest deeper than ``MAX_NESTED``.
    """
    missing: dict[Reference, None] = {}
    seen: set[Reference] = set()
    waiting = [(reference, 0) for reference in reversed(rendered_in(template))]
    while waiting:
        reference, depth = waiting.pop()
        if reference in seen:
            continue
        if depth >= MAX_NESTED:
            raise SnippetError(f"Snippets nest deeper than {MAX_NESTED} levels, at {reference}.")
        seen.add(reference)
        if reference in snippets:
            inner = references(snippet_text(snippets[reference]))
            waiting += [(nested, depth + 1) for nested in reversed(inner)]
        else:
            missing[reference] = None
    return list(missing)


def expand(template: Template, snippets: Mapping[Reference, Template]) -> dict[str, Any]:
    """Return a copy of a template in which the text of snippets replaces their references in text blocks.

    ``snippets`` are the unexpanded completion templates of all references that ``unresolved`` returns.
    Malformed references stay as they are. Raises ``SnippetCycle``, or ``SnippetError`` if snippets nest
    deeper than ``MAX_NESTED`` or a text outgrows ``MAX_EXPANDED``.
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
        if len(path) >= MAX_NESTED:
            raise SnippetError(f"Snippets nest deeper than {MAX_NESTED} levels, from {path[0]!r} on.")
        # Each snippet is expanded once, however often it is referenced.
        if reference not in known:
            known[reference] = inline(snippet_text(snippets[reference]), (*path, reference.name))
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

    def change(text: Text) -> str:
        parts: list[str] = []
        position = 0
        for reference in references(text.text):
            if reference.name == name and reference.version is not None and reference.version in moved:
                parts += (text.text[position : reference.start], str(replace(reference, version=version)))
                position = reference.end
        return "".join([*parts, text.text[position:]])

    return map_texts(template, change)


def snippet_text(template: Template) -> str:
    """Return the text that replaces a reference to a completion template."""
    content = template.get("content")
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content or () if is_text_block(block))

"""Writes a changed text in the style that its scalar has in a file: its quotes or its block.

Each result was read back. It is ``None`` where the style cannot hold the text.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from itertools import product
from typing import Final

from yaml import YAMLError
from yaml.nodes import MappingNode

from promptsync.files.yaml import layout
from promptsync.files.yaml.parts import indentation
from promptsync.files.yaml.syntax import STR, compose

_HEADER: Final = re.compile(r"[|>][-+]?([1-9]?)")
_MARGINS: Final = (0, 1, 5, 25)
"""How many characters around a change are looked for in the file, so that they are found once."""


def in_style(source: str, style: str, old: str, new: str, column: int, in_flow: bool) -> str | None:
    """Return what replaces a scalar below a key or dash at ``column``.

    ``style`` is ``""`` or the first character of the scalar, ``source`` the whole of it.
    """
    is_block = style in ("|", ">")
    # A text that gets its first line break reads better as a literal block.
    if not is_block and "\n" in new and "\n" not in old:
        return None
    proposals = (_in_block if is_block else _in_quotes)(source, style, new, column)
    for written in (*_spliced(source, style, old, new), *proposals):
        around = f"{{k: {written}}}" if in_flow else f"k: {written}"
        if _reads(f"{' ' * column}{around}\n", new):
            return written
    return None


def _spliced(source: str, style: str, old: str, new: str) -> Iterator[str]:
    """Yield the scalar with nothing replaced but the stretch that changed, if the file has that literally."""
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    source = source.removesuffix("\n")
    for left, right in product(_MARGINS, _MARGINS):
        start, end = max(0, head - left), max(0, tail - right)
        before, after = old[start : len(old) - end], new[start : len(new) - end]
        # A line break would need the indentation of its place.
        if before and "\n" not in after and source.count(before) == 1:
            spelled = {"'": after.replace("'", "''"), '"': layout.quoted(after)[1:-1]}.get(style, after)
            yield source.replace(before, spelled)
            return


def _common(text: str, other: str) -> int:
    """Return how many characters two texts have in common at the start."""
    differ = (index for index, (char, twin) in enumerate(zip(text, other, strict=False)) if char != twin)
    return next(differ, min(len(text), len(other)))


def _in_block(source: str, style: str, new: str, column: int) -> Iterator[str]:
    """Yield a literal or folded block that is indented like the old one."""
    header = _HEADER.match(source)
    if header is None or not new.strip("\n") or not layout.is_block_safe(new):
        return
    lines = source.splitlines()[1:]
    step = int(header[1] or indentation(lines) - column)
    step = step if 1 <= step <= 9 else layout.INDENT
    if style == ">":
        text = "\n".join(line[column + step :] for line in lines)
        # Two lines that are not indented, one below the other, are one line of the text.
        is_wrapped = re.search(r"(?m)^\S.*\n\S", text) is not None
        width = max(layout.WIDTH // 2, *map(len, text.split("\n"))) if is_wrapped else sys.maxsize
        body = new.rstrip("\n")
        # One line break between two lines that are not indented reads as a blank, so there is one more.
        folded = re.sub(r"(?m)^([^ \t\n].*\n+)(?=[^ \t\n])", r"\1\n", body)
        # Only a single blank between words may become a line break.
        can_wrap = r"(?m)^\S+( \S+)*$"
        new = re.sub(can_wrap, lambda line: _wrapped(line[0], width), folded) + new[len(body) :]
    signs, written = layout.block(new, column, step)
    yield "\n".join([signs.replace("|", style), *written])


def _wrapped(line: str, width: int) -> str:
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)


def _in_quotes(source: str, style: str, new: str, column: int) -> Iterator[str]:
    """Yield a plain or quoted scalar, with no more lines than it needs."""
    if style == '"':
        yield layout.quoted(new)
    elif layout.is_block_safe(new):
        indent = re.search(r"\n( +)\S", source)
        pad = indent[1] if indent is not None else " " * (column + layout.INDENT)
        # One line break reads as a blank, so the first of several takes one more.
        lines = re.sub("\n+", lambda breaks: f"\n{breaks[0]}{pad}", new.replace("'", "''") if style else new)
        yield f"{style}{lines}{style}"


def _reads(text: str, expected: str) -> bool:
    """Whether the value of the only key of a text is ``expected``."""
    try:
        root = compose(text)
    except YAMLError:
        return False
    if not isinstance(root, MappingNode) or len(root.value) != 1:
        return False
    value = root.value[0][1]
    return bool(value.tag == STR and value.value == expected)

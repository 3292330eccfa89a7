"""Writes a changed text in the style that its scalar has in a file: its quotes or block, and its line breaks.

Words that did not change keep their spelling and their lines, so that a diff shows only the words that did.
Each result was read back. It is ``None`` where the style cannot hold the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Final

from yaml import YAMLError
from yaml.nodes import MappingNode
from yaml.scanner import Scanner

from promptsync.files.yaml import layout
from promptsync.files.yaml.parts import indentation
from promptsync.files.yaml.syntax import STR, compose

_HEADER: Final = re.compile(r"([|>])([-+]?)([1-9]?)([-+]?)")
_WORD: Final = re.compile(r"\s+|\S+")
_GAP: Final = re.compile(r"(?<=\S) (?=\S)")
_FOLD: Final = r"[ \t]*(?:\n[ \t]*)+"
_PIECE: Final = {
    "": re.compile(rf"[^\s]+|{_FOLD}|."),
    "'": re.compile(rf"''|[^\s']+|{_FOLD}|."),
    '"': re.compile(
        r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\n(?:[ \t]*\n)*[ \t]*|.)"
        rf"|[^\s\\]+|{_FOLD}|."
    ),
}
_BREAKS: Final = re.compile(r"\n+")

_MIN_WIDTH: Final = 40
"""Lines are not broken before this column, however short the lines of the old text are."""
_MAX_CELLS: Final = 4_000_000
"""Largest table of words that is compared. Longer changed stretches count as changed from end to end."""

_Marks = dict[int, str]
"""What stands in a file for the character at an index of the text, where that is not obvious."""


def block_in_style(source: str, old: str, new: str, column: int) -> tuple[str, str] | None:
    """Return the header and the lines of a literal or folded block below a key or dash at ``column``."""
    header = _HEADER.match(source)
    body = new.rstrip("\n")
    if header is None or not body.strip() or not layout.is_block_safe(new):
        return None
    lines = source.partition("\n")[2].splitlines()
    step = int(header[3] or indentation(lines) - column)
    step = step if 1 <= step <= 9 else layout.INDENT
    was = [line[column + step :] for line in lines]
    breaks: _Marks = {}
    if header[1] == ">":
        breaks = _rewrapped(was, old, body)
    is_indented = body.lstrip("\n")[0] in " \t"
    digit = str(step) if header[3] or is_indented else ""
    ends = len(new) - len(body)
    keeps = "+" in (header[2], header[4]) or ends > 1
    chomping = "-" if not ends else "+" if keeps else ""
    pad = " " * (column + step)
    written = _folded(body, breaks) if header[1] == ">" else body.split("\n")
    padded = [pad + line if line else "" for line in written] + [""] * (ends - 1)
    text = "".join(f"{line}\n" for line in _with_old_blanks(lines, padded, len(pad)))
    signs = chomping + digit if header[2] and header[3] else digit + chomping
    is_exact = _reads(f"{' ' * column}k: {header[1]}{signs}\n{text}", new)
    return (f"{header[1]}{signs}", text) if is_exact else None


def flow_in_style(source: str, style: str, old: str, new: str, column: int, in_flow: bool) -> str | None:
    """Return what replaces a plain or quoted scalar, whose ``style`` is ``""`` or its quote."""
    # A text that gets its first line break reads better as a literal block.
    if ("\n" in new and "\n" not in old) or style not in _PIECE:
        return None
    flat = " ".join(new.split("\n"))
    if style == "" and not layout.fits_plain(flat, in_flow):
        return None
    if style == "'" and not layout.is_block_safe(new):
        return None
    marks = _marks(source[len(style) : len(source) - len(style)], style, old)
    folds = [spelling for spelling in marks.values() if "\n" in spelling]
    pad = folds[-1].rpartition("\n")[2] if folds else " " * (column + layout.INDENT)
    carried = _carried(old, new, marks)
    if folds:
        lines = _lines(old, marks)
        carried = _wrapped(new, carried, lines, _width(lines), f"\n{pad}")
    for proposal in (carried, {}):
        written = f"{style}{_spelled(new, style, proposal, pad)}{style}"
        around = f"{{k: {written}}}" if in_flow else f"k: {written}"
        if _reads(f"{' ' * column}{around}\n", new):
            return written
    return None


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


def _rewrapped(lines: Sequence[str], old: str, new: str) -> _Marks:
    """Return where the lines of a folded block break its new text."""
    soft = _soft_breaks(lines, old)
    were = _lines(old, soft)
    # A text that is on one long line stays on one line.
    width = _width(were) if soft else max(layout.WIDTH, *map(len, were.values()), 0)
    if not soft and width > layout.WIDTH:
        return {}
    return _wrapped(new, _carried(old, new, soft), were, width, "\n")


# -- line breaks ------------------------------------------------------------------------------------------


def _soft_breaks(lines: Sequence[str], text: str) -> _Marks:
    """Return where the lines of a folded block break a text at a blank; nothing if they do not fit it."""
    marks: _Marks = {}
    at = len(text) - len(text.lstrip("\n"))
    for line in filter(None, lines):
        if not text.startswith(line, at):
            return {}
        at += len(line)
        if text[at : at + 1] == " ":
            marks[at] = "\n"
            at += 1
        while text[at : at + 1] == "\n":
            at += 1
    return marks


def _lines(text: str, marks: Mapping[int, str]) -> dict[int, str]:
    """Return the lines of a text that breaks at marks too, by where they start."""
    breaks = {at for at, spelling in marks.items() if "\n" in spelling}
    ends = [*sorted(breaks.union(match.start() for match in re.finditer("\n", text))), len(text)]
    starts = [0, *(end + 1 for end in ends)]
    return {start: text[start:end] for start, end in zip(starts, ends, strict=False)}


def _carried(old: str, new: str, marks: Mapping[int, str]) -> _Marks:
    """Return the marks of a text where they belong in a changed one.

    A line break stays beside a line that did not change; otherwise the lines on both sides are filled again.
    """
    if not marks:
        return {}
    lines = _lines(old, marks)
    before = {start + len(line): line for start, line in lines.items()}
    found: _Marks = {}
    places = sorted(marks)
    for start, moved, size in _equal(old, new):
        for at in places[bisect_left(places, start) : bisect_left(places, start + size)]:
            to, spelling = at + moved - start, marks[at]
            if "\n" in spelling:
                left, right = before.get(at, ""), lines.get(at + 1, "")
                is_kept = new.startswith(left, max(0, to - len(left))) or new.startswith(right, to + 1)
                if not is_kept or (new[to] == " " and not new[to + 1 : to + 2].strip()):
                    continue
            found[to] = spelling
    return found


def _equal(old: str, new: str) -> Iterator[tuple[int, int, int]]:
    """Yield where stretches of whole words are equal: the start in each text, and the length."""
    ours, theirs = _WORD.findall(old), _WORD.findall(new)
    shorter = min(len(ours), len(theirs))
    head = next((at for at in range(shorter) if ours[at] != theirs[at]), shorter)
    tail = next((at for at in range(shorter - head) if ours[-1 - at] != theirs[-1 - at]), shorter - head)
    blocks = [(0, 0, head), (len(ours) - tail, len(theirs) - tail, tail)]
    low, high, new_high = head, len(ours) - tail, len(theirs) - tail
    if (high - low) * (new_high - low) <= _MAX_CELLS:
        matcher = SequenceMatcher(None, ours[low:high], theirs[low:new_high])
        blocks += [(low + a, low + b, size) for a, b, size in matcher.get_matching_blocks()]
    places, new_places = ([*accumulate(map(len, words), initial=0)] for words in (ours, theirs))
    for a, b, size in blocks:
        yield places[a], new_places[b], places[a + size] - places[a]


def _wrapped(text: str, marks: _Marks, lines: Mapping[int, str], width: int, break_: str) -> _Marks:
    """Return the marks with a break in each line that is too long and is not one of the old ``lines``."""
    known = frozenset(lines.values())
    found = dict(marks)
    for start, line in _lines(text, marks).items():
        if len(line) <= width or line in known:
            continue
        begin = last = 0
        for at in (*(match.start() for match in _GAP.finditer(line)), len(line)):
            if at - begin > width and last > begin:
                found[start + last] = break_
                begin = last + 1
            last = at
    return found


def _width(lines: Mapping[int, str]) -> int:
    """Return how long the lines of a text are that has line breaks."""
    return max(_MIN_WIDTH, *map(len, lines.values()))


# -- literal and folded blocks ----------------------------------------------------------------------------


def _folded(text: str, breaks: Mapping[int, str]) -> list[str]:
    """Return the lines of a folded block that reads as ``text``, which does not end in a line break."""
    written: list[str] = []
    was_flush = False
    start = 0
    for line in text.split("\n"):
        # One line break between two lines that are not indented reads as a blank, so there is one more.
        is_flush = line[:1] not in ("", " ", "\t")
        if is_flush and was_flush:
            written.append("")
        begin = start
        for at in range(start, start + len(line)) if is_flush else ():
            if at in breaks:
                written.append(text[begin:at])
                begin = at + 1
        written.append(text[begin : start + len(line)])
        was_flush = is_flush if line else was_flush
        start += len(line) + 1
    return written


def _with_old_blanks(old: Sequence[str], new: Sequence[str], indent: int) -> list[str]:
    """Return the lines of a block with the blanks that its empty lines consist of."""
    keys = [line if line.strip(" ") or len(line) > indent else "" for line in old]
    if keys == old:
        return [*new]
    found = [*new]
    for a, b, size in SequenceMatcher(None, keys, new).get_matching_blocks():
        found[b : b + size] = old[a : a + size]
    return found


# -- plain and quoted scalars -----------------------------------------------------------------------------


def _marks(source: str, style: str, text: str) -> _Marks:
    """Return how a scalar spells the characters that it could spell otherwise; nothing if it does not fit."""
    marks: _Marks = {}
    at = 0
    for piece in _PIECE[style].findall(source):
        meaning = _meaning(piece, style)
        if not meaning and at:
            # A line break after a backslash means nothing.
            marks[at - 1] = marks.get(at - 1, _usual(text[at - 1], style, "")) + piece
            continue
        if not meaning or not text.startswith(meaning, at):
            return {}
        if "\n" in piece or piece != _usual(meaning, style, ""):
            marks |= {at: piece} | dict.fromkeys(range(at + 1, at + len(meaning)), "")
        at += len(meaning)
    return marks if at == len(text) else {}


def _meaning(piece: str, style: str) -> str:
    """Return what one piece of a plain or quoted scalar means. Only double quotes have escapes."""
    folds = piece.count("\n")
    if style == '"' and piece[0] == "\\" and len(piece) > 1:
        if folds:
            return "\n" * (folds - 1)
        if piece[1] in Scanner.ESCAPE_CODES:
            return chr(int(piece[2:], 16))
        return str(Scanner.ESCAPE_REPLACEMENTS.get(piece[1], ""))
    if folds:
        return " " if folds == 1 else "\n" * (folds - 1)
    return "'" if style == "'" and piece == "''" else piece


def _spelled(text: str, style: str, marks: Mapping[int, str], pad: str) -> str:
    """Return a text without its quotes, with the spelling of the marks."""
    pieces: list[str] = []
    start = 0
    for at in sorted(marks):
        pieces += (_usual(text[start:at], style, pad), marks[at])
        start = at + 1
    return "".join([*pieces, _usual(text[start:], style, pad)])


def _usual(text: str, style: str, pad: str) -> str:
    if style == '"':
        return layout.escaped(text)
    # One line break reads as a blank, so the first of several takes one more.
    return _BREAKS.sub(lambda match: f"\n{match[0]}{pad}", text.replace("'", "''") if style else text)

"""Two texts: their difference, line by line with the words that changed, and their three-way merge.

Prompts are often one long line, so lines over ``LONG_LINE`` characters are split where sentences end. Lines
end in ``\\n`` alone, as in git: other line separators are part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, chain, pairwise
from typing import Literal

from msgspec import Struct

LineKind = Literal["hunk", "context", "removed", "added"]
Span = tuple[int, int]

LONG_LINE = 120

_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]*_]*[ \t]+|[。！？]+[”’」』）]*")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|\s+|[^\w\s]")
"""Words, spaces and punctuation. Scripts without spaces between words are split into characters."""
_BIG = 2_000
"""Number of items from which an exact comparison takes too long."""
_MOST_WORDS = 20_000
"""Lines that have more words together get no emphasis, because finding it takes too long."""
_ALIKE = 0.4
"""Share of common words from which two lines count as one line that changed."""


Pieces = Sequence[str]
"""The lines or the sentences of a text."""


class DiffLine(Struct, frozen=True):
    """One line of a diff.

    ``emphasis`` are the parts of ``text`` that changed, as (start, end) in code points. A ``hunk`` line has a
    text such as ``@@ -1,3 +1,4 @@``.
    """

    kind: LineKind
    text: str
    emphasis: tuple[Span, ...] = ()

    @property
    def parts(self) -> list[tuple[str, bool]]:
        """The parts of the text in order, each with whether it changed."""
        ends = [0, *chain.from_iterable(self.emphasis), len(self.text)]
        return [(self.text[start:end], bool(at % 2)) for at, (start, end) in enumerate(pairwise(ends))]


_Piece = tuple[str, int]
"""A line or a part of one, with the line break behind it, and the number of the line."""


def unified(old: str, new: str, context: int = 3) -> list[DiffLine]:
    """Return the hunks of the difference, none if the texts are equal.

    A line break at the end that only one side has is an empty line.
    """
    before, after = _numbered(old, new), _numbered(new, old)
    matcher = matcher_of(*([text for text, _ in side] for side in (before, after)))
    lines: list[DiffLine] = []
    for group in matcher.get_grouped_opcodes(context) if old != new else ():
        first, last = group[0], group[-1]
        old_range, new_range = _range(before[first[1] : last[2]]), _range(after[first[3] : last[4]])
        lines.append(DiffLine("hunk", f"@@ -{old_range} +{new_range} @@"))
        for tag, low, high, new_low, new_high in group:
            block, new_block = before[low:high], after[new_low:new_high]
            if tag == "equal":
                lines += [DiffLine("context", text.removesuffix("\n")) for text, _ in block]
            else:
                lines += _changed(block, new_block)
    return lines


def plain(lines: Sequence[DiffLine]) -> list[str]:
    """Return the lines as ``diff -u`` prints them. Control characters stay as they are."""
    signs = {"hunk": "", "context": " ", "removed": "-", "added": "+"}
    return [signs[line.kind] + line.text for line in lines]


def _numbered(text: str, other: str) -> list[_Piece]:
    """Split a text into lines, and long ones into sentences. ``other`` is what it is compared with."""
    lines = text.split("\n") if text else []
    # Most prompts do not end in a line break, so that only counts if the two sides differ.
    if text.endswith("\n") and (not other or other.endswith("\n")):
        lines.pop()
    return [(piece, number) for number, line in enumerate(lines, 1) for piece in _pieces(line)]


def _pieces(line: str) -> list[str]:
    """Return a line with its line break, in sentences if it is long."""
    return sentences(f"{line}\n") if len(line) > LONG_LINE else [f"{line}\n"]


def sentences(line: str) -> list[str]:
    """Return the sentences of a line with the white space after them. Joined, they are the line."""
    ends = [end.end() for end in _SENTENCE_END.finditer(line) if line[end.end() :].strip("\n")]
    return [line[start:end] for start, end in pairwise([0, *ends, len(line)])]


def _range(pieces: Sequence[_Piece]) -> str:
    if not pieces:
        return "0,0"
    first, last = pieces[0][1], pieces[-1][1]
    return str(first) if first == last else f"{first},{last - first + 1}"


def _changed(before: Sequence[_Piece], after: Sequence[_Piece]) -> list[DiffLine]:
    old, new = ([text.removesuffix("\n") for text, _ in side] for side in (before, after))
    spans = [emphasis(*pair) for pair in zip(old, new, strict=False)]
    spans += [((), ())] * abs(len(old) - len(new))
    return [
        *(DiffLine("removed", text, span) for text, (span, _) in zip(old, spans, strict=False)),
        *(DiffLine("added", text, span) for text, (_, span) in zip(new, spans, strict=False)),
    ]


def emphasis(old: str, new: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Return the parts of the old and the new line that changed, none if the lines have little in common."""
    before, after = words(old), words(new)
    if not old or not new or len(before) + len(after) > _MOST_WORDS:
        return (), ()
    # quick_ratio ignores the order of the words, which is good enough to find related lines, and fast.
    seen, seen_now = ([word for word in side if not word.isspace()] for side in (before, after))
    if (seen or seen_now) and SequenceMatcher(None, seen, seen_now, autojunk=False).quick_ratio() < _ALIKE:
        return (), ()
    starts, new_starts = (list(accumulate(map(len, side), initial=0)) for side in (before, after))
    changed = [code[1:] for code in matcher_of(before, after).get_opcodes() if code[0] != "equal"]
    removed = tuple((starts[low], starts[high]) for low, high, _, _ in changed if low < high)
    return removed, tuple((new_starts[low], new_starts[high]) for _, _, low, high in changed if low < high)


def matcher_of(old: Sequence[Hashable], new: Sequence[Hashable]) -> SequenceMatcher[Hashable]:
    """Return a matcher. In big sequences it skips frequent items, whose pairing takes quadratic time."""
    return SequenceMatcher(None, old, new, autojunk=len(old) + len(new) > _BIG)


def words(text: str) -> list[str]:
    """Return the words, runs of white space and punctuation of a text. Joined, they are the text."""
    return _WORD.findall(text)


class Clash(Struct, frozen=True):
    """Lines of a text that both sides changed in different ways.

    Both ``ours`` and ``theirs`` have what could be merged around it, so that either of them can be chosen.
    """

    base: Pieces
    ours: Pieces
    theirs: Pieces


Parts = Sequence[Pieces | Clash]
"""A merged text: lines, and clashes of lines."""


def marked(parts: Parts, ours: str, theirs: str) -> str:
    """Return a merged text with conflict markers around clashes. The others label the two sides."""
    lines: list[str] = []
    for part in parts:
        if isinstance(part, Clash):
            lines += [f"<<<<<<< {ours}", *part.ours, "=======", *part.theirs, f">>>>>>> {theirs}"]
        else:
            lines += part
    return "\n".join(lines)


def merge_text(base: str, ours: str, theirs: str) -> Parts:
    """Merge two texts that were made from ``base``. Nothing that either side added is lost.

    Lines end in ``\\n`` alone; every other character is part of a line. Adjacent changes clash, as in git,
    because one of them may respond to the other.
    """
    # A line break at the end belongs to no line: texts of YAML files have one, those of the dashboard do not.
    was, our, their = (side.endswith("\n") for side in (base, ours, theirs))
    old, mine, other = (side.removesuffix("\n").split("\n") for side in (base, ours, theirs))
    parts = [_refined(part) for part in _merged(old, mine, other)]
    return [*parts, [""]] if (our if their == was else their) else parts


def _refined(part: Pieces | Clash) -> Pieces | Clash:
    """Merge a clash sentence by sentence if any of its lines is long."""
    if not isinstance(part, Clash) or max(map(len, (*part.base, *part.ours, *part.theirs))) <= LONG_LINE:
        return part
    base, ours, theirs = (
        [piece for line in lines for piece in sentences(f"{line}\n")]
        for lines in (part.base, part.ours, part.theirs)
    )
    # A sentence stays the same one if another is appended to its line. In a clash, each side keeps its own.
    parts = _merged(base, ours, theirs, key=lambda piece: piece.rstrip(" \t\n"))
    if any(isinstance(part, Clash) for part in parts):
        parts = _merged(base, ours, theirs)
    merged = []
    for side in ("base", "ours", "theirs"):
        pieces = (getattr(part, side) if isinstance(part, Clash) else part for part in parts)
        merged.append("".join(chain.from_iterable(pieces)).split("\n")[:-1])
    return Clash(*merged) if any(isinstance(part, Clash) for part in parts) else merged[0]


def _merged(
    base: Pieces, ours: Pieces, theirs: Pieces, key: Callable[[str], str] = str
) -> list[Pieces | Clash]:
    """Merge three sequences of lines or sentences, which match if ``key`` returns the same for them."""
    keys, our_keys, their_keys = ([*map(key, side)] for side in (base, ours, theirs))
    our_index, their_index = _matches(keys, our_keys), _matches(keys, their_keys)
    kept_by_both = sorted(our_index.keys() & their_index.keys())
    stable = [(at, our_index[at], their_index[at]) for at in kept_by_both]
    parts: list[Pieces | Clash] = []
    start = (0, 0, 0)
    for end in [*stable, (len(base), len(ours), len(theirs))]:
        was, our, their = (
            side[low:high] for side, low, high in zip((base, ours, theirs), start, end, strict=True)
        )
        if our in (their, was) or their == was:
            parts.append(their if our == was else our)
        else:
            parts.append(Clash(was, our, their))
        was, our, their = (side[at : at + 1] for side, at in zip((base, ours, theirs), end, strict=True))
        parts.append(our if their == was else their)
        start = (end[0] + 1, end[1] + 1, end[2] + 1)
    return [part for part in parts if part]


def _matches(old: Pieces, new: Pieces) -> dict[int, int]:
    return {
        block.a + offset: block.b + offset
        for block in matcher_of(old, new).get_matching_blocks()
        for offset in range(block.size)
    }

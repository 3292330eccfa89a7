"""Two texts: their difference, line by line with the words that changed, and their three-way merge.

Prompts are often one long line, so lines over ``LONG_LINE`` characters are split where sentences end. Lines
end in ``\\n`` alone, as in git: other line separators are part of the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, chain, pairwise
from typing import Literal

from msgspec import Struct

LineKind = Literal["hunk", "context", "removed", "added", "note"]
Span = tuple[int, int]

LONG_LINE = 120
NO_NEWLINE = "No newline at end of text"

_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]*_]*[ \t]+|[。！？]+[”’」』）]*")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|\s+|[^\w\s]")
"""Words, spaces and punctuation. Scripts without spaces between words are split into characters."""
_BIG = 2_000
"""Number of items from which an exact comparison takes too long."""
_MOST_WORDS = 20_000
"""Lines that have more words together get no emphasis, because finding it takes too long."""
_ALIKE = 0.4
"""Share of common words from which two lines count as one line that changed."""


class DiffLine(Struct, frozen=True):
    """One line of a diff.

    ``old`` and ``new`` are line numbers from 1, ``None`` where the line does not exist; pieces of one long
    line share a number. ``emphasis`` are the parts of ``text`` that changed, as (start, end) in code points.
    A ``hunk`` line has a text such as ``@@ -1,3 +1,4 @@``. A ``note`` is about the line before it.
    """

    kind: LineKind
    text: str
    old: int | None = None
    new: int | None = None
    emphasis: tuple[Span, ...] = ()

    @property
    def parts(self) -> list[tuple[str, bool]]:
        """The parts of the text in order, each with whether it changed."""
        ends = [0, *chain.from_iterable(self.emphasis), len(self.text)]
        return [(self.text[start:end], bool(at % 2)) for at, (start, end) in enumerate(pairwise(ends))]


_Piece = tuple[str, int]
"""A line or a part of one, with its line break if it has one, and the number of the line."""


def unified(old: str, new: str, context: int = 3) -> list[DiffLine]:
    """Return the hunks of the difference, none if the texts are equal."""
    if not (old and new) or old.endswith("\n") == new.endswith("\n"):
        # Most prompts do not end in a line break, so that is worth a note only if the two sides differ.
        old, new = _ended(old), _ended(new)
    before, after = _pieces(old), _pieces(new)
    matcher = matcher_of(*([text for text, _ in side] for side in (before, after)))
    # A part of a long line has no line break, but other lines lack one only at the end of a text.
    ends = [side[-1] for side in (before, after) if side and not side[-1][0].endswith("\n")]
    lines: list[DiffLine] = []
    for group in matcher.get_grouped_opcodes(context) if old != new else ():
        first, last = group[0], group[-1]
        old_range, new_range = _range(before[first[1] : last[2]]), _range(after[first[3] : last[4]])
        lines.append(DiffLine("hunk", f"@@ -{old_range} +{new_range} @@"))
        for tag, low, high, new_low, new_high in group:
            block = before[low:high], after[new_low:new_high]
            if tag == "equal":
                for (text, number), (_, new_number) in zip(*block, strict=True):
                    lines.append(DiffLine("context", text.removesuffix("\n"), number, new_number))
            else:
                lines += _changed(*block, ends)
    return lines


def plain(lines: Sequence[DiffLine]) -> list[str]:
    """Return the lines as ``diff -u`` prints them. Control characters stay as they are."""
    signs = {"hunk": "", "context": " ", "removed": "-", "added": "+", "note": "\\ "}
    return [signs[line.kind] + line.text for line in lines]


def _pieces(text: str) -> list[_Piece]:
    """Split a text into lines, and long ones into sentences."""
    return [
        (part, number)
        for number, line in enumerate(_lines(text), 1)
        for part in (sentences(line) if len(line) > LONG_LINE else [line])
    ]


def sentences(line: str) -> list[str]:
    """Return the sentences of a line with the white space after them. Joined, they are the line."""
    ends = [end.end() for end in _SENTENCE_END.finditer(line) if line[end.end() :].strip("\n")]
    return [line[start:end] for start, end in pairwise([0, *ends, len(line)])]


def _range(pieces: Sequence[_Piece]) -> str:
    if not pieces:
        return "0,0"
    first, last = pieces[0][1], pieces[-1][1]
    return str(first) if first == last else f"{first},{last - first + 1}"


def _changed(before: Sequence[_Piece], after: Sequence[_Piece], ends: Sequence[_Piece]) -> list[DiffLine]:
    """Return the lines of a changed block; ``ends`` are those that end a text without a line break."""
    pairs = zip(before, after, strict=False)
    spans = [emphasis(old.removesuffix("\n"), new.removesuffix("\n")) for (old, _), (new, _) in pairs]
    spans += [((), ())] * abs(len(before) - len(after))
    lines: list[DiffLine] = []
    for piece, (removed, _) in zip(before, spans, strict=False):
        lines.append(DiffLine("removed", piece[0].removesuffix("\n"), old=piece[1], emphasis=removed))
        lines += [DiffLine("note", NO_NEWLINE)] if piece in ends else []
    for piece, (_, added) in zip(after, spans, strict=False):
        lines.append(DiffLine("added", piece[0].removesuffix("\n"), new=piece[1], emphasis=added))
        lines += [DiffLine("note", NO_NEWLINE)] if piece in ends else []
    return lines


def emphasis(old: str, new: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Return the parts of the old and the new line that changed, none if the lines have little in common."""
    before, after = words(old), words(new)
    if not old or not new or len(before) + len(after) > _MOST_WORDS:
        return (), ()
    # quick_ratio ignores the order of the words, which is good enough to find related lines, and fast.
    seen, seen_now = ([word for word in side if not word.isspace()] for side in (before, after))
    if (seen or seen_now) and SequenceMatcher(None, seen, seen_now, autojunk=False).quick_ratio() < _ALIKE:
        return (), ()
    removed: list[Span] = []
    added: list[Span] = []
    starts, new_starts = (list(accumulate(map(len, side), initial=0)) for side in (before, after))
    for tag, low, high, new_low, new_high in matcher_of(before, after).get_opcodes():
        if tag != "equal":
            removed.append((starts[low], starts[high]))
            added.append((new_starts[new_low], new_starts[new_high]))
    return _joined(removed, old), _joined(added, new)


def matcher_of(old: Sequence[Hashable], new: Sequence[Hashable]) -> SequenceMatcher[Hashable]:
    """Return a matcher. In big sequences it skips frequent items, whose pairing takes quadratic time."""
    return SequenceMatcher(None, old, new, autojunk=len(old) + len(new) > _BIG)


def words(text: str) -> list[str]:
    """Return the words, runs of white space and punctuation of a text. Joined, they are the text."""
    return _WORD.findall(text)


def _joined(spans: Sequence[Span], text: str) -> tuple[Span, ...]:
    """Drop empty spans, and join spans that have only white space between them."""
    joined: list[Span] = []
    for start, end in spans:
        if start == end:
            continue
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


Pieces = Sequence[str]


class Clash(Struct, frozen=True):
    """A part of a text that both sides changed in different ways.

    Both ``ours`` and ``theirs`` have what could be merged around it, so that either of them can be chosen.
    """

    base: str
    ours: str
    theirs: str


class MergedText(Struct, frozen=True):
    """A merged text in parts: merged texts, and clashes of whole lines.

    ``ends_line`` says that our text has a line break at its end.
    """

    parts: tuple[str | Clash, ...]
    ends_line: bool = False

    @property
    def text(self) -> str | None:
        """The merged text, ``None`` if anything clashes."""
        return None if self.clashes else "".join(part for part in self.parts if isinstance(part, str))

    @property
    def clashes(self) -> tuple[Clash, ...]:
        return tuple(part for part in self.parts if isinstance(part, Clash))

    def marked(self, ours: str, theirs: str) -> str:
        """Return the text with conflict markers around clashes. The arguments label the two sides."""
        text = ""
        for part in self.parts:
            if isinstance(part, str):
                text += part
                continue
            text = f"{_ended(text)}<<<<<<< {ours}\n{_ended(part.ours)}=======\n"
            text += f"{_ended(part.theirs)}>>>>>>> {theirs}\n"
        # The last marker line ends like our text, which may have no line break at its end.
        ends_open = isinstance(self.parts[-1], Clash) and not self.ends_line
        return text.removesuffix("\n") if ends_open else text


def merge_text(base: str, ours: str, theirs: str) -> MergedText:
    """Merge two texts that were made from ``base``. Nothing that either side added is lost.

    Lines end in ``\\n`` alone; every other character is part of a line. Adjacent changes clash, as in git,
    because one of them may respond to the other.
    """
    if ours in (theirs, base) or theirs == base:
        return MergedText((theirs if ours == base else ours,))
    parts = _merged(_lines(base), _lines(ours), _lines(theirs), lambda line: line.removesuffix("\n"))
    return MergedText(tuple(map(_refined, parts)), ours.endswith("\n"))


def _refined(part: str | Clash) -> str | Clash:
    """Merge a clash sentence by sentence if any of its lines is long."""
    if isinstance(part, str):
        return part
    sides = [_lines(text) for text in (part.base, part.ours, part.theirs)]
    if not any(len(line) > LONG_LINE for lines in sides for line in lines):
        return part
    base, ours, theirs = ([piece for line in lines for piece in sentences(line)] for lines in sides)
    parts = _merged(base, ours, theirs, lambda piece: piece.rstrip(" \t\n"))
    if not any(isinstance(part, Clash) for part in parts):
        return "".join(map(str, parts))
    return Clash(
        *(
            "".join(part if isinstance(part, str) else getattr(part, side) for part in parts)
            for side in ("base", "ours", "theirs")
        )
    )


def doubled(base: Pieces, ours: Pieces, theirs: Pieces, merged: Pieces) -> set[str]:
    """Return the pieces that a merge has more often than the changes of both sides add up to.

    One side moved such a piece, and the other one removed it, so that it is back, or moved it elsewhere, so
    that it is there twice.
    """
    our, their, both = Counter(ours), Counter(theirs), Counter(merged)
    return {
        piece
        for piece, number in Counter(base).items()
        if both[piece] > max(min(our[piece], their[piece]), our[piece] + their[piece] - number)
        and not piece.isspace()
    }


def pieces_of(text: str) -> list[str]:
    """Return the sentences of a text without the white space around them."""
    pieces = (sentence.strip() for line in text.split("\n") for sentence in sentences(line))
    return [piece for piece in pieces if piece]


def _lines(text: str) -> list[str]:
    *whole, last = text.split("\n")
    return [*(f"{line}\n" for line in whole), *([last] if last else [])]


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _merged(base: Pieces, ours: Pieces, theirs: Pieces, key: Callable[[str], str]) -> list[str | Clash]:
    """Merge three sequences of pieces. ``key`` strips what a piece lacks if it is the last one."""
    keys, our_keys, their_keys = ([key(piece) for piece in side] for side in (base, ours, theirs))
    our_index, their_index = _matches(keys, our_keys), _matches(keys, their_keys)
    kept_by_both = sorted(our_index.keys() & their_index.keys())
    stable = [(at, our_index[at], their_index[at]) for at in kept_by_both]
    parts: list[str | Clash] = []
    # The last stable piece waits, because whether it needs its line break depends on what follows.
    pending: str | Clash = ""
    longest = ""
    at = (0, 0, 0)
    for to in [*stable, (len(base), len(ours), len(theirs))]:
        sides = zip((base, ours, theirs), at, to, strict=True)
        was, our, their = ("".join(side[start:end]) for side, start, end in sides)
        between = _merged_piece(was, our, their)
        is_last = to[0] == len(base)
        if pending and (between or not is_last) and isinstance(pending, str) and key(pending) == pending:
            pending = longest  # on one side the text ended with this piece, without a line break
        parts += [part for part in (pending, between) if part]
        if not is_last:
            variants = base[to[0]], ours[to[1]], theirs[to[2]]
            pending, longest = _merged_piece(*variants), max(variants, key=len)
            at = (to[0] + 1, to[1] + 1, to[2] + 1)
    return parts


def _merged_piece(base: str, ours: str, theirs: str) -> str | Clash:
    if ours in (theirs, base) or theirs == base:
        return theirs if ours == base else ours
    return Clash(base, ours, theirs)


def _matches(old: Pieces, new: Pieces) -> dict[int, int]:
    return {
        block.a + offset: block.b + offset
        for block in matcher_of(old, new).get_matching_blocks()
        for offset in range(block.size)
    }

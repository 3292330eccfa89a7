"""The three-way merge of a text: line by line, and sentence by sentence where lines are long.

A merge that only decides who changed what goes down to words. A merge that is written never does.

The algorithm is diff3's. It is written by hand because the packages that have it are under the GPL, or merge
characters, which mixes two sentences into a third. None of them splits long lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from promptsync.prompt.text_diff import LONG_LINE, matcher_of, sentences, words

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


def merge_text(base: str, ours: str, theirs: str, *, by_words: bool = False) -> MergedText:
    """Merge two texts that were made from ``base``. Nothing that either side added is lost.

    Lines end in ``\\n`` alone; every other character is part of a line. Adjacent changes clash, as in git,
    because one of them may respond to the other. ``by_words`` merges clashes once more, word by word, which
    can mix two sentences into a third: use it to decide, never to write.
    """
    if ours in (theirs, base) or theirs == base:
        return MergedText((theirs if ours == base else ours,))
    parts = _merged(_lines(base), _lines(ours), _lines(theirs), lambda line: line.removesuffix("\n"))
    return MergedText(tuple(_refined(part, by_words) for part in parts), ours.endswith("\n"))


def _refined(part: str | Clash, by_words: bool) -> str | Clash:
    """Merge a clash sentence by sentence if any of its lines is long, and word by word with ``by_words``."""
    if isinstance(part, str):
        return part
    sides = [_lines(text) for text in (part.base, part.ours, part.theirs)]
    if not any(len(line) > LONG_LINE for lines in sides for line in lines):
        return _merged_words(part) if by_words else part
    base, ours, theirs = ([piece for line in lines for piece in sentences(line)] for lines in sides)
    parts = _merged(base, ours, theirs, lambda piece: piece.rstrip(" \t\n"))
    if by_words:
        parts = [part if isinstance(part, str) else _merged_words(part) for part in parts]
    if not any(isinstance(part, Clash) for part in parts):
        return "".join(map(str, parts))
    return Clash(
        *(
            "".join(part if isinstance(part, str) else getattr(part, side) for part in parts)
            for side in ("base", "ours", "theirs")
        )
    )


def _merged_words(clash: Clash) -> str | Clash:
    """Merge a clash word by word; return it unchanged if its words clash too, or if a word moved."""
    base, ours, theirs = words(clash.base), words(clash.ours), words(clash.theirs)
    merged = MergedText(tuple(_merged(base, ours, theirs, lambda word: word))).text
    if merged is None:
        return clash
    return clash if doubled(base, ours, theirs, words(merged)) else merged


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

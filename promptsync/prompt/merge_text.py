"""The three-way merge of a text: line by line, and sentence by sentence where lines are long.

A merge that only decides who changed what goes down to words. A merge that is written never does.

The algorithm is diff3's. It is written by hand because the packages that have it are under the GPL, or merge
characters, which makes sentences that nobody wrote. None of them splits long lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from promptsync.prompt.text_diff import LONG_LINE, matcher_of, sentences, word_counts, word_share, words

Pieces = Sequence[str]

_ALIKE = 0.6
"""Share of common words from which a removed and an inserted sentence count as one that moved."""
_MAX_CELLS = 4_000
"""Most pairs of changed sentences that are compared. More of them are no moved sentence, but another text."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A part of a text that both sides changed in different ways.

    In a long part, ``narrow`` are the sentences that clash. Then ``ours`` and ``theirs`` both include what
    was merged around these sentences, so that choosing either of them loses nothing else.
    """

    base: str
    ours: str
    theirs: str
    narrow: tuple[Clash, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedText:
    """A merged text in parts: merged texts, and clashes of whole lines.

    ``ends_line`` says that our text has a line break at its end.
    """

    parts: tuple[str | Clash, ...]
    ends_line: bool = False

    @property
    def text(self) -> str | None:
        """The merged text, ``None`` if anything clashes."""
        merged = [part for part in self.parts if isinstance(part, str)]
        return "".join(merged) if len(merged) == len(self.parts) else None

    @property
    def clashes(self) -> tuple[Clash, ...]:
        """All clashes, down to sentences where lines are long."""
        found = [part for part in self.parts if isinstance(part, Clash)]
        return tuple(clash for part in found for clash in part.narrow or (part,))

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

    A line or sentence that one side moved, and that the other side removed or moved elsewhere, is a clash.

    Lines end in ``\\n`` alone; every other character is part of a line. Adjacent changes clash, as in git,
    because one of them may respond to the other. ``by_words`` merges clashes once more, word by word, which
    can make sentences that nobody wrote: use it to decide, never to write.
    """
    if ours in (theirs, base) or theirs == base:
        return MergedText((theirs if ours == base else ours,))
    merged = _merged_lines(base, ours, theirs, by_words)
    back = returned(Clash(base, ours, theirs), merged.parts)
    return _merged_lines(base, ours, theirs, by_words, back) if back else merged


def _merged_lines(
    base: str, ours: str, theirs: str, by_words: bool, back: Collection[str] = ()
) -> MergedText:
    lines = _lines(base), _lines(ours), _lines(theirs)
    parts = _merged(*lines, lambda line: line.removesuffix("\n"), back)
    return MergedText(tuple(_refined(part, by_words, back) for part in parts), ours.endswith("\n"))


def _refined(part: str | Clash, by_words: bool, back: Collection[str]) -> str | Clash:
    """Merge a clash sentence by sentence if any of its lines is long, and word by word with ``by_words``."""
    if isinstance(part, str):
        return part
    sides = [_lines(text) for text in (part.base, part.ours, part.theirs)]
    if not any(len(line) > LONG_LINE for lines in sides for line in lines):
        return _merged_words(part, back) if by_words else part
    base, ours, theirs = ([piece for line in lines for piece in sentences(line)] for lines in sides)
    parts = _merged(base, ours, theirs, lambda piece: piece.rstrip(" \t\n"), back)
    if by_words:
        parts = [_merged_words(part, back) for part in parts]
    narrow = tuple(one for one in parts if isinstance(one, Clash))
    if not narrow:
        return _joined(parts, lambda clash: clash.ours)
    return Clash(
        _joined(parts, lambda clash: clash.base),
        _joined(parts, lambda clash: clash.ours),
        _joined(parts, lambda clash: clash.theirs),
        narrow,
    )


def _merged_words(part: str | Clash, back: Collection[str]) -> str | Clash:
    """Merge a clash word by word; return it unchanged if its words clash too."""
    if isinstance(part, str) or _has_moved(part, back):
        return part
    parts = _merged(words(part.base), words(part.ours), words(part.theirs), lambda word: word)
    if any(isinstance(one, Clash) for one in parts) or _brought_back(part, parts, words):
        return part
    return _joined(parts, lambda clash: clash.ours)


def returned(whole: Clash, parts: Sequence[str | Clash]) -> frozenset[str]:
    """Return the sentences that one side moved, and that the other side removed or moved elsewhere.

    ``parts`` are the merge, which has them although one side removed them, or has them twice.
    """
    return _brought_back(whole, parts, _sentences) | _reworded(whole)


def _reworded(whole: Clash) -> frozenset[str]:
    """Return the sentences that are new on one side and like one that both sides removed elsewhere.

    One that is as much like a sentence that both sides kept was written after that one, and did not move.
    """
    base, ours, theirs = (_sentences(text) for text in (whole.base, whole.ours, whole.theirs))
    if not {*base} - {*ours} - {*theirs}:
        return frozenset()
    (our_gone, our_new), (their_gone, their_new) = _moves(base, ours), _moves(base, theirs)
    gone = [word_counts([base[at]]) for at in our_gone & their_gone]
    new = {*our_new, *their_new} - {*base} - ({*ours} & {*theirs})
    if len(gone) * len(new) > _MAX_CELLS:
        return frozenset()
    moved = {piece: word_counts([piece]) for piece in new if _is_like(word_counts([piece]), gone)}
    kept = [word_counts([piece]) for piece in {*base} & {*ours} & {*theirs}] if moved else []
    if len(kept) * len(moved) > _MAX_CELLS:
        return frozenset(moved)
    return frozenset(piece for piece, has in moved.items() if _likeness(has, gone) > _likeness(has, kept))


def _moves(old: Pieces, new: Pieces) -> tuple[set[int], set[str]]:
    """Return the places of old sentences without a like one in their place, and the new ones likewise."""
    gone: set[int] = set()
    inserted: set[str] = set()
    for tag, low, high, new_low, new_high in matcher_of(old, new).get_opcodes():
        if tag == "equal" or (high - low) * (new_high - new_low) > _MAX_CELLS:
            continue
        was, now = (
            [word_counts([piece]) for piece in side] for side in (old[low:high], new[new_low:new_high])
        )
        gone |= {low + at for at, piece in enumerate(was) if not _is_like(piece, now)}
        inserted |= {new[new_low + at] for at, piece in enumerate(now) if not _is_like(piece, was)}
    return gone, inserted


def _is_like(piece: Counter[str], others: Sequence[Counter[str]]) -> bool:
    return bool(piece) and _likeness(piece, others) >= _ALIKE


def _likeness(piece: Counter[str], others: Sequence[Counter[str]]) -> float:
    return max((word_share(piece, other) for other in others if other), default=0.0)


def _brought_back(
    whole: Clash, parts: Sequence[str | Clash], split: Callable[[str], list[str]]
) -> frozenset[str]:
    """Return the pieces of which a merge has too many, because one side moved them.

    The merge of a removal with anything but a move has no more of a piece than the side that removed it. If
    both sides have as many of a piece as the base, a merge that has more of it has it at two new places.
    """
    was, our, their = (Counter(split(text)) for text in (whole.base, whole.ours, whole.theirs))
    wanted = {
        piece: min(our[piece], their[piece])
        for piece, number in was.items()
        if number == max(our[piece], their[piece]) and not piece.isspace()
    }
    if not wanted:
        return frozenset()
    merged: Counter[str] = Counter()
    for part in parts:
        sides = (part,) if isinstance(part, str) else (part.ours, part.theirs)
        counts = [Counter(split(side)) for side in sides]
        merged += counts[0] & counts[-1]
    return frozenset(piece for piece, number in wanted.items() if merged[piece] > number)


def _has_moved(part: Clash, back: Collection[str]) -> bool:
    """Whether one side has one of some removed sentences at a new place."""
    if not back or part.ours == part.theirs:
        return False
    was, our, their = (Counter(_sentences(text)) for text in (part.base, part.ours, part.theirs))
    return any(max(our[piece], their[piece]) > was[piece] for piece in back)


def _sentences(text: str) -> list[str]:
    found = (sentence.strip() for line in text.split("\n") for sentence in sentences(line))
    return [sentence for sentence in found if sentence]


def _joined(parts: Sequence[str | Clash], side: Callable[[Clash], str]) -> str:
    return "".join(part if isinstance(part, str) else side(part) for part in parts)


def _lines(text: str) -> list[str]:
    *whole, last = text.split("\n")
    return [*(f"{line}\n" for line in whole), *([last] if last else [])]


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _merged(
    base: Pieces, ours: Pieces, theirs: Pieces, key: Callable[[str], str], back: Collection[str] = ()
) -> list[str | Clash]:
    """Merge three sequences of pieces. ``key`` strips what a piece lacks if it is the last one.

    A place to which one of the sentences ``back`` moved is a clash, because the other side removed them.
    """
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
        between = _merged_piece(was, our, their, back)
        is_last = to[0] == len(base)
        if pending and (between or not is_last) and isinstance(pending, str) and key(pending) == pending:
            pending = longest  # on one side the text ended with this piece, without a line break
        parts += [part for part in (pending, between) if part]
        if not is_last:
            variants = base[to[0]], ours[to[1]], theirs[to[2]]
            pending, longest = _merged_piece(*variants), max(variants, key=len)
            at = (to[0] + 1, to[1] + 1, to[2] + 1)
    return parts


def _merged_piece(base: str, ours: str, theirs: str, back: Collection[str] = ()) -> str | Clash:
    clash = Clash(base, ours, theirs)
    if (ours in (theirs, base) or theirs == base) and not _has_moved(clash, back):
        return theirs if ours == base else ours
    return clash


def _matches(old: Pieces, new: Pieces) -> dict[int, int]:
    return {
        block.a + offset: block.b + offset
        for block in matcher_of(old, new).get_matching_blocks()
        for offset in range(block.size)
    }

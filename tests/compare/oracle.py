"""Who decided what about the sentences of a text, and what each author had seen by then.

Walks ask it what may be in a text. It knows nothing of versions, marks or keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

Text = frozenset[int]
"""The numbers of the sentences in a text."""
Seen = int
"""A set of decisions, one bit each."""


def bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Oracle:
    """Knows every decision, and what its author had seen. A decision adds or removes one sentence.

    A decision is overruled by an opposite one whose author had seen it, or had seen another one that says the
    same: the same decision taken twice counts as seen.
    """

    def __init__(self) -> None:
        self.before: list[Seen] = []
        self.added: Counter[int] = Counter()
        self.removed: Counter[int] = Counter()

    def record(self, sentence: int, *, add: bool, seen: Seen) -> Seen:
        """Record a decision, and return what its author has seen with it."""
        bit = 1 << len(self.before)
        self.before.append(seen)
        (self.added if add else self.removed)[sentence] |= bit
        return seen | bit

    def standing(self, sentence: int, seen: Seen) -> tuple[bool, bool]:
        """Return whether an addition of the sentence stands, and whether a removal does."""
        added, removed = self.added[sentence] & seen, self.removed[sentence] & seen
        if not added or not removed:
            return bool(added), bool(removed)
        return (
            self._stands(added, removed, self.added[sentence]),
            self._stands(removed, added, self.removed[sentence]),
        )

    def _stands(self, ones: Seen, opposite: Seen, alike: Seen) -> bool:
        return any(
            not any(self._overrules(other, one, alike) for other in bits(opposite)) for one in bits(ones)
        )

    def _overrules(self, other: int, one: int, alike: Seen) -> bool:
        before = self.before[other]
        return bool(before >> one & 1 or (before & alike and not self.before[one] >> other & 1))

    def settle(self, text: Text, seen: Seen, *, is_merge: bool = False) -> Seen:
        """Let an author take a text as it is: record the decisions that explain it.

        That git merged a sentence in is no decision to add it again.
        """
        after = seen
        for sentence in sorted(self.about(seen) | text):
            held, known = sentence in text, bool(self.added[sentence] & seen)
            is_explained = self.standing(sentence, seen) == (held, not held)
            if not is_explained and (held or known) and not (held and known and is_merge):
                after |= self.record(sentence, add=held, seen=seen)
        return after

    def about(self, seen: Seen) -> frozenset[int]:
        """Return the sentences that some decisions are about."""
        return frozenset(one for one, mask in self.added.items() if mask & seen)

    def only(self, seen: Seen, sentences: Iterable[int]) -> Seen:
        """Return those of some decisions that are about some sentences."""
        mask = 0
        for sentence in sentences:
            mask |= self.added[sentence] | self.removed[sentence]
        return mask & seen

    def missing(self, text: Text, seen: Seen) -> Text:
        """Return the sentences that a text lacks although nobody who had seen them removed them."""
        return frozenset(one for one in self.about(seen) - text if self.standing(one, seen) == (True, False))

    def returned(self, text: Text, seen: Seen) -> Text:
        """Return the sentences that a text has although everybody who decided about them removed them."""
        return frozenset(one for one in text if self.standing(one, seen) == (False, True))

    def changed(self, ours: Text, theirs: Text, seen: Seen) -> tuple[bool, bool, bool]:
        """Return whether ours changed, whether theirs did, and whether some sentence is unclear."""
        one = two = unclear = False
        for sentence in ours ^ theirs:
            add, remove = self.standing(sentence, seen)
            if add == remove:
                unclear = True
            elif add == (sentence in ours):
                one = True
            else:
                two = True
        return one, two, unclear

"""Versions as they were sent: without the keys that the registry added by itself.

What was sent for a version is known from the commit in its mark or from ``synced:``, which also knows what
was pulled. In any other version, made in the dashboard, an unknown key counts unless the registry had already
added it, with the same value, to the version that the file comes from.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from promptsync.history.message import Mark, parse_mark
from promptsync.history.synced_key import Key
from promptsync.prompt.additions import NONE, Additions, without, without_additions
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt

if TYPE_CHECKING:
    from promptsync.files.git.revisions import FileRevision

_MOST: Final = 8
"""Unknown keys of which every combination is tried."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A version as the registry stores it.

    ``beside_file`` is its content without the unknown keys that the file lacks; ``added`` are these keys.
    """

    number: int
    message: str | None
    prompt: Prompt
    beside_file: Prompt
    added: Additions

    @property
    def own_mark(self) -> Mark | None:
        """The mark of a version that promptsync published."""
        mark = parse_mark(self.message)
        return mark if mark is not None and mark.version == self.number else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What shows which text was sent for a version.

    ``keys`` are those of the file's ``synced:``, ``identity`` is the prompt that they are bound to.
    With ``has_twin``, the commit in a mark may mean another file for the same prompt.
    """

    file: Prompt
    revisions: Sequence[FileRevision]
    keys: Sequence[Key]
    identity: str
    has_twin: bool = False

    def texts(self, one: Stored) -> dict[str, Prompt]:
        """Return the texts that may have been sent and are known without reading git, by digest."""
        found = {digest(prompt): prompt for prompt in (one.beside_file, one.prompt, self.file)}
        if not any(key.version == one.number for key in self.keys):
            return found
        if any(self._names(one.number, content) for content in (*found, *self._digests())):
            return found
        # A text that was never committed, from which a key was removed since: the registry added the others.
        for prompt in _between(one):
            content = digest(prompt)
            if self._names(one.number, content):
                return {**found, content: prompt}
        return found

    def sent(self, one: Stored) -> str | None:
        """Return the digest of what was sent or pulled as a version, ``None`` if that is unknown."""
        if self.is_pulled(one):
            return self._named(one)
        return self._marked(one) or self._named(one)

    def is_pulled(self, one: Stored) -> bool:
        """Whether ``synced:`` names a version that promptsync did not publish with the same text."""
        named = self._named(one)
        if named is None or one.own_mark is None:
            return named is not None
        # A push writes ``synced:`` only for a text that is not committed.
        is_committed = one.own_mark.commit is not None and not one.own_mark.dirty
        return is_committed and self._marked(one) != named

    def _marked(self, one: Stored) -> str | None:
        """Return the digest of the text at the commit in a version's mark."""
        mark = one.own_mark
        if mark is None or mark.commit is None or mark.dirty or self.has_twin:
            return None
        return next((each.digest for each in self.revisions if each.commit.startswith(mark.commit)), None)

    def _named(self, one: Stored) -> str | None:
        """Return the digest of the text that ``synced:`` names as a version."""
        known = (*self.texts(one), *self._digests())
        return next((each for each in known if self._names(one.number, each)), None)

    def _digests(self) -> Iterator[str]:
        return (each.digest for each in self.revisions if each.digest is not None)

    def _names(self, number: int, content: str) -> bool:
        return any(key.version == number and key.names(self.identity, content) for key in self.keys)


def _between(one: Stored) -> Iterator[Prompt]:
    """Yield the stored text without some of the unknown keys that the file lacks."""
    single = [frozenset({addition}) for addition in sorted(one.added)]
    if len(single) > _MOST:
        fields = sorted({addition[:2] for addition in one.added})
        single = [frozenset(each for each in one.added if each[:2] == name) for name in fields]
    if len(single) > _MOST:
        return
    for count in range(1, len(single)):
        for some in combinations(single, count):
            yield without(one.prompt, frozenset().union(*some))


def unread(evidence: Evidence, versions: Iterable[Stored], read: Container[str]) -> bool:
    """Whether a text that was sent has not been read; ``read`` are the digests of those that have."""
    sent = ((evidence.sent(one), evidence.texts(one)) for one in versions)
    return any(each is not None and each not in known and each not in read for each, known in sent)


def as_sent(
    evidence: Evidence, versions: Iterable[Stored], read: Mapping[str, Prompt]
) -> tuple[dict[int, Prompt], Additions]:
    """Return the content of each version by number, and what the registry added to the newest text sent.

    ``read`` are the texts of revisions, by digest.
    """
    found: dict[int, Prompt] = {}
    added = NONE
    for one in sorted(versions, key=lambda one: one.number):
        content = evidence.sent(one)
        sent = {**read, **evidence.texts(one)}.get(content) if content is not None else None
        if sent is not None:
            stored, added = without_additions(sent, one.prompt, is_exact=True)
            # What was pulled counts as it was then, because the registry may have dropped a field since.
            found[one.number] = sent if evidence.is_pulled(one) else stored
        elif one.own_mark is not None or one.number == 1:
            # What was sent is unknown, and the file is closest to it. The first version edits no other.
            found[one.number], added = without(one.beside_file, added), one.added | added
        else:
            found[one.number] = without(one.prompt, added)
    return found, added

"""Where a file and the registry last agreed: tables of marks, ``pulled:``, the record and alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from promptsync.core.base import Base, LocalHistory, Pushed, Revision, Text, Version, find_base
from promptsync.core.compare import Side, State, compare

A, B, C, D, E, X, Y, Z = "abcdexyz"
C1, C2, C3, C4 = (f"{number}{'0' * 39}" for number in "1234")
ELSEWHERE = "f" * 40


def mark(commit: str, number: int, *, dirty: bool = False) -> str:
    return f"Some work ({commit[:7]}{'+' if dirty else ''} v{number})"


@dataclass
class Registry:
    """Versions as pairs of text and message, and which of the older ones were read."""

    versions: Sequence[tuple[str, str | None] | None]
    reads: list[int] = field(default_factory=list)

    def version(self, number: int) -> Version | None:
        found = self.versions[number - 1]
        return Version(number, *found) if found is not None else None

    def read(self, number: int) -> Version | None:
        self.reads.append(number)
        return self.version(number)

    def base(self, local: LocalHistory, tracked: int | None = None) -> Base | None:
        latest = self.version(tracked or len(self.versions))
        assert latest is not None
        return find_base(local, latest, self.read)

    def state(self, local: LocalHistory) -> State:
        latest = self.version(len(self.versions))
        assert latest is not None
        here = Side(local.working.digest, local.working.tags) if local.working else None
        return compare(here, Side(latest.digest), self.base(local), tracked=latest.number, known=True)


def registry(*versions: tuple[str, str | None] | str | None) -> Registry:
    """Versions from the first on; only a text stands for one without a message, ``None`` for a gap."""
    return Registry([(one, None) if isinstance(one, str) else one for one in versions])


def committed(
    *texts: tuple[str, str | None] | tuple[str, str | None, int | None], **more: Any
) -> LocalHistory:
    """A clean working copy; revisions oldest first: commit, text, and what ``pulled:`` says."""
    revisions = tuple(
        Revision(one[0], one[1], pulled=one[2] if len(one) > 2 else None) for one in reversed(texts)
    )
    newest = revisions[0]
    working = Text(newest.digest, newest.tags, newest.pulled) if newest.digest else None
    return LocalHistory(working, revisions, committed=working is not None, **more)


def edited(text: str, *texts: Any, pulled: int | None = None, **more: Any) -> LocalHistory:
    """The same with an uncommitted text."""
    return LocalHistory(Text(text, pulled=pulled), committed(*texts).revisions if texts else (), **more)


def number_of(base: Base | None) -> int | None:
    return base.version if base is not None else None


# what, local, registry -> the base's number
MARKS: list[tuple[str, LocalHistory, Registry, int | None]] = [
    ("own number", committed((C1, A)), registry((A, mark(C1, 1)), X), 1),
    (
        "the newest of several",
        committed((C1, A), (C2, B)),
        registry((A, mark(C1, 1)), (B, mark(C2, 2)), X),
        2,
    ),
    ("a copied number", committed((C1, A), (C2, B)), registry((A, mark(C1, 1)), (X, mark(C1, 1))), 1),
    (
        "a restored message",
        committed((C1, A), (C2, B)),
        registry((A, mark(C1, 1)), (B, mark(C2, 2)), (A, mark(C1, 1))),
        2,
    ),
    (
        "an unreachable commit",
        committed((C1, A), (C2, D)),
        registry((A, mark(C1, 1)), (B, mark(ELSEWHERE, 2))),
        1,
    ),
    ("only unreachable commits", committed((C1, D)), registry((A, mark(ELSEWHERE, 1))), None),
    ("an edited subject before the mark", committed((C1, A)), registry((A, f"Any {mark(C1, 1)}"), X), 1),
    ("a mark in the middle", committed((C1, D)), registry((A, f"{mark(C1, 1)} and more"), X), None),
    ("no commit in the mark", committed((C1, D)), registry((A, "By hand (v1)"), X), None),
    ("no message", committed((C1, D)), registry(A, X), None),
    ("forty digits", committed((C1, A)), registry((A, f"Work ({C1} v1)"), X), 1),
    ("a commit that deleted the file", committed((C1, A), (C2, None)), registry((X, mark(C2, 1)), Y), None),
    ("uncommitted edits on top", edited(D, (C1, A)), registry((A, mark(C1, 1)), X), 1),
    ("the file deleted since", committed((C1, A), (C2, None)), registry((A, mark(C1, 1))), 1),
    # pushed before it was committed
    ("a draft that was committed", committed((C1, A), (C2, B)), registry((B, mark(C1, 1, dirty=True)), X), 1),
    (
        "a draft that was committed and edited",
        committed((C1, A), (C2, B), (C3, C)),
        registry((A, mark(C1, 1)), (B, mark(C1, 2, dirty=True))),
        2,
    ),
    (
        "a draft that was never committed",
        committed((C1, A), (C2, C)),
        registry((A, mark(C1, 1)), (B, mark(C1, 2, dirty=True))),
        1,
    ),
    (
        "a draft of a commit that is not ours",
        committed((C1, A), (C2, C)),
        registry((A, mark(C1, 1)), (B, mark(ELSEWHERE, 2, dirty=True))),
        1,
    ),
    # forced: the mark is that of a draft, and the text is that of the very commit
    (
        "forced from the newest commit",
        committed((C1, A), (C2, B)),
        registry((A, mark(C1, 1)), X, (B, mark(C2, 3, dirty=True)), Y),
        3,
    ),
    (
        "old text forced over what came later",
        committed((C1, A), (C2, B)),
        registry((A, mark(C1, 1)), (B, mark(C2, 2)), (A, mark(C1, 3, dirty=True))),
        2,
    ),
]


@pytest.mark.parametrize(
    ("local", "there", "number"), [row[1:] for row in MARKS], ids=[row[0] for row in MARKS]
)
def test_marks(local: LocalHistory, there: Registry, number: int | None) -> None:
    assert number_of(there.base(local)) == number


def test_the_text_of_a_marked_version_is_that_of_its_commit() -> None:
    """The registry may keep a version differently from the file that it was made from."""
    base = registry((Y, mark(C1, 1)), X).base(committed((C1, A)))
    assert base is not None
    assert (base.digest, base.version_digest, base.how) == (A, Y, "mark")


# what, the revisions newest first, the mark's commit, dirty -> the base's number
AMENDED: list[tuple[str, tuple[Revision, ...], str, bool, int]] = [
    ("amended", (Revision(C3, C, replaced=(C2,)), Revision(C1, A)), C2, False, 2),
    ("amended twice", (Revision(C4, C, replaced=(C3, C2)), Revision(C1, A)), C2, False, 2),
    ("amended elsewhere", (Revision(C3, C), Revision(C1, A)), C2, False, 1),
    ("pushed with more than was committed", (Revision(C3, C, replaced=(C2,)), Revision(C1, A)), C2, True, 1),
    ("gone on from there", (Revision(C4, D), Revision(C3, C, replaced=(C2,)), Revision(C1, A)), C2, False, 1),
]


@pytest.mark.parametrize(
    ("what", "revisions", "commit", "dirty", "number"), AMENDED, ids=lambda one: str(one)
)
def test_a_commit_that_was_amended_here_includes_what_was_published_of_the_old_one(
    what: str, revisions: tuple[Revision, ...], commit: str, dirty: bool, number: int
) -> None:
    newest = revisions[0].digest
    assert newest is not None
    local = LocalHistory(Text(newest), revisions, committed=True)
    there = registry((A, mark(C1, 1)), (B, mark(commit, 2, dirty=dirty)))
    assert number_of(there.base(local)) == number
    assert there.state(local) is (State.AHEAD if number == 2 else State.DIVERGED)


def test_the_record_of_a_draft_is_followed_through_an_amended_commit() -> None:
    """Pushed on top of the commit that was amended with it, and then with more."""
    record = Pushed(2, B, commit=C1, moves=1)
    revisions = (Revision(C2, C, made=2, replaced=(C1,)),)
    local = LocalHistory(Text(C), revisions, record, committed=True)
    there = registry((A, mark(C1, 1)), (B, mark(C1, 2, dirty=True)))
    assert number_of(there.base(local)) == 2
    elsewhere = LocalHistory(Text(C), (Revision(C2, C, made=2),), record, committed=True)
    assert number_of(there.base(elsewhere)) != 2


def test_of_commits_with_one_abbreviation_the_one_with_the_text_counts() -> None:
    twins = ("abcdef0" + "1" * 33, "abcdef0" + "2" * 33)
    local = committed((twins[0], A), (twins[1], B), (C3, C))
    base = registry((A, mark(twins[0], 1)), X).base(local)
    assert base is not None and (base.version, base.digest) == (1, A)
    assert registry((Z, mark(twins[0], 1)), X).base(local) is None


# ``pulled:`` in the working file or in a revision
PULLED: list[tuple[str, LocalHistory, Registry, int | None]] = [
    ("in the working file, without git", edited(X, pulled=1, git=False), registry(X, Y), 1),
    ("in the working file", edited(X, (C1, A), pulled=1), registry(X, Y), 1),
    ("committed", committed((C1, A), (C2, X, 1)), registry(X, Y), 1),
    ("committed and edited", committed((C1, A), (C2, X, 1), (C3, D, 1)), registry(X, Y), 1),
    ("committed, the line taken out since", committed((C1, X, 1), (C2, D)), registry(X, Y), 1),
    ("the highest of several", committed((C1, X, 1), (C2, Y, 2), (C3, D, 2)), registry(X, Y, Z), 2),
    ("lowered by a git revert", committed((C1, X, 1), (C2, Y, 2), (C3, X, 1)), registry(X, Y, Z), 2),
    ("above the tracked version", committed((C1, D, 7)), registry(X, Y), None),
    ("above it, a lower one below", committed((C1, X, 1), (C2, D, 7)), registry(X, Y), 1),
    ("in the file of the squash", committed((C1, A), (C4, D, 2)), registry(A, X, Y), 2),
    ("newer than every mark", committed((C1, A), (C2, X, 2)), registry((A, mark(C1, 1)), X, Y), 2),
    ("older than a mark", committed((C1, X, 1), (C2, D, 1)), registry(X, (D, mark(C2, 2)), Y), 2),
    # uncommitted and lower than what is committed: somebody put old text there
    ("materialised", edited(X, (C1, X, 1), (C2, Y, 2), pulled=1), registry(X, Y), 1),
    ("materialised, edited", edited(D, (C1, X, 1), (C2, Y, 2), pulled=1), registry(X, Y), 1),
    ("materialised over a mark", edited(X, (C1, A), pulled=1), registry(X, (A, mark(C1, 2))), 1),
    ("materialised, committed", committed((C1, X, 1), (C2, Y, 2), (C3, X, 1)), registry(X, Y), 2),
    (
        "put back over what came after it",
        edited(X, (C1, X, 1), (C2, D, 1), pulled=1),
        registry(X, (D, mark(C2, 2))),
        1,
    ),
    (
        "edited over what came after it",
        edited(E, (C1, X, 1), (C2, D, 1), pulled=1),
        registry(X, (D, mark(C2, 2))),
        2,
    ),
    (
        "put back as it was, committed",
        committed((C1, X, 1), (C2, D, 1), (C3, X, 1)),
        registry(X, (D, mark(C2, 2))),
        2,
    ),
]


@pytest.mark.parametrize(
    ("local", "there", "number"), [row[1:] for row in PULLED], ids=[row[0] for row in PULLED]
)
def test_pulled(local: LocalHistory, there: Registry, number: int | None) -> None:
    assert number_of(there.base(local)) == number


def test_text_that_was_materialised_is_behind_until_a_commit_means_it() -> None:
    revisions = ((C1, X, 1), (C2, Y, 2))
    there = registry(X, Y)
    assert there.state(edited(X, *revisions, pulled=1)) is State.BEHIND
    assert there.state(committed(*revisions, (C3, X, 1))) is State.AHEAD


def test_text_put_back_here_and_edited_since_is_an_edit_of_the_old_version() -> None:
    record = Pushed(1, X, pulled=1, commit=C2)
    local = edited(E, (C1, X, 1), (C2, D, 1), pulled=1, record=record)
    there = registry(X, (D, mark(C2, 2)))
    assert number_of(there.base(local)) == 1
    assert there.state(local) is State.DIVERGED


# The record: version 2 was pushed from here with the text B, while C1 was the newest revision
RECORD = Pushed(2, B, commit=C1, moves=5)
FIRST = (A, mark(C1, 1))
DRAFT = (B, mark(C1, 2, dirty=True))


def made(local: LocalHistory, *moves: int | None) -> LocalHistory:
    """The same with the moves of ``HEAD`` by which the revisions, oldest first, were made here."""
    revisions = tuple(
        Revision(one.commit, one.digest, one.tags, one.pulled, move)
        for one, move in zip(local.revisions, reversed(moves), strict=True)
    )
    return LocalHistory(local.working, revisions, local.record, local.git, local.committed)


RECORDS: list[tuple[str, LocalHistory, int | None]] = [
    ("the very text", edited(B, (C1, A), record=RECORD), 2),
    ("an edit of it", edited(C, (C1, A), record=RECORD), 2),
    ("committed as it was", committed((C1, A), (C2, B), record=RECORD), 2),
    ("committed, then edited", edited(C, (C1, A), (C2, B), record=RECORD), 2),
    ("edited, then committed here", made(committed((C1, A), (C2, C), record=RECORD), 1, 6), 2),
    ("edited, committed here, edited", made(edited(D, (C1, A), (C2, C), record=RECORD), 1, 6), 2),
    ("another text committed elsewhere", made(committed((C1, A), (C2, C), record=RECORD), 1, None), 1),
    ("another text committed here before", made(committed((C1, A), (C2, C), record=RECORD), 1, 4), 1),
    ("taken back to the commit", committed((C1, A), record=RECORD), 1),
    ("taken back to an older commit", edited(D, (C1, D), (C2, A), record=Pushed(2, B, commit=C2)), None),
    ("the commit is gone from HEAD", edited(C, (C2, A), record=RECORD), None),
    ("checked out before the commit", committed((C2, D), record=Pushed(2, B, commit=C3)), None),
    ("pulled something since", edited(C, (C1, A), pulled=1, record=RECORD), 1),
    ("the file was deleted", LocalHistory(None, committed((C1, A)).revisions, RECORD), 2),
    ("above the tracked version", edited(C, (C1, A), record=Pushed(9, B, commit=C1)), 1),
    ("no git", edited(C, git=False, record=Pushed(2, B)), 2),
    ("no git, no record", edited(C, git=False), None),
    ("no git any more", edited(C, git=False, record=RECORD), None),
    ("never committed", edited(C, record=Pushed(2, B)), 2),
    ("never committed, then committed here", made(committed((C1, C), record=Pushed(2, B, moves=0)), 1), 2),
]


@pytest.mark.parametrize(("local", "number"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_record(local: LocalHistory, number: int | None) -> None:
    base = registry(FIRST if number else Z, DRAFT if number else Y).base(local)
    assert number_of(base) == number


def test_a_push_on_top_of_an_uncommitted_pull_is_the_base() -> None:
    record = Pushed(3, D, pulled=2, commit=C1)
    there = registry((A, mark(C1, 1)), X, (D, mark(C1, 3, dirty=True)))
    local = edited(E, (C1, A), pulled=2, record=record)
    assert number_of(there.base(local)) == 3
    assert there.state(local) is State.AHEAD
    # old text put there afterwards
    assert number_of(there.base(edited(A, (C1, A), pulled=1, record=record))) == 1


# Nothing but texts: what was adopted, squashed or rebased
ALIGNED: list[tuple[str, LocalHistory, Registry, int | None]] = [
    ("adopted, the newest", committed((C1, A)), registry(X, A), 2),
    ("adopted, an older one", committed((C1, A)), registry(A, X), 1),
    ("adopted and edited", committed((C1, A), (C2, D)), registry(X, A), 2),
    ("adopted history", committed((C1, A), (C2, B), (C3, D)), registry(A, B), 2),
    ("adopted without git", edited(A, git=False), registry(A, X), 1),
    ("uncommitted", edited(A), registry(A, X), 1),
    ("nothing in common", committed((C1, D)), registry(X, Y), None),
    (
        "squash of a branch that had pushed",
        committed((C1, A), (C4, C)),
        registry((A, mark(C1, 1)), (B, mark(ELSEWHERE, 2)), (C, mark(ELSEWHERE, 3))),
        3,
    ),
    (
        "edited after the squash",
        committed((C1, A), (C3, C), (C4, D)),
        registry((A, mark(C1, 1)), (B, mark(ELSEWHERE, 2)), (C, mark(ELSEWHERE, 3))),
        3,
    ),
    (
        "squash that went on after the push",
        committed((C1, A), (C4, D)),
        registry((A, mark(C1, 1)), (B, mark(ELSEWHERE, 2))),
        1,
    ),
    (
        "rebase of two pushed commits",
        committed((C1, A), (C3, B), (C4, C)),
        registry((A, mark(C1, 1)), (B, mark(ELSEWHERE, 2)), (C, mark(ELSEWHERE, 3))),
        3,
    ),
    # the same text means different things at different places in the order
    (
        "restored in the registry",
        committed((C1, A), (C2, B)),
        registry((A, mark(C1, 1)), (B, mark(C2, 2)), A),
        2,
    ),
    (
        "reverted in git, not pushed",
        committed((C1, A), (C2, B), (C3, A)),
        registry((A, mark(C1, 1)), (B, mark(C2, 2)), X),
        2,
    ),
    (
        "reverted in git and restored there",
        committed((C1, A), (C2, B), (C3, A), (C4, D)),
        registry(A, B, A),
        3,
    ),
    ("restored there, not here", committed((C1, A), (C2, B)), registry(A, B, A), 2),
    ("reverted here, not there", committed((C1, A), (C2, B), (C3, A)), registry(A, B), 2),
    ("in doubt the older version", committed((C1, B), (C2, A)), registry(A, B), 1),
    (
        "text from before the tie, restored",
        committed((C1, A), (C2, X, 2), (C3, A), (C4, D)),
        registry(A, X, A, Y),
        2,
    ),
    (
        "text that was kept over a pull and published",
        committed((C1, A), (C2, D, 1), (C3, E, 1)),
        registry(X, (D, mark(ELSEWHERE, 2)), Y),
        2,
    ),
    ("with gaps in the registry", committed((C1, A), (C2, D)), registry(None, A, None, X), 2),
]


@pytest.mark.parametrize(
    ("local", "there", "number"), [row[1:] for row in ALIGNED], ids=[row[0] for row in ALIGNED]
)
def test_alignment(local: LocalHistory, there: Registry, number: int | None) -> None:
    assert number_of(there.base(local)) == number


def test_alignment_knows_nothing_of_tags() -> None:
    tagged = LocalHistory(Text(A, frozenset({"a"})), (Revision(C1, A, frozenset({"a"})),), committed=True)
    base = registry(A, X).base(tagged)
    assert base is not None and base.tags is None and base.seen_tags is None


# what may be in the local text though nothing tells of it
DOUBTS: list[tuple[str, LocalHistory, Registry, bool]] = [
    ("changed since the draft's commit", committed((C1, A), (C2, C), (C3, A)), registry(FIRST, DRAFT), True),
    ("uncommitted on the draft's commit", edited(C, (C1, A)), registry(FIRST, DRAFT, A), True),
    ("on the draft's commit itself", committed((C1, A)), registry(FIRST, DRAFT), False),
    ("the draft came in with a commit", committed((C1, A), (C2, B), (C3, A)), registry(FIRST, DRAFT), False),
    ("the draft is not ours", committed((C2, A), (C3, C)), registry((A, mark(C2, 1)), DRAFT), False),
    ("a later version is the base", committed((C1, A), (C3, C, 3)), registry(FIRST, DRAFT, C), False),
    ("pushed from here", edited(C, (C1, A), record=RECORD), registry(FIRST, DRAFT), False),
    ("there is no draft", committed((C1, A), (C2, C), (C3, A)), registry(FIRST, B), False),
]


@pytest.mark.parametrize(
    ("local", "there", "doubtful"), [row[1:] for row in DOUBTS], ids=[row[0] for row in DOUBTS]
)
def test_a_draft_that_the_text_may_include_is_in_doubt(
    local: LocalHistory, there: Registry, doubtful: bool
) -> None:
    base = there.base(local)
    assert base is not None and base.doubtful is doubtful


def test_a_revert_after_an_untraceable_draft_is_not_taken_for_old_text() -> None:
    reverted = committed((C1, A), (C2, C), (C3, A))
    assert registry(FIRST, DRAFT).state(reverted) is State.DIVERGED


# What is known of the tags at the base
ONE, TWO = frozenset({"one"}), frozenset({"two"})


def test_tags_are_those_of_the_marked_commit() -> None:
    local = LocalHistory(Text(D, TWO), (Revision(C2, D, TWO), Revision(C1, A, ONE)), committed=True)
    base = registry((A, mark(C1, 1)), X).base(local)
    assert base is not None and base.tags == ONE


def test_tags_of_a_pull_are_only_seen_in_the_commit_that_brought_it_in() -> None:
    local = LocalHistory(Text(D, TWO, 1), (Revision(C2, D, TWO, 1), Revision(C1, X, ONE, 1)), committed=True)
    base = registry(X, Y).base(local)
    assert base is not None and (base.tags, base.seen_tags) == (None, ONE)


def test_tags_of_a_pull_are_known_where_it_was_made() -> None:
    record = Pushed(1, X, ONE, ONE, pulled=1, commit=C1)
    local = LocalHistory(Text(D, TWO, 1), (Revision(C1, A, TWO),), record)
    base = registry(X, Y).base(local)
    assert base is not None and (base.tags, base.kept_tags) == (ONE, ONE)


def test_tags_that_the_registry_dropped_from_our_push_are_remembered() -> None:
    record = Pushed(1, A, ONE, frozenset(), commit=C1)
    local = LocalHistory(Text(A, ONE), (Revision(C1, A, ONE),), record, committed=True)
    base = registry((A, mark(C1, 1))).base(local)
    assert base is not None and (base.tags, base.kept_tags) == (ONE, frozenset())


def test_a_record_of_other_tags_says_nothing_about_the_commit() -> None:
    """Tags were pulled, then stashed away: the commit has those of before."""
    record = Pushed(1, A, ONE, ONE, pulled=1, commit=C1)
    local = LocalHistory(Text(A), (Revision(C1, A),), record, committed=True)
    base = registry((A, mark(C1, 1))).base(local)
    assert base is not None and (base.tags, base.kept_tags) == (frozenset(), None)


def test_a_push_of_tags_alone_that_was_taken_back_is_not_included() -> None:
    record = Pushed(2, A, ONE, ONE, commit=C1)
    there = registry((A, mark(C1, 1)), (A, mark(C1, 2, dirty=True)))
    back = LocalHistory(Text(A), (Revision(C1, A),), record, committed=True)
    base = there.base(back)
    assert base is not None
    assert compare(Side(A), Side(A, ONE), base, tracked=2) is not State.AHEAD


# How many older versions are read: requests
LONG = [(f"text-{number}", mark(ELSEWHERE, number)) for number in range(1, 51)]


def test_nothing_is_read_where_the_tracked_version_is_the_base() -> None:
    for local in (
        committed((C1, A), (C2, D)),
        edited(D, (C1, A)),
        committed((C2, A, 51), (C3, D, 51)),
        edited(D, (C2, X), pulled=51, record=Pushed(51, A, pulled=51, commit=C2)),
        edited(D, (C2, X), record=Pushed(51, A, commit=C2)),
    ):
        there = registry(*LONG, (A, mark(C1, 51)))
        assert number_of(there.base(local)) == 51
        assert there.reads == []


@pytest.mark.parametrize("local", [committed((C2, X, 51), (C3, D, 51)), edited(D, (C2, X), pulled=51)])
def test_a_number_that_no_text_proves_costs_some_reads_and_counts_all_the_same(local: LocalHistory) -> None:
    there = registry(*LONG, (A, mark(C1, 51)))
    assert number_of(there.base(local)) == 51
    assert len(there.reads) < 20


@pytest.mark.parametrize(
    "local",
    [
        committed((C1, A, 2)),
        committed((C1, A, 2), (C2, D, 2)),
        edited(D, (C1, A, 2), pulled=2),
        edited(D, (C1, A, 2), pulled=2, record=Pushed(1, A, pulled=2, commit=C1)),
    ],
)
def test_a_number_that_was_said_too_early_is_of_something_else(local: LocalHistory) -> None:
    there = registry((A, mark(C1, 1)), X)
    assert number_of(there.base(local)) == 1


def test_versions_are_read_newest_first_down_to_the_mark() -> None:
    there = registry(*LONG, (A, mark(C1, 51)), X, Y, Z)
    assert number_of(there.base(committed((C1, A)))) == 51
    assert there.reads[:3] == [53, 52, 51]
    assert sorted(set(there.reads)) == [51, 52, 53]


def test_nothing_below_what_pulled_or_the_record_tell_is_read() -> None:
    for local in (committed((C1, X, 51), (C2, D, 51)), edited(D, (C2, X), record=Pushed(51, A, commit=C2))):
        there = registry(*LONG, X, Y, Z)
        assert number_of(there.base(local)) == 51
        assert min(there.reads, default=51) >= 51


def test_only_the_version_that_was_put_there_is_read() -> None:
    there = registry(*LONG)
    base = there.base(edited("text-7", (C1, D), pulled=7))
    assert base is not None and (base.version, base.digest, base.how) == (7, "text-7", "materialised")
    assert there.reads == [7]


def test_no_version_is_read_twice() -> None:
    there = registry(*LONG)
    assert there.base(committed((C1, D))) is None
    assert sorted(there.reads) == list(range(1, 50))


def test_versions_that_the_registry_no_longer_has_are_passed_over() -> None:
    assert number_of(registry((A, mark(C1, 1)), None, None, X).base(committed((C1, A)))) == 1
    assert registry(None, None, X).base(committed((C1, D))) is None


def test_a_pulled_version_that_is_gone_is_no_base() -> None:
    assert registry(None, X).base(committed((C1, D, 1))) is None


def test_a_base_below_the_tracked_version_is_not_certain() -> None:
    """In a shallow clone a newer one may be hidden."""
    there = registry((A, mark(C1, 1)), X)
    below, at = there.base(committed((C1, A))), there.base(committed((C1, A), (C2, X, 2)))
    materialised = there.base(edited(A, (C2, X, 2), pulled=1))
    assert below is not None and not below.certain
    assert at is not None and at.certain
    assert materialised is not None and materialised.certain


def test_an_older_tracked_version_hides_what_came_after_it() -> None:
    """With ``--label prod`` the registry stands at an older version."""
    local = committed((C1, A), (C2, B))
    there = registry((A, mark(C1, 1)), (B, mark(C2, 2)))
    assert number_of(there.base(local, tracked=1)) == 1

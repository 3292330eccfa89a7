"""The table of states (who changed what), and the tags beside the digest."""

from __future__ import annotations

import itertools

import pytest

from promptsync.core.base import Base, Tags
from promptsync.core.compare import Facts, Side, State, compare, state_of

Changed = bool | None  # None: there is no base to tell by
ANYTHING: tuple[Changed, ...] = (True, False, None)

L, R, X, Y = "digest-l", "digest-r", "digest-x", "digest-y"
NONE: Tags = frozenset()
A: Tags = frozenset({"a"})
B: Tags = frozenset({"b"})


def base(digest: str, version: int = 1, **more: object) -> Base:
    found: dict[str, object] = {"version_digest": digest, "tags": NONE, "how": "mark", **more}
    return Base(version=version, digest=digest, **found)  # type: ignore[arg-type]


# Every row of the table: what is present, what changed, what the registry and this repository know.
ROWS: list[tuple[str, Facts, State]] = [
    ("both, equal", Facts(True, True, equal=True), State.IN_SYNC),
    ("both, equal, both changed", Facts(True, True, True, True, True), State.IN_SYNC),
    ("both, changed here", Facts(True, True, False, True, False), State.AHEAD),
    ("both, changed there", Facts(True, True, False, False, True), State.BEHIND),
    ("both, changed on both sides", Facts(True, True, False, True, True), State.DIVERGED),
    ("both, there is no base", Facts(True, True, False, None, None), State.DIVERGED),
    ("both, nobody changed it", Facts(True, True, False, False, False), State.ALTERED),
    ("here, archived there", Facts(True, False, archived=True), State.DELETED_REMOTELY),
    ("here, archived there, known", Facts(True, False, archived=True, known=True), State.DELETED_REMOTELY),
    ("here", Facts(True, False), State.NEW),
    ("here, known", Facts(True, False, known=True), State.NEW),
    ("there, deleted here", Facts(False, True, False, False, False, known=True), State.DELETED_LOCALLY),
    ("there, deleted here, moved on", Facts(False, True, False, False, True, known=True), State.DIVERGED),
    ("there, deleted here, no base", Facts(False, True, False, None, None, known=True), State.DIVERGED),
    ("there, unknown here", Facts(False, True), State.REMOTE_ONLY),
]


@pytest.mark.parametrize(("facts", "state"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_each_row_of_the_table(facts: Facts, state: State) -> None:
    assert state_of(facts) is state


def test_every_combination_of_facts_has_a_state() -> None:
    two = (True, False)
    for local, remote, equal, archived, known in itertools.product(two, repeat=5):
        for ours, theirs in itertools.product(ANYTHING, repeat=2):
            if (ours is None) != (theirs is None) or (equal and not (local and remote)):
                continue  # there is a base or there is none; what is absent equals nothing
            facts = Facts(local, remote, equal, ours, theirs, archived, known)
            if local or remote:
                assert isinstance(state_of(facts), State)
            else:
                with pytest.raises(ValueError, match="neither side"):
                    state_of(facts)


def test_only_what_the_other_side_has_not_changed_may_be_replaced() -> None:
    for ours, theirs in [(None, None), *itertools.product((True, False), repeat=2)]:
        state = state_of(Facts(True, True, False, ours, theirs))
        assert (state is State.AHEAD) == (theirs is False and ours is True)
        assert (state is State.BEHIND) == (ours is False and theirs is True)


# local, remote, base, tracked version -> state: the columns "L ≠ B" and "R ≠ base version's"
DIGESTS: list[tuple[str, str, str, Base | None, int, State]] = [
    ("equal, no base", L, L, None, 1, State.IN_SYNC),
    ("equal, whatever the base", L, L, base(X), 5, State.IN_SYNC),
    ("edited here", L, X, base(X), 1, State.AHEAD),
    ("edited there", X, R, base(X), 2, State.BEHIND),
    ("edited on both sides", L, R, base(X), 2, State.DIVERGED),
    ("no base", L, R, None, 1, State.DIVERGED),
    ("newer version that says the same as the base", L, X, base(X), 3, State.AHEAD),
    ("the registry keeps it differently", X, Y, base(X, version_digest=Y), 1, State.ALTERED),
    ("edited after the registry altered it", L, Y, base(X, version_digest=Y), 1, State.AHEAD),
    ("a new version after the registry altered it", X, R, base(X, version_digest=Y), 2, State.BEHIND),
    # the raw read of the very base version may differ from what was published: it is no change
    ("same version, read otherwise", X, Y, base(X), 1, State.ALTERED),
    ("in doubt, though only this side changed", L, X, base(X, doubtful=True), 2, State.DIVERGED),
    ("in doubt, though only the registry changed", X, R, base(X, doubtful=True), 2, State.DIVERGED),
    ("in doubt, yet equal", X, X, base(X, doubtful=True), 2, State.IN_SYNC),
]


@pytest.mark.parametrize(
    ("local", "remote", "common", "tracked", "state"),
    [row[1:] for row in DIGESTS],
    ids=[row[0] for row in DIGESTS],
)
def test_digests_tell_who_changed_it(
    local: str, remote: str, common: Base | None, tracked: int, state: State
) -> None:
    assert compare(Side(local), Side(remote), common, tracked=tracked) is state


# local tags, remote tags, what the base knows -> state, while the texts are all the same
TAGS: list[tuple[str, Tags, Tags, Base | None, State]] = [
    ("equal", A, A, None, State.IN_SYNC),
    ("no base", A, B, None, State.DIVERGED),
    ("known, edited here", A, NONE, base(X), State.AHEAD),
    ("known, edited there", NONE, A, base(X), State.BEHIND),
    ("known, edited on both sides", A, B, base(X), State.DIVERGED),
    ("known, taken away here", NONE, A, base(X, tags=A), State.AHEAD),
    ("known, taken away there", A, NONE, base(X, tags=A), State.BEHIND),
    ("unknown", A, B, base(X, tags=None), State.DIVERGED),
    ("unknown, one side without", NONE, A, base(X, tags=None), State.DIVERGED),
    ("seen as the registry has them", A, NONE, base(X, tags=None, seen_tags=NONE), State.AHEAD),
    ("seen as the file has them", NONE, A, base(X, tags=None, seen_tags=NONE), State.DIVERGED),
    ("seen as neither has them", A, B, base(X, tags=None, seen_tags=NONE), State.DIVERGED),
    ("the registry dropped them", A, NONE, base(X, tags=A, kept_tags=NONE), State.ALTERED),
    ("the registry dropped them, edited here", B, NONE, base(X, tags=A, kept_tags=NONE), State.AHEAD),
    ("the registry dropped them, edited there", A, B, base(X, tags=A, kept_tags=NONE), State.BEHIND),
    ("in doubt", A, NONE, base(X, doubtful=True), State.DIVERGED),
]


@pytest.mark.parametrize(
    ("local", "remote", "common", "state"), [row[1:] for row in TAGS], ids=[row[0] for row in TAGS]
)
def test_tags_are_compared_beside_the_digest(
    local: Tags, remote: Tags, common: Base | None, state: State
) -> None:
    assert compare(Side(X, local), Side(X, remote), common, tracked=1) is state


# The same with a text that one side changed as well
BOTH: list[tuple[str, Side, Side, Base, State]] = [
    ("text and tags here", Side(L, A), Side(X), base(X), State.AHEAD),
    ("text here, tags there", Side(L), Side(X, A), base(X), State.DIVERGED),
    ("text there, tags here", Side(X, A), Side(R), base(X), State.DIVERGED),
    ("text and tags there", Side(X), Side(R, A), base(X), State.BEHIND),
    ("text here, tags the same by chance", Side(L, A), Side(X, A), base(X, tags=None), State.AHEAD),
    ("text there, tags the same by chance", Side(X, A), Side(R, A), base(X, tags=None), State.BEHIND),
    ("text here, tags differ and nobody knows", Side(L, A), Side(X, B), base(X, tags=None), State.DIVERGED),
]


@pytest.mark.parametrize(
    ("local", "remote", "common", "state"), [row[1:] for row in BOTH], ids=[row[0] for row in BOTH]
)
def test_one_side_must_have_changed_neither_text_nor_tags(
    local: Side, remote: Side, common: Base, state: State
) -> None:
    tracked = 2 if remote.digest == R else 1
    assert compare(local, remote, common, tracked=tracked) is state


# A file that is not there: what the registry has, the base, whether the name is known here
ABSENT: list[tuple[str, Side, Base | None, int, bool, State]] = [
    ("at the base version", Side(X), base(X), 1, True, State.DELETED_LOCALLY),
    ("moved on", Side(R), base(X), 2, True, State.DIVERGED),
    ("tags moved on", Side(X, A), base(X), 1, True, State.DIVERGED),
    ("tags nobody knows", Side(X, A), base(X, tags=None), 1, True, State.DELETED_LOCALLY),
    ("restored to the base version's text", Side(X), base(X), 3, True, State.DELETED_LOCALLY),
    ("in doubt", Side(X), base(X, doubtful=True), 2, True, State.DIVERGED),
    ("no base", Side(R), None, 2, True, State.DIVERGED),
    ("never known", Side(R), None, 2, False, State.REMOTE_ONLY),
]


@pytest.mark.parametrize(
    ("remote", "common", "tracked", "known", "state"),
    [row[1:] for row in ABSENT],
    ids=[row[0] for row in ABSENT],
)
def test_an_absent_file_is_a_deletion_only_of_what_it_was_the_base_of(
    remote: Side, common: Base | None, tracked: int, known: bool, state: State
) -> None:
    assert compare(None, remote, common, tracked=tracked, known=known) is state


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("archived", "state"), [(True, State.DELETED_REMOTELY), (False, State.NEW)])
def test_a_name_that_the_registry_does_not_list(archived: bool, known: bool, state: State) -> None:
    assert compare(Side(L), None, None, archived=archived, known=known) is state

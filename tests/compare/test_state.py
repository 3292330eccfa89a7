from __future__ import annotations

import itertools

import pytest

from promptsync.compare.snapshot import State, Tags, with_tags
from promptsync.prompt.prompt import merged_tags

NO: Tags = frozenset()
A, B, AB = frozenset("a"), frozenset("b"), frozenset("ab")
ALL = [NO, A, B, AB]


def test_tags_are_compared_beside_the_text() -> None:
    for text, base, ours, theirs, state in (
        (State.IN_SYNC, A, A, AB, State.BEHIND),  # added there
        (State.IN_SYNC, A, NO, AB, State.DIVERGED),  # removed here, added there
        (State.IN_SYNC, None, A, B, State.DIVERGED),  # nobody knows the base
        (State.AHEAD, A, A, AB, State.DIVERGED),  # text here, tags there
        (State.BEHIND, A, AB, A, State.DIVERGED),  # tags here, text there
        (State.DIVERGED, A, A, AB, State.DIVERGED),  # texts diverged
        (State.ALTERED, A, AB, A, State.AHEAD),  # altered, then tags here
    ):
        assert with_tags(text, base, ours, theirs) is state, (text, base, ours, theirs)


@pytest.mark.parametrize("text", [State.IN_SYNC, State.AHEAD, State.BEHIND])
def test_tags_of_one_side_are_never_replaced_unseen(text: State) -> None:
    for base, ours, theirs in itertools.product(ALL, ALL, ALL):
        state = with_tags(text, base, ours, theirs)
        merged = merged_tags(base, ours, theirs)
        if state is State.AHEAD and ours != theirs:
            assert merged == ours
        if state is State.BEHIND and ours != theirs:
            assert merged == theirs

from __future__ import annotations

import itertools

import pytest

from promptsync.compare.snapshot import State, Tags, with_tags
from promptsync.prompt.prompt import merged_tags

NO: Tags = frozenset()
A, B, AB = frozenset("a"), frozenset("b"), frozenset("ab")
ALL = [NO, A, B, AB]


@pytest.mark.parametrize(
    ("text", "base", "ours", "theirs", "state"),
    [
        pytest.param(State.IN_SYNC, A, A, AB, State.BEHIND, id="added there"),
        pytest.param(State.IN_SYNC, A, NO, AB, State.DIVERGED, id="removed here, added there"),
        pytest.param(State.IN_SYNC, None, A, B, State.DIVERGED, id="nobody knows the base"),
        pytest.param(State.AHEAD, A, A, AB, State.DIVERGED, id="text here, tags there"),
        pytest.param(State.BEHIND, A, AB, A, State.DIVERGED, id="tags here, text there"),
        pytest.param(State.DIVERGED, A, A, AB, State.DIVERGED, id="texts diverged"),
        pytest.param(State.ALTERED, A, AB, A, State.AHEAD, id="altered, then tags here"),
    ],
)
def test_tags_are_compared_beside_the_text(
    text: State, base: Tags | None, ours: Tags, theirs: Tags, state: State
) -> None:
    assert with_tags(text, base, ours, theirs) is state


@pytest.mark.parametrize("text", [State.IN_SYNC, State.AHEAD, State.BEHIND])
def test_tags_of_one_side_are_never_replaced_unseen(text: State) -> None:
    for base, ours, theirs in itertools.product(ALL, ALL, ALL):
        state = with_tags(text, base, ours, theirs)
        merged = merged_tags(base, ours, theirs)
        if state is State.AHEAD and ours != theirs:
            assert merged == ours
        if state is State.BEHIND and ours != theirs:
            assert merged == theirs

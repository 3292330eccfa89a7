"""Which way back is remembered beside a label that moves."""

from __future__ import annotations

import pytest

from promptsync.errors import UsageError
from promptsync.prompt.labels import Position, check_label, names_of

WAYS = [
    # old, new, previous -> previous afterwards
    (None, 3, None, None),  # a new label left nothing
    (3, 5, None, 3),
    (5, 7, 3, 5),
    (7, 5, 5, 7),  # taken back, wherever to
    (7, 3, 5, 7),
    (7, 6, None, 7),
    (5, 7, 9, 5),  # released again after it was taken back
    (5, 5, 3, 3),
]


@pytest.mark.parametrize(("old", "new", "previous", "after"), WAYS)
def test_where_a_rollback_goes_after_a_move(
    old: int | None, new: int, previous: int | None, after: int | None
) -> None:
    assert Position(old, previous, old).moved_to(new).previous == after


WAYS_BACK = [
    # prod, prod.previous, prod.released -> where a rollback goes
    (3, 2, 3, 2),
    (3, None, 3, None),
    (1, 3, 3, 1),  # its release was taken back, by whatever means
    (2, 1, 3, 2),
    (3, 2, None, 2),
    (5, 2, 3, 3),  # moved in the dashboard, or approved
    (3, 3, 3, None),  # taken back, and up again: nothing says from where
    (5, 3, 3, None),
]


@pytest.mark.parametrize(("now", "previous", "released", "back"), WAYS_BACK)
def test_where_a_rollback_goes(
    now: int, previous: int | None, released: int | None, back: int | None
) -> None:
    assert Position(now, previous, released).way_back == back


def test_a_previous_label_has_no_previous_label() -> None:
    assert names_of("prod") == ("prod", "prod.previous", "prod.released")
    assert names_of("prod.previous") == ("prod.previous",)


@pytest.mark.parametrize("label", ["", " ", " prod", "prod ", "a\nb", "a\x1bb", "a\u202eb", "x" * 250])
def test_only_labels_that_nobody_can_type_are_refused(label: str) -> None:
    with pytest.raises(UsageError):
        check_label(label)
    for other in ("prod", "prod.previous", "eu west", "größe", "発売", "a:b@c"):
        check_label(other)

"""Plans, fingerprints, limits and the exit codes of receipts."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from promptsync.errors import Incomplete, Refused, RemoteError
from promptsync.push.actions import Action, Kind, PushPlan, SkippedPrompt
from promptsync.push.receipt import Failed, Published, PushReceipt

ACTION = Action("a", Kind.UPDATE, "prompts/a.yaml", 3, "l" * 64, "r" * 64, message="Say so (1a2b3c4 v4)")
PLAN = PushPlan((ACTION, replace(ACTION, name="b")), options={"force": []}, workspace="https://x 1")

DONE = Published("a", 1, "m")
UNKNOWN = Failed("b", "no answer", unknown=True)
TURNED_AWAY = Failed("b", "wrong key", of_registry=True)
REFUSED = Failed("b", "422")


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, workspace="https://x 2"),
        replace(PLAN, options={"force": ["a"]}),
        replace(PLAN, actions=PLAN.actions[:1]),
        replace(PLAN, skipped=(SkippedPrompt("c", "diverged", "both", blocks=True),)),
        *(
            replace(PLAN, actions=(replace(ACTION, **{field: value}), PLAN.actions[1]))
            for field, value in (
                ("name", "c"),
                ("kind", Kind.FORCE),
                ("current", 4),
                ("local", "x" * 64),
                ("remote", "x" * 64),
                ("tags", frozenset({"t"})),
                ("remote_tags", frozenset({"t"})),
                ("labels", ("prod",)),
            )
        ),
    ],
)
def test_different_plans_have_different_fingerprints(other: PushPlan) -> None:
    assert other.fingerprint != PLAN.fingerprint


@pytest.mark.parametrize(
    "same",
    [
        replace(PLAN, actions=PLAN.actions[::-1]),
        replace(PLAN, skipped=(SkippedPrompt("c", "behind", "theirs"),)),
        replace(PLAN, actions=(replace(ACTION, message="Other words", level=3), PLAN.actions[1])),
        replace(PLAN, actions=(replace(ACTION, path="prompts/moved.yaml"), PLAN.actions[1])),
    ],
)
def test_a_fingerprint_ignores_what_does_not_change_the_outcome(same: PushPlan) -> None:
    assert same.fingerprint == PLAN.fingerprint


def test_levels_order_what_publishes() -> None:
    actions = [replace(ACTION, name=name, level=name != "b") for name in "acb"]
    plan = PushPlan((*actions, replace(ACTION, name="z", kind=Kind.ARCHIVE)))
    assert [[action.name for action in level] for level in plan.levels] == [["b"], ["a", "c"]]


@pytest.mark.parametrize(
    ("kind", "current", "after"),
    [
        (Kind.CREATE, None, 1),
        (Kind.UPDATE, 3, 4),
        (Kind.FORCE, 3, 4),
        (Kind.RESTORE, 3, 4),
        (Kind.ARCHIVE, 3, 3),
        (Kind.LABEL, 3, 3),
    ],
)
def test_an_action_knows_the_version_that_it_creates(kind: Kind, current: int | None, after: int) -> None:
    assert replace(ACTION, kind=kind, current=current).next == after


@pytest.mark.parametrize(
    ("receipt", "code"),
    [
        ({}, 0),
        ({"skipped": [SkippedPrompt("a", "behind", "theirs")]}, 0),
        ({"skipped": [SkippedPrompt("a", "diverged", "both", blocks=True)]}, 3),
        ({"raced": {"a": "v2"}}, 3),
        ({"published": [DONE], "label_error": Refused("held")}, 3),
        ({"published": [DONE], "label_error": RemoteError("500")}, 5),
        ({"label_error": RemoteError("500")}, 4),
        ({"raced": {"a": "v2"}, "label_error": Incomplete("held")}, 5),
        ({"published": [DONE], "failed": [REFUSED]}, 5),
        ({"failed": [REFUSED]}, 5),
        ({"failed": [UNKNOWN]}, 5),
        ({"failed": [TURNED_AWAY]}, 4),
        ({"failed": [TURNED_AWAY, REFUSED]}, 5),
        ({"failed": [TURNED_AWAY], "published": [DONE]}, 5),
        ({"failed": [TURNED_AWAY], "archived": ["c"]}, 5),
        ({"failed": [REFUSED], "raced": {"a": "v2"}}, 5),
        ({"altered": {"a": ("tags",)}, "raced": {"a": "v2"}}, 5),
        ({"unverified": {"a": "500"}}, 5),
        ({"interrupted": True, "failed": [UNKNOWN]}, 130),
    ],
)
def test_a_receipt_has_the_worst_of_its_exit_codes(receipt: dict[str, Any], code: int) -> None:
    assert PushReceipt(**receipt).exit_code == code

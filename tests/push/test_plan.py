"""Plans, fingerprints, limits and the exit codes of receipts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from promptsync.compare.snapshot import Item, State
from promptsync.errors import Incomplete, Refused, RemoteError
from promptsync.history.graph import Node
from promptsync.prompt.prompt import Prompt, Version
from promptsync.push.actions import Action, Ending, Kind, PushOptions, PushPlan, Result
from promptsync.push.receipt import PushReceipt
from promptsync.registry.errors import Rejected


def told(digest: str) -> Any:
    """The history of a prompt whose version in the registry has this digest."""
    version = SimpleNamespace(version=3)
    return SimpleNamespace(listed=version, versions={3: Node(3, digest)}, decision=None)


ITEM = Item(
    "a",
    State.AHEAD,
    listed=Version(1, 3, Prompt("a", {})),
    archived=Version(1, 3, Prompt("a", {})),
    digest="l" * 64,
    history=told("r" * 64),
)
ACTION = Action(ITEM, Kind.UPDATE, message="Say so (1a2b3c4 v4)")
PLAN = PushPlan((ACTION, replace(ACTION, item=replace(ITEM, name="b"))), workspace="https://x 1")

BEHIND = Result("a", Ending.SKIPPED, "theirs", state="behind")
DIVERGED = Result("a", Ending.SKIPPED, "both", state="diverged", blocks=True)
DONE = Result("a", Ending.PUBLISHED, version=1)
GONE = Result("c", Ending.ARCHIVED)
RACED = Result("d", Ending.RACED, "v2", version=3)
ALTERED = Result("e", Ending.ALTERED, version=2, fields=("tags",))
UNVERIFIED = Result("f", Ending.UNKNOWN, "500", version=2)
UNKNOWN = Result("b", Ending.UNKNOWN, "no answer")
WRONG_KEY = Result("b", Ending.FAILED, "wrong key", error=Rejected("wrong key", status=401))
REJECTED = Result("g", Ending.FAILED, "422", error=Rejected("no", status=422))


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, workspace="https://x 2"),
        replace(PLAN, options=PushOptions(force=("a",))),
        replace(PLAN, actions=PLAN.actions[:1]),
        replace(PLAN, skipped=(replace(DIVERGED, name="c"),)),
        *(
            replace(PLAN, actions=(replace(ACTION, **{field: value}), PLAN.actions[1]))
            for field, value in (
                ("kind", Kind.FORCE),
                ("tags", frozenset({"t"})),
                ("labels", ("prod",)),
                ("item", replace(ITEM, name="c")),
                ("item", replace(ITEM, digest="x" * 64)),
                ("item", replace(ITEM, history=told("x" * 64))),
                ("item", replace(ITEM, listed=Version(1, 4, Prompt("a", {})))),
                ("item", replace(ITEM, listed=Version(1, 3, Prompt("a", {}, tags=("t",))))),
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
        replace(PLAN, skipped=(replace(BEHIND, name="c"),)),
        replace(PLAN, actions=(replace(ACTION, message="Other words"), PLAN.actions[1])),
    ],
)
def test_a_fingerprint_ignores_what_does_not_change_the_outcome(same: PushPlan) -> None:
    assert same.fingerprint == PLAN.fingerprint


@pytest.mark.parametrize(
    ("kind", "current", "after"),
    [
        (Kind.CREATE, None, 1),
        (Kind.UPDATE, 3, 4),
        (Kind.FORCE, 3, 4),
        (Kind.RESTORE, 3, 4),
        (Kind.ARCHIVE, 3, None),
        (Kind.LABEL, 3, 3),
    ],
)
def test_an_action_knows_the_version_that_it_creates(
    kind: Kind, current: int | None, after: int | None
) -> None:
    item = ITEM if current is not None else replace(ITEM, listed=None)
    assert replace(ACTION, kind=kind, item=item).next == after


@pytest.mark.parametrize(
    ("results", "more", "code"),
    [
        ([], {}, 0),
        ([BEHIND], {}, 0),
        ([DIVERGED], {}, 3),
        ([RACED], {}, 3),
        ([DONE], {"label_error": Refused("held")}, 3),
        ([DONE], {"label_error": RemoteError("500")}, 5),
        ([], {"label_error": RemoteError("500")}, 4),
        ([RACED], {"label_error": Incomplete("held")}, 5),
        ([DONE, REJECTED], {}, 5),
        ([REJECTED], {}, 5),
        ([UNKNOWN], {}, 5),
        ([WRONG_KEY], {}, 4),
        ([WRONG_KEY, REJECTED], {}, 5),
        ([WRONG_KEY, DONE], {}, 5),
        ([WRONG_KEY, GONE], {}, 5),
        ([REJECTED, RACED], {}, 5),
        ([ALTERED, RACED], {}, 5),
        ([UNVERIFIED], {}, 5),
        ([UNKNOWN], {"interrupted": True}, 130),
    ],
)
def test_a_receipt_has_the_worst_of_its_exit_codes(
    results: list[Result], more: dict[str, Any], code: int
) -> None:
    by_name = {result.name: result for result in results}
    error = PushReceipt(PushPlan(()), by_name, **more).error
    assert (error.exit_code if error is not None else 0) == code

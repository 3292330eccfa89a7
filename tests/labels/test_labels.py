"""Plans of label changes, and what becomes of them in registries that play along and in others."""

from __future__ import annotations

import threading

import pytest
from worlds import Reply, Seen, World, asking, failing, fault, once

from promptsync.errors import Incomplete, Refused
from promptsync.labels.move import ChangedLabel, apply_labels
from promptsync.labels.plan import LabelChange, change_to, existing, plan_rollbacks
from promptsync.project.target import resolve
from promptsync.project.versions import Catalog, Labelled, labelled
from promptsync.registry.errors import Unsupported


@pytest.fixture
def here(world: World) -> World:
    world.publish_all("refund", "one", "two", "three", "four")
    world.publish_all("greet", "one", "two")
    return world


def prompt(here: World, name: str = "refund") -> Labelled:
    catalog = Catalog(here.library)
    (target,) = resolve(here.library, [name], catalog)
    (only,) = labelled(here.library, [catalog[target.name]])
    return only


def apply(here: World, *changes: LabelChange) -> tuple[ChangedLabel, ...]:
    return apply_labels(here.library, changes).changed


def planned(here: World, version: int, name: str = "refund") -> LabelChange:
    return change_to(prompt(here, name), "prod", version)


def move(here: World, version: int = 3) -> ChangedLabel:
    (changed,) = apply(here, planned(here, version))
    return changed


def promotion(here: World) -> list[LabelChange]:
    prompts = [prompt for prompt in labelled(here.library) if "staging" in prompt.labels]
    return [change_to(prompt, "prod", existing(prompt, "staging")) for prompt in prompts]


def back(here: World, label: str = "prod", to: int | None = None) -> LabelChange:
    (change,) = plan_rollbacks(here.library, [(prompt(here), to)], label).changes
    return change


# -- reading -------------------------------------------------------------------------------------------


def test_a_prompt_named_like_the_id_of_another_is_not_taken_for_it(here: World) -> None:
    number = prompt(here).listed.template_id
    here.publish_all(str(number), "imposter")
    here.point(str(number), prod=1)
    fresh = World(here.root, here.call, here.url)  # a client that has seen nothing yet
    with fresh.library:
        assert prompt(fresh).labels == {}
        assert move(fresh).moved
    assert here.labels("refund") == {"prod": 3, "prod.released": 3}


# -- moving --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("theirs", "moved"), [(3, False), (2, True)])
def test_a_label_that_somebody_moved_meanwhile_stays_where_it_is(
    here: World, theirs: int, *, moved: bool
) -> None:
    here.point("refund", prod=1)
    change = planned(here, 2)
    here.point("refund", prod=theirs)
    receipt = apply_labels(here.library, [change])
    assert receipt.changed[0].moved == moved
    assert here.labels("refund")["prod"] == theirs
    assert moved or ("moved it to v3" in receipt.changed[0].why and isinstance(receipt.error, Refused))


def test_what_is_true_already_costs_nothing(here: World) -> None:
    here.point("refund", prod=3)
    change = planned(here, 3)
    before = here.library.registry.requests
    assert [entry.moved for entry in apply(here, change)] == [True]
    assert here.library.registry.requests == before


def test_together_all_move_or_none(here: World) -> None:
    here.point("refund", prod=1, staging=4)
    here.point("greet", staging=2, prod=1)
    for name in ("new", "same"):
        here.publish_all(name, "one", "two")
        here.point(name, staging=2)
    here.point("same", prod=1)
    changes = promotion(here)
    here.publish_all("greet", "three")
    here.point("greet", prod=3)
    here.point("same", prod=2)  # it is not this run that moves it, so it is not moved back
    receipt = apply_labels(here.library, changes)
    endings = {entry.change.name: entry.ending for entry in receipt.changed}
    assert endings | {"same": ""} == {"greet": "stayed", "new": "undone", "refund": "undone", "same": ""}
    assert all("greet was not moved" in entry.why for entry in receipt.changed if entry.ending == "undone")
    assert here.labels("refund") == {"prod": 1, "staging": 4}
    assert here.labels("new") == {"staging": 2} and here.labels("same")["prod"] == 2
    assert isinstance(receipt.error, Refused)
    assert "greet" in receipt.error.message


# -- registries that do not play along -----------------------------------------------------------------


@pytest.fixture
def released(world: World) -> World:
    """Three versions, the first under ``prod``: the label with the id 1."""
    world.publish_all("refund", "one", "two", "three")
    world.point("refund", prod=1)
    return world


def test_a_label_that_moved_although_the_answer_was_an_error_has_moved(released: World) -> None:
    moves = asking("PATCH", "/prompt-labels/1")
    released.faults.append(fault(moves, failing(422), after=True))
    assert move(released).moved


@pytest.mark.parametrize(("before", "to", "after"), [((1, 1, 2), 3, (1, 2, 2)), ((3, 1, 2), 2, (3, 2, 3))])
def test_a_move_that_waits_has_recorded_what_was_moved_in_the_dashboard(
    released: World, before: tuple[int, int, int], to: int, after: tuple[int, int, int]
) -> None:
    """Approved later, it must not look as if what was taken back had been live before it, or never."""
    names = ("prod", "prod_previous", "prod_released")
    released.point("refund", **dict(zip(names, before, strict=True)))
    released.faults.append(fault(asking("PATCH", "/prompt-labels/1"), Reply({})))
    assert move(released, to).waits
    assert tuple(released.labels("refund").values()) == after
    released.point("refund", prod=to)
    with pytest.raises(Refused, match="records the version before it" if to == 3 else "was rolled back"):
        back(released)
    assert prompt(released).position("prod").holds(3) == (to == 2)


@pytest.mark.parametrize(
    ("more", "method", "path"),
    [
        ({}, "POST", "/prompts/"),  # prod.previous, for the way back
        ({"prod_previous": 1, "prod_released": 2, "prod": 2}, "PATCH", "/prompt-labels/2"),
        ({"prod_previous": 1, "prod_released": 2, "prod": 2}, "PATCH", "/prompt-labels/3"),
    ],
)
def test_a_release_that_cannot_be_recorded_leaves_everything_as_it_was(
    released: World, more: dict[str, int], method: str, path: str
) -> None:
    released.point("refund", **more)
    before = released.labels("refund")
    released.faults.append(fault(asking(method, path), failing(403, "no")))
    changed = move(released)
    assert not changed.moved and changed.why.endswith("403 Forbidden: no")
    assert released.labels("refund") == before
    assert [seen.path for seen in released.seen if seen.method == "PATCH"].count("/prompt-labels/1") == 2


@pytest.mark.parametrize(
    ("writes", "left"), [(1, {"prod": 3}), (3, {"prod": 3, "prod.previous": 1, "prod.released": 3})]
)
def test_a_label_that_cannot_be_read_back_is_in_doubt(
    released: World, writes: int, left: dict[str, int]
) -> None:
    def is_hidden(seen: Seen) -> bool:
        return len(released.writes) >= writes and seen.method == "GET" and seen.path.endswith("/labels")

    released.faults.append(fault(is_hidden, failing(403)))
    receipt = apply_labels(released.library, [planned(released, 3)])
    assert receipt.changed[0].is_unknown and isinstance(receipt.error, Incomplete)
    assert "unknown whether 'prod' of 'refund' moved: it could not be read back" in receipt.error.message
    assert released.labels("refund") == left


def test_a_release_that_cannot_be_taken_back_is_reported(world: World) -> None:
    world.publish_all("a", "one", "two")
    world.publish_all("b", "one", "two")
    world.point("a", staging=2)  # a gets prod by a creation, which cannot be deleted again
    world.point("b", prod=1, staging=2)  # the label with the id 2
    world.faults.append(fault(asking("DELETE", ""), failing(409)))
    world.faults.append(fault(asking("PATCH", "/prompt-labels/2"), failing(409)))
    receipt = apply_labels(world.library, promotion(world))
    assert [entry.moved for entry in receipt.changed] == [True, False]
    assert "could not be moved back" in receipt.changed[0].why
    assert isinstance(receipt.error, Incomplete)


def test_a_label_that_moved_goes_back_if_the_registry_cannot_change_another(released: World) -> None:
    released.point("refund", prod_previous=1, prod_released=1, staging=3)
    released.publish_all("greet", "one")
    released.point("greet", staging=1)
    moved = threading.Event()

    def creation(seen: Seen, forward: object) -> Reply:
        moved.wait(60)  # the other label has moved by now
        return Reply({"detail": "Not Found"}, 404)

    released.faults.append(once(asking("PATCH", ""), moved.set))
    released.faults.append(fault(asking("POST", "/prompts/"), creation))
    with pytest.raises(Unsupported):
        apply_labels(released.library, promotion(released))
    assert released.labels("refund")["prod"] == 1 and "prod" not in released.labels("greet")

"""What becomes of label changes, in registries that play along and in others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import pytest
from msgspec.structs import replace
from worlds import SHORT_WAITS, Reply, Seen, World, asking, failing, fault, once, own_world

from promptsync.errors import Incomplete, Refused
from promptsync.labels.move import ChangedLabel, LabelReceipt, apply_labels
from promptsync.labels.plan import LabelChange, change_to, existing, plan_rollbacks
from promptsync.project.versions import Catalog, Labelled, labelled
from promptsync.registry.errors import Unsupported

FIRST = asking("PATCH", "/prompt-labels/1")
"""Matches what moves the first label that was made: ``prod`` of ``refund``."""


@own_world()
def world(world: World) -> None:
    """``refund`` has three versions, the first under ``prod``, and ``greet`` has two and no label."""
    world.publish_all("refund", "one", "two", "three")
    world.publish_all("greet", "one", "two")
    world.point("refund", prod=1)


def prompt(world: World, name: str = "refund") -> Labelled:
    (only,) = labelled(world.library, [Catalog(world.library)[name]])
    return only


def planned(world: World, version: int, name: str = "refund") -> LabelChange:
    return change_to(prompt(world, name), "prod", version)


def apply(world: World, *changes: LabelChange) -> LabelReceipt:
    return apply_labels(world.library, changes)


def move(world: World, version: int = 3, name: str = "refund") -> ChangedLabel:
    (changed,) = apply(world, planned(world, version, name)).changed
    return changed


def promotion(world: World) -> list[LabelChange]:
    prompts = [prompt for prompt in labelled(world.library) if "staging" in prompt.labels]
    return [change_to(prompt, "prod", existing(prompt, "staging")) for prompt in prompts]


def test_a_prompt_named_like_the_id_of_another_is_not_taken_for_it(world: World) -> None:
    number = str(prompt(world).listed.template_id)
    world.publish_all(number, "imposter")
    world.point(number, prod=1)
    fresh = World(world.root, world.call, world.url)  # a client that has seen nothing yet
    with fresh.library:
        assert move(fresh).moved
    assert (world.label("refund", "prod"), world.labels(number)) == (3, {"prod": 1})


@pytest.mark.parametrize("theirs", [3, 2])
def test_a_label_that_somebody_moved_meanwhile_stays_where_it_is(world: World, theirs: int) -> None:
    change = planned(world, 2)
    world.point("refund", prod=theirs)
    receipt = apply(world, change)
    assert receipt.changed[0].moved == (theirs == 2) and world.label("refund", "prod") == theirs
    assert theirs == 2 or ("moved it to v3" in receipt.changed[0].why and isinstance(receipt.error, Refused))


def test_what_is_true_already_costs_nothing(world: World) -> None:
    change = planned(world, 1)
    before = world.library.registry.requests
    assert apply(world, change).changed[0].moved
    assert world.library.registry.requests == before


def test_together_all_move_or_none(world: World) -> None:
    world.point("refund", staging=3)
    world.point("greet", staging=2, prod=1)
    for name in ("new", "same"):
        world.publish_all(name, "one", "two")
        world.point(name, staging=2)
    world.point("same", prod=1)
    changes = promotion(world)
    world.publish_all("greet", "three")
    world.point("greet", prod=3)
    world.point("same", prod=2)  # it is not this run that moves it, so it is not moved back
    receipt = apply(world, *changes)
    endings = {entry.change.name: entry.ending for entry in receipt.changed}
    assert endings | {"same": ""} == {"greet": "stayed", "new": "undone", "refund": "undone", "same": ""}
    assert all("greet was not moved" in entry.why for entry in receipt.changed if entry.ending == "undone")
    assert world.labels("refund") == {"prod": 1, "staging": 3}
    assert world.labels("new") == {"staging": 2} and world.labels("same")["prod"] == 2
    assert isinstance(receipt.error, Refused) and "greet" in receipt.error.message


def test_a_label_that_moved_although_the_answer_was_an_error_has_moved(world: World) -> None:
    world.faults.append(fault(FIRST, failing(422), after=True))
    assert move(world).moved


@pytest.mark.parametrize(("before", "to", "after"), [((1, 1, 2), 3, (1, 2, 2)), ((3, 1, 2), 2, (3, 2, 3))])
def test_a_move_that_waits_has_recorded_what_was_moved_in_the_dashboard(
    world: World, before: tuple[int, int, int], to: int, after: tuple[int, int, int]
) -> None:
    """Approved later, it must not look as if what was taken back had been live before it, or never."""
    world.point("refund", **dict(zip(("prod", "prod_previous", "prod_released"), before, strict=True)))
    world.faults.append(fault(FIRST, Reply({})))
    assert move(world, to).waits
    assert tuple(world.labels("refund").values()) == after
    world.point("refund", prod=to)
    with pytest.raises(Refused, match="records the version before it" if to == 3 else "was rolled back"):
        plan_rollbacks(world.library, [(prompt(world), None)], "prod")
    assert prompt(world).position("prod").holds(3) == (to == 2)


LIVE = {"prod_previous": 1, "prod_released": 2, "prod": 2}


@pytest.mark.parametrize(
    ("more", "method", "path"),
    [
        ({}, "POST", "/prompts/"),  # prod.previous, for the way back
        (LIVE, "PATCH", "/prompt-labels/2"),
        (LIVE, "PATCH", "/prompt-labels/3"),
    ],
)
def test_what_cannot_be_recorded_is_undone(
    world: World, more: dict[str, int], method: str, path: str
) -> None:
    world.point("refund", **more)
    before = world.labels("refund")
    world.faults.append(fault(asking(method, path), failing(403, "no")))
    changed = move(world)
    assert not changed.moved and changed.why.endswith("403 Forbidden: no")
    assert world.labels("refund") == before
    assert sum(map(FIRST, world.seen)) == 2


@pytest.mark.parametrize("writes", [1, 3])
def test_a_label_that_cannot_be_read_back_is_in_doubt(world: World, writes: int) -> None:
    def is_hidden(seen: Seen) -> bool:
        return len(world.writes) >= writes and seen.method == "GET" and seen.path.endswith("/labels")

    world.faults.append(fault(is_hidden, failing(403)))
    receipt = apply(world, planned(world, 3))
    assert receipt.changed[0].is_unknown and isinstance(receipt.error, Incomplete)
    assert "unknown whether 'prod' of 'refund' moved: it could not be read back" in receipt.error.message
    assert len(world.labels("refund")) == writes and world.label("refund", "prod") == 3


def test_a_release_that_cannot_be_taken_back_is_reported(world: World) -> None:
    world.point("refund", staging=2)
    world.point("greet", staging=2)  # it gets prod by a creation, which cannot be deleted again
    world.faults.append(fault(asking("DELETE", ""), failing(409)))
    world.faults.append(fault(FIRST, failing(409)))
    receipt = apply(world, *promotion(world))
    assert [entry.moved for entry in receipt.changed] == [True, False]
    assert "could not be moved back" in receipt.changed[0].why
    assert isinstance(receipt.error, Incomplete)


def test_a_label_that_moved_goes_back_if_the_registry_cannot_change_another(world: World) -> None:
    world.point("refund", prod_previous=1, prod_released=1, staging=3)
    world.point("greet", staging=1)
    moved = threading.Event()

    def creation(seen: Seen, forward: object) -> Reply:
        moved.wait(60)  # the other label has moved by now
        return Reply({"detail": "Not Found"}, 404)

    world.faults.append(once(asking("PATCH", ""), moved.set))
    world.faults.append(fault(asking("POST", "/prompts/"), creation))
    with pytest.raises(Unsupported):
        apply(world, *promotion(world))
    assert world.labels("refund")["prod"] == 1 and "prod" not in world.labels("greet")


# -- moving back ----------------------------------------------------------------------------------------


def writing(world: World, name: str, label: str) -> Callable[[Seen], bool]:
    """Matches what creates, moves or deletes a label."""
    creating = f"/prompts/{world.read(name)['id']}/label"

    def matches(seen: Seen) -> bool:
        if seen.method == "POST":
            return seen.path == creating and seen.body["name"] == label
        return label in world.labels(name) and seen.path == world.label_path(name, label)

    return matches


def only(world: World, name: str, **versions: int) -> None:
    """Give a prompt these labels and no others."""
    for label in world.labels(name):
        world.remove_label(name, label)
    world.point(name, **versions)


LIVE_BEFORE = {"prod_previous": 1, "prod_released": 2, "prod": 2}


@pytest.mark.parametrize("before", [{}, LIVE_BEFORE], ids=["first release", "second release"])
@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("refund", "prod"),
        ("refund", "prod.previous"),
        ("refund", "prod.released"),
        ("greet", "prod.released"),
    ],
)
def test_what_a_newer_job_released_meanwhile_is_not_moved_back(
    world: World, before: dict[str, int], name: str, label: str
) -> None:
    """A label cannot be written, and before each request in turn a newer job releases v4 of ``greet``."""
    world.configure("', jobs: 1}}", instead="'}}")
    world.timeouts = replace(SHORT_WAITS, attempts=2)
    world.publish_all("greet", "three", "four")
    others = {label.replace("_", "."): version for label, version in LIVE_BEFORE.items()}
    newer, releases, left = World(world.root, world.call, world.url), list[ChangedLabel](), 0

    def release() -> None:
        faults, world.faults = world.faults, []
        releases.append(move(newer, 4, "greet"))
        world.faults = faults

    for number in count(1):
        only(world, "greet", **before)
        only(world, "refund", **LIVE_BEFORE)
        ours = [planned(world, 3, name) for name in ("greet", "refund")]
        broken = fault(writing(world, name, label), failing(500))
        world.faults = [once(lambda seen: True, release, at=number), broken]
        greet, refund = apply(world, *ours).changed
        world.faults = []
        if len(releases) < number:
            break
        now = prompt(world, "greet").position("prod")
        if "at the same time" in greet.why:  # right before this run moved it
            assert (number, now.version) == (2, 3)
            continue
        assert (now.version, now.released, now.holds(4)) == (4, 4, False), (number, greet.why)
        assert now.previous in (3, before.get("prod")) and greet.ending != "moved"
        left += greet.why.startswith("another user moved it to v4 in the meantime, so it was left")
        assert name == "greet" or (world.labels("refund") == others and not refund.moved)
    newer.library.close()
    assert bool(left) == (name == "refund")

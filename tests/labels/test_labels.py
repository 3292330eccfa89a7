"""Plans of label changes, and what becomes of them in registries that play along and in others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from release_world import World, faulty, world

from promptsync.errors import Incomplete, Refused, UsageError
from promptsync.files.config import load
from promptsync.labels.apply import LabelReceipt, apply_labels
from promptsync.labels.move import ChangedLabel
from promptsync.labels.plan import LabelChange, change_to, existing
from promptsync.labels.rollback import plan_rollbacks
from promptsync.project.pointers import Labelled, labelled, with_labels
from promptsync.project.target import NoSuchPrompt, resolve
from promptsync.project.versions import Catalog
from promptsync.registry.errors import Unsupported


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.publish("refund", "one", "two", "three", "four")
        made.publish("greet", "one", "two")
        yield made


def prompt(here: World, name: str = "refund") -> Labelled:
    catalog = Catalog(here.project)
    (target,) = resolve(here.project, [name], catalog)
    (only,) = with_labels(here.project, [catalog[target.name]])
    return only


def apply(here: World, *changes: LabelChange) -> tuple[ChangedLabel, ...]:
    return apply_labels(here.project, changes).changed


def planned(here: World, version: int, name: str = "refund") -> LabelChange:
    return change_to(prompt(here, name), "prod", version)


def promotion(here: World) -> list[LabelChange]:
    prompts = [prompt for prompt in labelled(here.project) if "staging" in prompt.labels]
    return [change_to(prompt, "prod", existing(prompt, "staging")) for prompt in prompts]


def back(here: World, label: str = "prod", to: int | None = None) -> LabelChange:
    (change,) = plan_rollbacks(here.project, [(prompt(here), to)], label).changes
    return change


# -- reading -------------------------------------------------------------------------------------------


def test_labels_are_read_of_all_prompts_in_scope_or_of_those_named(here: World) -> None:
    here.label("refund", prod=2)
    here.label("greet", prod=1, staging=2)
    labels = {entry.listed.name: sorted(entry.labels) for entry in labelled(here.project)}
    assert labels == {"greet": ["prod", "staging"], "refund": ["prod"]}
    assert (prompt(here).version("prod"), prompt(here).version("staging")) == (2, None)
    here.write("promptsync.yaml", "include: [greet]\n")
    here.project.config = load(here.root / "promptsync.yaml")
    assert [entry.listed.name for entry in labelled(here.project)] == ["greet"]
    assert prompt(here, "refund").listed.name == "refund"


def test_an_archived_prompt_is_called_archived(here: World) -> None:
    here.project.registry.prompts.archive(prompt(here).listed.template_id, is_snippet=False)
    with pytest.raises(NoSuchPrompt) as caught:
        prompt(here)
    assert "archived" in caught.value.message


def test_a_prompt_named_like_the_id_of_another_is_not_taken_for_it(here: World) -> None:
    number = prompt(here).listed.template_id
    here.publish(str(number), "imposter")
    here.label(str(number), prod=1)
    with world(here.root) as fresh:  # a client that has seen nothing yet
        assert prompt(fresh).labels == {}
        (moved,) = apply(fresh, planned(fresh, 3))
    assert moved.moved
    assert here.labels("refund") == {"prod": 3, "prod.released": 3}


# -- plans ---------------------------------------------------------------------------------------------


# -- moving --------------------------------------------------------------------------------------------


def test_each_release_remembers_the_version_before(here: World) -> None:
    apply(here, planned(here, 1))
    assert here.labels("refund") == {"prod": 1, "prod.released": 1}
    apply(here, planned(here, 2))
    assert here.labels("refund") == {"prod": 2, "prod.previous": 1, "prod.released": 2}
    apply(here, planned(here, 4))
    assert here.labels("refund") == {"prod": 4, "prod.previous": 2, "prod.released": 4}


def test_a_rollback_goes_to_the_version_before_and_says_so_ever_after(here: World) -> None:
    here.label("refund", prod=4, prod_previous=2)
    (moved,) = apply(here, back(here))
    assert moved.moved
    assert here.labels("refund") == {"prod": 2, "prod.previous": 2, "prod.released": 4}
    with pytest.raises(Refused, match="was rolled back"):
        back(here)


ROLLBACKS = [
    # prod, prod.previous, --to -> prod, prod.previous
    ((4, 3), 1, {"prod": 1, "prod.previous": 3, "prod.released": 4}),
    ((4, 2), 3, {"prod": 3, "prod.previous": 3, "prod.released": 4}),
    ((4, None), 3, {"prod": 3, "prod.previous": 3, "prod.released": 4}),
    ((4, 3), 4, {"prod": 4, "prod.previous": 3}),
]


@pytest.mark.parametrize(("before", "to", "after"), ROLLBACKS)
def test_a_rollback_to_a_version_leaves_the_label_at_or_below_its_way_back(
    here: World, before: tuple[int, int | None], to: int, after: dict[str, int]
) -> None:
    now, previous = before
    here.label("refund", prod=now, **({"prod_previous": previous} if previous else {}))
    apply(here, back(here, to=to))
    assert here.labels("refund") == after


def test_a_rollback_never_goes_up(here: World) -> None:
    here.label("refund", prod=2, prod_previous=3)
    with pytest.raises(Refused, match="v3 is higher"):
        back(here, to=3)
    with pytest.raises(Refused, match="was rolled back"):
        back(here)
    with pytest.raises(UsageError, match="of another label"):
        back(here, "prod.previous")


def test_a_label_that_somebody_moved_meanwhile_stays_where_it_is(here: World) -> None:
    here.label("refund", prod=1)
    change = planned(here, 2)
    here.label("refund", prod=3)
    receipt = apply_labels(here.project, [change])
    (stayed,) = receipt.changed
    assert not stayed.moved
    assert "moved it to v3" in stayed.why
    assert here.labels("refund") == {"prod": 3}
    assert isinstance(receipt.error, Refused)


def test_a_label_that_somebody_moved_to_the_same_version_is_done(here: World) -> None:
    here.label("refund", prod=1)
    here.label("greet", prod=1)
    changes = [
        planned(here, 4),
        planned(here, 2, "greet"),
    ]
    here.label("refund", prod=4)
    here.publish("greet", "three")
    here.label("greet", prod=3)
    found = apply(here, *changes)
    assert [entry.moved for entry in found] == [True, False]
    assert here.labels("refund")["prod"] == 4  # it was not this run that moved it, so it is not moved back


def test_what_is_true_already_costs_nothing(here: World) -> None:
    here.label("refund", prod=3)
    change = planned(here, 3)
    before = here.project.registry.requests
    assert [entry.moved for entry in apply(here, change)] == [True]
    assert here.project.registry.requests == before


def test_together_all_move_or_none(here: World) -> None:
    here.label("refund", prod=1, staging=4)
    here.label("greet", staging=2, prod=1)
    here.publish("new", "one")
    here.label("new", staging=1)
    changes = promotion(here)
    here.publish("greet", "three")
    here.label("greet", prod=3)
    receipt = apply_labels(here.project, changes)
    found, error = receipt.changed, receipt.error
    assert [entry.moved for entry in found] == [False, False, False]
    assert [entry.is_undone for entry in found] == [False, True, True]
    assert "greet was not moved" in found[2].why
    assert here.labels("refund") == {"prod": 1, "staging": 4}
    assert here.labels("new") == {"staging": 1}
    assert isinstance(error, Refused)
    assert "greet" in error.message


# -- registries that do not play along -----------------------------------------------------------------


def on_move(*answer: Any) -> Any:
    """Answer moves of the label with the id 1, which is the first one made, so."""
    return lambda method, path: answer if (method, path) == ("PATCH", "/prompt-labels/1") else None


def released(sound: World) -> None:
    sound.publish("refund", "one", "two", "three")
    sound.label("refund", prod=1)


def applied_in(view: World) -> LabelReceipt:
    return apply_labels(view.project, [planned(view, 3)])


def moved_in(view: World) -> ChangedLabel:
    (changed,) = applied_in(view).changed
    return changed


def test_a_label_that_moved_although_the_answer_was_an_error_has_moved(tmp_path: Path) -> None:
    sound_world: list[World] = []

    def answers(method: str, path: str) -> tuple[int, Any] | None:
        if (method, path) != ("PATCH", "/prompt-labels/1"):
            return None
        sound_world[0].label("refund", prod=3)
        return 422, {"message": "late"}

    with faulty(tmp_path, answers) as (sound, broken, _):
        released(sound)
        sound_world.append(sound)
        assert moved_in(broken).moved


def test_a_way_back_that_cannot_be_kept_stops_the_release(tmp_path: Path) -> None:
    def answers(method: str, path: str) -> tuple[int, Any] | None:
        return (403, {"message": "no labels"}) if (method, path[:9]) == ("POST", "/prompts/") else None

    with faulty(tmp_path, answers) as (sound, broken, odd):
        released(sound)
        assert not moved_in(broken).moved
        assert sound.labels("refund") == {"prod": 1}
        assert [asked for asked in odd.asked if asked.startswith("PATCH")] == ["PATCH /prompt-labels/1"] * 2


def test_a_release_that_cannot_be_recorded_leaves_everything_as_it_was(tmp_path: Path) -> None:
    def answers(method: str, path: str) -> tuple[int, Any] | None:
        return (403, {"message": "no"}) if (method, path) == ("PATCH", "/prompt-labels/3") else None

    with faulty(tmp_path, answers) as (sound, broken, _):
        released(sound)
        for label, version in (("prod_previous", 1), ("prod_released", 2), ("prod", 2)):
            sound.label("refund", **{label: version})
        changed = moved_in(broken)
        assert not changed.moved and changed.why.endswith("403 Forbidden: no")
        assert sound.labels("refund") == {"prod": 2, "prod.previous": 1, "prod.released": 2}


def test_a_label_that_cannot_be_read_back_is_in_doubt(tmp_path: Path) -> None:
    written: list[str] = []

    def answers(method: str, path: str) -> tuple[int, Any] | None:
        if method == "PATCH":
            written.append(path)
        if written and path.endswith("/labels"):
            return 403, {"message": "hidden"}
        return None

    with faulty(tmp_path, answers) as (sound, broken, _):
        released(sound)
        receipt = applied_in(broken)
        assert receipt.changed[0].is_unknown
        error = receipt.error
        assert isinstance(error, Incomplete)
        assert "it is unknown whether 'prod' of 'refund' moved: it could not be read back" in error.message
        assert sound.labels("refund") == {"prod": 3}


def test_a_release_that_cannot_be_taken_back_is_reported(tmp_path: Path) -> None:
    def answers(method: str, path: str) -> tuple[int, Any] | None:
        if method == "DELETE" or (method, path) == ("PATCH", "/prompt-labels/2"):
            return 409, {"message": "protected"}
        return None

    with faulty(tmp_path, answers) as (sound, broken, _):
        sound.publish("a", "one", "two")
        sound.publish("b", "one", "two")
        sound.label("a", staging=2)  # a gets prod by a creation, which cannot be deleted again
        sound.label("b", prod=1, staging=2)  # the label with the id 2
        changes = promotion(broken)
        receipt = apply_labels(broken.project, changes)
        assert [entry.moved for entry in receipt.changed] == [True, False]
        assert "could not be moved back" in receipt.changed[0].why
        assert isinstance(receipt.error, Incomplete)


def test_a_label_that_moved_goes_back_if_the_registry_cannot_change_another(tmp_path: Path) -> None:
    moved = threading.Event()

    def answers(method: str, path: str) -> tuple[int, Any] | None:
        if method == "PATCH":
            moved.set()
        if method == "POST" and path.startswith("/prompts/"):
            moved.wait(60)  # the other label has moved by now
            return 404, {"detail": "Not Found"}
        return None

    with faulty(tmp_path, answers) as (sound, broken, _):
        released(sound)
        sound.label("refund", prod_previous=1, prod_released=1, staging=3)
        sound.publish("greet", "one")
        sound.label("greet", staging=1)
        changes = promotion(broken)
        with pytest.raises(Unsupported):
            apply_labels(broken.project, changes)
        assert sound.labels("refund")["prod"] == 1 and "prod" not in sound.labels("greet")


def test_a_registry_without_a_list_of_all_labels_is_asked_prompt_by_prompt(tmp_path: Path) -> None:
    def answers(method: str, path: str) -> tuple[int, Any] | None:
        return (404, {"message": "no prompt labels"}) if path == "/prompt-templates/labels" else None

    with faulty(tmp_path, answers) as (sound, broken, odd):
        released(sound)
        sound.publish("greet", "one")
        assert [sorted(entry.labels) for entry in labelled(broken.project)] == [[], ["prod"]]
        assert sum(asked.endswith("/labels") for asked in odd.asked) == 3

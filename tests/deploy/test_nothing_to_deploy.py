"""A deploy with nothing to release: two lists show it, or where there is no list of labels, four."""

from __future__ import annotations

from collections import Counter

import pytest
from worlds import Reply, World, asking, failing, fault

LIST, LABELS = "/prompt-templates", "/prompt-templates/labels"


def paths(world: World) -> Counter[str]:
    found = Counter(one.path for one in world.seen)
    world.forget()
    return found


def test_it_reads_the_prompts_and_the_labels_once(released: World) -> None:
    done = released.ok("deploy")
    assert "prod points at what is committed" in done.out + done.err
    assert paths(released) == {LIST: 1, LABELS: 1}


@pytest.mark.parametrize("status", [404, 422])
def test_a_registry_without_a_list_of_labels_is_read_by_label_and_tried_once_a_day(
    released: World, status: int
) -> None:
    released.faults.append(fault(asking("GET", LABELS), failing(status, "Prompt not found: labels")))
    for labels in (1, 0):
        released.ok("deploy")
        found = paths(released)
        # the latest versions, and those under the label and under the two labels beside it
        assert (found[LIST], found[LABELS]) == (4, labels)


def test_a_list_of_labels_that_fails_is_no_reason_to_fail(released: World) -> None:
    released.faults.append(fault(asking("GET", LABELS), failing(403)))
    released.ok("deploy")
    assert paths(released)[LIST] == 4


def test_a_version_that_no_deploy_recorded_is_checked(released: World) -> None:
    found = released.call("GET", "/prompt-templates/labels").body["release_labels"]
    wanted = ("a", "prod.released")
    (one,) = (one for one in found if (one["prompt_name"], one["release_label"]) == wanted)
    assert released.call("DELETE", f"/prompt-labels/{one['release_label_id']}").status == 200
    done = released.ok("deploy", "--json").document
    assert [one["evaluation"] for one in done["eval"]["runs"]] == ["a is polite"]
    assert released.label(*wanted) == 1


def test_a_label_below_the_latest_version_is_released(released: World) -> None:
    released.write("b", "Another polite hello, {name}")
    released.commit("Change b")
    released.ok("push")
    released.ok("deploy")
    assert released.label("b", "prod") == 2


def test_a_prompt_without_the_label_gets_it(released: World) -> None:
    released.write("e", "A polite word, {name}")
    released.commit("Add e")
    released.ok("push")
    released.ok("deploy")
    assert released.label("e", "prod") == 1


def test_a_label_that_was_rolled_back_is_on_hold(released: World) -> None:
    released.write("b", "Another polite hello, {name}")
    released.commit("Change b")
    released.ok("deploy")
    released.ok("rollback", "b", "--label", "prod", "-y")
    done = released.run("deploy", "--json").document
    assert [one["name"] for one in done["on_hold"]] == ["b"]


def test_a_prompt_of_another_id_with_that_name_does_not_count(released: World) -> None:
    def of_others(seen: object, forward: object) -> Reply:
        labels = [
            {
                "release_label": "prod",
                "release_label_id": 90 + number,
                "prompt_version_number": 1,
                "prompt_id": 900,
            }
            for number in range(4)
        ]
        return Reply({"release_labels": labels})

    released.faults.append(fault(asking("GET", LABELS), of_others))
    released.ok("deploy")
    assert paths(released)[LIST] == 2

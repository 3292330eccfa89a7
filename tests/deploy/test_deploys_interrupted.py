"""Deploys that are interrupted: the next run completes them, nothing twice."""

from __future__ import annotations

import signal

from deploying import change, prod
from interrupting import ended, held, press, until
from worlds import World, asking, fault, is_move, late, template_on

NAMES = "abc"


@template_on("released")
def changed(world: World) -> None:
    """All that evaluations check has a new text, which is committed."""
    change(world, "hello", "welcome", NAMES)


def test_ctrl_c_while_checks_run_leaves_the_labels_and_says_what_still_runs(changed: World) -> None:
    changed.faults.append(fault(asking("GET", "/evaluations/"), late(0.5)))
    with changed.started("deploy", "--json") as process:
        until(process, lambda: len(changed.writes) >= 6)
        process.send_signal(signal.SIGINT)
        document = ended(process)
    assert len(document["push"]["published"]) == 3
    assert all(detail.endswith("is still running") for detail in document["error"]["details"])
    assert prod(changed, NAMES) == [1, 1, 1]
    changed.faults.clear()
    changed.ok("deploy")


def test_ctrl_c_while_labels_move_moves_them_back_and_says_so(changed: World) -> None:
    with held(changed, is_move) as answer, changed.started("deploy", "--json") as process:
        until(process, lambda: any(map(is_move, changed.seen)))
        press(process)
        answer.set()
        labels = {label["name"]: label["moved"] for label in ended(process)["labels"]}
    assert labels == {name: changed.label(name, "prod") == 2 for name in NAMES}
    changed.faults.clear()
    changed.ok("deploy")
    assert prod(changed, NAMES) == [2, 2, 2]

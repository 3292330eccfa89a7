"""Ctrl-C while labels move."""

from __future__ import annotations

import json
import signal
import time

from interrupting import held, press
from worlds import World, asking

COUNT = 24


def test_ctrl_c_while_labels_move_moves_them_back(world: World) -> None:
    names = [f"p{number:02}" for number in range(COUNT)]
    for name in names:
        world.write(name)
    world.commit()
    moves = asking("POST", "/label")
    push = ("push", "--label", "prod", "--yes", "--json", "--jobs", "4")
    with held(world, moves) as answer, world.started(*push) as process:
        while not any(map(moves, world.seen)) and process.poll() is None:
            time.sleep(0.002)
        press(process)
        answer.set()
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    document = json.loads(out)
    assert {one["name"] for one in document["published"]} == set(names)
    assert {one["name"] for one in document["labels"]} == set(names)
    assert not any(one["moved"] for one in document["labels"])
    assert {world.label(name, "prod") for name in names} == {None}
    world.faults.clear()
    world.forget()
    world.ok("push", "--label", "prod")
    assert world.published == []
    assert all(world.label(name, "prod") == 1 for name in names)


def test_labels_that_were_moving_at_a_second_ctrl_c_are_unknown(world: World) -> None:
    for name in "abc":
        world.write(name)
    world.commit()
    world.ok("push")
    world.forget()
    moves = asking("POST", "/label")
    with held(world, moves), world.started("push", "--label", "prod", "--yes", "--json") as process:
        while not any(map(moves, world.seen)) and process.poll() is None:
            time.sleep(0.002)
        press(process)
        process.send_signal(signal.SIGINT)
        document = json.loads(process.communicate(timeout=120)[0])
    assert process.returncode == 130
    assert [one["moved"] for one in document["labels"]] == [False] * 3
    unknown = {one["name"] for one in document["labels"] if "may or may not" in one["reason"]}
    assert unknown and {name for name in "abc" if world.label(name, "prod")} <= unknown
    assert document["error"]["message"] == f"interrupted: {len(unknown)} unknown"

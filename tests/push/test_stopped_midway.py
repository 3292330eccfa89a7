"""Ctrl-C while labels move."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from worlds import KEY, Reply, Seen, World, asking, fault

COUNT = 24


def start(world: World, *arguments: str) -> subprocess.Popen[str]:
    environ = {
        **os.environ,
        "CI": "1",
        "PROMPTLAYER_API_KEY": KEY,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "promptsync", "-C", str(world.root), *arguments]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def slowly(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
    return replace(forward(seen), delay=0.05)


def test_ctrl_c_while_labels_move_tells_which_moved(world: World) -> None:
    names = [f"p{number:02}" for number in range(COUNT)]
    for name in names:
        world.write(name)
    world.commit()
    world.faults.append(fault(asking("POST", "/label"), slowly))
    with start(world, "push", "--label", "prod", "--json", "--jobs", "4") as process:
        while len([one for one in world.seen if one.path.endswith("/label")]) < 4:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, ""), out
    document = json.loads(out)
    assert {one["name"] for one in document["published"]} == set(names)
    moved = {one["name"] for one in document["labels"] if one["moved"]}
    assert moved == {name for name in names if world.label(name, "prod") == 1}
    assert 0 < len(moved) < COUNT
    assert {one["name"] for one in document["published"] if one["labels"] == ["prod"]} == moved
    world.faults.clear()
    world.forget()
    world.ok("push", "--label", "prod")
    assert world.published == []
    assert all(world.label(name, "prod") == 1 for name in names)

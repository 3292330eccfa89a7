"""Deploys that are killed, interrupted, or meet another one: the next run completes them, nothing twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from interrupting import held
from seeds import numbers, seed_of
from worlds import KEY, Seen, World, fault, published_name

NAMES = "abc"


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    environ = {
        **os.environ,
        "CI": "true",
        "PROMPTLAYER_API_KEY": KEY,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "promptsync", "-C", str(root), *arguments]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def is_move(seen: Seen) -> bool:
    return seen.method == "PATCH" and seen.path.startswith("/prompt-labels/")


def change_all(world: World, old: str = "hello", new: str = "welcome") -> None:
    for name in NAMES:
        world.edit(name, old, new)
    world.commit("Change all")
    world.forget()


def wait_for(world: World, count: int, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and len(world.writes) < count:
        time.sleep(0.002)


@pytest.mark.parametrize("number", numbers(count=10, fuzz=24))
def test_a_killed_deploy_is_completed_by_the_next(released: World, number: int) -> None:
    choose = random.Random(seed_of(number))
    change_all(released)
    with start(released.root, "deploy") as process:
        # 3 publishes, 3 runs of evaluations, 3 x 2 labels
        wait_for(released, choose.randrange(13), process)
        time.sleep(choose.uniform(0, 0.03))
        process.kill()
        process.communicate(timeout=120)
    at = {name: released.label(name, "prod") for name in NAMES}
    assert set(at.values()) <= {1, 2}
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert {name: released.label(name, "prod") for name in NAMES} == dict.fromkeys(NAMES, 2)
    assert Counter(released.published) == Counter(NAMES)
    assert all(released.version(name) == 2 for name in NAMES)


def test_ctrl_c_while_proving_leaves_the_labels_and_says_what_still_runs(released: World) -> None:
    change_all(released)
    released.faults.append(
        fault(
            lambda seen: seen.method == "GET" and "/evaluations/" in seen.path,
            lambda seen, forward: replace(forward(seen), delay=0.5),
        )
    )
    with start(released.root, "deploy", "--json") as process:
        wait_for(released, 6, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    found = json.loads(out)
    assert len(found["push"]["published"]) == 3
    assert {name: released.label(name, "prod") for name in NAMES} == dict.fromkeys(NAMES, 1)
    released.faults.clear()
    assert released.run("deploy").code == 0


def test_ctrl_c_while_labels_move_moves_them_back_and_says_so(released: World) -> None:
    change_all(released)
    with held(released, is_move) as answer, start(released.root, "deploy", "--json") as process:
        while process.poll() is None and not any(map(is_move, released.seen)):
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        answer.set()
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    told = {one["name"]: one["moved"] for one in json.loads(out)["labels"]}
    assert told == {name: released.label(name, "prod") == 2 for name in NAMES}
    released.faults.clear()
    assert released.run("deploy").code == 0
    assert {name: released.label(name, "prod") for name in NAMES} == dict.fromkeys(NAMES, 2)


@pytest.mark.parametrize("number", numbers(count=6, fuzz=12))
def test_two_deploys_at_once_release_nothing_unchecked_and_tell_the_truth(
    released: World, number: int
) -> None:
    choose = random.Random(seed_of(number))
    other = released.root.parent / "other"
    shutil.copytree(released.root, other)
    change_all(released)
    text = (other / "prompts/a.yaml").read_text()
    (other / "prompts/a.yaml").write_text(text.replace("hello", "good day"))
    git = ["git", "-c", "user.name=Bob", "-c", "user.email=bob@example.org"]
    subprocess.run([*git, "commit", "-qam", "Change a too"], cwd=other, check=True)
    with start(released.root, "deploy", "--json") as one:
        time.sleep(choose.uniform(0, 0.4))
        with start(other, "deploy", "--json") as two:
            outs = [json.loads(process.communicate(timeout=120)[0]) for process in (one, two)]
    codes = sorted(found["exit_code"] for found in outs)
    assert set(codes) <= {0, 1, 3, 5}, outs
    proven = {(one["name"], one["version"]) for found in outs for one in found["members"] if found["passed"]}
    for name in NAMES:
        at = released.label(name, "prod")
        assert at == 1 or (name, at) in {(n, v) for n, v in proven} or _ran(outs, name, at), (name, at, outs)
    for found in outs:
        for label in found["labels"]:
            if label["moved"] and found["passed"]:
                assert (released.label(label["name"], "prod") or 0) >= label["to"]
    texts = {released.text("a", number) for number in range(2, released.version("a") + 1)}
    told = [one for found in outs for one in found["push"]["published"] if one["name"] == "a"]
    assert len(texts) == len(told)


def _ran(outs: list[dict[str, object]], name: str, version: int | None) -> bool:
    """Whether one of the deploys proved that very version."""
    for found in outs:
        runs = found["eval"]["runs"]  # type: ignore[index]
        for run in runs:
            if run["passed"] and name in run["prompts"] and run["version"] == version:
                return True
    return False


def test_a_deploy_of_20_prompts_among_500_needs_few_requests(world: World) -> None:
    for number in range(40):
        world.write(f"p{number:03}", "Hello {name}")
    world.commit()
    world.ok("deploy")
    for number in range(20):
        world.edit(f"p{number:03}", "Hello", "Welcome")
    world.commit()
    world.forget()
    world.ok("deploy")
    asked = Counter(seen.method for seen in world.seen)
    assert asked["POST"] == 20 + 20  # the versions, and prod.previous for each
    assert asked["PATCH"] == 20 + 20  # prod and prod.released
    assert len(world.seen) <= 20 * 8 + 20, asked


def test_publishes_are_named_once(released: World) -> None:
    change_all(released)
    released.ok("deploy")
    assert sorted(filter(None, map(published_name, released.seen))) == list(NAMES)

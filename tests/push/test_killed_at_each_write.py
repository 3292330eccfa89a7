"""``kill -9`` before each single write of push, pull and deploy, and so after the one before it.

The next run does the rest: every file parses, nothing is published twice, and nobody's text is gone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from evaluation_files import declared, evaluation, matches, put
from forked import KILLED
from worlds import World

NAMES = ("one", "two")
MOST = 40
"""Writes after which a verb surely has ended by itself."""


@pytest.fixture
def released(world: World) -> World:
    """Two prompts, released. The registry is named by its place, so that both can be copied."""
    world.put("promptsync.yaml", "remotes: {here: {url: 'local:../registry.db'}}\nlabels: {main: prod}\n")
    for name in NAMES:
        world.write(name, "Hello")
    world.commit()
    world.ok("deploy")
    return world


def committed(world: World) -> None:
    for name in NAMES:
        world.write(name, f"Good day, {name}")
    world.commit()


def half_committed(world: World) -> None:
    committed(world)
    world.git("reset", "-q", "--soft", "HEAD~1")
    world.git("commit", "-qm", "Change one", "prompts/one.yaml")


def edited_there(world: World) -> None:
    for name in NAMES:
        world.publish(name, f"Good day, {name}")


def killed(copy: World, at: int, *verb: str, codes: tuple[int, ...] = (0,)) -> bool:
    """Run a verb that is killed at a write, and otherwise ends with one of ``codes``; whether it was."""
    with copy.started(*verb, KILLED_AT=str(at)) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode in (*codes, KILLED), f"{process.returncode}: {said}"
    return process.returncode == KILLED


def tries(released: World, prepare: Callable[[World], None], place: Path) -> Iterator[tuple[int, World]]:
    """Yield the numbers of writes, each with a copy of what ``prepare`` makes of the working copy."""
    prepare(released)
    released.keep(place / "kept")
    for at in range(1, MOST):
        shutil.copytree(place / "kept", place / "try")
        yield at, replace(released, root=place / "try/copy")
        shutil.rmtree(place / "try")


def text(copy: World, name: str) -> str:
    (message,) = yaml.safe_load(copy.path(name).read_text())["messages"]
    return str(message["content"])


FINISHED = {"push": half_committed, "pull": edited_there, "deploy": committed}


@pytest.mark.parametrize("verb", FINISHED)
def test_the_next_run_finishes_what_a_kill_at_any_write_left(
    released: World, tmp_path_factory: pytest.TempPathFactory, verb: str
) -> None:
    for at, copy in tries(released, FINISHED[verb], tmp_path_factory.mktemp("tries")):
        was_killed = killed(copy, at, verb)
        assert {text(copy, name) for name in NAMES} <= {"Hello", *(f"Good day, {name}" for name in NAMES)}
        copy.ok(verb)
        check(copy, verb)
        if not was_killed:
            break
    assert 2 <= at < MOST - 1


def check(copy: World, verb: str) -> None:
    found = copy.ok("status", "--json").document["prompts"]
    assert [(one["name"], one["state"], one["version"], one["passed_over"]) for one in found] == [
        (name, "in-sync", 2, []) for name in NAMES
    ]
    assert live(copy) == dict.fromkeys(NAMES, 2 if verb == "deploy" else 1)
    for name in NAMES:
        assert text(copy, name) == f"Good day, {name}"
        # whoever goes on from here is ahead, and asked nothing
        copy.write(name, f"Good night, {name}")
    assert set(copy.states().values()) == {"ahead"}


FIXTURES = declared("", evaluation("friendly", "one", [{"case": 1}], matches("(?s)^(?!.*rude)")))


def guarded(world: World) -> None:
    """``one`` is checked, and its new text fails; ``two`` has no checks."""
    put(world.root, FIXTURES)
    config = world.root / "promptsync.yaml"
    text = config.read_text().replace("'}", "', fixtures: registry.yaml}")
    config.write_text(f"{text}checks: [{{match: one, evaluation: friendly, min_score: 100}}]\n")
    rude(world)


def rude(world: World) -> None:
    for name in NAMES:
        world.write(name, f"A rude hello, {name}")
    world.commit()


def released_twice(world: World) -> None:
    rude(world)
    world.ok("deploy")


def live(copy: World) -> dict[str, int]:
    found = copy.ok("label", "list", "--json").document["labels"]
    return {one["name"]: one["version"] for one in found if one["label"] == "prod"}


WITHDRAWN: dict[str, tuple[Callable[[World], None], tuple[int, ...]]] = {
    "deploy": (guarded, (1,)),
    "rollback --label prod --to HEAD~1 -y": (released_twice, (0,)),
    "rollback one two --label prod -y": (released_twice, (0, 3)),
}


@pytest.mark.parametrize("verb", WITHDRAWN)
def test_a_kill_at_any_write_leaves_nothing_live_that_must_not_be(
    released: World, tmp_path_factory: pytest.TempPathFactory, verb: str
) -> None:
    prepare, codes = WITHDRAWN[verb]
    for at, copy in tries(released, prepare, tmp_path_factory.mktemp("tries")):
        was_killed = killed(copy, at, *verb.split(), codes=codes)
        assert copy.run(*verb.split()).code in codes
        assert live(copy) == dict.fromkeys(NAMES, 1)
        # What was withdrawn or failed is not released by whoever deploys next.
        assert copy.run("deploy").code in (1, 3)
        assert live(copy) == dict.fromkeys(NAMES, 1)
        committed(copy)
        copy.ok("deploy")
        assert live(copy) == dict.fromkeys(NAMES, 3)
        if not was_killed:
            break
    assert 2 <= at < MOST - 1

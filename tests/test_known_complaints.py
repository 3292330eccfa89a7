"""What users of other tools complained about, and no test of one room proves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from worlds import Reply, Seen, World, failing, published_name

from promptsync.cli import run


@pytest.mark.parametrize("verb", ["status", "diff", "push", "pull", "ls-remote", "log x", "lint", "deploy"])
def test_without_a_configuration_no_verb_succeeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert run(["-C", str(tmp_path), *verb.split()], {"PROMPTLAYER_API_KEY": "pl_test"}) == 2
    assert "promptsync init" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "verb", ["status --exit-code", "diff --exit-code", "push", "pull", "push --prune -y"]
)
def test_nothing_to_do_is_a_success_of_every_verb(world: World, verb: str) -> None:
    world.write("a")
    world.commit()
    world.ok("push")
    world.forget()
    before = world.files()
    for _ in range(2):
        world.ok(*verb.split())
    assert world.files() == before
    assert world.writes == []


def test_what_is_published_at_a_rate_limit_is_published_once(world: World) -> None:
    asked: Counter[str] = Counter()

    def the_first_time(seen: Seen, forward: object) -> Reply | None:
        name = published_name(seen)
        with world.lock:
            asked[name] += 1
            return failing(429) if name and asked[name] == 1 else None

    names = [f"p{number:02}" for number in range(40)]
    for name in names:
        world.write(name)
    world.commit()
    world.faults.append(the_first_time)
    world.ok("push")
    assert [world.version(name) for name in names] == [1] * len(names)

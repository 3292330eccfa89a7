"""``kill -9`` at random moments of a push of 60 prompts and of a pull of 60.

Every file parses, no version is there twice, the next run finishes the job, and ``status`` is clean.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml
from registry_server import Caller
from seeds import numbers, seed_of
from worlds import KEY, Reply, Seen, World, asking, fault, made, publishing

from promptsync.server.app import create_app

COUNT = 60
NAMES = [f"p{number:02}" for number in range(COUNT)]
OWN = ["mine1", "mine2"]
KILLS = numbers(count=2, fuzz=50)
LONG = 60
"""Seconds that a step may take on a busy machine before something is wrong."""


@dataclass
class Stage:
    """One world for all kills, put back each time to the state that was kept."""

    world: World
    kept: Path
    busy: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def home(self) -> Path:
        return self.world.root.parent

    def keep(self) -> None:
        self.world.call.app.close()
        shutil.copytree(self.home, self.kept)
        self.world.call = Caller(create_app(self.home / "registry.db"))

    def put_back(self) -> World:
        self.world.faults.clear()
        self.world.forget()
        self.world.call.app.close()
        shutil.rmtree(self.home)
        shutil.copytree(self.kept, self.home)
        self.world.call = Caller(create_app(self.home / "registry.db"))
        return self.world

    def slowly(self, seed: int) -> Callable[[Seen, Callable[[Seen], Reply]], Reply]:
        """Answer after a moment, and count what is under way."""
        source = random.Random(seed)

        def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
            with self.lock:
                self.busy += 1
            try:
                time.sleep(source.uniform(0, 0.01))
                return replace(forward(seen), delay=source.uniform(0, 0.01))
            finally:
                with self.lock:
                    self.busy -= 1

        return answer

    def kill(self, seed: int, verb: str, sent: Callable[[], int], most: int) -> None:
        """Run a verb, and kill it a moment after so many requests were sent."""
        choose = random.Random(seed)
        environ = {
            **os.environ,
            "CI": "1",
            "PROMPTLAYER_API_KEY": KEY,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        command = [sys.executable, "-m", "promptsync", "-C", str(self.world.root), verb]
        count, moment = choose.randrange(most + 1), choose.uniform(0, 0.02)
        end = time.monotonic() + LONG
        with subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            while sent() < count and process.poll() is None and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(moment)
            process.kill()
        while self.busy and time.monotonic() < end:
            time.sleep(0.001)  # what was sent arrives

    def versions(self) -> dict[str, int]:
        items = self.world.call("GET", "/prompt-templates?per_page=100").body["items"]
        return {one["prompt_name"]: one["version"] for one in items}

    def unfinished(self) -> list[Path]:
        return [path for path in self.world.root.rglob("*.tmp") if ".git" not in path.parts]


def stage(directory: Path, prepare: Callable[[World], None]) -> Iterator[Stage]:
    with made(directory / "home") as world:
        with (world.root / "promptsync.yaml").open("a") as file:
            file.write("limits: {changes: 1.0}\n")
        prepare(world)
        found = Stage(world, directory / "kept")
        found.keep()
        yield found
        world.call.app.close()


@pytest.fixture(scope="module")
def pushing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Sixty prompts that were published, then changed and committed; the last ones use a snippet."""

    def prepare(world: World) -> None:
        world.write(NAMES[0], content="Please.")
        for name in NAMES[1:-5]:
            world.write(name)
        for name in NAMES[-5:]:
            world.write(name, f"@@@{NAMES[0]}@@@ {{name}}")
        world.commit("Say hello")
        world.ok("push")
        for name in NAMES:
            path = world.path(name)
            path.write_text(path.read_text("utf-8") + "metadata: {changed: 'yes'}\n", "utf-8")
        world.commit("Say ciao")

    yield from stage(tmp_path_factory.mktemp("pushing"), prepare)


@pytest.fixture(scope="module")
def pulling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Thirty prompts that changed in the registry, thirty new ones there, and two that changed here."""

    def prepare(world: World) -> None:
        for name in [*NAMES[:30], *OWN]:
            world.write(name)
        world.commit("Say hello")
        world.ok("push")
        for name in OWN:
            world.edit(name, "Hello", "Mine, not pushed")
        for name in NAMES:
            world.publish(name, "Theirs {name} " * 500)

    yield from stage(tmp_path_factory.mktemp("pulling"), prepare)


@pytest.mark.parametrize("number", KILLS)
def test_a_push_that_is_killed_anywhere_is_finished_by_the_next(pushing: Stage, number: int) -> None:
    seed = seed_of(number)
    world = pushing.put_back()
    files = world.files()
    world.faults.append(fault(publishing(), pushing.slowly(seed)))
    pushing.kill(seed, "push", lambda: len(world.published), COUNT)
    assert set(pushing.versions().values()) <= {1, 2}
    assert isinstance(json.loads((world.root / ".promptsync/record.json").read_bytes()), dict)
    world.faults.clear()
    world.ok("push")
    assert pushing.versions() == dict.fromkeys(NAMES, 2)
    assert world.files() == files
    assert set(world.states().values()) == {"in-sync"}


@pytest.mark.parametrize("number", KILLS)
def test_a_pull_that_is_killed_anywhere_leaves_whole_files_and_is_finished_by_the_next(
    pulling: Stage, number: int
) -> None:
    seed = seed_of(number)
    world = pulling.put_back()
    before = world.files()
    world.faults.append(fault(asking("GET", "resolve_snippets=false"), pulling.slowly(seed)))
    # most of them at the end, when the files are written
    most = COUNT if number % 3 == 0 else 0
    written = world.root / "prompts"

    def sent() -> int:
        if most:
            return len([one for one in world.seen if "version=" in one.target])
        return len(list(written.iterdir())) - len(before)

    pulling.kill(seed, "pull", sent, most or 30)
    for path, content in world.files().items():
        text = yaml.safe_load(content)["messages"][0]["content"]
        assert content == before.get(path) or text == "Theirs {name} " * 500, path
    assert ".tmp" not in world.git("status", "--porcelain", "-uall")
    world.faults.clear()
    world.ok("pull")
    assert world.states() == {**dict.fromkeys(NAMES, "in-sync"), **dict.fromkeys(OWN, "ahead")}
    assert all(world.files()[f"prompts/{name}.yaml"] == before[f"prompts/{name}.yaml"] for name in OWN)
    assert pulling.unfinished() == []
    assert world.writes == []

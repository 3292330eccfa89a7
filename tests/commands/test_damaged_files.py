"""Damaged files of ``.promptsync/``: all but the registry may be lost, and none ends in a traceback."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from seeds import numbers, seed_of
from worlds import World

VERBS = [["status"], ["diff"], ["pull"], ["log", "a"], ["lint"], ["push"]]
GARBAGE = [b"", bytes(range(256)), b"[]", b"null", b"[" * 100_000, b"[" * 200 + b"]" * 200, b"1" * 5000]


@pytest.fixture
def filled(local: World) -> World:
    """A working copy whose cache and record are filled, with an edit to push."""
    local.write("a", "x", commit="Change prompts")
    local.ok("push")
    local.write("a", "y")
    for verb in VERBS[:-1]:
        local.ok(*verb)
    assert len(private_files(local)) >= 3
    return local


def private_files(world: World) -> list[Path]:
    return sorted((world.root / ".promptsync").rglob("*.json"))


def test_a_damaged_file_costs_requests_and_changes_no_result(filled: World) -> None:
    filled.ok("push")
    for data in GARBAGE:
        for path in private_files(filled):
            path.write_bytes(data)
        for verb in [*VERBS, ["status", "--exit-code"]]:
            filled.ok(*verb)


@pytest.mark.parametrize("number", numbers(count=2, fuzz=20))
def test_json_of_other_types_ends_in_no_traceback(filled: World, number: int) -> None:
    chance = random.Random(seed_of(number))
    others = [None, [], {}, "x", -1, 1.5, True, [[]], {"a": {}}]

    def changed(value: Any) -> Any:
        if chance.random() < 0.15:
            return chance.choice(others)
        if isinstance(value, dict):
            return {key: changed(item) for key, item in value.items()}
        return [changed(item) for item in value] if isinstance(value, list) else value

    for path in private_files(filled):
        path.write_text(json.dumps(changed(json.loads(path.read_bytes()))))
    for verb in VERBS:
        # A cached version that is another valid one, such as an empty one, is believed.
        assert filled.run(*verb).code in (0, 3, 4), verb


def statement(text: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(text)

    return change


def noise(seed: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        chance, data = random.Random(seed), bytearray(path.read_bytes())
        for _ in range(400):
            data[chance.randrange(100, len(data))] = chance.randrange(256)
        path.write_bytes(data)

    return change


DATABASES: dict[str, Callable[[Path], Any]] = {
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 20),
    "text": lambda path: path.write_text("hello"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "the header alone": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
    "without a table": statement("DROP TABLE items"),
    "without a workspace": statement("DELETE FROM registry"),
    "a later version": statement("PRAGMA user_version = 999"),
    "another program's": statement("PRAGMA application_id = 5"),
    "a text that is no JSON": statement("UPDATE versions SET body = '{'"),
    **{f"noise {seed}": noise(seed) for seed in numbers(count=1, fuzz=10)},
}


def test_a_damaged_registry_is_one_clear_error(filled: World) -> None:
    place = filled.root / ".promptsync" / "registry.db"
    whole = place.read_bytes()
    for name, damage in DATABASES.items():
        if place.is_dir():
            place.rmdir()
        for file in place.parent.glob("registry.db*"):
            file.unlink()
        place.write_bytes(whole)
        damage(place)
        for verb in ("log a", "push", "doctor"):
            done = filled.run(*verb.split())
            if name.startswith("noise"):  # which may hit bytes that nothing reads
                assert done.code in (0, 1, 3, 4, 5), str(done)
            elif verb == "doctor":
                assert done.code == 1, str(done)
            else:
                assert (done.code, "error: " in done.err) == (4, True), f"{name}: {done}"


# -- Private files and the registry are never read or written through a symbolic link that a clone brought --


LINKED = [["status"], ["diff"], ["push", "-y"], ["pull"], ["log", "a"], ["label", "list"]]
LINKS = [
    *("", "cache", "backup", "starter", "lock", "record.json", ".gitignore"),
    *("registry.db", "registry.db-wal", "registry.db-shm", "registry.db-journal"),
]


def test_a_link_in_the_private_directory_is_refused(local: World) -> None:
    local.write("a", "x")
    victim = local.put("../victim/mine", "mine").parent
    for number, link in enumerate(LINKS):
        path = local.root / ".promptsync" / link
        path.parent.mkdir(exist_ok=True)
        for target in ("", "new", "mine")[number % 2 :]:
            path.symlink_to(victim / target)
            done = local.says(3, f"{path} is a symbolic link", *LINKED[number % len(LINKED)])
            assert f"hint: rm {path}\n" in done.err
            path.unlink()
        path.symlink_to("nowhere")
        assert f"{path} is a symbolic link" in local.exits(1, "doctor", "--offline").out
        path.unlink()
    local.ok("push")
    # Nor a database elsewhere.
    local.put("promptsync.yaml", 'remotes: {local: {url: "local:db/r.db"}}\n')
    (local.root / "db").mkdir()
    (local.root / "db/r.db").symlink_to(victim / "new.db")
    for verb in ("status", "push"):
        local.says(3, "r.db is a symbolic link", verb)
    assert {path.name: path.read_text() for path in victim.iterdir()} == {"mine": "mine"}

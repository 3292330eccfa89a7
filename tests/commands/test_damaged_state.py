"""Damaged files of ``.promptsync/``: all but the registry may be lost, and none ends in a traceback."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptsync.cli import run
from promptsync.files.cache import Blobs, BlobText, Cache

VERBS = [["status"], ["diff"], ["pull"], ["log", "a"], ["lint"], ["push"]]
GARBAGE = {
    "empty": b"",
    "garbage": bytes(range(256)),
    "a list": b"[]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "a little too deep": b"[" * 200 + b"]" * 200,
    "a long number": b"1" * 5000,
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working copy in git whose cache and record are filled, with an edit to push."""
    import subprocess

    (tmp_path / "prompts").mkdir()
    (tmp_path / "promptsync.yaml").write_text('remotes: {local: {url: "local:"}}\n')
    (tmp_path / "prompts/a.yaml").write_text("name: a\ncontent: x\n")
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for arguments in (["init", "-q"], ["add", "prompts"], [*identity, "commit", "-qm", "Start"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    assert run(["-C", str(tmp_path), "push", "-q"], {}) == 0
    (tmp_path / "prompts/a.yaml").write_text("name: a\ncontent: y\n")
    for verb in VERBS[:-1]:
        assert run(["-C", str(tmp_path), *verb], {}) == 0
    return tmp_path


def states(root: Path) -> list[Path]:
    found = (root / ".promptsync").rglob("*.json")
    return sorted(found)


def check(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The results are those without the files."""
    for verb in VERBS:
        capsys.readouterr()
        assert run(["-C", str(root), *verb], {}) == 0, verb
        assert "Traceback" not in capsys.readouterr().err
    assert run(["-C", str(root), "status", "--exit-code"], {}) == 0


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_a_damaged_file_costs_requests_and_changes_no_result(
    root: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    assert len(states(root)) >= 3
    for path in states(root):
        path.write_bytes(data)
    check(root, capsys)


@pytest.mark.parametrize("seed", range(20))
def test_json_of_other_types_ends_in_no_traceback(
    root: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    chance = random.Random(seed)
    others = [None, [], {}, "x", -1, 1.5, True, [[]], {"a": {}}]

    def changed(value: Any) -> Any:
        if chance.random() < 0.15:
            return chance.choice(others)
        if isinstance(value, dict):
            return {key: changed(item) for key, item in value.items()}
        return [changed(item) for item in value] if isinstance(value, list) else value

    for path in states(root):
        path.write_text(json.dumps(changed(json.loads(path.read_bytes()))))
    for verb in VERBS:
        capsys.readouterr()
        # A cached version that is another valid one, such as an empty one, is believed.
        assert run(["-C", str(root), *verb], {}) in (0, 3, 4), verb
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("digest", [{}, [], 0, False, {"a": 1}])
def test_a_cached_digest_of_another_type_is_no_digest(tmp_path: Path, digest: Any) -> None:
    blobs = Blobs({"1a": "a"}, {"1a": BlobText("d", frozenset(["x"]), {"": ("1-abc",)})})
    Cache(tmp_path).keep_blobs(blobs)
    assert Cache(tmp_path).blobs() == blobs
    (path,) = (tmp_path / ".promptsync" / "cache").iterdir()
    cached = json.loads(path.read_bytes())
    cached["texts"]["1a"][0] = digest
    path.write_text(json.dumps(cached))
    assert Cache(tmp_path).blobs() == Blobs()


def statement(text: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with sqlite3.connect(path) as database:
            database.execute(text)
        database.close()

    return change


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


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
    "a directory": directory,
    "without a table": statement("DROP TABLE templates"),
    "without a workspace": statement("DELETE FROM workspace"),
    "a later version": statement("PRAGMA user_version = 999"),
    "another program's": statement("PRAGMA application_id = 5"),
    "a text that is no JSON": statement("UPDATE versions SET template = '{'"),
    **{f"noise {seed}": noise(seed) for seed in range(12)},
}


@pytest.mark.parametrize("damage", DATABASES.values(), ids=DATABASES)
def test_a_damaged_registry_is_one_clear_error(
    root: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], Any]
) -> None:
    place = root / ".promptsync" / "registry.db"
    for beside in place.parent.glob("registry.db-*"):
        beside.unlink()
    damage(place)
    for verb in (["ls-remote"], ["status"], ["log", "a"], ["push"], ["doctor"]):
        capsys.readouterr()
        code = run(["-C", str(root), *verb], {})
        shown = capsys.readouterr()
        # Noise may hit bytes that nothing reads.
        assert code in (0, 1, 3, 4, 5), verb
        assert "Traceback" not in shown.err + shown.out
        if code == 4:
            assert "error: " in shown.err

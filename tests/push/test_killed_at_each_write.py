"""``kill -9`` before and after each single write of push, pull and deploy, one after the other.

The next run does the rest: every file parses, nothing is published twice, and nobody's text is gone.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from evaluation_files import declared, evaluation, matches, put
from killed_process import KILLED
from working_copy import Copy

NAMES = ("one", "two")
SCRIPT = Path(__file__).with_name("killed_process.py")
MOST = 80
"""Writes after which a verb surely has ended by itself."""


def begun(directory: Path, capsys: pytest.CaptureFixture[str]) -> Copy:
    copy = Copy(directory / "work", directory / "registry.db", capsys).begin()
    for name in NAMES:
        copy.write("Hello", name)
    # The registry is named by its place beside the working copy, so that both can be copied.
    config = copy.root / "promptsync.yaml"
    text = config.read_text().replace(f"{copy.registry}", "../registry.db")
    config.write_text(f"{text}labels: {{main: prod}}\n")
    copy.commit()
    copy.ok("deploy")
    return copy


def edited(copy: Copy, *, commit: bool) -> None:
    for name in NAMES:
        copy.write(f"Good day, {name}", name)
    if commit:
        copy.commit()


def uncommitted(copy: Copy) -> None:
    edited(copy, commit=False)


def committed(copy: Copy) -> None:
    edited(copy, commit=True)


def edited_there(copy: Copy) -> None:
    for name in NAMES:
        copy.publish(f"Good day, {name}", name)


class Runner:
    """Runs verbs that are killed at a write."""

    def __init__(self, home: Path) -> None:
        environ = {
            "HOME": str(home),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(SCRIPT.parents[2]),
            "CI": "1",
        }
        self._errors = home / "errors"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPT)],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def killed(self, copy: Copy, at: int, *verb: str, codes: tuple[int, ...] = (0,)) -> bool:
        """Run a verb that is killed at a write, and otherwise ends with one of ``codes``; whether it was."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([at, "-C", str(copy.project), *verb]) + "\n")
        self._process.stdin.flush()
        code = self._process.stdout.readline().strip()
        assert int(code) in (*codes, KILLED), f"{code}: {self._errors.read_text()}"
        return code == str(KILLED)

    def close(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    made = Runner(tmp_path)
    yield made
    made.close()


def text(copy: Copy, name: str) -> str:
    found: str = yaml.safe_load(copy.path(name).read_text())["messages"][0]["content"]
    return found


@pytest.mark.parametrize(
    ("prepare", "verb"),
    [
        pytest.param(uncommitted, ("push", "-y"), id="push of uncommitted text"),
        pytest.param(committed, ("push", "-y"), id="push"),
        pytest.param(edited_there, ("pull",), id="pull"),
        pytest.param(committed, ("deploy",), id="deploy"),
    ],
)
def test_the_next_run_finishes_what_a_kill_at_any_write_left(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    runner: Runner,
    prepare: Callable[[Copy], None],
    verb: tuple[str, ...],
) -> None:
    prepare(begun(tmp_path / "kept", capsys))
    for at in range(1, MOST):
        shutil.copytree(tmp_path / "kept", tmp_path / "try")
        copy = Copy(tmp_path / "try/work", tmp_path / "try/registry.db", capsys)
        was_killed = runner.killed(copy, at, *verb)
        texts = {
            name: yaml.safe_load(copy.path(name).read_text())["messages"][0]["content"] for name in NAMES
        }
        assert set(texts.values()) <= {"Hello", *(f"Good day, {name}" for name in NAMES)}
        assert copy.run(*verb)[0] == 0
        check(copy, verb[0])
        shutil.rmtree(tmp_path / "try")
        if not was_killed:
            break
    assert 4 <= at < MOST - 1


def check(copy: Copy, verb: str) -> None:
    found = copy.ok("status")["prompts"]
    assert [(one["name"], one["state"], one["version"], one["passed_over"]) for one in found] == [
        (name, "in-sync", 2, []) for name in NAMES
    ]
    for name in NAMES:
        assert text(copy, name) == f"Good day, {name}"
        versions = copy.ok("log", name)["versions"]
        assert [one["version"] for one in versions] == [2, 1]
        assert versions[0]["labels"] == (["prod"] if verb == "deploy" else [])
        # whoever goes on from here is ahead, and asked nothing
        copy.write(f"Good night, {name}", name)
    assert {one["state"] for one in copy.ok("status")["prompts"]} == {"ahead"}


FIXTURES = declared("", evaluation("friendly", "one", [{"case": 1}], matches("(?s)^(?!.*rude)")))


def guarded(copy: Copy) -> None:
    """``one`` is checked, and its new text fails; ``two`` has no checks."""
    put(copy.project, FIXTURES)
    config = copy.project / "promptsync.yaml"
    text = config.read_text().replace("'}", "', fixtures: registry.yaml}")
    config.write_text(f"{text}checks: [{{match: one, evaluation: friendly, min_score: 100}}]\n")
    for name in NAMES:
        copy.write(f"A rude hello, {name}", name)
    copy.commit()


def released_twice(copy: Copy) -> None:
    for name in NAMES:
        copy.write(f"A rude hello, {name}", name)
    copy.commit()
    copy.ok("deploy")


def live(copy: Copy) -> dict[str, int]:
    return {
        one["name"]: one["version"] for one in copy.ok("label", "list")["labels"] if one["label"] == "prod"
    }


@pytest.mark.parametrize(
    ("prepare", "verb", "codes"),
    [
        pytest.param(guarded, ("deploy",), (1,), id="deploy that fails its checks"),
        pytest.param(
            released_twice, ("rollback", "--label", "prod", "--to", "HEAD~1", "-y"), (0,), id="rollback"
        ),
        pytest.param(
            released_twice, ("rollback", *NAMES, "--label", "prod", "-y"), (0, 3), id="rollback of names"
        ),
    ],
)
def test_a_kill_at_any_write_leaves_nothing_live_that_must_not_be(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    runner: Runner,
    prepare: Callable[[Copy], None],
    verb: tuple[str, ...],
    codes: tuple[int, ...],
) -> None:
    prepare(begun(tmp_path / "kept", capsys))
    for at in range(1, MOST):
        shutil.copytree(tmp_path / "kept", tmp_path / "try")
        copy = Copy(tmp_path / "try/work", tmp_path / "try/registry.db", capsys)
        was_killed = runner.killed(copy, at, *verb, codes=codes)
        assert copy.run(*verb)[0] in codes
        assert live(copy) == dict.fromkeys(NAMES, 1)
        # What was withdrawn or failed is not released by whoever deploys next.
        assert copy.run("deploy")[0] in (1, 3)
        assert live(copy) == dict.fromkeys(NAMES, 1)
        edited(copy, commit=True)
        copy.ok("deploy")
        assert live(copy) == dict.fromkeys(NAMES, 3)
        shutil.rmtree(tmp_path / "try")
        if not was_killed:
            break
    assert 4 <= at < MOST - 1
